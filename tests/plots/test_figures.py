"""Figures of a run say what they show: names, errors, limits and marks, read back from matplotlib."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

import jaxae
from jaxae.plots import canvas, figures, pages

FILE = Path("figure.png")
RANDOM = np.random.RandomState(0)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were written, which matplotlib draws as well."""
    kept: list[Figure] = []

    def keep(figure: Figure, path: Path) -> Figure:
        kept.append(figure)
        return canvas.save(figure, path)

    monkeypatch.setattr(figures, "save", keep)
    return kept


def history(train: list[float], validation: list[float | None]) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "train": {"loss": own, "gradient_norm": 1.0}, "validation": held and {"loss": held}}
        for epoch, (own, held) in enumerate(zip(train, validation, strict=True), start=1)
    ]


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_first_epoch_does_not_flatten_the_others(drawn: list[Figure]) -> None:
    losses = [900.0, *np.linspace(30, 10, 19)]
    figures.curves(FILE, history(losses, losses), {"loss": "nats, summed"}, "my run", best_epoch=20)
    (axes,) = drawn[0].axes
    assert axes.get_ylim() == pytest.approx((9, 31), abs=1.5) and texts(axes) == ["↑ 900"]
    assert axes.get_ylabel() == "nats" and drawn[0].get_suptitle() == "my run"
    best = [line for line in axes.lines if line.get_label() == "best: 20"]
    assert [line.get_xdata()[0] for line in best] == [20]  # type: ignore[index]


def test_a_low_first_epoch_is_marked_below(drawn: list[Figure]) -> None:
    figures.curves(FILE, history([-900.0, 1.0, 2.0, 3.0], [None, None, None, None]), {})
    (axes,) = drawn[0].axes
    assert texts(axes) == ["↓ -900"] and axes.get_ylim()[0] > 0.5


def test_a_curve_that_falls_slowly_is_shown_whole(drawn: list[Figure]) -> None:
    losses = list(np.linspace(30, 10, 20))
    figures.curves(FILE, history(losses, losses), {})
    low, high = drawn[0].axes[0].get_ylim()
    assert low < 10 and high > 30 and not texts(drawn[0].axes[0])


@pytest.mark.parametrize("epochs", [1, 2, 3, 7])
def test_epochs_are_whole_numbers_on_the_axis(epochs: int, drawn: list[Figure]) -> None:
    figures.curves(FILE, history([1.0] * epochs, [1.0] * epochs), {})
    axes = drawn[0].axes[0]
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks and set(ticks) <= set(range(1, epochs + 1))
    assert (axes.lines[0].get_marker() == "o") == (epochs == 1)  # a line through one point is not visible


def test_numbers_that_are_not_finite_leave_a_curve_readable(drawn: list[Figure]) -> None:
    figures.curves(FILE, history([np.inf, 3.0, 2.0, np.nan], [None, np.nan, 2.0, 1.0]), {})
    axes = drawn[0].axes[0]
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 2]  # type: ignore[arg-type]
    assert np.isfinite(axes.get_ylim()).all()


@pytest.mark.parametrize(
    ("values", "first", "expected"),
    [
        ([100.0, 1.0, 2.0, 3.0], 1, (0.9, 3.1)),
        ([5.0, 1.0, 2.0, 3.0], 1, None),  # the first epoch needs twice of what the others do
        ([5.1, 1.0, 2.0, 3.0], 1, (0.9, 3.1)),
        ([100.0], 1, None),
        ([100.0, np.nan], 1, None),
        ([100.0, 2.0, 2.0], 1, (1.9, 2.1)),
        ([100.0, 0.0, 0.0], 1, None),
        ([np.nan, np.nan, np.nan], 1, None),
    ],
)
def test_robust_limits(values: list[float], first: int, expected: tuple[float, float] | None) -> None:
    found = canvas.robust_limits(np.array(values), first)
    assert found == expected if expected is None else found == pytest.approx(expected)


def test_reconstructions_are_sorted_by_their_errors(drawn: list[Figure]) -> None:
    inputs = RANDOM.rand(5, 4, 4, 1)
    errors = [0.4, 0.1, 0.3, 0.5, 0.2]
    # One pixel of each differs, so the squared error is known.
    outputs = inputs.copy()
    outputs[:, 0, 0, 0] += np.sqrt(errors)
    figures.reconstructions(FILE, inputs, outputs, columns=3)
    (axes,) = drawn[0].axes
    assert texts(axes) == ["0.1", "0.2", "0.3", "0.4", "0.5"]
    # Places of the errors: three columns of 4 pixels and a white line, two rows of pairs.
    strip, width, height = 2, 5, 2 + 4 + 1 + 4 + 1
    places = [text.get_position() for text in axes.texts]
    expected = [
        (left * width + 1.5, top * height + strip - 1)
        for left, top in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    ]
    np.testing.assert_allclose(places, expected)
    shown = np.asarray(axes.images[0].get_array())
    # The best pair is the second row: the input, a white line, the reconstruction; a missing pair is white.
    np.testing.assert_allclose(shown[2:6, :4], inputs[1, ..., 0], atol=1e-6)
    assert (shown[6, :4] == 1).all() and (shown[height:, 2 * width :] == 1).all()
    np.testing.assert_allclose(shown[7:11, 1:4], outputs[1, :, 1:, 0], atol=1e-6)


