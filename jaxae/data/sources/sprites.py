"""`sprites`: one white shape on black, 64x64, rendered by jaxae on the grid of dSprites. N images.

The grid is that of Matthey et al., 2017 (dSprites): shape (square, ellipse, heart), 6 scales from 0.5 to 1,
40 orientations, 32 positions across and 32 down: 737,280 images. The pictures are our own, so numbers
measured on them are not those of dSprites. What differs by intent: edges are antialiased grey (dSprites is
black and white); orientation k is 2 pi k / 40, so that no turn is given twice (dSprites has 0 and 2 pi).
Squares therefore repeat every 10 orientations and ellipses every 20.
"""

import functools
import math

import numpy as np

from jaxae.data.data_spec import number_of
from jaxae.data.original import Factors, Original, Table
from jaxae.data.row_source import ArraySource, Mapped, Source
from jaxae.errors import JaxaeError

SHAPES = ("square", "ellipse", "heart")
NAMES = ("shape", "scale", "orientation", "x_position", "y_position")
LEVELS = (3, 6, 40, 32, 32)
NUM_IMAGES = math.prod(LEVELS)
NUM_DEFAULT = 20_000
SEED = 2017

SIZE = 64
# Pixels, of the circle around a shape of scale 1: none touches the border. Not 15, where samples would lie
# exactly on edges, and rounding, which is not the same on every machine, would decide about them.
RADIUS = 15.02
FIRST = 16  # the pixel at the centre of position 0; position i is i pixels further
PATCH = 31  # pixels across, around the centre: a turned shape of scale 1 fits
SAMPLES = 65  # of each pixel, for the share of it that is covered
WAIST = 0.6  # short axis of the ellipse by its long one
CENTROID = 0.29348122728179  # of the heart v^2 - |u|^(2/3) v + u^2 = 1, on its axis; its tip is at -1


def read(name: str) -> Original:
    """`sprites` or `sprites:NUM`: NUM of the 737,280 images, the same ones each time; labels are shapes.

    A larger set holds every smaller one. Raises: JaxaeError where NUM is not 1 to 737280.
    """
    rows = drawn_rows(_number(name))
    table = Table(_images(rows), factors_of(rows)[:, 0], name)
    return Original({"train": table}, scale=255.0, classes=SHAPES)


def grid(name: str) -> Factors:
    """Every image and its factors, whatever rows of them the data set `name` has."""
    _number(name)
    rows = np.arange(NUM_IMAGES)
    values = Mapped(ArraySource(rows), factors_of, (len(LEVELS),), rows.dtype)
    return Factors(_images(rows), values, NAMES, name)


def drawn_rows(num: int) -> np.ndarray:
    """`num` different rows of the grid in rising order, by a fixed seed; all of them where `num` is all."""
    # NumPy promises that RandomState's stream is frozen for ever, which Generator's is not.
    return np.sort(np.random.RandomState(SEED).permutation(NUM_IMAGES)[:num])


def factors_of(indices: np.ndarray) -> np.ndarray:
    """Rows int[N] -> i64[N, 5]: the digits in the mixed radix `LEVELS`, y_position running fastest."""
    return np.stack(np.unravel_index(indices, LEVELS), axis=-1).astype(np.int64, copy=False)


def render(factors: np.ndarray) -> np.ndarray:
    """Factors int[N, 5] (shape, scale, orientation, x, y) -> uint8[N, 64, 64, 1], 255 inside the shape.

    Scale k is 0.5 + 0.1 k, orientation k a turn by 2 pi k / 40 counter-clockwise from upright, x and y the
    centroid's pixel, FIRST + k to the right and down. Raises: JaxaeError for factors off the grid.
    """
    factors = _checked(factors)
    shape, scale, orientation, x, y = factors.T
    images = np.zeros((len(factors), SIZE, SIZE), np.uint8)
    corner = FIRST - PATCH // 2
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2), writeable=True)
    windows[np.arange(len(factors)), y + corner, x + corner] = patches()[shape, scale, orientation]
    return images[..., None]


