"""Limits of the axes of curves, which a few values must not stretch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxae.plots.canvas import robust_limits
from jaxae.plots.figures import FIRST
from jaxae.reports.charts import Limits

FEWEST = 10  # epochs, below which no epoch lies outside of a curve's limits


def curve_limits(rows: Sequence[Mapping[str, Any]], curve: str) -> tuple[Limits, str]:
    """Return limits that the first epochs do not stretch, and a remark on values outside of them.

    Args:
        rows: Points of curves, with epoch and value.
        curve: Key of the curve's name in the rows.

    Returns:
        (limits, remark); (None, "") if no limits are needed.
    """
    epochs = sorted({row["epoch"] for row in rows})
    if len(epochs) < FEWEST:
        return None, ""
    place = {epoch: number for number, epoch in enumerate(epochs)}
    column = {name: number for number, name in enumerate(dict.fromkeys(row[curve] for row in rows))}
    values = np.full((len(epochs), len(column)), np.nan)
    for row in rows:
        values[place[row["epoch"]], column[row[curve]]] = row["value"]
    limits = robust_limits(values, max(1, round(FIRST * len(epochs))))
    if limits is None:
        return None, ""
    # The reader must know that something is outside, and how far.
    outside = values[(values < limits[0]) | (values > limits[1])]
    furthest = outside[np.argmax(np.abs(outside - np.mean(limits)))]
    remark = f" Values of the first epochs lie outside, up to {furthest:.4g}."
    return (float(limits[0]), float(limits[1])), remark
