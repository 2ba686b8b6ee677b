"""From a sweep's table, a row a run, to its summary, a row a setting: counts, means, intervals, ranks.

A setting is what the swept names say; its runs differ in their seed. What failed stays in the counts: a
mean is over the runs that came to a score, and `n_failed` beside it tells how many did not. Each interval
stands for itself: of 20 settings no better than the baseline, about one differs from it by chance at 95 %.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.evaluation.score_facts import Facts
from jaxae.evaluation.scores import known_facts
from jaxae.sweeps import environments
from jaxae.sweeps.statistics import (
    INTERVALS,
    Interval,
    mean,
    paired_differences,
    standard_deviation,
    student_interval,
)

Row = Mapping[str, Any]
Settings = dict[tuple[Any, ...], list[Row]]  # the values of the swept names -> their runs

USED, PRUNED, FAILED = ("finished", "stopped"), ("pruned",), ("diverged",)  # what `status` may be
SPLITS, COSTS = ("train.", "validation.", "test."), ("seconds", "epochs_run")
KNOWN: Facts = known_facts()  # of the scores of sweeps whose record lacks them


def higher_is_better(column: str, facts: Facts = KNOWN) -> bool:
    """Return whether more of a column is better, as the definition of its score says; terms are minimised.

    Args:
        column: A column of the results, such as `validation.elbo`.
        facts: The facts of the scores, by name without the split.
    """
    fact = facts.get(_score_of(column))
    return fact is not None and fact.higher_is_better


def companions(column: str, facts: Facts = KNOWN) -> list[str]:
    """Return the columns that say how far the values of a column can be trusted."""
    fact = facts.get(_score_of(column))
    return [f"{column.partition('.')[0]}.{name}" for name in fact.companions] if fact else []


def _score_of(column: str) -> str:
    """Return the name of a column's score, without the split; empty for a column that is no score."""
    return next((column.removeprefix(split) for split in SPLITS if column.startswith(split)), "")


def default_score(rows: Sequence[Row]) -> str:
    """validation.elbo where every run has it that has not failed, else validation.loss, else train.loss.

    A run whose validation came to no finite number has failed too, and decides nothing.
    """
    validation = ("validation.elbo", "validation.loss")

    def decides(row: Row) -> bool:
        measured = any(score in row for score in validation)
        return row["status"] in USED and (not measured or any(_is_finite(row, score) for score in validation))

    deciding = [row for row in rows if decides(row)]
    for score in validation:
        if any(score in row for row in rows) and all(_is_finite(row, score) for row in deciding):
            return score
    return "train.loss"


def summarize(
    rows: Sequence[Row],
    names: Sequence[str],
    *,
    score: str | None = None,
    baseline: Mapping[str, Any] | None = None,
    interval: str = "student",
    confidence: float = 0.95,
    report: Sequence[str] | None = None,
    facts: Facts = KNOWN,
) -> list[dict[str, Any]]:
    """One row a setting, in the order in which settings are first met; `names` are the swept dotted names.

    - the names, and `n`: the setting's runs. `n_used`: those that means are over. `n_failed`: diverged, or
      the score is not finite. `n_pruned`, where any run was. `seeds`: of all n. `environments`, where rows
      differ in versions, device or flags: the number of environments that means are over.
    - of the score and each column of `report`: the mean as <column>, its confidence interval as <column>_low
      and _high, and <column>_std; <column>_n where only some of the used runs have a value.
    - <score>_minus_baseline, _low and _high, Student's on the differences over the `n_pairs` seeds that both
      settings have; the same of the score's test column, over <test column>_n_pairs.
    - `baseline`: whether this is it. `rank`: 1 for the best mean score, None without one. `best`: rank 1.

    Runs that share setting and seed count as one value, their mean.
    `score`: None is `default_score`. `baseline`: {name: value}, None is the first setting. `interval`: of
    means, student or bootstrap. `report`: None is the score's test column, then test ELBO, IWELBO, squared
    error and loss, each with its diagnostics. `facts`: the facts of the scores, by name without the split.
    Raises: JaxaeError for a score or column that no run has, a baseline that is not one of the settings, an
    unknown interval, a confidence outside (0, 1).
    """
    if interval not in INTERVALS:
        raise JaxaeError(f"interval: got '{interval}'; {nearest(interval, INTERVALS)}")
    if not rows:
        return []
    score = default_score(rows) if score is None else _known(score, rows, "score")
    columns = _columns(score, rows, report, facts)
    settings = _settings(rows, names)
    reference = _baseline(settings, names, baseline)
    means = [mean(_values(runs, score, score)) for runs in settings.values()]
    ranks = _ranks(means, higher_is_better(score, facts))
    shared = environments.shared_columns(rows)
    several = environments.count(rows, shared) > 1
    pruned, partial = any(row["status"] in PRUNED for row in rows), _partial(settings, columns, score)

    def line(setting: tuple[Any, ...], runs: list[Row], rank: int | None) -> dict[str, Any]:
        told = {**dict(zip(names, setting, strict=True)), **_counts(runs, score, pruned)}
        if several:
            told["environments"] = environments.count([row for row in runs if _is_used(row, score)], shared)
        for column in columns:
            values = _values(runs, column, score)
            told |= _named(column, INTERVALS[interval](values, confidence))
            told |= {f"{column}_std": standard_deviation(values)}
            told |= {f"{column}_n": len(values)} if column in partial else {}
        for column in [name for name in (score, on_test_rows(score)) if name in columns]:
            told |= _difference(runs, settings[reference], column, score, confidence)
        return {**told, "baseline": setting == reference, "rank": rank, "best": rank == 1}

    return [line(*item, rank) for item, rank in zip(settings.items(), ranks, strict=True)]


