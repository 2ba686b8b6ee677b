"""dSprites and 3D Shapes from their HDF5 files: every combination of their factors of variation.

They are read by h5py, an optional dependency. N is the number of images.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxae.data.data_spec import number_of
from jaxae.data.files import find, one_line
from jaxae.data.original import Factors, Original, Table
from jaxae.data.row_source import CHUNK_BYTES, ArraySource, Rows, Source
from jaxae.errors import JaxaeError

SEED = 2017  # of the draw of NUM images, as for `sprites:NUM`
CACHE_BYTES = 1 << 26


class Layout(NamedTuple):
    """Layout of the file of one data set.

    Attributes:
        images: The key of the images.
        factors: The key of the factors [N, F].
        names: The names of the F factors.
        scale: The number by which pixels are divided.
        shapes: The names of the values of the factor `shape`; () if the authors state none.
    """

    images: str
    factors: str
    names: tuple[str, ...]
    scale: float
    shapes: tuple[str, ...] = ()


LAYOUTS = {
    "dsprites": Layout(
        "imgs",
        "latents/classes",
        ("colour", "shape", "scale", "orientation", "x_position", "y_position"),
        1.0,
        ("square", "ellipse", "heart"),
    ),
    "shapes3d": Layout(
        "images",
        "labels",
        ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"),
        255.0,
    ),
}


@dataclass(frozen=True, eq=False)
class Hdf5Source:
    """Source over an array of an HDF5 file; each call of `take` opens the file.

    Attributes:
        path: The file.
        key: The key of the array.
        shape: The shape of the array, (N, ...).
        dtype: Its dtype.
    """

    path: Path
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return self.shape[0]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return rows [n, ...], read in slabs of neighbours if they are dense, else one by one."""
        order = np.argsort(indices, kind="stable")
        wanted = np.asarray(indices)[order]
        rows = np.empty((len(indices), *self.shape[1:]), self.dtype)
        slab_rows = max(1, CHUNK_BYTES // max(1, int(np.prod(self.shape[1:])) * self.dtype.itemsize))
        # HDF5 unpacks whole chunks of many rows, so that neighbours cost no more than one row. Reading a slab
        # for each of a few scattered rows would cost far more.
        is_dense = len(wanted) > 0 and len(wanted) * slab_rows >= wanted[-1] - wanted[0]
        step, start = slab_rows if is_dense else 1, 0
        with _opened(self.path) as file:
            while start < len(wanted):
                first = wanted[start]
                stop = int(np.searchsorted(wanted, first + step))
                slab = file[self.key][first : wanted[stop - 1] + 1]
                rows[order[start:stop]] = slab[wanted[start:stop] - first]
                start = stop
        return rows


def read(name: str, folder: str | None) -> Original:
    """Read `dsprites`, `shapes3d`, or NUM of their images, uint8[N, 64, 64, C], labelled by shape.

    Args:
        name: The name, or `name:NUM` for NUM images, drawn with a fixed seed. A larger set contains every
            smaller one.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If the file is missing or not valid, if NUM is, or if h5py is not installed.
    """
    grid = read_factors(name, folder)
    layout = LAYOUTS[name.partition(":")[0]]
    num = number_of(name, len(grid.x), range(1, len(grid.x) + 1))
    shapes = grid.values.take(np.arange(len(grid.x)))[:, layout.names.index("shape")]
    x: Source = grid.x
    if num < len(grid.x):
        # NumPy promises that the stream of RandomState never changes, but not that of Generator.
        rows = np.sort(np.random.RandomState(SEED).permutation(len(grid.x))[:num])
        x, shapes = Rows(x, rows), shapes[rows]
    return Original({"train": Table(x, shapes, grid.where)}, scale=layout.scale, classes=layout.shapes)


def read_factors(name: str, folder: str | None) -> Factors:
    """Return all images and their factors int[N, F] as numbers of levels, whatever NUM the name has.

    Args:
        name: The name, or `name:NUM`.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The images and the factors.

    Raises:
        JaxaeError: If the file is missing or not valid, or if h5py is not installed.
    """
    kind = name.partition(":")[0]
    layout, (path,) = LAYOUTS[kind], find(kind, folder)
    with _opened(path) as file:
        for key in (layout.images, layout.factors):
            if key not in file:
                raise JaxaeError(f"{path}: holds no {key}; expected the file of {kind}")
        images, factors = file[layout.images], file[layout.factors]
        x = Hdf5Source(path, layout.images, images.shape, images.dtype)
        if factors.shape != (len(x), len(layout.names)) or x.shape[1:3] != (64, 64):
            shapes = f"{x.shape} and {factors.shape}"
            raise JaxaeError(
                f"{path}: images and factors of shape {shapes}, expected 64x64 and {layout.names}"
            )
        levels = _number_levels(factors[:])
    return Factors(x, ArraySource(levels), layout.names, f"{path}: {layout.images}")


def _number_levels(factors: np.ndarray) -> np.ndarray:
    """Replace each factor by the number of its value in rising order, i64[N, F]."""
    columns = [np.unique(column, return_inverse=True)[1] for column in factors.T]
    return np.stack(columns, axis=1).astype(np.int64)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; raise JaxaeError if h5py is missing, or if the file cannot be read."""
    try:
        import h5py
    except ImportError:
        raise JaxaeError(
            f"{path}: HDF5 files are read by h5py, which is not installed; pip install 'jaxae[hdf5]'"
        ) from None
    try:
        with h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES) as file:
            yield file
    # h5py raises OSError for damaged files, and RuntimeError or ValueError for damaged chunks.
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise JaxaeError(f"{path}: cannot be read as an HDF5 file: {one_line(error)}") from error
