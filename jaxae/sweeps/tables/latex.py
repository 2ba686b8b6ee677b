"""A sweep's summary as a table for LaTeX: mean and interval of each setting, the best one in bold."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.estimators.score_facts import Facts
from jaxae.sweeps.tables.plotted import ENDS, axis_label
from jaxae.sweeps.tables.statistics import paired_differences, student_interval
from jaxae.sweeps.tables.summary import Row, by_seed, higher_is_better, summarize

_SPECIAL = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def to_latex(
    rows: Sequence[Row],
    names: Sequence[str],
    scores: Sequence[str],
    facts: Facts,
    interval: str = "student",
) -> str:
    """Return a tabular environment with a line for each setting (package booktabs), and a comment below it.

    A mean is in bold if it is the best and the paired difference to each other setting is significant: the 95
    % interval of the differences by seed excludes 0. The intervals are not corrected for the number of
    settings.

    Args:
        rows: Rows of the runs.
        names: Dotted names that are swept over.
        scores: Columns of the table, such as `test.elbo`.
        facts: Facts of the scores, {name without the split: facts}.
        interval: Confidence intervals of means: "student" or "bootstrap".

    Returns:
        The table as text. The comment says how the numbers were made.

    Raises:
        JaxaeError: If there are no runs or no scores, or no run has a score.
    """
    if not rows or not scores:
        raise JaxaeError(
            f"to_latex: got {len(rows)} runs and {len(scores)} scores, expected one or more of both"
        )
    tables = [
        summarize(rows, names, score=score, interval=interval, report=(), facts=facts) for score in scores
    ]
    lines = [" & ".join([*(_head(name) for name in names), *(_score_head(score, facts) for score in scores)])]
    bold = [_significant(rows, names, score, facts) for score in scores]
    for number, setting in enumerate(tables[0]):
        values = [
            _value(table[number], score, interval, best == number)
            for table, score, best in zip(tables, scores, bold, strict=True)
        ]
        lines.append(" & ".join([*(escaped(setting[name]) for name in names), *values]))
    head, *body = (f"{line} \\\\" for line in lines)
    alignment = "l" * len(names) + "r" * len(scores)
    table = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
    return "\n".join([*table, r"\end{tabular}", _comment(tables[0], interval)]) + "\n"


def escaped(value: Any) -> str:
    """Return a value as text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(str(value).split()))


def _head(name: str) -> str:
    return escaped(name.rpartition(".")[2].replace("_", " "))


def _score_head(score: str, facts: Facts) -> str:
    arrow = r"\uparrow" if higher_is_better(score, facts) else r"\downarrow"
    return f"{escaped(axis_label(score, facts).replace('_', ' '))} ${arrow}$"


def _value(row: Mapping[str, Any], score: str, interval: str, is_bold: bool) -> str:
    """Return a mean with its interval, to two digits of the interval."""
    mean, low, high = (row[f"{score}{end}"] for end in ("", "_low", "_high"))
    if not math.isfinite(mean):
        return "--"
    width = (high - low) / 2
    decimals = max(0, 1 - math.floor(math.log10(width))) if math.isfinite(width) and width > 0 else 2
    text = f"{mean:.{decimals}f}"
    text = rf"\mathbf{{{text}}}" if is_bold else text
    if not math.isfinite(width):
        return f"${text}$"
    if interval == "student":
        return rf"${text} \pm {width:.{decimals}f}$"
    # The ends of a bootstrap interval are not at equal distances from the mean.
    return rf"${text}\;[{low:.{decimals}f}, {high:.{decimals}f}]$"


def _significant(rows: Sequence[Row], names: Sequence[str], score: str, facts: Facts) -> int | None:
    """Return the number of the setting that is significantly better than each other one; None if none is."""
    values = by_seed(rows, names, score)
    means = [sum(each.values()) / len(each) if each else math.nan for each in values]
    known = [number for number, mean in enumerate(means) if math.isfinite(mean)]
    if len(known) < 2:
        return None
    sign = 1 if higher_is_better(score, facts) else -1
    best = max(known, key=lambda number: sign * means[number])
    for other in known:
        if other != best:
            _, low, high = student_interval(paired_differences(values[best], values[other]))
            # nan, for fewer than two common seeds, compares as False.
            if not (low if sign > 0 else -high) > 0:
                return None
    return best


def _comment(rows: Sequence[Mapping[str, Any]], interval: str) -> str:
    used = sorted({row["n_used"] for row in rows})
    seeds = str(used[0]) if len(used) == 1 else f"{used[0]} to {used[-1]}"
    failed, runs = sum(row["n_failed"] for row in rows), sum(row["n"] for row in rows)
    ends = f"95 % interval by {ENDS[interval]}"
    bold = "bold: better than each other setting, 95 % interval of paired differences by seed excludes 0"
    return f"% mean and {ends} over n = {seeds} seeds; {bold}; {failed} of {runs} runs failed"
