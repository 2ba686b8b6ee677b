"""Draws from a model are made under the labels of the measured rows."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jaxae.evaluation.sample_measures import _choose_labels
from jaxae.types import Examples


def subject(y: Any, is_conditional: bool = True) -> Any:
    return SimpleNamespace(rows=Examples(np.zeros((4, 1)), y, 1.0), is_conditional=is_conditional)


@pytest.mark.parametrize(
    ("y", "num", "expected"),
    [
        ([3, 1, 2, 0], 4, [0, 1, 2, 3]),
        ([1, 0, 1, 0], 4, [0, 0, 1, 1]),
        (list(range(10)) * 30, 10, list(range(10))),  # few draws of many rows: every label
        ([2, 0], 4, [0, 0, 2, 2]),  # more draws than rows
    ],
)
def test_draws_have_the_labels_of_the_rows(y: list[int], num: int, expected: list[int]) -> None:
    chosen = _choose_labels(subject(np.array(y, np.int32)), num)
    assert chosen is not None and chosen.tolist() == expected


def test_draws_without_a_condition_have_no_labels() -> None:
    assert _choose_labels(subject(np.zeros(4, np.int32), is_conditional=False), 4) is None
    assert _choose_labels(subject(()), 4) is None
