"""Splits of a data set: official splits are kept, missing ones are drawn from the training rows."""

from collections.abc import Mapping

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.row_source import Rows
from jaxae.errors import JaxaeError
from jaxae.specs.pytree import replace
from jaxae.types import Examples

DEFAULT_SHARE = 0.1  # of a user's own rows, held out for each of validation and test


def split(originals: dict[str, Examples], data: DataSpec) -> dict[str, Examples]:
    """Return the three splits of a data set; no row is in two of them.

    An official split is used as a whole, or left out if its number in `data` is 0.

    Args:
        originals: `train`, and the official splits `validation` and `test` if the data has them.
        data: The numbers or shares of rows to draw, and the seed.

    Returns:
        `train`, `validation` and `test`, with x read on demand.

    Raises:
        JaxaeError: If no training row is left.
    """
    train = originals["train"]
    # An official split needs no rows of `train`, so its number is 0 in the draw.
    num_test = 0 if "test" in originals else count_rows(data.num_test, len(train.x))
    num_validation = 0 if "validation" in originals else count_rows(data.num_validation, len(train.x))
    rows = draw_rows(len(train.x), num_validation, num_test, data.split_seed)
    parts = {name: select(train, indices) for name, indices in rows.items()}
    for name, num_rows in (("validation", data.num_validation), ("test", data.num_test)):
        if name in originals and num_rows != 0:
            parts[name] = originals[name]
    return parts


def count_rows(held_out: float | None, num_rows: int) -> int:
    """Return the number of rows to hold out of `num_rows`.

    Args:
        held_out: The number of rows, their share below 1, or None for `DEFAULT_SHARE`.
        num_rows: The number of rows to draw from.

    Returns:
        The number of rows; a share is rounded, and is at least one row.

    Example:
        >>> count_rows(60, 600), count_rows(0.25, 600), count_rows(None, 600), count_rows(None, 4)
        (60, 150, 60, 1)
    """
    if isinstance(held_out, int):
        return held_out
    return max(1, round((DEFAULT_SHARE if held_out is None else held_out) * num_rows))


def settled(data: DataSpec, num_rows: Mapping[str, int]) -> DataSpec:
    """Return the spec with the number of rows of each held-out split in place of a share or None.

    A record then holds numbers, which mean the same rows also if a default changes.

    Args:
        data: The spec of data that has been read.
        num_rows: The number of rows of each split.

    Returns:
        The spec.
    """
    for name in ("validation", "test"):
        if not isinstance(getattr(data, f"num_{name}"), int):
            data = replace(data, f"num_{name}", num_rows[name])
    return data


def draw_rows(num_rows: int, num_validation: int, num_test: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the row numbers of each split; test rows do not depend on `num_validation`.

    Args:
        num_rows: The number of rows to draw from.
        num_validation: The number of validation rows.
        num_test: The number of test rows.
        seed: The seed of the draw, 0 to 2^32 - 1.

    Returns:
        Row numbers of `train`, `validation` and `test`, each in rising order.

    Raises:
        JaxaeError: If no training row is left.

    Example:
        >>> {name: rows.tolist() for name, rows in draw_rows(6, 1, 2, seed=0).items()}
        {'train': [0, 3, 4], 'validation': [1], 'test': [2, 5]}
    """
    if num_validation + num_test >= num_rows:
        raise JaxaeError(
            f"num_validation {num_validation} and num_test {num_test} leave none of the {num_rows} rows for"
            " training; lower data.num_validation or data.num_test"
        )
    # NumPy promises that the stream of RandomState never changes, but not that of Generator.
    order = np.random.RandomState(seed).permutation(num_rows)
    # Test rows come first in the order, so that a change of `num_validation` does not change them.
    test, validation, train = np.split(order, [num_test, num_test + num_validation])
    # Rising order keeps reads of mapped files sequential; the training step shuffles anyway.
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def select(examples: Examples, rows: np.ndarray) -> Examples:
    """Return the given rows of a split, with x read on demand.

    Args:
        examples: The split.
        rows: The row numbers int[n].

    Returns:
        The n rows, in the order of `rows`.
    """
    y = () if isinstance(examples.y, tuple) else examples.y[rows]
    return Examples(Rows(examples.x, rows), y, examples.scale)
