"""Train, validation and test: official splits are kept, missing ones are drawn from the training rows."""

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.row_source import Rows
from jaxae.errors import JaxaeError
from jaxae.types import Examples


def split(originals: dict[str, Examples], data: DataSpec) -> dict[str, Examples]:
    """`train` and any official `validation` and `test` -> all three, as sources; no row in two of them.

    An official split is taken whole whatever `num_validation` and `num_test` say, and left out by 0.
    """
    train = originals["train"]
    num_test = 0 if "test" in originals else data.num_test
    num_validation = 0 if "validation" in originals else data.num_validation
    rows = draw_rows(len(train.x), num_validation, num_test, data.split_seed)
    parts = {name: select(train, indices) for name, indices in rows.items()}
    for name, wanted in (("validation", data.num_validation), ("test", data.num_test)):
        if name in originals and wanted:
            parts[name] = originals[name]
    return parts


def draw_rows(num_rows: int, num_validation: int, num_test: int, seed: int) -> dict[str, np.ndarray]:
    """Row numbers of each split, in rising order; the test rows do not depend on `num_validation`."""
    if num_validation + num_test >= num_rows:
        raise JaxaeError(
            f"num_validation {num_validation} and num_test {num_test} of {num_rows} training rows leave none"
            " to train on: lower data.num_validation and data.num_test"
        )
    # NumPy promises that RandomState's stream is frozen for ever, which Generator's is not.
    order = np.random.RandomState(seed).permutation(num_rows)
    test, validation, train = np.split(order, [num_test, num_test + num_validation])
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def select(examples: Examples, rows: np.ndarray) -> Examples:
    """The given rows of a split."""
    y = () if isinstance(examples.y, tuple) else examples.y[rows]
    return Examples(Rows(examples.x, rows), y, examples.scale)
