"""Rows of a sweep for its page: short keys, texts for charts, and the places of runs on parallel axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxae.plots.canvas import outlier_limits
from jaxae.plots.series import is_log_axis, is_number
from jaxae.reports.charts import short
from jaxae.sweeps.drawing import DISTORTION, RATE
from jaxae.sweeps.tables.summary import is_used
from jaxae.sweeps.tables.terminal import short_texts

Row = Mapping[str, Any]
MOST_TICKS = 8  # values of an axis that all have a text
MOST_CELLS = 400  # of a heat map
DECIMALS = 4


class Axis(NamedTuple):
    """A hyperparameter of a sweep."""

    key: str  # name in the rows of the page
    column: str  # name in the table of runs
    name: str  # as charts show it
    values: list[Any]  # the different values, numbers in order of size, others as they first occur
    is_numeric: bool
    is_log: bool

    def shown(self, value: Any) -> Any:
        """Return a value as the rows of the page hold it: a number, or a short text."""
        return value if self.is_numeric else short(value)


def axes_of(rows: Sequence[Row], swept: Sequence[str]) -> list[Axis]:
    """Return the hyperparameters that distinguish runs of a sweep.

    Args:
        rows: Rows of the runs.
        swept: Columns that distinguish settings.

    Returns:
        Those with two or more values; the seed if there are none.
    """
    found = []
    for number, column in enumerate(swept):
        values: list[Any] = list({str(row.get(column)): row.get(column) for row in rows}.values())
        if len(values) < 2:
            continue
        is_numeric = all(is_number(value) for value in values)
        values = sorted(values) if is_numeric else values
        is_log = is_numeric and is_log_axis(values)
        # `beta` for `model.beta`, unless another name ends in the same way.
        last = column.rpartition(".")[2]
        is_unique = sum(name.rpartition(".")[2] == last for name in swept) == 1
        found.append(Axis(f"h{number}", column, last if is_unique else column, values, is_numeric, is_log))
    return found or [Axis("seed", "seed", "seed", sorted({row["seed"] for row in rows}), True, False)]


def settings_of(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Return the setting of each run as a text, `beta=1.857, latent_dim=2`, with few digits.

    Args:
        rows: Rows of the runs.
        names: Columns of the setting.

    Returns:
        The text of each run. Different settings have different texts, unless these are cut.
    """
    columns = [short_texts([row.get(name) for row in rows]) for name in names]
    heads = [name.rpartition(".")[2] for name in names]
    return [
        short(", ".join(f"{head}={text}" for head, text in zip(heads, texts, strict=True)))
        for texts in (zip(*columns, strict=True) if columns else [()] * len(rows))
    ]


def run_rows(
    rows: Sequence[Row], axes: Sequence[Axis], swept: Sequence[str], score: str
) -> list[dict[str, Any]]:
    """Return the rows of runs that charts and the table of a page share.

    Args:
        rows: Rows of the runs.
        axes: The hyperparameters.
        swept: Columns that distinguish settings.
        score: Column of the score.

    Returns:
        For each run: run, seed, status, failed, setting, epochs, score, rate, distortion, the values of the
        hyperparameters, and for each of them the text of the others, `colour_KEY`.
    """
    found = []
    settings = settings_of(rows, swept)
    # The colour of a dot is its setting without the hyperparameter on the axis.
    colours = {axis.key: settings_of(rows, [name for name in swept if name != axis.column]) for axis in axes}
    for number, row in enumerate(rows):
        # A run that ended without a finite score has failed as well.
        has_failed = not is_used(row, score) and row["status"] != "pruned"
        line: dict[str, Any] = {
            "run": row["run"],
            "seed": row["seed"],
            "status": row["status"],
            "failed": has_failed,
            "setting": settings[number],
            "epochs": row.get("epochs_run"),
            "score": _rounded(row[score]) if is_used(row, score) else None,
            "reason": row.get("reason") or "",
        }
        for name, column in (("rate", RATE), ("distortion", DISTORTION)):
            if is_used(row, RATE) and is_used(row, DISTORTION):
                line[name] = _rounded(row[column])
        for axis in axes:
            line[axis.key] = axis.shown(row.get(axis.column))
            line[f"colour_{axis.key}"] = colours[axis.key][number]
        found.append(line)
    return found


