"""Batches in a given order, read ahead by Grain's threads. B batch, C steps of a chunk."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxae.data.files import quiet
from jaxae.data.row_source import ArraySource, Source
from jaxae.types import Examples


@dataclass(frozen=True, eq=False)
class Chunks:
    """Element i is the i-th chunk of `size` consecutive steps: for Grain, one element is many batches.

    A row a time is 16 times slower in Grain than a gather of many rows at once (measured).
    """

    examples: Examples
    order: np.ndarray
    size: int

    def __len__(self) -> int:
        """How many chunks, of which the last may be short."""
        return -(-len(self.order) // self.size)

    def __getitem__(self, index: Any) -> tuple[np.ndarray, Any]:
        """(x [C, B, ...], y i32[C, B] or ()) of chunk `index`."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        rows = self.order[index * self.size : (index + 1) * self.size]
        x = as_source(self.examples.x).take(rows.reshape(-1))
        y = self.examples.y
        return x.reshape(*rows.shape, *x.shape[1:]), () if isinstance(y, tuple) else y[rows]


def as_source(x: Any) -> Source:
    """An array [N, ...] as a source; a source as it is."""
    return ArraySource(x) if isinstance(x, np.ndarray) else x


def batches(
    examples: Examples, order: np.ndarray, *, start: int = 0, chunk: int, num_threads: int = 1
) -> Any:
    """Row numbers int[num_steps, B] -> a Grain iterator over (x [C, B, ...], y i32[C, B] or ()).

    It begins at step `start`; each element holds `chunk` consecutive steps, the last perhaps fewer. Its
    `get_state` and `set_state` (and `grain.checkpoint`) go on exactly, given the same `order`, `start` and
    `chunk`. One chunk more than there are threads is read ahead; more threads than idle cores are slower.
    """
    with quiet():
        import grain

    if chunk < 1 or not 0 <= start <= len(order) or num_threads < 0:
        raise ValueError(f"chunk {chunk}, start {start}, num_threads {num_threads} for {len(order)} steps")
    elements = grain.MapDataset.source(Chunks(examples, np.asarray(order)[start:], chunk))
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=num_threads + 1)
    return iter(elements.to_iter_dataset(options))
