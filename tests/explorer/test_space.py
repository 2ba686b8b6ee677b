"""What the explorer shows of codes, against the result's own methods and formulas by hand."""

import numpy as np
import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.explorer.choice import space_for
from jaxae.explorer.space import Space, space_of

EXPERIMENT = jaxae.Experiment(
    data=jaxae.DataSpec(num_validation=100, num_test=100),
    model=jaxae.VAE(encoder=jaxae.MLP(widths=(16,)), decoder=jaxae.MLP(widths=(16,)), latent_dim=4),
    epochs=2,
)


@pytest.fixture(scope="module")
def space() -> Space:
    found = space_for(jaxae.fit(EXPERIMENT, progress=False))
    assert isinstance(found, Space)
    return found


def test_an_image_is_the_mean_that_the_result_decodes(space: Space) -> None:
    decoded = space.decode(space.codes[3])
    np.testing.assert_allclose(decoded.image, space.result.decode(space.codes[3:4])[0], atol=1e-5)
    # The standard deviation of a Bernoulli variable of this mean.
    assert decoded.std is not None
    np.testing.assert_allclose(decoded.std, np.sqrt(decoded.image * (1 - decoded.image)), atol=1e-5)


def test_a_decoder_with_a_variance_shows_its_standard_deviation() -> None:
    model = jaxae.VAE(latent_dim=2, likelihood=jaxae.PixelGaussian(min_std=0.5))
    experiment = jaxae.Experiment(model=model, data=jaxae.DataSpec(num_test=100), epochs=1)
    found = space_of(jaxae.fit(experiment, progress=False))
    std = found.decode(found.codes[0]).std
    assert std is not None and std.shape == found.shape and std.min() >= 0.5
    plain = jaxae.AE(latent_dim=2, reconstruction=jaxae.SquaredError())
    ae = space_of(
        jaxae.fit(jaxae.Experiment(model=plain, data=jaxae.DataSpec(num_test=100), epochs=1), progress=False)
    )
    assert ae.decode(ae.codes[0]).std is None and ae.drawn(0) is None


def test_dimensions_are_in_the_order_of_their_rate(space: Space) -> None:
    assert space.rates is not None
    assert sorted(space.order) == [0, 1, 2, 3]
    assert list(space.rates[space.order]) == sorted(space.rates, reverse=True)
    # KL of N(mean, exp(log_var)) from N(0, 1), by hand.
    total = space.result.scores["test"]["rate"]
    assert float(space.rates.sum()) == pytest.approx(total, rel=0.05)


def test_a_plane_goes_through_its_rows_and_keeps_the_distance_from_it(space: Space) -> None:
    plane = space.plane((0, 1, 2))
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-6)
    for row in (0, 1, 2):
        across, up = plane.place(space.codes[row])
        np.testing.assert_allclose(plane.code(across, up, space.codes[0]), space.codes[row], atol=1e-5)
    away = space.codes[7]
    moved = plane.code(0.25, 0.75, away)
    np.testing.assert_allclose(plane.place(moved), [0.25, 0.75], atol=1e-6)
    # Only inside the plane: what is orthogonal to it stays.
    rest = (moved - away) - ((moved - away) @ plane.axes.T) @ plane.axes
    np.testing.assert_allclose(rest, 0, atol=1e-6)


def test_rows_that_make_no_plane_are_refused(space: Space) -> None:
    with pytest.raises(JaxaeError, match="row: got 100, expected a number from 0 to 99"):
        space.plane((0, 1, 100))
    with pytest.raises(JaxaeError, match="first two rows are equal"):
        space.plane((0, 0, 1))
    with pytest.raises(JaxaeError, match="lie on a line"):
        space.plane((0, 1, 1))


def test_sliders_reach_the_codes_and_a_margin(space: Space) -> None:
    for dimension in range(4):
        low, high = space.reach(dimension)
        inside = (space.codes[:, dimension] >= low) & (space.codes[:, dimension] <= high)
        assert inside.mean() >= 0.98 and high - low > np.ptp(
            np.quantile(space.codes[:, dimension], [0.01, 0.99])
        )


def test_paths_end_at_their_rows_and_an_arc_keeps_the_length(space: Space) -> None:
    for way in ("line", "arc"):
        np.testing.assert_allclose(space.between(0, 1, 0.0, way), space.codes[0], atol=1e-5)
        np.testing.assert_allclose(space.between(0, 1, 1.0, way), space.codes[1], atol=1e-5)
    unit = space.codes / np.linalg.norm(space.codes, axis=1, keepdims=True)
    on_sphere = Space(space.result, space.rows, unit, space.order, None)
    assert np.linalg.norm(on_sphere.between(0, 1, 0.5, "arc")) == pytest.approx(1.0, abs=1e-5)
    assert np.linalg.norm(on_sphere.between(0, 1, 0.5, "line")) < 1.0


def test_attributes_are_differences_of_mean_codes(space: Space) -> None:
    has = space.labels == 3
    by_hand = space.codes[has].mean(axis=0) - space.codes[~has].mean(axis=0)
    np.testing.assert_allclose(space.attributes[3], by_hand, atol=1e-6)


def test_a_conditional_decoder_gets_the_label() -> None:
    model = jaxae.VAE(
        encoder=jaxae.MLP(widths=(8,)), decoder=jaxae.MLP(widths=(8,)), latent_dim=2, num_classes=10
    )
    experiment = jaxae.Experiment(model=model, data=jaxae.DataSpec(num_test=100), epochs=1)
    found = space_of(jaxae.fit(experiment, progress=False))
    images = [found.decode(found.codes[0], label).image for label in (0, 7)]
    assert found.num_labels == 10 and found.attributes == {}
    np.testing.assert_allclose(images[1], found.result.decode(found.codes[:1], [7])[0], atol=1e-5)
    assert not np.allclose(images[0], images[1])


def test_rows_that_are_no_images_are_refused() -> None:
    x = np.random.default_rng(0).random((200, 6), np.float32)
    model = jaxae.AE(latent_dim=2, encoder=jaxae.MLP(widths=(4,)), decoder=jaxae.MLP(widths=(4,)))
    result = jaxae.fit(jaxae.Experiment(model=model, epochs=1), x=x, progress=False)
    with pytest.raises(JaxaeError, match=r"explore: the rows have shape \(6,\), expected images"):
        space_of(result)
