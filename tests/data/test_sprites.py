import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize

from jaxae.data import DataSpec, available, load
from jaxae.data.sources import sprites
from jaxae.data.sources.sprites import CENTROID, FIRST, LEVELS, NUM_IMAGES, RADIUS, SHAPES, WAIST
from tests.cli.calling import call
from tests.data.files import complaint

# Every shape, scale and orientation, [720, 3].
KINDS = np.stack(np.unravel_index(np.arange(720), LEVELS[:3]), axis=-1)
RADII = RADIUS * np.linspace(0.5, 1.0, 6)
ANGLES = 2 * np.pi * np.arange(40) / 40
SYMMETRY = {"square": 10, "ellipse": 20, "heart": 40}  # after how many orientations a shape repeats


def rendered(kinds: np.ndarray, x: Any = 16, y: Any = 16) -> np.ndarray:
    """Images f64[N, 64, 64] of given shapes, scales and orientations [N, 3], 1 inside."""
    ends = [np.broadcast_to(end, len(kinds))[:, None] for end in (x, y)]
    return sprites.render(np.concatenate([kinds, *ends], axis=1))[..., 0] / 255.0


def centroids(images: np.ndarray) -> np.ndarray:
    """[N, 2]: the mean column and the mean row."""
    pixels = np.arange(64)
    masses = images.sum(axis=(1, 2))
    return np.stack([images.sum(axis=1) @ pixels, images.sum(axis=2) @ pixels], axis=1) / masses[:, None]


def second_moments(images: np.ndarray) -> np.ndarray:
    """Central second moments [N, 2, 2] over (right, up), less those of a pixel's own square."""
    pixels, found = np.arange(64), []
    for image, (column, row) in zip(images, centroids(images), strict=True):
        right, up, mass = pixels - column, row - pixels, image.sum()
        mixed = up @ image @ right
        squares = [image.sum(axis=0) @ right**2, image.sum(axis=1) @ up**2]
        found.append(np.array([[squares[0], mixed], [mixed, squares[1]]]) / mass)
    return np.array(found) - np.eye(2) / 12


def over_heart(moment: Any) -> float:
    """The integral over the heart v^2 - |u|^(2/3) v + u^2 < 1 of a moment, of which `moment(u, v)` is the
    integral over v, by quadrature over u of the closed form of its upper and lower edge."""

    def slice_of(u: float) -> float:
        root = math.sqrt(max(u ** (4 / 3) + 4 - 4 * u**2, 0.0))
        low, high = (u ** (2 / 3) - root) / 2, (u ** (2 / 3) + root) / 2
        return moment(u, high) - moment(u, low)

    widest = optimize.brentq(lambda u: u ** (4 / 3) + 4 - 4 * u**2, 1.0, 1.3, xtol=1e-15)
    return 2 * integrate.quad(slice_of, 0, widest, epsabs=1e-12, epsrel=1e-12, limit=200)[0]


HEART = over_heart(lambda u, v: v)  # its area, in the units of its equation


def test_rows_and_factors_are_one_to_one() -> None:
    rows = np.arange(NUM_IMAGES)
    factors = sprites.factors_of(rows)
    assert factors.shape == (737_280, 5) and (factors >= 0).all() and (factors < LEVELS).all()
    assert (factors @ [6 * 40 * 1024, 40 * 1024, 1024, 32, 1] == rows).all()


@pytest.mark.parametrize("shape", range(3), ids=SHAPES)
def test_areas_are_those_of_the_formulas_and_grow_with_the_scale_squared(shape: int) -> None:
    kinds = KINDS[KINDS[:, 0] == shape]
    of_unit = [2.0, math.pi * WAIST, HEART / (1 + CENTROID) ** 2][shape]
    areas = rendered(kinds).sum(axis=(1, 2)).reshape(6, 40)
    np.testing.assert_allclose(areas, np.broadcast_to(of_unit * RADII[:, None] ** 2, (6, 40)), rtol=0.003)


def test_the_heart_is_centred_on_its_centroid_and_reaches_the_circle_with_its_tip() -> None:
    assert over_heart(lambda u, v: v**2 / 2) / HEART == pytest.approx(CENTROID, abs=1e-12)
    angles = np.linspace(0, 2 * np.pi, 721)
    # In polar coordinates around the centroid: where the implicit function changes its sign.
    reach = np.array(
        [
            optimize.brentq(
                lambda r, a=angle: sprites._heart(r * np.cos(a), r * np.sin(a)), 0.3, 1.5, xtol=1e-12
            )
            for angle in angles
        ]
    )
    assert reach.max() == pytest.approx(1.0, abs=1e-9) and angles[reach.argmax()] == pytest.approx(
        1.5 * np.pi
    )


