"""Figures show the numbers that they were given: read back from the files, pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from scipy import ndimage, stats

from jaxae.errors import JaxaeError
from jaxae.plots import pictures
from jaxae.plots.canvas import mosaic

FILE = Path("figures/figure.png")  # in the folder of each test; `figures` is made by the writer
RANDOM = np.random.RandomState(0)


def read() -> np.ndarray:
    """The figure that was written, f64[h, w, 3] in [0, 1]."""
    with Image.open(FILE) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"), np.float64) / 255


def filled(colour: str, size: int = 5) -> np.ndarray:
    """Whether each pixel has this colour, and so has the square around it: edges of letters do not count."""
    same = (np.abs(read() - to_rgb(colour)) < 0.01).all(axis=-1)
    found = ndimage.binary_erosion(same, np.ones((size, size)))
    assert found.any(), f"nothing is {colour}"
    return found


def of_colour(colour: str, size: int = 5) -> np.ndarray:
    """The rows and columns of what is `filled`, i64[n, 2]."""
    return np.argwhere(filled(colour, size))


def runs(values: np.ndarray, least: int = 10) -> list[float]:
    """The values that stand `least` times or more in a row, in their order."""
    parts = np.split(values, np.flatnonzero(np.abs(np.diff(values)) > 0.01) + 1)
    return [round(float(part[0]), 2) for part in parts if len(part) >= least]


def tiles(*greys: float, height: int = 4) -> np.ndarray:
    return np.ones((len(greys), height, 4, 1)) * np.reshape(greys, (-1, 1, 1, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mosaic_is_its_images_between_white_lines(channels: int) -> None:
    images = 0.9 * RANDOM.rand(5, 3, 2, channels)
    canvas = mosaic(images, columns=3)
    assert canvas.shape == (7, 8, channels)
    np.testing.assert_array_equal(canvas[4:7, 3:5], images[4])
    assert (canvas[3] == 1).all() and (canvas[:, 2] == 1).all() and (canvas[4:, 6:] == 1).all()
    assert mosaic(images + 5, 3).max() == 1 and mosaic(images - 5, 3).min() == 0


def test_a_mosaic_is_drawn_between_the_values_that_are_black_and_white() -> None:
    images = 255 * RANDOM.rand(4, 3, 2, 1)
    np.testing.assert_allclose(mosaic(images, 2, (0.0, 255.0)), mosaic(images / 255, 2))
    np.testing.assert_allclose(mosaic(images / 127.5 - 1, 2, (-1.0, 1.0)), mosaic(images / 255, 2))
    pictures.beside(FILE, list(images[:2, None] * 0 + 51), ["a", "b"], "rows of one grey", (0.0, 255.0))
    assert filled("0.2").any()


def test_a_grid_shows_images_in_reading_order() -> None:
    pictures.image_grid(FILE, tiles(0.2, 0.4, 0.6, 0.8), 2, "four tiles of growing grey over two columns")
    places = [of_colour(grey).mean(axis=0) for grey in ("0.2", "0.4", "0.6", "0.8")]
    (top, left), (_, right), (bottom, _), last = places
    np.testing.assert_allclose(places, [(top, left), (top, right), (bottom, left), (bottom, right)], atol=1)
    assert top < bottom and left < right and last[0] > top


def test_rows_stand_below_each_other_with_their_names_beside_them() -> None:
    rows = [tiles(0.0, 0.4), tiles(0.2, 0.6), tiles(0.3, 0.9)]
    pictures.beside(FILE, rows, ["samples", "nearest training image", "second"], "samples")
    grey = read()[..., 0]
    tile = of_colour("0.2", 15)
    middle, right = int(tile[:, 1].mean()), int(of_colour("0.6", 15)[:, 1].mean())
    assert [value for value in runs(grey[:, middle]) if value < 1] == [0, 0.2, 0.3]
    assert right > middle and [value for value in runs(grey[:, right]) if value < 1] == [0.4, 0.6, 0.9]
    name = grey[tile[:, 0].min() : tile[:, 0].max(), : tile[:, 1].min() - 10]
    assert (name < 0.5).any() and (name[:, :2] == 1).all(), "the longest name is there, and not cut off"


@pytest.mark.parametrize(
    "rows, names", [([tiles(0, 1), tiles(0)], ["a", "b"]), ([tiles(0, 1)], ["a", "b"]), ([], [])]
)
def test_rows_that_do_not_fit_are_refused(rows: list[np.ndarray], names: list[str]) -> None:
    with pytest.raises(JaxaeError, match=f"beside: got {len(names)} names for rows"):
        pictures.beside(FILE, rows, names, "title")


def test_wide_images_keep_their_shape_and_fill_their_figure() -> None:
    pictures.image_grid(FILE, tiles(*[0.5] * 8, height=2), 2, "")
    found = of_colour("0.5")
    height, width = found.max(axis=0) - found.min(axis=0) + 5
    assert width / height == pytest.approx(9 / 11, rel=0.05)
    assert height > 0.7 * len(read())


def test_a_spectrum_that_falls_by_equal_factors_is_a_straight_line() -> None:
    pictures.spectrum(FILE, {"slow": 2.0 ** -np.arange(9), "fast": np.r_[4.0 ** -np.arange(8), 0.0]})
    slow, fast = of_colour("C0", 1), of_colour("C1", 1)
    rows = slow[slow[:, 1] < 0.5 * read().shape[1]]  # left of the names
    assert np.corrcoef(rows.T)[0, 1] > 0.99
    assert fast[:, 0].max() > slow[:, 0].max() + 20, "what falls faster ends lower"


def test_a_spectrum_of_many_examples_is_their_median_and_of_zeros_an_empty_frame() -> None:
    rows = np.stack([np.full(4, 0.01), np.full(4, 1.0), np.full(4, 100.0)])
    pictures.spectrum(FILE, {"rows": rows, "above": np.full(4, 3.0), "below": np.full(4, 0.3)})
    many, above, below = (np.median(of_colour(f"C{number}", 1)[:, 0]) for number in range(3))
    assert above + 20 < many < below - 20
    pictures.spectrum(FILE, {"rows": np.zeros(4)})
    assert (read() < 0.5).any()


def test_bars_fall_from_left_to_right_and_are_as_high_as_their_values() -> None:
    pictures.bars(FILE, np.array([1.0, 4.0, 0.0, 2.0]), "rate", "nats", threshold=3.0)
    heights = runs(filled("C0", 1).sum(axis=0).astype(float))
    assert heights[0] == 0  # left of the first
    bars = [height for height in heights if height > 0]
    # The line at the threshold crosses the highest bar.
    np.testing.assert_allclose(np.array(bars) / bars[-1], [4, 2, 1], rtol=0.05)
    line, bottom = of_colour("C3", 1)[:, 0], of_colour("C0", 1)[:, 0].max()
    assert ((np.abs(bottom - line - 3 * bars[-1])) < 5).any()


def test_each_plane_shows_its_codes_in_their_labels_colours() -> None:
    labels = np.repeat([0, 1], 40)
    points = np.stack([np.where(labels, 1.0, -1.0), RANDOM.randn(80)], axis=1)
    pictures.projections(FILE, {"as they are": points, "mirrored": -points}, labels)
    width = read().shape[1]
    places = [of_colour(name, 3)[:, 1] / width for name in ("C0", "C1")]
    zero, one = (
        [place[place < 0.45].mean(), place[(place > 0.45) & (place < 0.9)].mean()] for place in places
    )
    assert zero[0] < one[0] - 0.1 and zero[1] > one[1] + 0.1


def test_codes_without_labels_or_of_many_labels_have_planes_too() -> None:
    points = RANDOM.randn(50, 2)
    pictures.projections(FILE, {"PCA": points}, None)
    assert 45 < ndimage.label(filled("C0", 3))[1] <= 50, "a dot for each"
    pictures.projections(FILE, {"PCA": points}, np.arange(50) % 12)
    colourful = np.ptp(read(), axis=-1) > 0.3
    assert len(np.unique((read()[colourful] * 255).astype(int), axis=0)) > 12


def plane(num: int, reach: float) -> np.ndarray:
    line = np.linspace(-reach, reach, num)
    return np.stack(np.meshgrid(line, line), axis=-1)


def test_contours_of_a_gaussian_hold_what_they_say() -> None:
    """Beyond |z| = r is the mass exp(-r^2 / 2), which is also the height there over that of the peak."""
    density = 7.0 * stats.multivariate_normal(np.zeros(2)).pdf(plane(401, 6))
    np.testing.assert_allclose(pictures.contour_levels(density) / density.max(), [0.01, 0.1, 0.5], rtol=0.02)
    assert pictures.contour_levels(np.eye(1, 9).reshape(3, 3)).tolist() == [1.0]


def test_posteriors_stand_where_they_are_and_are_as_wide() -> None:
    grid = plane(101, 5)
    exact = np.exp(-0.5 * ((grid - [-2, 0]) ** 2).sum(axis=-1) / 0.5)[None]
    wide = np.exp(-0.5 * ((grid - [2, 0]) ** 2).sum(axis=-1) / 0.125)[None]
    pictures.posteriors(FILE, grid, exact, wide, ["a five"])
    image = read()
    lines = (np.abs(image - to_rgb("C1")) < 0.2).all(axis=-1)[: int(0.8 * len(image))]  # above the legend
    left, right = of_colour(pictures.GREYS[0]), np.argwhere(lines)  # what is darker is within
    assert left[:, 1].max() < right[:, 1].min()
    assert (np.ptp(left[:, 1]) + 4) / np.ptp(right[:, 1]) == pytest.approx(2, rel=0.1)
    assert left[:, 0].mean() == pytest.approx(right[:, 0].mean(), abs=3)


def test_every_example_has_a_panel_on_a_grid_of_its_own_even_where_a_density_is_one_point() -> None:
    centres = np.array([[100.0, 0.0], [0.0, -100.0], *np.zeros((6, 2))])
    grids = plane(31, 3)[None] + centres[:, None, None]
    grids[1] = centres[1] + 1.5 * plane(31, 3) * [1, 0.5]
    exact = np.exp(-0.5 * ((grids - centres[:, None, None]) ** 2).sum(axis=-1))
    point = np.zeros_like(exact)
    point[:, 15, 15] = 1
    pictures.posteriors(FILE, grids, exact, point)
    darkest = filled(pictures.GREYS[-1])
    sizes = [
        (down.stop - down.start, along.stop - along.start)
        for down, along in ndimage.find_objects(ndimage.label(darkest)[0])
    ]
    assert len(sizes) == 8
    np.testing.assert_allclose([height / width for height, width in sizes], 1, atol=0.06)  # discs
    assert len(runs(darkest.any(axis=0).astype(float), 8)) == 2 * 6 + 1, "six columns"
    assert len(runs(darkest.any(axis=1).astype(float), 8)) == 2 * 2 + 1, "two rows"
    dot = (np.abs(read() - to_rgb("C1")) < 0.3).all(axis=-1)
    assert dot[: len(dot) // 2].any(), "a dot, not nothing"


def test_a_mark_frames_its_image() -> None:
    pictures.image_grid(FILE, tiles(0.2, 0.4, 0.6, 0.8), 2, "four tiles", marks={3: "d"})
    marked, last = of_colour("tab:red", 3), of_colour("0.8", 15)
    (low_y, low_x), (high_y, high_x) = marked.min(axis=0), marked.max(axis=0)
    assert low_y < last[:, 0].min() and last[:, 0].max() < high_y
    assert low_x < last[:, 1].min() and last[:, 1].max() < high_x
    assert of_colour("0.4", 15)[:, 0].max() < low_y  # no other image is framed
