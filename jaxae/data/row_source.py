"""Sources of rows: the protocol `Source`, read by `take`, and sources over arrays, subsets and functions.

N is the number of rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

CHUNK_BYTES = 1 << 24  # 16 MiB: the memory for one chunk when all rows are visited once


@runtime_checkable
class Source(Protocol):
    """N rows of one shape and dtype, which are read on demand and from any thread."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows together, (N, ...)."""

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the rows that `take` returns."""

    def __len__(self) -> int:
        """Return the number of rows, N."""

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return the rows with the given indices int[n] as an array [n, ...], in the order of the indices."""


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Source over an array [N, ...], in memory or mapped from a file."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, ...)."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self.array.dtype

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.array)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return rows [n, ...]."""
        # Read in rising order: a mapped file is fastest from front to back. `rows[order]` restores the order.
        order = np.argsort(indices, kind="stable")
        rows = np.empty((len(indices), *self.array.shape[1:]), self.array.dtype)
        rows[order] = self.array[np.asarray(indices)[order]]
        return rows


@dataclass(frozen=True, eq=False)
class Rows:
    """Subset of the rows of a source: row i is row `rows[i]` of `source`."""

    source: Source
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (len(rows), ...)."""
        return (len(self.rows), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the source."""
        return self.source.dtype

    def __len__(self) -> int:
        """Return the number of rows of the subset."""
        return len(self.rows)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return rows [n, ...]."""
        return self.source.take(self.rows[indices])


@dataclass(frozen=True, eq=False)
class Mapped:
    """Source whose rows are computed from those of another source.

    Attributes:
        source: The other source.
        function: The function of a block of rows, [n, ...] -> [n, *row_shape].
        row_shape: The shape of one computed row.
        dtype: The dtype of computed rows.
    """

    source: Source
    function: Callable[[np.ndarray], np.ndarray]
    # Stated instead of found by a call of `function`, which may have to decode an image.
    row_shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, *row_shape)."""
        return (len(self.source), *self.row_shape)

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.source)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return computed rows [n, *row_shape]."""
        return self.function(self.source.take(indices))


def chunks(source: Source) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number of the first row, rows [n, ...]) over all rows in order, in chunks of `CHUNK_BYTES`.

    A chunk holds at least one row.
    """
    # At least 1, because a row with a dimension of size 0 has no bytes.
    row_bytes = max(1, int(np.prod(source.shape[1:])) * source.dtype.itemsize)
    size = max(1, CHUNK_BYTES // row_bytes)
    for start in range(0, len(source), size):
        yield start, source.take(np.arange(start, min(start + size, len(source))))


def in_memory(source: Any) -> np.ndarray:
    """Return all rows as one new array [N, ...], read chunk by chunk."""
    # Allocated once and filled: joining a list of chunks at the end would need twice the memory.
    array = np.empty(source.shape, source.dtype)
    for start, rows in chunks(source):
        array[start : start + len(rows)] = rows
    return array
