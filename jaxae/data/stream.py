"""Streaming of batches in a given order, read ahead by Grain's threads.

B is the batch size, C the number of steps in a chunk.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxae.data.files import quiet
from jaxae.data.row_source import ArraySource, Source
from jaxae.types import Examples


@dataclass(frozen=True, eq=False)
class Chunks:
    """Grain source whose element i is the i-th chunk of `size` consecutive steps.

    One element is many batches because Grain is 16 times slower when it reads one row at a time than when it
    gathers many rows at once (measured).

    Attributes:
        examples: The rows.
        order: The row numbers of each step, int[num_steps, B].
        size: The number of steps in a chunk, C.
    """

    examples: Examples
    order: np.ndarray
    size: int

    def __len__(self) -> int:
        """Return the number of chunks; the last one may be shorter."""
        return -(-len(self.order) // self.size)

    def __getitem__(self, index: Any) -> tuple[np.ndarray, Any]:
        """Return (x [C, B, ...], y i32[C, B] or ()) of one chunk."""
        # Python's iteration by __getitem__ stops at IndexError, which slices alone never raise.
        if not 0 <= index < len(self):
            raise IndexError(index)
        rows = self.order[index * self.size : (index + 1) * self.size]
        # One gather for the whole chunk: C * B rows, reshaped to [C, B, ...] below.
        x = as_source(self.examples.x).take(rows.reshape(-1))
        y = self.examples.y
        return x.reshape(*rows.shape, *x.shape[1:]), () if isinstance(y, tuple) else y[rows]


def as_source(x: Any) -> Source:
    """Return an array [N, ...] as a source; a source is returned unchanged."""
    return ArraySource(x) if isinstance(x, np.ndarray) else x


def batches(
    examples: Examples, order: np.ndarray, *, start: int = 0, chunk: int, num_threads: int = 1
) -> Any:
    """Return a Grain iterator over chunks of batches in a given order.

    Its `get_state` and `set_state` (and `grain.checkpoint`) continue exactly, if `order`, `start` and `chunk`
    are the same.

    Args:
        examples: The rows, in memory or streamed.
        order: The row numbers of each step, int[num_steps, B].
        start: The step to start at.
        chunk: The number of consecutive steps in an element, C. The last element may have fewer.
        num_threads: The number of threads that read ahead. 0 reads without threads; more threads than
            idle cores are slower.

    Returns:
        An iterator over (x [C, B, ...], y i32[C, B] or ()).

    Raises:
        ValueError: If `chunk`, `start` or `num_threads` is out of range.
    """
    # Imported here: `import grain` takes time and configures logging, and runs in memory do not need it.
    with quiet():
        import grain

    # ValueError and not JaxaeError: these numbers come from jaxae's own loop, not from the user.
    if chunk < 1 or not 0 <= start <= len(order) or num_threads < 0:
        raise ValueError(f"chunk {chunk}, start {start}, num_threads {num_threads} for {len(order)} steps")
    elements = grain.MapDataset.source(Chunks(examples, np.asarray(order)[start:], chunk))
    # One element more than there are threads is read ahead, so that a finished thread always has work.
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=num_threads + 1)
    return iter(elements.to_iter_dataset(options))
