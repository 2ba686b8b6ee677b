"""Programs over a split in blocks of a fixed shape, so that splits of any size share one compiled program.

A block is a number of rows that depends on the size of one row only. The last block is filled with rows from
the start of the split. The program gets the number of rows that count, and stops after them: a split of 40
rows costs as much time as 40 rows.
"""

import math
from typing import Any

import jax
import numpy as np

from jaxae import memory
from jaxae.types import Examples

MOST_ROWS = 1000  # a block of MNIST takes about a millisecond to copy, and at least 0.1 s to evaluate
MOST_BYTES = 8 * 2**20  # of a block's rows


def rows_of_block(examples: Examples) -> int:
    """Return the number of rows in a block, from 1 to `MOST_ROWS`; the size of the split does not matter."""
    bytes_of_row = math.prod(examples.x.shape[1:]) * examples.x.dtype.itemsize
    return max(1, min(MOST_ROWS, MOST_BYTES // max(1, bytes_of_row)))


def over_blocks(
    program: Any, fixed: tuple[Any, ...], examples: Examples, *more: Any, num_draws: int = 1, **static: Any
) -> list[tuple[Any, int]]:
    """Return the values of `program(*fixed, block, *more, num)` for each block, on the host.

    The device holds one block at a time.

    Args:
        program: A function under `jax.jit` whose last argument is the number i32[] of rows that count, with
            the keyword `at_once`.
        fixed: Its arguments before the rows, the same for every block.
        examples: The split, of N > 0 rows.
        *more: Its arguments after the rows, the same for every block.
        num_draws: Codes that are decoded for each row.
        **static: Further static arguments.

    Returns:
        (values, number of rows that count) of each block.

    Raises:
        OutOfMemory: If not even one row and one draw fit in memory.
    """
    host: Examples = jax.tree.map(np.asarray, examples)
    size, num_rows = rows_of_block(host), len(host.x)
    at_once = memory.first_guess(host.x.shape[1:], size * num_draws)
    parts = []
    for start in range(0, num_rows, size):
        num = min(size, num_rows - start)
        block = take(host, np.arange(start, start + size) % num_rows)
        values = memory.run(program, *fixed, block, *more, np.int32(num), at_once=at_once, **static)
        parts.append((jax.device_get(values), num))
    return parts


def take(examples: Examples, rows: np.ndarray) -> Examples:
    """Return these rows of a split on the host.

    Args:
        examples: The split, NumPy arrays.
        rows: Numbers of the rows, i64[...].

    Returns:
        The rows, [..., *event].
    """
    x, y = jax.tree.map(lambda leaf: leaf[rows], (examples.x, examples.y))
    return examples._replace(x=x, y=y)


def joined(parts: list[tuple[Any, int]]) -> Any:
    """Join the values of the rows that count.

    Args:
        parts: (pytree of [B, ...], number of rows that count) of each block.

    Returns:
        The pytree of [N, ...].
    """
    cut = [jax.tree.map(lambda leaf, num=num: leaf[:num], values) for values, num in parts]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *cut)
