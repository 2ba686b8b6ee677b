"""Rows that may lie anywhere: a `Source` is read by `take`, whatever is behind it. N rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

CHUNK_BYTES = 1 << 24  # what is held at a time when every row is looked at once


@runtime_checkable
class Source(Protocol):
    """N rows of one shape and dtype, read on demand and from any thread."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole, as an array has it: (N, ...)."""

    @property
    def dtype(self) -> np.dtype:
        """Of what `take` gives."""

    def __len__(self) -> int:
        """N."""

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Rows int[n] -> [n, ...], in the order asked for."""


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An array [N, ...] in memory or mapped from a file."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        """The array's."""
        return self.array.dtype

    def __len__(self) -> int:
        """N."""
        return len(self.array)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """[n, ...]; read in rising order, since a mapped file is fastest from front to back."""
        order = np.argsort(indices, kind="stable")
        rows = np.empty((len(indices), *self.array.shape[1:]), self.array.dtype)
        rows[order] = self.array[np.asarray(indices)[order]]
        return rows


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a source, renumbered: row i is `source`'s row `rows[i]`."""

    source: Source
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """(len(rows), ...)."""
        return (len(self.rows), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """The source's."""
        return self.source.dtype

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """[n, ...]."""
        return self.source.take(self.rows[indices])


@dataclass(frozen=True, eq=False)
class Mapped:
    """A function of each row of a source: `function` [n, ...] -> [n, *row_shape] of `dtype`."""

    source: Source
    function: Callable[[np.ndarray], np.ndarray]
    row_shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *row_shape)."""
        return (len(self.source), *self.row_shape)

    def __len__(self) -> int:
        """N."""
        return len(self.source)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """[n, *row_shape]."""
        return self.function(self.source.take(indices))


def chunks(source: Source) -> Iterator[tuple[int, np.ndarray]]:
    """(number of the first row, rows [n, ...]) over all rows in order, `CHUNK_BYTES` or one row at a time."""
    row_bytes = max(1, int(np.prod(source.shape[1:])) * source.dtype.itemsize)
    size = max(1, CHUNK_BYTES // row_bytes)
    for start in range(0, len(source), size):
        yield start, source.take(np.arange(start, min(start + size, len(source))))


def in_memory(source: Any) -> np.ndarray:
    """All rows as one array [N, ...] of its own, read chunk by chunk."""
    array = np.empty(source.shape, source.dtype)
    for start, rows in chunks(source):
        array[start : start + len(rows)] = rows
    return array