def _settings(rows: Sequence[Row], names: Sequence[str]) -> Settings:
    settings: Settings = {}
    for row in rows:
        settings.setdefault(tuple(row.get(name) for name in names), []).append(row)
    return settings


def _is_finite(row: Row, column: str) -> bool:
    value = row.get(column)
    return isinstance(value, Real) and math.isfinite(value)


def _is_used(row: Row, score: str) -> bool:
    return row["status"] in USED and _is_finite(row, score)


def _by_seed(runs: Sequence[Row], column: str, score: str) -> dict[int, float]:
    """Seed -> the column's value, over the used runs that have one, in order of seed."""
    found: dict[int, list[float]] = {}
    for row in runs:
        if _is_used(row, score) and _is_finite(row, column):
            found.setdefault(row["seed"], []).append(float(row[column]))
    return {seed: mean(found[seed]) for seed in sorted(found)}


def _values(runs: Sequence[Row], column: str, score: str) -> list[float]:
    return list(_by_seed(runs, column, score).values())


def _counts(runs: Sequence[Row], score: str, with_pruned: bool) -> dict[str, Any]:
    used = sum(_is_used(row, score) for row in runs)
    pruned = sum(row["status"] in PRUNED for row in runs)
    told = {"n": len(runs), "n_used": used, "n_failed": len(runs) - used - pruned}
    seeds = " ".join(str(seed) for seed in sorted(row["seed"] for row in runs))
    return {**told, **({"n_pruned": pruned} if with_pruned else {}), "seeds": seeds}


def _named(column: str, interval: Interval) -> dict[str, float]:
    return dict(zip((column, f"{column}_low", f"{column}_high"), interval, strict=True))


def _difference(
    runs: Sequence[Row], baseline: Sequence[Row], column: str, score: str, confidence: float
) -> dict[str, Any]:
    differences = paired_differences(_by_seed(runs, column, score), _by_seed(baseline, column, score))
    number = {"n_pairs" if column == score else f"{column}_n_pairs": len(differences)}
    return _named(f"{column}_minus_baseline", student_interval(differences, confidence)) | number


def _partial(settings: Settings, columns: Sequence[str], score: str) -> set[str]:
    """The columns that some, but not all, of a setting's used runs have."""
    return {
        column
        for column in columns
        for runs in settings.values()
        if 0 < len(_values(runs, column, score)) < len(_values(runs, score, score))
    }


def _ranks(means: Sequence[float], is_higher_better: bool) -> list[int | None]:
    """1 for the best mean; equal means have equal ranks, nan has None."""
    costs = [-value if is_higher_better else value for value in means]
    return [None if math.isnan(cost) else 1 + sum(other < cost for other in costs) for cost in costs]


def _known(column: str, rows: Sequence[Row], asked: str) -> str:
    """The column, if it can be averaged. Raises: JaxaeError, with the nearest one that can."""
    valid = {name for row in rows for name in row if name.startswith(SPLITS) or name in COSTS}
    if column not in valid:
        told = [name for name in valid if not name.endswith("_standard_error")]
        raise JaxaeError(f"{asked}: no run has '{column}'; {nearest(column, told)}")
    return column


def on_test_rows(score: str) -> str:
    """validation.elbo -> test.elbo: the same number over the test rows."""
    return f"test.{name}" if (name := _score_of(score)) else score


def _columns(score: str, rows: Sequence[Row], report: Sequence[str] | None, facts: Facts) -> list[str]:
    """The columns to be averaged, the score first."""
    if report is None:
        there = dict.fromkeys(name for row in rows for name in row if _is_finite(row, name))
        asked = [score, on_test_rows(score), *(f"test.{name}" for name in facts if facts[name].in_summary)]
        wanted = [column for name in asked for column in (name, *companions(name, facts))]
        report = [name for name in wanted if name in there]
    return list(dict.fromkeys([score, *(_known(column, rows, "report") for column in report)]))


def _baseline(
    settings: Settings, names: Sequence[str], baseline: Mapping[str, Any] | None
) -> tuple[Any, ...]:
    """The one setting in which the given names have the given values; the first where nothing is given."""
    if not baseline:
        return next(iter(settings))
    for name in baseline:
        if name not in names:
            raise JaxaeError(f"baseline: '{name}' is not swept over; {nearest(name, names)}")
    known = [dict(zip(names, setting, strict=True)) for setting in settings]
    found = [all(setting[name] == value for name, value in baseline.items()) for setting in known]
    if sum(found) > 1 and "code" in names and "code" not in baseline:  # the present code comes last
        newest = [setting for setting, is_it in zip(known, found, strict=True) if is_it][-1]["code"]
        found = [is_it and setting["code"] == newest for setting, is_it in zip(known, found, strict=True)]
    if sum(found) != 1:
        told = "is no setting" if not any(found) else f"is {sum(found)} settings, expected one"
        more = f"; and {len(known) - 5} more" if len(known) > 5 else ""
        valid = "; ".join(map(_assignments, known[:5]))
        raise JaxaeError(f"baseline: {_assignments(baseline)} {told}; valid: {valid}{more}")
    return list(settings)[found.index(True)]


def _assignments(setting: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in setting.items())
