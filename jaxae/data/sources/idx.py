"""MNIST and Fashion-MNIST from their four original IDX files (LeCun et al., 1998; Xiao et al., 2017)."""

import math
from pathlib import Path

import numpy as np

from jaxae.data.files import find, read_bytes
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource
from jaxae.data.sources.arrays import NUMERALS
from jaxae.errors import JaxaeError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
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


def read(name: str, folder: str | None) -> Original:
    """`mnist` or `fashion_mnist`: train and test, uint8[N, 28, 28], labels 0..9."""
    train_x, train_y, test_x, test_y = find(name, FILES, folder)
    tables = {"train": _table(train_x, train_y), "test": _table(test_x, test_y)}
    return Original(tables, scale=255.0, classes=GARMENTS if name == "fashion_mnist" else NUMERALS)


def parse(path: Path, ndim: int) -> np.ndarray:
    """An IDX file of unsigned bytes with `ndim` dimensions -> uint8 array; JaxaeError where it is not one."""
    content, complete = read_bytes(path)
    magic, header = bytes([0, 0, 8, ndim]), 4 + 4 * ndim
    if content[:4] != magic:
        raise JaxaeError(
            f"{path}: begins with bytes '{content[:4].hex(' ')}', expected '{magic.hex(' ')}' (IDX)"
        )
    if len(content) < header:
        raise JaxaeError(f"{path}: truncated: {len(content)} bytes, shorter than its header of {header}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", ndim, offset=4))
    says = (
        f"header says {'x'.join(map(str, shape))} = {math.prod(shape)} bytes, {len(content) - header} found"
    )
    if len(content) - header < math.prod(shape):
        raise JaxaeError(f"{path}: truncated: {says}")
    if len(content) - header > math.prod(shape):
        raise JaxaeError(f"{path}: too long: {says}")
    if not complete:
        raise JaxaeError(f"{path}: truncated: the gzip checksum at its end is missing")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _table(images: Path, labels: Path) -> Table:
    x, y = parse(images, 3), parse(labels, 1)
    if x.shape[1:] != (28, 28):
        raise JaxaeError(f"{images}: images of {x.shape[1]}x{x.shape[2]}, expected 28x28")
    if len(x) != len(y):
        raise JaxaeError(f"{labels}: {len(y)} labels, but {images.name} has {len(x)} images")
    if len(y) and y.max() > 9:
        raise JaxaeError(f"{labels}: label {y.max()} in row {int(np.argmax(y > 9))}, expected 0 to 9")
    return Table(ArraySource(x), y, str(images))