@functools.lru_cache(maxsize=1)
def patches() -> np.ndarray:
    """uint8[3, 6, 40, 31, 31]: each shape, scale and orientation in the middle of a patch.

    Positions are whole pixels apart, so that these 720 are all that there is to draw.
    """
    drawn = np.stack([patch(*key) for key in np.ndindex(LEVELS[:3])]).reshape(*LEVELS[:3], PATCH, PATCH)
    drawn.flags.writeable = False  # it is shared by all that render
    return drawn


def patch(shape: int, scale: int, orientation: int) -> np.ndarray:
    """uint8[31, 31]: 255 times the share of each pixel's 65 samples that lie inside the shape, rounded."""
    counts = (insideness(shape, scale, orientation) <= 0).sum(axis=0)
    return ((255 * counts + SAMPLES // 2) // SAMPLES).astype(np.uint8)


def insideness(shape: int, scale: int, orientation: int) -> np.ndarray:
    """The shape's implicit function at every sample of every pixel, f64[65, 31, 31]: at most 0 inside.

    In its own coordinates u to the right and v up, from the centroid, in units of the circle around it.
    """
    angle, radius = 2.0 * math.pi * orientation / LEVELS[2], RADIUS * (0.5 + 0.1 * scale)
    cosine, sine = math.cos(angle) / radius, math.sin(angle) / radius
    right, up = samples(PATCH)
    return _FUNCTIONS[shape](cosine * right + sine * up, cosine * up - sine * right)


def samples(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where samples lie from the centre of a patch of odd `size`, in pixels: f64[65, 1, size] to the right,
    f64[65, size, 1] up.

    In each pixel (k, 8k mod 65) / 65: since 65 = 8^2 + 1 a square lattice that a quarter turn maps to itself,
    and no two in a row or column, so that edges along the axes have 65 greys too.
    """
    pixels, k = np.arange(size) - size // 2, np.arange(SAMPLES) - SAMPLES // 2
    along, across = k / SAMPLES, ((8 * k + SAMPLES // 2) % SAMPLES - SAMPLES // 2) / SAMPLES
    return along[:, None, None] + pixels[None, None, :], across[:, None, None] - pixels[None, :, None]


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - math.sqrt(0.5)


def _ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u**2 + (v / WAIST) ** 2 - 1.0


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # (u^2 + v^2 - 1)^3 = u^2 v^3, its cube root taken; the tip is the farthest from the centroid.
    u, v = (1.0 + CENTROID) * u, (1.0 + CENTROID) * v + CENTROID
    return u**2 + v**2 - 1.0 - np.cbrt(u**2) * v


_FUNCTIONS = (_square, _ellipse, _heart)


def _images(rows: np.ndarray) -> Source:
    """uint8[N, 64, 64, 1] of the given rows of the grid, rendered on demand."""
    size = (SIZE, SIZE, 1)
    return Mapped(ArraySource(rows), lambda some: render(factors_of(some)), size, np.dtype(np.uint8))


def _number(name: str) -> int:
    return number_of(name, NUM_DEFAULT, range(1, NUM_IMAGES + 1))


def _checked(factors: np.ndarray) -> np.ndarray:
    """JaxaeError where factors are not whole numbers [N, 5] on the grid."""
    factors = np.asarray(factors)
    if factors.ndim != 2 or factors.shape[1] != len(LEVELS) or factors.dtype.kind not in "iu":
        raise JaxaeError(
            f"sprites: factors of dtype {factors.dtype} and shape {factors.shape}, expected integers [N, 5]"
        )
    off = np.argwhere((factors < 0) | (factors >= LEVELS))
    if len(off):
        row, column = off[0]
        valid = f"expected 0 to {LEVELS[column] - 1}"
        raise JaxaeError(f"sprites: {NAMES[column]} {factors[row, column]} in row {row}, {valid}")
    return factors.astype(np.int64, copy=False)
