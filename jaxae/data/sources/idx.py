"""MNIST, Fashion-MNIST and Kuzushiji-MNIST from their four original IDX files (LeCun et al., 1998)."""

import math
from pathlib import Path

import numpy as np

from jaxae.data.files import find, read_bytes
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource
from jaxae.data.sources.arrays import NUMERALS
from jaxae.errors import JaxaeError

GARMENTS = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
# One character of each row of the Hiragana.
KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
CLASSES = {"mnist": NUMERALS, "fashion_mnist": GARMENTS, "kmnist": KANA}


def read(name: str, folder: str | None) -> Original:
    """Read the train and test split of a data set in `CLASSES`, uint8[N, 28, 28] with labels 0..9.

    Args:
        name: `mnist`, `fashion_mnist` or `kmnist`.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If a file is missing, truncated or not valid.
    """
    train_x, train_y, test_x, test_y = find(name, folder)
    tables = {"train": _make_table(train_x, train_y), "test": _make_table(test_x, test_y)}
    return Original(tables, scale=255.0, classes=CLASSES[name])


def parse(path: Path, ndim: int) -> np.ndarray:
    """Convert an IDX file of unsigned bytes to an array uint8[...] with `ndim` dimensions.

    Args:
        path: The file, plain or with .gz.
        ndim: The number of dimensions: 3 for images, 1 for labels.

    Returns:
        The array.

    Raises:
        JaxaeError: If the file is truncated, too long, or not such a file.
    """
    content, complete = read_bytes(path)
    # Magic number: two zero bytes, the type (8 for unsigned bytes), the number of dimensions; then the sizes.
    magic, header = bytes([0, 0, 8, ndim]), 4 + 4 * ndim
    if content[:4] != magic:
        raise JaxaeError(
            f"{path}: starts with bytes '{content[:4].hex(' ')}', expected '{magic.hex(' ')}' (IDX)"
        )
    if len(content) < header:
        raise JaxaeError(f"{path}: truncated: {len(content)} bytes, shorter than its header of {header}")
    # Sizes are big-endian 32-bit integers. Their product is taken by math.prod, which cannot overflow.
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", ndim, offset=4))
    sizes = (
        f"header says {'x'.join(map(str, shape))} = {math.prod(shape)} bytes, {len(content) - header} found"
    )
    if len(content) - header < math.prod(shape):
        raise JaxaeError(f"{path}: truncated: {sizes}")
    if len(content) - header > math.prod(shape):
        raise JaxaeError(f"{path}: too long: {sizes}")
    # Checked last: a file that is cut inside the checksum has all its data but may still be damaged.
    if not complete:
        raise JaxaeError(f"{path}: truncated: the gzip checksum at its end is missing")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _make_table(images: Path, labels: Path) -> Table:
    """Return images and labels as a table; raise JaxaeError if they are not 28x28 images with labels 0..9."""
    x, y = parse(images, 3), parse(labels, 1)
    if x.shape[1:] != (28, 28):
        raise JaxaeError(f"{images}: images of {x.shape[1]}x{x.shape[2]}, expected 28x28")
    if len(x) != len(y):
        raise JaxaeError(f"{labels}: {len(y)} labels, but {images.name} has {len(x)} images")
    if len(y) and y.max() > 9:
        raise JaxaeError(f"{labels}: label {y.max()} in row {int(np.argmax(y > 9))}, expected 0 to 9")
    return Table(ArraySource(x), y, str(images))
