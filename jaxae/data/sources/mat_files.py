"""SVHN and the 28x28 version of Omniglot from their MATLAB files, read by SciPy.

The files are Netzer et al., 2011 (cropped digits) and Burda et al., 2016 (`chardata.mat`). N is the number of
rows.
"""

import math
from pathlib import Path

import numpy as np

from jaxae.data.files import find, one_line
from jaxae.data.free_memory import check_room
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource
from jaxae.data.sources.arrays import NUMERALS
from jaxae.errors import JaxaeError


def read_svhn(name: str, folder: str | None) -> Original:
    """Read the cropped digits, uint8[N, 32, 32, 3] with labels 0..9; the `extra` split is not used.

    Args:
        name: The name of the data set, for paths and messages.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If a file is missing or not valid.
    """
    paths = dict(zip(("train", "test"), find(name, folder), strict=True))
    return Original(
        {split: _make_svhn_table(path) for split, path in paths.items()}, scale=255.0, classes=NUMERALS
    )


def read_omniglot(name: str, folder: str | None) -> Original:
    """Read characters of 50 alphabets, f32[N, 28, 28] in [0, 1]; the label is the alphabet, 0..49.

    Args:
        name: The name of the data set, for paths and messages.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If the file is missing or not valid.
    """
    (path,) = find(name, folder)
    arrays = _read_arrays(path, ("data", "target", "testdata", "testtarget"))
    tables = {
        "train": _make_omniglot_table(path, arrays["data"], arrays["target"]),
        "test": _make_omniglot_table(path, arrays["testdata"], arrays["testtarget"]),
    }
    return Original(tables, scale=1.0)


def _make_svhn_table(path: Path) -> Table:
    arrays = _read_arrays(path, ("X", "y"))
    x, y = arrays["X"], arrays["y"].reshape(-1)
    # MATLAB stores the number of the image as the last axis.
    if x.shape[:3] != (32, 32, 3) or x.ndim != 4 or x.dtype != np.uint8:
        raise JaxaeError(f"{path}: X of dtype {x.dtype} and shape {x.shape}, expected uint8 (32, 32, 3, N)")
    if len(y) != x.shape[3] or y.min() < 1 or y.max() > 10:
        raise JaxaeError(f"{path}: y of shape {y.shape} from {y.min()} to {y.max()}, expected N from 1 to 10")
    # The file has 10 as the label of the digit 0.
    return Table(ArraySource(np.ascontiguousarray(x.transpose(3, 0, 1, 2))), y % 10, str(path))


def _make_omniglot_table(path: Path, pixels: np.ndarray, targets: np.ndarray) -> Table:
    if pixels.ndim != 2 or len(pixels) != 784 or targets.ndim != 2 or targets.shape[1] != pixels.shape[1]:
        shapes = f"{pixels.shape} and {targets.shape}"
        raise JaxaeError(f"{path}: pixels and alphabets of shape {shapes}, expected (784, N) and (50, N)")
    # Each column is an image in the order of MATLAB, column by column.
    images = pixels.T.reshape(-1, 28, 28).transpose(0, 2, 1).astype(np.float32)
    return Table(ArraySource(images), np.argmax(targets, axis=0), str(path))


def _read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the arrays with the given names; raise JaxaeError if one is missing."""
    import scipy.io

    try:
        sizes = {name: math.prod(shape) for name, shape, _ in scipy.io.whosmat(path) if name in names}
        # One byte for each value at least, whatever its type.
        check_room(str(path), sum(sizes.values()))
        arrays = scipy.io.loadmat(path, variable_names=names)
    except JaxaeError:
        raise
    # A damaged file raises ValueError, TypeError, zlib.error, struct.error, MemoryError and more.
    except Exception as error:
        raise JaxaeError(f"{path}: cannot be read as a MATLAB file: {one_line(error)}") from error
    missing = [name for name in names if name not in arrays]
    if missing:
        raise JaxaeError(f"{path}: holds no {', '.join(missing)}; expected {', '.join(names)}")
    return {name: np.asarray(arrays[name]) for name in names}
