"""`photographs`: patches of the two photographs that scikit-learn ships, china.jpg and flower.jpg. N patches.

Each is 427x640 pixels in colour; a patch is a crop, never turned, flipped or scaled. Training, validation and
test patches are of strips of their own, so that no pixel is in two splits. The strips show different things
(the flower is hardly in the last), so that held-out numbers are worse than overfitting alone would make them.
"""

import math

import numpy as np

from jaxae.data.data_spec import number_of
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource, Mapped

CLASSES = ("china", "flower")
HEIGHT, WIDTH = 427, 640
# Columns [first, last) of each split. They begin at multiples of 16, as blocks of the JPEG files do, so that
# no block is in two splits either; the narrowest holds the largest patch.
STRIPS = {"train": (0, 352), "validation": (352, 480), "test": (480, 640)}
COUNTS = {"train": 10_000, "validation": 500, "test": 1_000}
SEED, SIZE_DEFAULT, SIZES_VALID = 1980, 32, range(8, 129, 4)


def read(name: str) -> Original:
    """`photographs` or `photographs:SIZE`: uint8[N, SIZE, SIZE, 3], the same each time; labels say of which.

    Patches of one split overlap, but no two are one. The pixels are Pillow's: where another version decodes a
    JPEG file to other last bits, the hash is another. Raises: JaxaeError where SIZE is not a multiple of 4
    from 8 to 128.
    """
    size = number_of(name, SIZE_DEFAULT, SIZES_VALID, "SIZE")
    pixels = photographs()
    tables = {split: _table(pixels, corners(split, size), size, name) for split in STRIPS}
    return Original(tables, scale=255.0, classes=CLASSES)


def photographs() -> np.ndarray:
    """uint8[2, 427, 640, 3]: both photographs, in the order of `CLASSES`."""
    from sklearn.datasets import load_sample_image

    return np.stack([load_sample_image(f"{name}.jpg") for name in CLASSES])


def corners(split: str, size: int) -> np.ndarray:
    """i64[N, 3]: photograph, row and column of the upper left pixel of each patch, different ones.

    Of all that lie within the split's strip, by a fixed seed.
    """
    first, last = STRIPS[split]
    places = len(CLASSES), HEIGHT - size + 1, last - first - size + 1
    # NumPy promises that RandomState's stream is frozen for ever, which Generator's is not.
    random = np.random.RandomState([SEED, list(STRIPS).index(split)])
    chosen = random.permutation(math.prod(places))[: COUNTS[split]]
    photograph, row, column = np.unravel_index(chosen, places)
    return np.stack([photograph, row, column + first], axis=-1).astype(np.int64, copy=False)


def _table(pixels: np.ndarray, places: np.ndarray, size: int, name: str) -> Table:
    """Patches cut on demand, so that large ones need not be held."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (size, size), axis=(1, 2))

    def cut(some: np.ndarray) -> np.ndarray:
        return np.moveaxis(windows[tuple(some.T)], 1, -1)

    source = Mapped(ArraySource(places), cut, (size, size, pixels.shape[-1]), pixels.dtype)
    return Table(source, places[:, 0], name)