def test_a_square_along_the_axes_is_its_coverage_pixel_by_pixel() -> None:
    for scale, radius in enumerate(RADII):
        side = radius / math.sqrt(2)
        pixels = np.arange(64) - (FIRST + 16)
        covered = np.clip(np.minimum(pixels + 0.5, side) - np.maximum(pixels - 0.5, -side), 0, 1)
        (image,) = rendered(np.array([[0, scale, 0]]))
        np.testing.assert_allclose(image, covered[:, None] * covered[None, :], atol=1 / 65)


def test_centroids_move_with_the_positions_pixel_by_pixel() -> None:
    random = np.random.RandomState(0)
    x, y = random.randint(32, size=(2, 1000))
    kinds = KINDS[random.randint(720, size=1000)]
    found = centroids(rendered(kinds, x, y))
    np.testing.assert_allclose(found, np.stack([FIRST + x, FIRST + y], axis=1), atol=0.02)
    np.testing.assert_allclose(found - centroids(rendered(kinds)), np.stack([x, y], axis=1) - 16, atol=1e-9)


@pytest.mark.parametrize("shape", range(3), ids=SHAPES)
def test_orientation_turns_the_second_moments_counter_clockwise(shape: int) -> None:
    kinds = KINDS[(KINDS[:, 0] == shape) & (KINDS[:, 1] == 5)]
    heart = [over_heart(lambda u, v: u**2 * v), over_heart(lambda u, v: (v - CENTROID) ** 3 / 3)]
    axes = [
        np.full(2, 1 / 6),
        np.array([1, WAIST**2]) / 4,
        np.array(heart) / HEART / (1 + CENTROID) ** 2,
    ][shape]
    cosine, sine = np.cos(ANGLES), np.sin(ANGLES)
    turns = np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=1)
    expected = RADIUS**2 * turns @ np.diag(axes) @ turns.swapaxes(1, 2)
    np.testing.assert_allclose(second_moments(rendered(kinds)), expected, atol=0.25)


def test_the_heart_stands_upright_and_its_tip_turns_counter_clockwise() -> None:
    """10 pixels from the centroid towards the tip it is inside, as far towards the dent it is outside."""
    images = rendered(KINDS[(KINDS[:, 0] == 2) & (KINDS[:, 1] == 5)])
    right, up = np.rint(10 * np.sin(ANGLES)).astype(int), np.rint(-10 * np.cos(ANGLES)).astype(int)
    middle, numbers = FIRST + 16, np.arange(40)
    assert (images[numbers, middle - up, middle + right] == 1).all()
    assert (images[numbers, middle + up, middle - right] == 0).all()


def test_only_symmetric_shapes_repeat_and_only_after_their_turn() -> None:
    patches = sprites.patches()
    for shape, name in enumerate(SHAPES):
        turn = SYMMETRY[name]
        assert (patches[shape] == np.roll(patches[shape], turn, axis=1)).all()
    assert len(np.unique(patches.reshape(720, -1), axis=0)) == 6 * (10 + 20 + 40)


def test_images_differ_wherever_factors_do_but_for_symmetry() -> None:
    factors = sprites.factors_of(sprites.drawn_rows(4000))
    images = {image.tobytes() for image in sprites.render(factors)}
    assert len(images) == len({tuple(alike) for alike in reduced(factors)}) > 3900


def reduced(factors: np.ndarray) -> np.ndarray:
    """Orientations that look alike as the first of them."""
    turns = np.array([SYMMETRY[name] for name in SHAPES])[factors[:, 0]]
    return np.concatenate([factors[:, :2], (factors[:, 2] % turns)[:, None], factors[:, 3:]], axis=1)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (0, 31), (31, 0), (31, 31)])
def test_no_sprite_touches_the_border_even_in_a_corner(x: int, y: int) -> None:
    images, middle = rendered(KINDS, x, y), rendered(KINDS)
    for border in (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]):
        assert (border == 0).all()
    np.testing.assert_allclose(images.sum(axis=(1, 2)), middle.sum(axis=(1, 2)), rtol=1e-12)