def mean_rows(series: Sequence[Any], axis: Axis, colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the means of a figure's series: x, mean, low, high, n and colour.

    Args:
        series: Result of `plotted.series`.
        axis: The hyperparameter on the horizontal axis.
        colours: Text of a series' setting -> its text on the page.

    Returns:
        The rows; `low` and `high` are None for one seed.
    """
    return [
        {
            "x": axis.shown(mean.x),
            "mean": _rounded(mean.y),
            "low": _rounded(mean.low),
            "high": _rounded(mean.high),
            "n": sum(str(x) == str(mean.x) for x in each.x),
            "colour": colours.get(each.label, ""),
        }
        for each in series
        for mean in each.means
    ]


def parallel_rows(
    runs: Sequence[Row], axes: Sequence[Axis], score: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the places of runs on parallel axes, and the texts at these axes.

    Args:
        runs: Result of `run_rows`.
        axes: The hyperparameters.
        score: Name of the score, the last axis.

    Returns:
        (rows with run, axis, place, text and quality; ticks with axis, place and text).
    """
    scored = [row["score"] for row in runs if row["score"] is not None]
    if not scored:
        return [], []
    outcome = Axis("score", "score", score, _near(scored), True, False)
    rows, ticks = [], []
    for axis in (*axes, outcome):
        ticks += _ticks(axis)
        for row in runs:
            # The line of a run that has failed ends before the score.
            if row[axis.key] is None and axis is outcome:
                continue
            place = place_on(axis, row[axis.key])
            quality = None if row["score"] is None else place_on(outcome, row["score"])
            text = f"{row[axis.key]:.6g}" if axis.is_numeric else str(row[axis.key])
            rows.append(
                {"run": row["run"], "axis": axis.name, "place": place, "text": text, "quality": quality}
            )
    return rows, ticks


def _near(scores: Sequence[float]) -> list[float]:
    """Return the different scores, without those that are far from the others: they lie at the axis's end."""
    limits = outlier_limits(np.array(scores, float))
    low, high = limits or (-math.inf, math.inf)
    return sorted({score for score in scores if low <= score <= high})


def place_on(axis: Axis, value: Any) -> float:
    """Return the place of a value on an axis, 0 to 1.

    Args:
        axis: The axis.
        value: One of its values.

    Returns:
        The place; 0.5 on an axis of one value.
    """
    if not axis.is_numeric:
        names = [axis.shown(each) for each in axis.values]
        return round(names.index(value) / (len(names) - 1), DECIMALS) if len(names) > 1 else 0.5
    # As on the axis of the other charts, so that values have the same order and distances.
    scale = math.log if axis.is_log else float
    low, high = scale(axis.values[0]), scale(axis.values[-1])
    place = (scale(value) - low) / (high - low) if high > low else 0.5
    return round(min(max(place, 0.0), 1.0), DECIMALS)


def _ticks(axis: Axis) -> list[dict[str, Any]]:
    """Return the texts at an axis: all values if they are few, otherwise both ends."""
    # Texts of scores that lie close together would cover each other.
    has_all = len(axis.values) <= MOST_TICKS and axis.key != "score"
    values = axis.values if has_all else [axis.values[0], axis.values[-1]]
    return [
        {
            "axis": axis.name,
            "place": place_on(axis, value),
            "text": f"{value:.4g}" if axis.is_numeric else str(value)[:14],
        }
        for value in map(axis.shown, values)
    ]


def cell_rows(runs: Sequence[Row], first: Axis, second: Axis) -> list[dict[str, Any]]:
    """Return the mean score for each pair of values of two hyperparameters.

    Args:
        runs: Result of `run_rows`.
        first: Hyperparameter on the horizontal axis.
        second: Hyperparameter on the vertical axis.

    Returns:
        Rows with a, b, mean, n, failed and text; empty if there are too many pairs.
    """
    if len(first.values) * len(second.values) > MOST_CELLS:
        return []
    rows = []
    for a in first.values:
        for b in second.values:
            of_pair = [
                row for row in runs if row[first.key] == first.shown(a) and row[second.key] == second.shown(b)
            ]
            scores = [row["score"] for row in of_pair if row["score"] is not None]
            failed = sum(row["failed"] for row in of_pair)
            # Pairs that were not tried stay empty.
            if of_pair:
                mean = _rounded(math.fsum(scores) / len(scores)) if scores else None
                text = "failed" if mean is None else f"{mean:.4g}"
                pair = {"a": _text(first, a), "b": _text(second, b)}
                rows.append({**pair, "mean": mean, "n": len(scores), "failed": failed, "text": text})
    return rows


def _text(axis: Axis, value: Any) -> str:
    return f"{value:g}" if axis.is_numeric else short(value)


def num_colours(runs: Sequence[Row], key: str) -> int:
    """Return the number of different texts under a key, for the legend.

    Args:
        runs: Rows.
        key: The key.

    Returns:
        The number.
    """
    return len({row[key] for row in runs})


def _rounded(value: float) -> float | None:
    """Return a number with the digits that a chart can show; None if it is not finite."""
    return float(f"{value:.7g}") if math.isfinite(value) else None
