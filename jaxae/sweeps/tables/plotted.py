"""Numbers of a sweep's figures: runs by setting, their means over seeds, and a text on how to cite them."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.estimators.score_facts import Facts
from jaxae.plots.series import Mean, Series
from jaxae.sweeps.tables.statistics import INTERVALS, mean
from jaxae.sweeps.tables.summary import FAILED, KNOWN, SPLITS, USED, is_used

Row = Mapping[str, Any]
MOST_COLOURS = 10  # series that a figure can tell apart
ENDS = {"student": "Student's t", "bootstrap": "the bootstrap"}


def series(
    rows: Sequence[Row],
    x: str,
    y: str,
    hue: str | None,
    swept: Sequence[str],
    interval: str = "student",
) -> list[Series]:
    """Return the runs of a sweep as series of a figure of `y` over `x`.

    Means are over the runs that differ in nothing but their seed. They are left out if there are more swept
    names than `x` and the colours show.

    Args:
        rows: Rows of the runs.
        x: Column on the horizontal axis.
        y: Column of the score.
        hue: Column of the colours. None: the other swept names, if they have at most ten combinations.
        swept: Dotted names that are swept over.
        interval: Confidence intervals of means: "student" or "bootstrap".

    Returns:
        The series, in the order in which their runs first occur.

    Raises:
        JaxaeError: If no run has a column, or the interval is unknown.
    """
    known = {name for row in rows for name in row}
    for option, column in {"x": x, "y": y, "hue": hue}.items():
        if column is not None and column not in known:
            raise JaxaeError(f"{option}: no run has '{column}'; {nearest(column, known)}")
    if interval not in INTERVALS:
        raise JaxaeError(f"interval: got '{interval}'; {nearest(interval, INTERVALS)}")
    others = [name for name in swept if name != x]
    if hue is not None:
        colours = [hue]
    elif _num_settings(rows, [x, *others]) == _num_settings(rows, [x]):
        colours = []  # each value of x has one setting: the other names changed together with it
    else:
        colours = others if _num_settings(rows, others) <= MOST_COLOURS else []
    # No mean may mix settings.
    is_setting = _num_settings(rows, [x, *colours]) == _num_settings(rows, [x, *others, *colours])
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(setting_text(row, colours), []).append(row)
    return [_series(label, each, x, y, interval if is_setting else None) for label, each in found.items()]


def setting_text(row: Row, names: Sequence[str]) -> str:
    """Return a setting as text: `beta=1.0, latent_dim=2`.

    Args:
        row: Row of a run.
        names: Dotted names of the setting.

    Returns:
        The text, with the last part of each name.
    """
    return ", ".join(f"{name.rpartition('.')[2]}={row.get(name)}" for name in names)


def by_setting(rows: Sequence[Row], swept: Sequence[str], columns: Sequence[str]) -> dict[str, list[Row]]:
    """Return the used runs that have numbers in all columns, by setting.

    Args:
        rows: Rows of the runs.
        swept: Dotted names that are swept over.
        columns: The columns.

    Returns:
        {text of the setting: its rows}.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        if all(is_used(row, column) for column in columns):
            found.setdefault(setting_text(row, swept), []).append(row)
    return found


def axis_label(column: str, facts: Facts = KNOWN) -> str:
    """Return the name of a score with its split and unit: `validation elbo, nats`.

    Args:
        column: A column of the results.
        facts: Facts of the scores, {name without the split: facts}.

    Returns:
        The text; a column that is no score is unchanged.
    """
    split = next((split for split in SPLITS if column.startswith(split)), None)
    if split is None:
        return column
    name = column.removeprefix(split)
    unit = facts[name].unit.partition(",")[0] if name in facts else ""
    return f"{split.rstrip('.')} {name}" + (f", {unit}" if unit else "")


def caption(found: Sequence[Series], x: str, y: str, interval: str, facts: Facts = KNOWN) -> str:
    """Return how to cite the numbers of a figure.

    Args:
        found: Series of the figure.
        x: Name on the horizontal axis.
        y: Column of the score.
        interval: Confidence intervals of means: "student" or "bootstrap".
        facts: Facts of the scores, {name without the split: facts}.

    Returns:
        The score with split and unit, the marks, the number of seeds, the interval, failed runs.
    """
    num, failed = sum(len(each.y) for each in found), sum(len(each.failed) for each in found)
    parts = [f"{axis_label(y, facts)} over {x}", f"dots: {num} runs"]
    counts = sorted({each.x.count(point.x) for each in found for point in each.means})
    if counts and counts[-1] > 1:
        seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        parts.append(f"lines: mean of n = {seeds} seeds and its 95 % interval by {ENDS[interval]}")
    parts.append(f"{failed} of {num + failed} runs failed")
    return "; ".join(parts)


def _num_settings(rows: Sequence[Row], names: Sequence[str]) -> int:
    return len({setting_text(row, names) for row in rows})


def _series(label: str, rows: Sequence[Row], x: str, y: str, interval: str | None) -> Series:
    good = [row for row in rows if is_used(row, y)]
    # A run that finished without a finite score has failed as well. One that was pruned has not.
    lost = [row for row in rows if row["status"] in (*FAILED, *USED) and not is_used(row, y)]
    failed, means = [row.get(x) for row in lost], []
    # By the text of a value: a list is a possible value, and cannot be a key.
    for value in sorted({str(row.get(x)): row.get(x) for row in good if interval}.values(), key=_order):
        by_seed: dict[int, list[float]] = {}
        for row in good:
            if str(row.get(x)) == str(value):
                by_seed.setdefault(row["seed"], []).append(float(row[y]))
        means.append(Mean(value, *INTERVALS[interval or ""](list(map(mean, by_seed.values())), 0.95)))
    return Series(label, [row.get(x) for row in good], [float(row[y]) for row in good], failed, means)


def _order(value: Any) -> tuple[int, float, str]:
    """Return the key of sorting: numbers by size, before all other values, which keep their order."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, float(value), "") if is_number else (1, 0.0, "")