def test_no_sample_is_so_near_an_edge_that_rounding_decides() -> None:
    """So every machine renders the same bytes, whatever the last bits of its sines and cube roots."""
    assert min(np.abs(sprites.insideness(*kind)).min() for kind in KINDS) > 1e-9


def test_rendering_is_the_same_in_every_version_and_in_every_order() -> None:
    dataset = load(DataSpec(name="sprites:600", num_validation=0, num_test=0))
    assert dataset.hash == "6700bc60362dc7ead4fd682ac83125795ac88c9427e2ed7b1a3a7a22f4a9b8b7"
    factors = sprites.factors_of(np.arange(0, NUM_IMAGES, 9001))
    images = sprites.render(factors)
    assert images.dtype == np.uint8 and images.shape == (82, 64, 64, 1) and images.max() == 255
    assert (sprites.render(factors[::-1]) == images[::-1]).all()
    assert (np.concatenate([sprites.render(one[None]) for one in factors]) == images).all()
    assert sprites.render(factors[:0]).shape == (0, 64, 64, 1)


@pytest.mark.parametrize("stream", [False, True])
def test_rows_are_rendered_from_their_factors_and_labelled_by_shape(stream: bool) -> None:
    data = DataSpec(name="sprites:500", num_validation=60, num_test=40, stream=stream)
    dataset = load(data)
    assert dataset.description.startswith(
        "sprites:500: 400 train, 60 validation, 40 test, 64x64x1 uint8, 3 classes"
    )
    assert dataset.scale == 255 and dataset.span == (0, 1)
    x = dataset.train.x.take(np.arange(400)) if stream else dataset.train.x
    parts = [(x, dataset.train.y), *((part.x, part.y) for part in (dataset.validation, dataset.test))]
    found = {(int(y), row.tobytes()) for x, ys in parts for row, y in zip(x, ys, strict=True)}
    factors = sprites.factors_of(sprites.drawn_rows(500))
    images = sprites.render(factors)
    assert found == {(int(f[0]), row.tobytes()) for f, row in zip(factors, images, strict=True)}


def test_sets_are_of_distinct_rows_and_hold_the_smaller_ones() -> None:
    few, many, whole = (sprites.drawn_rows(num) for num in (100, 20_000, NUM_IMAGES))
    assert len(set(many)) == 20_000 and set(few) < set(many) and (whole == np.arange(NUM_IMAGES)).all()
    by_default = sprites.read("sprites").tables["train"]
    assert by_default.x.shape == (20_000, 64, 64, 1)
    assert (
        by_default.x.take(np.array([0, 19_999])) == sprites.render(sprites.factors_of(many[[0, -1]]))
    ).all()
    assert sprites.read("sprites:737280").tables["train"].x.shape == (737_280, 64, 64, 1)


@pytest.mark.parametrize("number", ["0", "737281", "-1", "1e3", "", "many", "007", "1_000", "9999999", "٣"])
def test_numbers_of_images_that_are_none(number: str) -> None:
    said = complaint(load, DataSpec(name=f"sprites:{number}"))
    assert said == f"data 'sprites:{number}': expected sprites or sprites:NUM, NUM from 1 to 737280"


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([[0, 0, 0, 0, 0], [0, 6, 0, 0, 0]], "scale 6 in row 1, expected 0 to 5"),
        ([[0, 0, -1, 0, 0]], "orientation -1 in row 0, expected 0 to 39"),
        ([[0, 0, 0, 0, 32]], "y_position 32 in row 0, expected 0 to 31"),
        ([[0.0, 0, 0, 0, 0]], "dtype float64 and shape (1, 5), expected integers [N, 5]"),
        ([[0, 0, 0, 0]], "shape (1, 4)"),
        ([0, 0, 0, 0, 0], "shape (5,)"),
    ],
)
def test_factors_off_the_grid_are_refused(factors: Any, expected: str) -> None:
    said = complaint(sprites.render, np.array(factors))
    assert said.startswith("sprites: ") and expected in said


def test_the_command_line_tells_of_sprites_and_never_calls_them_dsprites() -> None:
    assert all(text in dict(available())["sprites"] for text in ("737,280", "(not dSprites)"))
    shown = call("data", "show", "sprites:600")
    assert shown.code == 0 and "100 rows of 64x64x1 uint8, values 0 to 255" in shown.out
    assert call("data", "show", "sprites:0").code == 2
