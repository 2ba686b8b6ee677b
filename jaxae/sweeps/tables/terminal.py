"""The summary of a sweep as a table for the terminal: short names, means with half widths, best first."""

import math
from collections.abc import Sequence
from typing import Any

from jaxae.estimators.score_facts import Facts
from jaxae.sweeps.tables.summary import KNOWN, Row, companions, higher_is_better, on_test_rows

# Rows of the table, its width, and the widths between which long texts are cut, in characters.
MAX_SETTINGS, MAX_WIDTH, MAX_CELL, MIN_CELL = 20, 110, 40, 8
GAP = "  "  # between two columns


def lines(summary: Sequence[Row], names: Sequence[str], score: str, facts: Facts = KNOWN) -> list[str]:
    """Return a summary as the lines of a table for the terminal: the best 20 settings, best first.

    "*" marks the best mean. "better" or "worse" follows a difference to the baseline whose interval excludes
    0. If lines would be wider than 110 characters, long texts are cut, but settings remain distinguishable.

    Args:
        summary: Rows of `summarize`.
        names: Swept names of the summary.
        score: Score of the summary.
        facts: Facts of the scores, {name without the split: facts}.

    Returns:
        The heading and one line for each setting; empty for an empty summary.
    """
    if not summary:
        return []
    rows = cells(summary, names, score, facts)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [GAP.join(map(str.ljust, row, widths)).rstrip() for row in rows]
    more = len(summary) - (len(rows) - 1)
    return table + ([f"... and {more} more in summary.csv"] if more else [])


def cells(
    summary: Sequence[Row], names: Sequence[str], score: str, facts: Facts = KNOWN, num: int = MAX_SETTINGS
) -> list[list[str]]:
    """Return a summary as the cells of the table that `lines` aligns.

    Args:
        summary: Rows of `summarize`, at least one.
        names: Swept names of the summary.
        score: Score of the summary.
        facts: Facts of the scores, {name without the split: facts}.
        num: Largest number of settings.

    Returns:
        The headings, and the cells of the best settings, best first.
    """
    ordered = sorted(summary, key=lambda row: math.inf if row["rank"] is None else row["rank"])
    shown = ordered[:num]
    numbers = _number_columns(shown, score, facts)
    named = [[_label(name, names), *short_texts([row[name] for row in shown])] for name in names]
    columns = [*_fitting(named, MAX_WIDTH - _width(numbers) - len(GAP)), *numbers]
    return [list(row) for row in zip(*columns, strict=True)]


def _number_columns(shown: Sequence[Row], score: str, facts: Facts) -> list[list[str]]:
    """Return the columns after the names, each with its heading first."""
    counts = [["n", *map(_count, shown)], ["", *("*" if row["best"] else "" for row in shown)]]
    means = {
        column: column.removeprefix(f"{name}_")  # heading `ess` after `test.iwelbo_64`
        for name in (score, on_test_rows(score))
        for column in (name, *companions(name, facts))
        if column in shown[0]
    }
    numbers = [
        [heading, *_aligned([_plus_minus(row, name, row.get(f"{name}_n", row["n_used"])) for row in shown])]
        for name, heading in means.items()
    ]
    if len(shown) > 1:
        is_higher_better = higher_is_better(score, facts)
        numbers.append(
            ["minus baseline", *_aligned([_compared(row, score, is_higher_better) for row in shown])]
        )
    return [*counts, *numbers]


def _count(row: Row) -> str:
    """Return the number of runs behind the mean, and of the other runs: "5", or "3 (1 failed, 1 pruned)"."""
    missing = {"failed": row["n_failed"], "pruned": row.get("n_pruned", 0)}
    reasons = ", ".join(f"{number} {status}" for status, number in missing.items() if number)
    return f"{row['n_used']} ({reasons})" if reasons else str(row["n_used"])


def _plus_minus(row: Row, column: str, number: int, sign: str = "") -> tuple[str, str]:
    """Return ("mean", "± half width"), rounded to two significant digits of the half width.

    `number` is the number of runs behind the mean. `sign` may be "+".
    """
    centre, half = row[column], (row[f"{column}_high"] - row[f"{column}_low"]) / 2
    if math.isnan(centre):
        return "-", ""
    partly = f" (n={number})" if number < row["n_used"] else ""
    if math.isnan(half):
        # A single run has no interval.
        return f"{centre:{sign}.5g}", partly.strip()
    # More digits of the mean would be noise.
    decimals = max(0, 1 - math.floor(math.log10(half))) if half > 0 else math.inf
    if decimals > 6 or abs(centre) >= 1e7:
        return f"{centre:{sign}.6g}", f"± {half:.1g}{partly}"
    return f"{centre:{sign}.{decimals}f}", f"± {half:.{decimals}f}{partly}"


def _compared(row: Row, score: str, is_higher_better: bool) -> tuple[str, str]:
    """Return ("difference", "± half width") to the baseline, with "better" or "worse" if 0 is outside."""
    if row["baseline"]:
        return "baseline", ""
    column = f"{score}_minus_baseline"
    centre, half = _plus_minus(row, column, row["n_pairs"], "+")
    above, below = row[f"{column}_low"] > 0, row[f"{column}_high"] < 0
    # The sign of the difference is not enough: a higher loss is worse.
    verdict = " better" if (above if is_higher_better else below) else " worse"
    return centre, half + (verdict if above or below else "")


def _aligned(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return pairs as texts of which the left parts are aligned to the right."""
    width = max(len(left) for left, _ in pairs)
    return [f"{left:>{width}} {right}".rstrip() for left, right in pairs]


def _label(name: str, names: Sequence[str]) -> str:
    """Return the last dotted part of a name, or the shortest tail that no other name has."""
    parts = name.split(".")
    for start in range(len(parts) - 1, 0, -1):
        tail = ".".join(parts[start:])
        if not any(f".{other}".endswith(f".{tail}") for other in names if other != name):
            return tail
    return name


def short_texts(values: Sequence[Any]) -> list[str]:
    """Return numbers with the fewest digits, at least 4, that keep different values different.

    Args:
        values: Numbers or other values.

    Returns:
        The text of each.
    """

    def text(value: Any, digits: int) -> str:
        if not isinstance(value, float):
            return str(value)
        return str(int(value)) if value.is_integer() and abs(value) < 1e6 else f"{value:.{digits}g}"

    for digits in range(4, 18):
        texts = [text(value, digits) for value in values]
        if len(set(texts)) == len(set(values)):  # 17 digits distinguish all floats of 64 bits
            break
    return texts


def _fitting(columns: list[list[str]], width: int) -> list[list[str]]:
    """Return the columns of names, cut as little as needed; no two settings may look the same."""
    fitting = columns
    for limit in range(MAX_CELL, MIN_CELL - 1, -1):
        if _width(fitting) <= width:
            break
        cut = [[_cut(text, limit) for text in column] for column in columns]
        if len(set(zip(*cut, strict=True))) < len(columns[0]):  # two settings would look the same
            break
        fitting = cut
    return fitting


def _width(columns: Sequence[Sequence[str]]) -> int:
    """Return the width of a table in characters."""
    return sum(max(map(len, column)) for column in columns) + len(GAP) * (len(columns) - 1)


def _cut(text: str, limit: int) -> str:
    """Return the text, with "..." in its middle if it is longer than `limit`."""
    head = (limit - 2) // 2
    return text if len(text) <= limit else f"{text[:head]}...{text[len(text) - (limit - 3 - head) :]}"
