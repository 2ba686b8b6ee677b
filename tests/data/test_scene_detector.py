import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from jaxae.data.sources import scene_detector, scenes
from jaxae.data.sources.scene_detector import attribute_accuracy, detect
from tests.data.files import complaint


def some(num: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Attributes, positions and images f32 of `num` rows over all captions."""
    labels, positions = scenes.drawn(np.arange(432), num)
    attributes = scenes.all_attributes()[labels]
    return attributes, positions, (scenes.render(attributes, positions) / 255.0).astype(np.float32)


def channel(size: int, shape: int, column: int, row: int, num_pixels: int = 32) -> np.ndarray:
    """One object, pasted by hand."""
    image = np.zeros((num_pixels, num_pixels))
    image[row - 5 : row + 6, column - 5 : column + 6] = scenes.patches()[size, shape] / 255.0
    return image


def test_every_caption_is_read_exactly_off_its_images() -> None:
    attributes, positions, images = some(2 * 432)
    found = detect(images)
    assert (found.attributes == attributes).all() and (found.positions == positions).all()
    assert found.found.all() and np.abs(found.residual).max() < 1e-5


@pytest.mark.parametrize("sigma", [1.0, 1.4])
def test_blurred_and_noisy_images_are_read_as_well(sigma: float) -> None:
    attributes, _, images = some(432)
    noise = 0.1 * np.random.RandomState(0).standard_normal(images.shape)
    blurred = np.clip(gaussian_filter(images, (0, sigma, sigma, 0)) + noise, 0, 1).astype(np.float32)
    captions = [scenes.caption(row) for row in attributes]
    accuracies = attribute_accuracy(blurred, captions)
    assert min(values.mean() for values in accuracies.values()) >= 0.99
    assert list(accuracies) == list(scenes.NAMES)


def noisy() -> np.ndarray:
    image = np.stack([channel(1, 1, 9, 14), channel(0, 2, 20, 25), np.zeros((32, 32))], axis=-1)
    return 0.6 * image + 0.3 * np.random.RandomState(1).random_sample(image.shape)


def at_the_border() -> np.ndarray:
    """One object touches the border, one is blurred beyond it, with a bright line at the border opposite."""
    image = np.stack([channel(1, 0, 5, 26), gaussian_filter(channel(1, 0, 6, 16), 1.5), np.zeros((32, 32))])
    image[1, :, 31] = 1.0
    return np.moveaxis(image, 0, -1)


@pytest.mark.parametrize("make", [noisy, at_the_border])
def test_the_object_found_is_the_nearest_of_all_by_their_distances(make: Callable[[], np.ndarray]) -> None:
    """Every size, shape, centre and blur is drawn, blurred by SciPy, and compared pixel by pixel."""
    image, wide = make().astype(np.float32), 48
    x = np.pad(image, ((8, 8), (8, 8), (0, 0)))
    kinds = itertools.product(range(2), range(3), scene_detector.BLURS)
    best = [(np.inf, -1, -1, -1, -1)] * 3
    for size, shape, sigma in kinds:
        drawn = gaussian_filter(channel(size, shape, 24, 24, wide), sigma, truncate=12) if sigma else None
        drawn = channel(size, shape, 24, 24, wide) if drawn is None else drawn
        for column, row in itertools.product(range(5 + size, 27 - size), repeat=2):
            moved = np.roll(drawn, (row + 8 - 24, column + 8 - 24), axis=(0, 1))
            distances = ((x - moved[..., None]) ** 2).sum(axis=(0, 1))
            best = [
                min(old, (new, size, shape, column, row)) for old, new in zip(best, distances, strict=True)
            ]
    gain, _, size, shape, centre = (part[0] for part in scene_detector._find_objects(image[None]))
    found = np.stack([size, shape, *centre.T], axis=-1)
    assert [tuple(row) for row in found] == [row[1:] for row in best]
    energy = (image.astype(np.float64) ** 2).sum(axis=(0, 1))
    np.testing.assert_allclose(gain, energy - [row[0] for row in best], rtol=1e-3, atol=0.02)


def test_the_residual_is_the_share_of_an_image_that_its_scene_leaves() -> None:
    attributes, _, images = some(150)
    noisy = np.clip(images + 0.1 * np.random.RandomState(2).random_sample(images.shape), 0, 1)
    found = detect(noisy.astype(np.float32))
    assert (found.attributes == attributes).all()
    left = ((noisy - images) ** 2).sum(axis=(1, 2, 3)) / (noisy**2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(found.residual, left, atol=2e-3)


def test_a_mirrored_image_has_its_objects_exchanged_or_as_they_were() -> None:
    attributes, _, images = some(200)
    mirrored = detect(images[:, :, ::-1]).attributes
    is_above = attributes[:, 6] == 1
    exchanged = attributes[:, [3, 4, 5, 0, 1, 2, 6]]
    assert (mirrored == np.where(is_above[:, None], attributes, exchanged)).all()


def test_a_transposed_image_has_the_other_relation() -> None:
    """Of squares and circles, which are their own transposes."""
    attributes, _, images = some(432)
    of_both = (attributes[:, [2, 5]] < 2).all(axis=1)
    transposed, expected = detect(images[of_both].swapaxes(1, 2)).attributes, attributes[of_both]
    expected[:, 6] = 1 - expected[:, 6]
    assert (transposed == expected).all()


def junk() -> dict[str, np.ndarray]:
    random, size = np.random.RandomState(3), (40, 32, 32, 3)
    _, _, images = some(40)
    smooth = gaussian_filter(random.standard_normal(size), (0, 2, 2, 0))
    red, green, blue = channel(0, 0, 8, 8), channel(1, 1, 22, 9), channel(0, 2, 15, 22)
    return {
        "black": np.zeros(size),
        "white": np.ones(size),
        "grey": np.full(size, 0.5),
        "noise of two colours": random.random_sample(size) * [1, 0, 1],
        "uniform noise": random.random_sample(size),
        "faint noise": np.clip(0.1 * random.standard_normal(size), 0, 1),
        "clouds": np.clip(0.5 + 3 * smooth, 0, 1),
        "blobs": np.clip(5 * smooth, 0, 1),
        "one object": np.stack([red, 0 * red, 0 * red], axis=-1)[None],
        "three objects": np.stack([red, green, blue], axis=-1)[None],
        "objects on the diagonal": np.stack([red, channel(0, 1, 22, 22), 0 * red], axis=-1)[None],
        "not finite": np.full(size, np.nan),
        "inverted": 1 - images,
    }


@pytest.mark.parametrize("kind", list(junk()))
def test_junk_is_told(kind: str) -> None:
    images = junk()[kind].astype(np.float32)
    found = detect(images)
    assert not found.found.any()
    if kind not in ("one object", "three objects", "objects on the diagonal"):
        assert (found.residual > 0.5).all()
    captions = [scenes.captions()[0]] * len(images)
    assert not any(values.any() for values in attribute_accuracy(images, captions).values())


def test_values_beyond_the_range_are_clipped_and_what_is_not_finite_is_black() -> None:
    attributes, _, images = some(20)
    images[:, 0, 0], images[:, 0, 31], images[:, 31, 0] = np.nan, -3.0, np.inf
    found = detect(np.where(images == 1, np.float32(7), images))
    assert (found.attributes == attributes).all() and np.abs(found.residual).max() < 1e-5


def test_accuracy_is_told_attribute_by_attribute() -> None:
    attributes = np.array([[0, 0, 0, 1, 2, 1, 0]] * 4)
    images = scenes.render(attributes, np.array([[[8, 12], [24, 14]]] * 4)).astype(np.float32) / 255
    captions = [
        "a small red square left of a large blue circle",
        "a large red square left of a large blue triangle",
        "a small green square above a large blue circle",
        "a large blue circle left of a small red square",
    ]
    expected = [
        [1, 0, 1, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 0],
        [1, 0, 1, 0],
        [1, 1, 0, 1],
    ]
    found = attribute_accuracy(images, captions)
    assert [values.tolist() for values in found.values()] == expected
    assert found["relation"].dtype == np.float64


def test_images_are_read_one_by_one_whatever_stands_beside_them() -> None:
    _, _, images = some(150)
    noisy = np.clip(images + 0.2 * np.random.RandomState(4).standard_normal(images.shape), 0, 1)
    whole = detect(noisy)
    parts = [detect(noisy[rows]) for rows in (slice(0, 1), slice(1, 100), slice(100, 150), slice(0, 0))]
    for field in range(4):
        assert (whole[field] == np.concatenate([part[field] for part in parts])).all()


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.zeros((2, 32, 32, 3), np.uint8), "images of uint8 (2, 32, 32, 3), expected floats in [0, 1]"),
        (np.zeros((2, 32, 32, 1)), "images of float64 (2, 32, 32, 1)"),
        (np.zeros((32, 32, 3)), "images of float64 (32, 32, 3)"),
    ],
)
def test_what_is_no_image_of_a_scene_is_refused(images: np.ndarray, expected: str) -> None:
    assert expected in complaint(detect, images)
    assert "1 images for 2 captions" in complaint(
        attribute_accuracy, np.zeros((1, 32, 32, 3)), [scenes.captions()[0]] * 2
    )
