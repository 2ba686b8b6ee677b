"""What figures of a sweep show, without matplotlib: runs by colour, and their means."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

LOG_RATIO = 20.0  # positive values that span at least this factor have a logarithmic axis


class Mean(NamedTuple):
    """Mean over the seeds of a setting, with its confidence interval; low and high are nan for one seed."""

    x: Any
    y: float
    low: float
    high: float


class Series(NamedTuple):
    """Runs of one colour."""

    label: str  # "" for a figure of one colour
    x: list[Any]  # of each run that has a score
    y: list[float]
    failed: list[Any]  # x of each run without a finite score
    means: list[Mean]  # by x; none if the runs of an x differ in more than their seed


def is_number(value: Any) -> bool:
    """Return whether a value of a hyperparameter is a finite number; True and False are choices."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_log_axis(values: Sequence[float]) -> bool:
    """Return whether numbers have a logarithmic axis: they are positive and span at least `LOG_RATIO`.

    Args:
        values: The numbers, at least one.

    Returns:
        Whether the axis is logarithmic.
    """
    return min(values) > 0 and max(values) / min(values) >= LOG_RATIO
