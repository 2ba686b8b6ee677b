"""A comparison of runs as lines for a terminal."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from jaxae.errors import visible
from jaxae.runs.comparison import MISSING, Comparison


def lines(comparison: Comparison) -> list[str]:
    """Return the comparison as lines: a column for each run, and `*` before the best value of a score."""
    rows = [["", *comparison.runs, ""]]
    rows += _rows(comparison.facts)
    rows += [["settings that differ"], *_rows(comparison.differences)] if comparison.differences else []
    rows += [["data, code and machine"], *_rows(comparison.circumstances)] if comparison.circumstances else []
    if comparison.score_rows:
        rows += [["scores, mean ± standard error over rows; * is the best"], *_scores(comparison)]
    return [*_align(rows), *_pair_lines(comparison)]


def _rows(values: dict[str, list[Any]]) -> list[list[str]]:
    return [[name, *map(_text, each), ""] for name, each in values.items()]


def _text(value: Any) -> str:
    # A note may have several lines; a cell of the table has one.
    return MISSING if value is None else visible(" ".join(str(value).split()))


def _scores(comparison: Comparison) -> list[list[str]]:
    rows = []
    for row in comparison.score_rows:
        marks = ["* " if number == row["best"] else "  " for number in range(len(comparison.runs))]
        # Diagnostics without a standard error are no scores to win by, but they are shown.
        cells = [
            mark + plus_minus(value, error)
            for mark, value, error in zip(marks, row["values"], row["errors"], strict=True)
        ]
        rows.append([f"{row['split']}.{row['score']}", *cells, row["unit"] or ""])
    return rows


def plus_minus(value: float | None, error: float | None) -> str:
    """Return `-43.300 ± 0.045`: the error with two significant digits, the value with its decimals.

    Args:
        value: The value; None for a run without it.
        error: Its standard error, or None.

    Returns:
        The text.
    """
    if value is None:
        return MISSING
    if error is None or not math.isfinite(error) or error == 0:
        return f"{value:.5g}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns; a row of one cell is a heading over all columns."""
    columns = zip(*(row for row in rows if len(row) > 1), strict=True)
    widths = [max(map(len, column)) for column in columns]

    def line(row: Sequence[str]) -> str:
        if len(row) == 1:
            return f"\n{row[0]}"
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    return list(map(line, rows))


def _pair_lines(comparison: Comparison) -> Iterable[str]:
    """Return the differences over the same test rows, and why a run has none."""
    first = comparison.runs[0]
    lines: list[str] = []
    for run in comparison.runs[1:]:
        rows = [row for row in comparison.pairs if row["run"] == run]
        if rows:
            lines.append(
                f"\n{run} minus {first}, the same {rows[0]['num']} test rows in pairs, 95 % interval"
            )
            lines += _align([["", "", "", ""], *map(_pair_cells, rows)])[1:]
        if run in comparison.unpaired:
            lines.append(f"\n{run} and {first}, test rows in pairs: {comparison.unpaired[run]}")
    return lines


def _pair_cells(row: dict[str, Any]) -> list[str]:
    interval = f"{row['difference']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"
    return [row["score"], interval, row["verdict"], row["unit"]]
