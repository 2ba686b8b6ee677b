"""Rows of several runs as one table: for a terminal, as Markdown, as CSV, as JSON."""

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from jaxae.evaluation.attempts import Measured, described
from jaxae.evaluation.measure_groups import GROUPS
from jaxae.evaluation.subject import Row

Runs = Mapping[str, Measured]  # run -> group -> rows
COLUMNS = ("run", "member", "split", "group", *Row._fields)
ABSENT = ""


def as_json(measured: Measured) -> dict[str, Any]:
    """One run's rows by group, and the reasons for those that are missing, for measures.json."""
    return {
        **{group: [row._asdict() for row in rows] for group, rows in measured.items()},
        "absent": measured.absent,
        "failed": described(measured.failed),
        "warnings": measured.warned,
    }


def as_csv(measured: Runs, members: Mapping[str, str], split: str) -> str:
    """A line for each run and measure of rows of `split`; what does not apply has no line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run, groups in measured.items():
        for group, rows in groups.items():
            for row in rows:
                cells = ["" if value is None else value for value in row]
                writer.writerow([run, members[run], split, group, *cells])
    return text.getvalue()


def as_markdown(measured: Runs) -> str:
    """A table for each group: a row a measure, a column a run; empty where a measure does not apply."""
    parts = []
    for group, cells in _by_group(measured).items():
        head = ["measure", "unit", *measured]
        lines = [head, ["---"] * len(head), *cells]
        parts.append(f"## {group}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    if absent := absences(measured):
        parts.append("## absent\n\n" + "\n".join(f"- {line}" for line in absent) + "\n")
    return "\n".join(parts)


def as_lines(measured: Runs) -> list[str]:
    """The same for a terminal, in columns."""
    lines: list[str] = []
    for group, cells in _by_group(measured).items():
        table = [[group, "", *measured], *cells]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines += ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table] + [""]
    return lines[:-1]


def absences(measured: Runs) -> list[str]:
    """Return `group: names: reason (runs)` for each reason why measures do not apply; no runs if all are."""
    runs_of: dict[str, list[str]] = {}
    for run, found in measured.items():
        reasons: dict[tuple[str, str], list[str]] = {}
        for name, reason in found.absent.items():
            group, dot, measure = name.partition(".")
            reasons.setdefault((f"{group}: " if dot else "", reason), []).append(measure or group)
        for (group, reason), names in reasons.items():
            runs_of.setdefault(f"{group}{', '.join(names)}: {reason}", []).append(run)
    return [
        line if len(names) == len(measured) else f"{line} ({', '.join(names)})"
        for line, names in runs_of.items()
    ]


def plus_minus(row: Row) -> str:
    """`28.91 ± 0.12`: the error to two digits, the value as far as the error goes."""
    if not math.isfinite(row.value):
        return str(row.value)
    if row.standard_error is None or not math.isfinite(row.standard_error) or row.standard_error == 0:
        return f"{row.value:.4g}"
    decimals = max(0, 1 - math.floor(math.log10(row.standard_error)))
    return f"{row.value:.{decimals}f} ± {row.standard_error:.{decimals}f}"


def _by_group(measured: Runs) -> dict[str, list[list[str]]]:
    """Group -> [measure, unit, a cell for each run]; measures in the order in which they were first met."""
    met = {group for groups in measured.values() for group in groups}
    found: dict[str, dict[str, dict[str, Row]]] = {group: {} for group in GROUPS if group in met}
    for run, groups in measured.items():
        for group, rows in groups.items():
            for row in rows:
                found[group].setdefault(row.measure, {})[run] = row
    return {
        group: [
            [
                name,
                next(iter(of.values())).unit,
                *(plus_minus(of[r]) if r in of else ABSENT for r in measured),
            ]
            for name, of in measures.items()
        ]
        for group, measures in found.items()
    }
