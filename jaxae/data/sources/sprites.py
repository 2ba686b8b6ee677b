"""`sprites`: one white shape on black, 64x64 pixels, rendered by jaxae on the factor grid of dSprites.

The grid is that of dSprites (Matthey et al., 2017): shape (square, ellipse, heart), 6 scales from 0.5 to 1,
40 orientations, 32 positions across and 32 down, which is 737,280 images. The images are not those of
dSprites, so numbers measured on both cannot be compared. There are two intended differences:

- Edges are antialiased grey. In dSprites they are black and white.
- Orientation k is 2 pi k / 40, so that no angle occurs twice (dSprites has 0 and 2 pi). Squares therefore
  repeat every 10 orientations, and ellipses every 20.

N is the number of images.
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
# Radius in pixels of the circle around a shape of scale 1: no shape touches the border. With 15, samples
# would be exactly on edges, and rounding, which differs between machines, would decide about them.
RADIUS = 15.02
FIRST = 16  # the pixel at the centre of position 0; position i is i pixels further
PATCH = 31  # pixels across, around the centre; a rotated shape of scale 1 fits
SAMPLES = 65  # samples of each pixel, to measure the share of it that is covered
WAIST = 0.6  # short axis of the ellipse, divided by the long one
# v of the centroid of the heart v^2 - |u|^(2/3) v + u^2 = 1, whose tip is at v = -1.
CENTROID = 0.29348122728179


def read(name: str) -> Original:
    """Return `sprites` or `sprites:NUM`: NUM of the 737,280 images, labelled by shape.

    The images are the same each time. A larger set contains every smaller one.

    Raises:
        JaxaeError: If NUM is not 1 to 737280.
    """
    rows = drawn_rows(_parse_number(name))
    table = Table(_make_source(rows), factors_of(rows)[:, 0], name)
    return Original({"train": table}, scale=255.0, classes=SHAPES)


def grid(name: str) -> Factors:
    """Return all images and their factors, whatever number of them the name asks for."""
    _parse_number(name)
    rows = np.arange(NUM_IMAGES)
    values = Mapped(ArraySource(rows), factors_of, (len(LEVELS),), rows.dtype)
    return Factors(_make_source(rows), values, NAMES, name)


def drawn_rows(num: int) -> np.ndarray:
    """Return `num` different rows of the grid in rising order, drawn with a fixed seed.

    Example:
        >>> rows = drawn_rows(1000)
        >>> bool(np.isin(drawn_rows(10), rows).all())
        True
    """
    # NumPy promises that the stream of RandomState never changes, but not that of Generator.
    return np.sort(np.random.RandomState(SEED).permutation(NUM_IMAGES)[:num])


def factors_of(indices: np.ndarray) -> np.ndarray:
    """Return the factors i64[N, 5] of rows int[N] of the grid; y_position changes fastest.

    Example:
        >>> factors_of(np.array([0, 1, 32])).tolist()
        [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0]]
    """
    return np.stack(np.unravel_index(indices, LEVELS), axis=-1).astype(np.int64, copy=False)


def render(factors: np.ndarray) -> np.ndarray:
    """Render factors int[N, 5] to images uint8[N, 64, 64, 1], 255 inside the shape.

    The factors are (shape, scale, orientation, x, y). Scale k is 0.5 + 0.1 k. Orientation k is a rotation by
    2 pi k / 40, counter-clockwise from upright. x and y give the pixel of the centroid: FIRST + x to the
    right, FIRST + y down.

    Raises:
        JaxaeError: If a factor is off the grid.
    """
    factors = _check_factors(factors)
    shape, scale, orientation, x, y = factors.T
    images = np.zeros((len(factors), SIZE, SIZE), np.uint8)
    corner = FIRST - PATCH // 2
    # A writeable view of all patches of all images, so that one assignment renders the whole batch.
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2), writeable=True)
    windows[np.arange(len(factors)), y + corner, x + corner] = patches()[shape, scale, orientation]
    return images[..., None]


@functools.lru_cache(maxsize=1)
def patches() -> np.ndarray:
    """Return each shape, scale and orientation in the middle of a patch, uint8[3, 6, 40, 31, 31].

    Positions are whole pixels apart, so these 720 patches are everything that has to be drawn.
    """
    pixels = np.stack([patch(*key) for key in np.ndindex(LEVELS[:3])]).reshape(*LEVELS[:3], PATCH, PATCH)
    pixels.flags.writeable = False  # the cached array is shared by all callers
    return pixels


def patch(shape: int, scale: int, orientation: int) -> np.ndarray:
    """Draw one shape, uint8[31, 31]: 255 times the share of each pixel's 65 samples that are inside, rounded.

    Args:
        shape: 0 to 2, index into `SHAPES`.
        scale: 0 to 5, the factor 0.5 + 0.1 k.
        orientation: 0 to 39, a rotation by 2 pi k / 40.

    Returns:
        The patch.
    """
    counts = (insideness(shape, scale, orientation) <= 0).sum(axis=0)
    # Rounded in integers, so that every machine gives the same bytes.
    return ((255 * counts + SAMPLES // 2) // SAMPLES).astype(np.uint8)


def insideness(shape: int, scale: int, orientation: int) -> np.ndarray:
    """Compute the implicit function of a shape at all samples of a patch, f64[65, 31, 31]: at most 0 inside.

    Its arguments are u (to the right) and v (up) from the centroid, in the rotated frame of the shape. The
    unit is the radius of the circle around the shape.

    Args:
        shape: 0 to 2, index into `SHAPES`.
        scale: 0 to 5, the factor 0.5 + 0.1 k.
        orientation: 0 to 39, a rotation by 2 pi k / 40.

    Returns:
        The values f64[65, 31, 31].
    """
    angle, radius = 2.0 * math.pi * orientation / LEVELS[2], RADIUS * (0.5 + 0.1 * scale)
    # Divided by the radius here, so that one rotation matrix also scales.
    cosine, sine = math.cos(angle) / radius, math.sin(angle) / radius
    right, up = samples(PATCH)
    return _FUNCTIONS[shape](cosine * right + sine * up, cosine * up - sine * right)


def samples(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sample positions (right, up) from the centre of a patch, in pixels.

    The arrays are f64[65, 1, size] and f64[65, size, 1]; `size` is odd. The samples of a pixel are
    (k, 8k mod 65) / 65. Since 65 = 8^2 + 1, this is a square lattice that is unchanged by a rotation of 90
    degrees. No two samples are in one row or column, so edges along the axes have 65 greys too.
    """
    pixels, k = np.arange(size) - size // 2, np.arange(SAMPLES) - SAMPLES // 2
    along, across = k / SAMPLES, ((8 * k + SAMPLES // 2) % SAMPLES - SAMPLES // 2) / SAMPLES
    return along[:, None, None] + pixels[None, None, :], across[:, None, None] - pixels[None, :, None]


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - math.sqrt(0.5)


def _ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u**2 + (v / WAIST) ** 2 - 1.0


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # The cube root of (u^2 + v^2 - 1)^3 = u^2 v^3. The tip is the point that is farthest from the centroid.
    # (u^2 + v^2 - 1)^3 = u^2 v^3, its cube root taken; the tip is the farthest from the centroid.
    """Return the implicit function of the heart, (u^2 + v^2 - 1)^3 <= u^2 v^3."""
    u, v = (1.0 + CENTROID) * u, (1.0 + CENTROID) * v + CENTROID
    return u**2 + v**2 - 1.0 - np.cbrt(u**2) * v


_FUNCTIONS = (_square, _ellipse, _heart)


def _make_source(rows: np.ndarray) -> Source:
    """Return a source of the given rows of the grid, uint8[N, 64, 64, 1], rendered on demand."""
    size = (SIZE, SIZE, 1)
    return Mapped(ArraySource(rows), lambda indices: render(factors_of(indices)), size, np.dtype(np.uint8))


def _parse_number(name: str) -> int:
    return number_of(name, NUM_DEFAULT, range(1, NUM_IMAGES + 1))


def _check_factors(factors: np.ndarray) -> np.ndarray:
    """Return factors as i64[N, 5], or raise JaxaeError if they are not whole numbers on the grid."""
    factors = np.asarray(factors)
    if factors.ndim != 2 or factors.shape[1] != len(LEVELS) or factors.dtype.kind not in "iu":
        raise JaxaeError(
            f"sprites: factors of dtype {factors.dtype} and shape {factors.shape}, expected integers [N, 5]"
        )
    invalid = np.argwhere((factors < 0) | (factors >= LEVELS))
    if len(invalid):
        row, column = invalid[0]
        valid = f"expected 0 to {LEVELS[column] - 1}"
        raise JaxaeError(f"sprites: {NAMES[column]} {factors[row, column]} in row {row}, {valid}")
    return factors.astype(np.int64, copy=False)
