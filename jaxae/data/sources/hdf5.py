"""HDF5 files, read by h5py: FILE.h5:KEY, or a file with the names of arrays that .npz files have.

N is the number of rows.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data import accepted
from jaxae.data.data_spec import DataSpec
from jaxae.data.files import one_line
from jaxae.data.original import Original, Table
from jaxae.data.row_source import CHUNK_BYTES
from jaxae.data.sources.array_keys import by_split
from jaxae.errors import JaxaeError

SUFFIXES = (".h5", ".hdf5")
CACHE_BYTES = 1 << 26  # of unpacked chunks


@dataclass(frozen=True, eq=False)
class FileSource:
    """Source over the data set `key` of an HDF5 file, which is open only while rows are taken.

    A file that stayed open could not be pickled with a result, and could not be written by another process.

    Attributes:
        path: The file.
        key: The name of the data set.
        shape: Shape (N, ...).
        dtype: Dtype of the data set.
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
        with opened(self.path) as file:
            while start < len(wanted):
                first = wanted[start]
                stop = int(np.searchsorted(wanted, first + step))
                slab = file[self.key][first : wanted[stop - 1] + 1]
                rows[order[start:stop]] = slab[wanted[start:stop] - first]
                start = stop
        return rows


def read(path: Path, key: str, data: DataSpec) -> Original:
    """Read the data set `key`, with labels from the data set `data.label`; without a key, all splits.

    Args:
        path: The file.
        key: The name of the rows, or "" for the names that .npz files have.
        data: The spec with `label`.

    Returns:
        The data set as found; rows are not yet read.

    Raises:
        JaxaeError: If the file cannot be read, or there is no such data set.
    """
    with opened(path) as file:
        names = _list_names(file)
        tables = {}
        for split, (x, y) in by_split(names, key, data.label, str(path)).items():
            rows = file[x]
            source = FileSource(path, x, rows.shape, rows.dtype)
            where_y = f"{path}: {y}"
            labels = accepted.labels(file[y], where_y) if y else ()
            tables[split] = Table(source, labels, f"{path}: {x}", where_y)
    return Original(tables)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Yield an HDF5 file that is open for reading.

    Raises:
        JaxaeError: If h5py is not installed, or the file cannot be read.
    """
    try:
        import h5py
    except ImportError:
        raise JaxaeError(f"{path}: needs the package h5py; pip install 'jaxae[hdf5]'") from None
    try:
        with h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES) as file:
            yield file
    # h5py raises OSError for damaged files, and RuntimeError or ValueError for damaged chunks.
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise JaxaeError(f"{path}: cannot be read as HDF5: {one_line(error)}") from error


def _list_names(file: Any) -> list[str]:
    """Return the names of all data sets of a file, at any depth."""
    names: list[str] = []
    # Only data sets have a shape; groups are visited too.
    file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    return names
