"""What figures of a sweep show, without matplotlib: runs by colour, and their means."""

from typing import Any, NamedTuple


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
