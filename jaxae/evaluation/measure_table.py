"""Measures of one or several runs as text: lines for a terminal, Markdown, CSV and JSON."""

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from jaxae.evaluation.attempts import Measured, described
from jaxae.evaluation.measure_groups import GROUPS
from jaxae.evaluation.subject import Row

Runs = Mapping[str, Measured]  # run -> group -> rows
# Scripts of users read these columns, so their names do not change.
COLUMNS = ("run", "member", "split", "group", *Row._fields)
ABSENT = ""  # an empty cell, never a zero: the measure does not apply


def as_json(measured: Measured) -> dict[str, Any]:
    """Return the content of measures.json: rows by group, and the reasons for missing ones."""
    return {
        **{group: [row._asdict() for row in rows] for group, rows in measured.items()},
        "absent": measured.absent,
        "failed": described(measured.failed),
        "warnings": measured.warned,
    }


def as_csv(measured: Runs, members: Mapping[str, str], split: str) -> str:
    """Return a CSV table with one line for each run and measure.

    Args:
        measured: Rows of each run.
        members: Name of the model's class, by run.
        split: Split that was measured.

    Returns:
        The text, with the header `COLUMNS`. A measure that does not apply has no line.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")  # csv writes \r\n by default
    writer.writerow(COLUMNS)
    for run, groups in measured.items():
        for group, rows in groups.items():
            for row in rows:
                cells = ["" if value is None else value for value in row]
                # One measure in a line (the long form), which pandas and R can pivot.
                writer.writerow([run, members[run], split, group, *cells])
    return text.getvalue()


def as_markdown(measured: Runs) -> str:
    """Return a Markdown table for each group, with a row for each measure and a column for each run.

    A cell is empty if the measure does not apply. A list of the reasons follows.
    """
    parts = []
    for group, cells in _group_cells(measured).items():
        head = ["measure", "unit", *measured]
        lines = [head, ["---"] * len(head), *cells]
        parts.append(f"## {group}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    if absent := absences(measured):
        parts.append("## absent\n\n" + "\n".join(f"- {line}" for line in absent) + "\n")
    return "\n".join(parts)


def as_lines(measured: Runs) -> list[str]:
    """Return the tables of `as_markdown` as aligned lines for a terminal, without the reasons."""
    lines: list[str] = []
    for group, cells in _group_cells(measured).items():
        table = [[group, "", *measured], *cells]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines += ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table] + [""]
    return lines[:-1]


def absences(measured: Runs) -> list[str]:
    """Return a line `group: measures: reason (runs)` for each reason why measures do not apply.

    The runs are left out if the reason holds for all of them.
    """
    runs_of: dict[str, list[str]] = {}
    for run, groups in measured.items():
        reasons: dict[tuple[str, str], list[str]] = {}
        for name, reason in groups.absent.items():
            group, dot, measure = name.partition(".")
            reasons.setdefault((f"{group}: " if dot else "", reason), []).append(measure or group)
        for (group, reason), names in reasons.items():
            runs_of.setdefault(f"{group}{', '.join(names)}: {reason}", []).append(run)
    return [
        line if len(names) == len(measured) else f"{line} ({', '.join(names)})"
        for line, names in runs_of.items()
    ]


def plus_minus(row: Row) -> str:
    """Return `28.91 ± 0.12`: the error with at least two significant digits, the value with its decimals.

    Example:
        >>> from jaxae.evaluation.subject import Row
        >>> plus_minus(Row("elbo", -91.2345, 0.0123, "nats", 1000, ""))
        '-91.234 ± 0.012'
    """
    if not math.isfinite(row.value):
        return str(row.value)
    if row.standard_error is None or not math.isfinite(row.standard_error) or row.standard_error == 0:
        return f"{row.value:.4g}"
    decimals = max(0, 1 - math.floor(math.log10(row.standard_error)))  # 0.012 -> 3, 12 -> 0
    # An error of rounding only, such as that of PCA over seeds: its digits are noise.
    if decimals > 6 and row.standard_error < 1e-9 * abs(row.value):
        return f"{row.value:.4g}"
    return f"{row.value:.{decimals}f} ± {row.standard_error:.{decimals}f}"


def _group_cells(measured: Runs) -> dict[str, list[list[str]]]:
    """Return {group: [[measure, unit, cell of each run], ...]}.

    Groups are in the order of `GROUPS`, then a user's own; measures in the order of their first appearance.
    """
    # Runs of different models have different measures; a table has a row for each that any run has.
    names = list(dict.fromkeys(group for groups in measured.values() for group in groups))
    order = [*(group for group in GROUPS if group in names), *(name for name in names if name not in GROUPS)]
    # {group: {measure: {run: row}}}
    tables: dict[str, dict[str, dict[str, Row]]] = {group: {} for group in order}
    for run, groups in measured.items():
        for group, rows in groups.items():
            for row in rows:
                tables[group].setdefault(row.measure, {})[run] = row
    return {
        group: [
            [
                measure,
                next(iter(row_of.values())).unit,
                *(plus_minus(row_of[run]) if run in row_of else ABSENT for run in measured),
            ]
            for measure, row_of in table.items()
        ]
        for group, table in tables.items()
    }