def test_samples_of_a_condition_are_named(drawn: list[Figure], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(figures, "beside", lambda *arguments: given.append(arguments))
    images = np.arange(6.0).reshape(6, 1, 1, 1)
    figures.samples(FILE, images, columns=3, names=["cat", "dog"])
    (_, rows, names, title, _) = given[0]
    np.testing.assert_array_equal(rows[1], images[3:])
    assert names == ["cat", "dog"] and title == "means of p(x|z) at z from the prior"


def test_tables_are_heat_maps_of_one_scale(drawn: list[Figure]) -> None:
    inputs, outputs = RANDOM.rand(6, 3), 3 * RANDOM.rand(6, 3)
    panels = {"inputs": inputs, "reconstructions": outputs, "difference": outputs - inputs}
    figures.table_rows(FILE, panels, "rows", ["difference"])
    images = [axes.images[0] for axes in drawn[0].axes if axes.images]
    for image, rows in zip(images, panels.values(), strict=True):
        np.testing.assert_array_equal(image.get_array(), rows)
    limits = [image.get_clim() for image in images]
    assert limits[0] == limits[1] == (min(inputs.min(), outputs.min()), outputs.max())
    assert limits[2][0] == -limits[2][1] == -np.abs(outputs - inputs).max()


def test_sequences_are_lines_of_one_scale(drawn: list[Figure]) -> None:
    inputs, outputs = RANDOM.rand(5, 9, 2), RANDOM.rand(5, 9, 2)
    figures.sequences(FILE, inputs, outputs, [f"error {number}" for number in range(5)], "rows")
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == [f"error {number}" for number in range(5)]
    assert len({axes.get_ylim() for axes in panels}) == 1
    for axes, x, y in zip(panels, inputs, outputs, strict=True):
        lines = [np.asarray(line.get_ydata()) for line in axes.lines]
        for channel in range(2):
            np.testing.assert_array_equal(lines[2 * channel], x[:, channel])
            np.testing.assert_array_equal(lines[2 * channel + 1], y[:, channel])


def test_a_run_on_sequences_draws_lines_and_tables_do_not(
    drawn: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(figures, "sequences", lambda path, inputs, *_: calls.append(f"lines {inputs.shape}"))
    monkeypatch.setattr(figures, "table_rows", lambda *_: calls.append("heat map"))
    nets: dict[str, Any] = {name: jaxae.MLP(widths=(4,)) for name in ("encoder", "decoder")}
    model = jaxae.VAE(**nets, latent_dim=2, likelihood=jaxae.Gaussian())
    for shape, expected in (((12, 2), ["lines (8, 12, 2)"] * 2), ((12,), ["heat map"] * 2)):
        calls.clear()
        x = RANDOM.rand(60, *shape).astype(np.float32)
        data = jaxae.DataSpec(num_validation=10, num_test=10)
        result = jaxae.fit(
            jaxae.Experiment(model=model, data=data, epochs=1, batch_size=10), x=x, progress=False
        )
        pages.draw(result, Path("figures"))
        assert calls == expected


def test_codes_carry_the_names_of_labels(drawn: list[Figure]) -> None:
    points = RANDOM.randn(30, 2)
    plane = figures.Plane(points, ("first", "second"))
    names = ["cat", "$x$ and $y$", "a name of more than twenty-four letters"]
    figures.codes(FILE, [plane, plane], np.arange(30) % 4, names)
    first, second, bar = drawn[0].axes
    assert [text.get_text() for text in bar.get_yticklabels()] == [
        "cat",
        r"\$x\$ and \$y\$",
        "a name of more than twe…",
        "3",
    ]
    assert first.get_xlabel() == "first" and second.get_ylabel() == "second"


def test_axes_of_codes_give_variances() -> None:
    codes = RANDOM.normal(size=(200, 5)) * [0.1, 3.0, 0.5, 1.0, 2.0]
    components, largest = pages.planes(codes.astype(np.float32))
    shares = PCA(2).fit(codes).explained_variance_ratio_
    assert components.names == (
        f"first principal component, {shares[0]:.0%} of the variance",
        f"second principal component, {shares[1]:.0%} of the variance",
    )
    assert [name.split(",")[0] for name in largest.names] == ["z2", "z5"]
    np.testing.assert_allclose(largest.points, codes[:, [1, 4]], rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "remark", "expected"),
    [
        ((6, 5, 1), "", (6, 5, 1)),
        ((6, 5, 3), "", (6, 5, 3)),
        ((3, 6, 5), "; channels first", (6, 5, 3)),
        ((1, 6, 5), "; channels first", (6, 5, 1)),
        ((6, 5, 2), "; mean of 2 channels", (6, 5, 1)),
    ],
)
def test_rows_of_other_layouts_become_images(
    shape: tuple[int, ...], remark: str, expected: tuple[int, ...]
) -> None:
    rows = RANDOM.rand(2, *shape)
    found = pages.as_images(rows, rows)
    assert found is not None
    (first, _), said = found
    assert first.shape[1:] == expected and said == remark
    if shape[0] in (1, 3):
        np.testing.assert_array_equal(first[0, 2, 3], rows[0, :, 2, 3])
    elif shape[-1] == 2:
        np.testing.assert_allclose(first[0, 2, 3, 0], rows[0, 2, 3].mean())


def test_rows_of_a_table_are_no_images() -> None:
    assert pages.as_images(RANDOM.rand(2, 8)) is None
