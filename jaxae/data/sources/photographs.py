"""`photographs`: patches of the two photographs of scikit-learn, china.jpg and flower.jpg.

Each photograph has 427x640 pixels in colour. A patch is a crop and is never rotated, flipped or scaled. Each
split has separate strips of the photographs, so that no pixel is in two splits. The strips show different
things (the flower is hardly in the last one), so held-out numbers are worse than from overfitting alone.
"""

import math

import numpy as np

from jaxae.data.data_spec import number_of
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource, Mapped

CLASSES = ("china", "flower")
HEIGHT, WIDTH = 427, 640
# Columns [first, last) of each split. They start at multiples of 16, as the blocks of the JPEG files do, so
# that no block is in two splits either. The narrowest strip holds the largest patch.
STRIPS = {"train": (0, 352), "validation": (352, 480), "test": (480, 640)}
COUNTS = {"train": 10_000, "validation": 500, "test": 1_000}
SEED, SIZE_DEFAULT, SIZES_VALID = 1980, 32, range(8, 129, 4)


def read(name: str) -> Original:
    """Return the patches of `photographs` or `photographs:SIZE`, uint8[N, SIZE, SIZE, 3].

    The patches are the same each time. Labels name the photograph. Patches of one split overlap, but no two
    are equal in position. The pixels are decoded by Pillow: if another version decodes a JPEG file to other
    last bits, the content hash changes.

    Raises:
        JaxaeError: If SIZE is not a multiple of 4 from 8 to 128.
    """
    size = number_of(name, SIZE_DEFAULT, SIZES_VALID, "SIZE")
    pixels = photographs()
    tables = {split: _make_table(pixels, corners(split, size), size, name) for split in STRIPS}
    return Original(tables, scale=255.0, classes=CLASSES)


def photographs() -> np.ndarray:
    """Return both photographs, uint8[2, 427, 640, 3], in the order of `CLASSES`."""
    from sklearn.datasets import load_sample_image

    return np.stack([load_sample_image(f"{name}.jpg") for name in CLASSES])


def corners(split: str, size: int) -> np.ndarray:
    """Draw the positions of patches: photograph, row and column of the upper left pixel, i64[N, 3].

    Positions are distinct, and are drawn with a fixed seed from all positions within the split's strip.

    Args:
        split: The split: train, validation or test.
        size: The height and width of a patch in pixels.

    Returns:
        The positions i64[N, 3].
    """
    first, last = STRIPS[split]
    num_positions = len(CLASSES), HEIGHT - size + 1, last - first - size + 1
    # NumPy promises that the stream of RandomState never changes, but not that of Generator.
    random = np.random.RandomState([SEED, list(STRIPS).index(split)])
    # A permutation draws without replacement, so no patch occurs twice.
    chosen = random.permutation(math.prod(num_positions))[: COUNTS[split]]
    photograph, row, column = np.unravel_index(chosen, num_positions)
    return np.stack([photograph, row, column + first], axis=-1).astype(np.int64, copy=False)


def _make_table(pixels: np.ndarray, positions: np.ndarray, size: int, name: str) -> Table:
    """Return a table of patches, which are cut on demand so that large ones need not be held in memory."""
    # A view [2, rows, columns, 3, size, size]: no pixel is copied before `cut`.
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (size, size), axis=(1, 2))

    def cut(rows: np.ndarray) -> np.ndarray:
        # [n, 3, size, size] -> [n, size, size, 3].
        return np.moveaxis(windows[tuple(rows.T)], 1, -1)

    source = Mapped(ArraySource(positions), cut, (size, size, pixels.shape[-1]), pixels.dtype)
    return Table(source, positions[:, 0], name)
