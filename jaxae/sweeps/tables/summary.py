"""The summary of a sweep: counts, means, intervals and ranks, with one row for each setting.

The values of the swept names define a setting; the runs of a setting differ in their seed. Failed runs stay
in the counts: a mean is over the runs that have a score, and `n_failed` is the number of the others. The
intervals are not corrected for multiple comparisons: of 20 settings that equal the baseline, about one
differs by chance at 95 %.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from jaxae.errors import JaxaeError, nearest
from jaxae.estimators.score_facts import Facts
from jaxae.estimators.scores import known_facts
from jaxae.sweeps.tables import environments
from jaxae.sweeps.tables.statistics import INTERVALS, mean, paired_differences, standard_deviation

Row = Mapping[str, Any]

# Values of `status`. A run that stopped early is as good as a finished one, because its best state is scored.
USED, PRUNED, FAILED = ("finished", "stopped"), ("pruned",), ("diverged",)
SPLITS, COSTS = ("train.", "validation.", "test."), ("seconds", "epochs_run")
KNOWN: Facts = known_facts()  # facts of scores for sweeps whose record lacks them


def higher_is_better(column: str, facts: Facts = KNOWN) -> bool:
    """Return whether a larger value of a column is better, by the definition of its score.

    Args:
        column: A column of the results, such as `validation.elbo`.
        facts: Facts of the scores, {name without the split: facts}.

    Returns:
        False for loss terms, which are minimized, and for columns that are no scores.
    """
    fact = facts.get(_score_of(column))
    return fact is not None and fact.higher_is_better


def companions(column: str, facts: Facts = KNOWN) -> list[str]:
    """Return the columns that show how far the values of a column can be trusted.

    Args:
        column: A column of the results, such as `test.iwelbo_64`.
        facts: Facts of the scores, {name without the split: facts}.

    Returns:
        The columns, such as `test.iwelbo_64_ess`.
    """
    fact = facts.get(_score_of(column))
    return [f"{column.partition('.')[0]}.{name}" for name in fact.companions] if fact else []


def _score_of(column: str) -> str:
    """Return the name of a column's score without the split; "" for a column that is no score."""
    return next((column.removeprefix(split) for split in SPLITS if column.startswith(split)), "")


def default_score(rows: Sequence[Row]) -> str:
    """Return the column by which settings are compared if the user names none.

    This is validation.elbo if every run that has not failed has it, else validation.loss, else train.loss. A
    run without a finite validation score has failed too, and has no influence.
    """
    validation = ("validation.elbo", "validation.loss")

    # One diverged run has no ELBO: it must not change the score by which all other runs are compared.
    def decides(row: Row) -> bool:
        measured = any(score in row for score in validation)
        return row["status"] in USED and (not measured or any(is_finite(row, score) for score in validation))

    deciding = [row for row in rows if decides(row)]
    for score in validation:
        if any(score in row for row in rows) and all(is_finite(row, score) for row in deciding):
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
    """Return one row for each setting, in the order in which settings first occur.

    The columns of a row:

    - the swept names, and `n`: number of runs of the setting. `n_used`: number of runs that the means are
      over. `n_failed`: number of runs that diverged or whose score is not finite. `n_pruned`, if any run was
      pruned. `seeds`: seeds of all n runs. `environments`, if rows differ in versions, device or flags:
      number of environments that the means are over.
    - for the score and each column of `report`: the mean as <column>, its confidence interval as <column>_low
      and <column>_high, the standard deviation as <column>_std; and <column>_n if only some used runs have a
      value.
    - <score>_minus_baseline with _low and _high: mean difference to the baseline and Student's interval, over
      the `n_pairs` seeds that both settings have. The same for the score's test column, over <test
      column>_n_pairs.
    - `baseline`: True for the baseline. `rank`: 1 for the best mean score, None without a mean. `best`: True
      for rank 1.

    Runs with the same setting and seed count as one value, their mean.

    Args:
        rows: Rows of the runs.
        names: Dotted names that are swept over.
        score: Column by which settings are compared; None: `default_score`.
        baseline: {name: value} of the setting that others are compared with; None: the first setting.
        interval: Confidence interval of the means: "student" or "bootstrap".
        confidence: Probability with which an interval covers the true mean.
        report: Other columns to average. None: the score's test column, then test ELBO, IWELBO, squared error
            and loss, each with its diagnostics, if the runs have them.
        facts: Facts of the scores, {name without the split: facts}.

    Returns:
        The rows; empty without runs.

    Raises:
        JaxaeError: If no run has the score or a column of `report`, the baseline is not exactly one setting,
            the interval is unknown, or the confidence is outside (0, 1).
    """
    import pandas

    if interval not in INTERVALS:
        raise JaxaeError(f"interval: got '{interval}'; {nearest(interval, INTERVALS)}")
    if not rows:
        return []
    score = default_score(rows) if score is None else _known(score, rows, "score")
    columns, number = _columns(score, rows, report, facts), numbered(rows, names)
    settings = [{name: rows[first].get(name) for name in names} for first in number.drop_duplicates().index]
    reference = _baseline(settings, names, baseline)
    # Used runs are chosen by the score alone, so that all means of a row are over the same runs.
    used = pandas.Series([is_used(row, score) for row in rows])
    table = {name: [setting[name] for setting in settings] for name in names} | _counts(rows, number, used)
    by_seed_of = {column: _by_seed(rows, column, number, used) for column in columns}
    for column, by_seed in by_seed_of.items():
        values = [each[~np.isnan(each)] for each in by_seed.to_numpy()]
        table |= _intervals(column, values, interval, confidence)
        table[f"{column}_std"] = list(map(standard_deviation, values))
        if any((by_seed.count(axis=1) > 0) & (by_seed.count(axis=1) < by_seed_of[score].count(axis=1))):
            table[f"{column}_n"] = list(map(len, values))
    for column in [name for name in dict.fromkeys((score, on_test_rows(score))) if name in columns]:
        known = _without_gaps(by_seed_of[column])
        # The interval of a difference is Student's, whatever `interval` is: the bootstrap is too narrow for
        # few seeds, and "better" or "worse" depends on this interval.
        pairs = [paired_differences(each, known[reference]) for each in known]
        table |= _intervals(f"{column}_minus_baseline", pairs, "student", confidence)
        table["n_pairs" if column == score else f"{column}_n_pairs"] = list(map(len, pairs))
    table["baseline"] = [each == reference for each in range(len(settings))]
    ascending = not higher_is_better(score, facts)
    # method="min": settings with equal means share the better rank.
    ranks = pandas.Series(table[score], dtype=float).rank(method="min", ascending=ascending)
    table["rank"] = [None if math.isnan(rank) else int(rank) for rank in ranks]
    table["best"] = [rank == 1 for rank in table["rank"]]
    return [dict(zip(table, line, strict=True)) for line in zip(*table.values(), strict=True)]


def numbered(rows: Sequence[Row], names: Sequence[str]) -> Any:
    """Return the number of each row's setting, pandas.Series int[rows], from 0 in order of occurrence.

    Args:
        rows: Rows of the runs.
        names: Columns whose values distinguish settings.

    Returns:
        0 for every row without names.
    """
    import pandas

    if not names:
        return pandas.Series(0, range(len(rows)))
    # dropna=False: a missing value (a field that other models lack) is a value like others.
    frame = pandas.DataFrame({name: [row.get(name) for row in rows] for name in names}, dtype=object)
    return frame.groupby(list(names), sort=False, dropna=False).ngroup()


def by_seed(rows: Sequence[Row], names: Sequence[str], score: str) -> list[dict[int, float]]:
    """Return the score of each setting by seed, over the used runs.

    Args:
        rows: Rows of the runs.
        names: Dotted names that are swept over.
        score: Column of the score.

    Returns:
        {seed: score} for each setting, in the order of `summarize`.
    """
    import pandas

    used = pandas.Series([is_used(row, score) for row in rows])
    return _without_gaps(_by_seed(rows, score, numbered(rows, names), used))


def _without_gaps(by_seed: Any) -> list[dict[int, float]]:
    """Return {seed: value} for each row of a table f64[settings, seeds], without nan."""
    return [{seed: each for seed, each in row.items() if each == each} for row in by_seed.to_dict("records")]


def _by_seed(rows: Sequence[Row], column: str, number: Any, used: Any) -> Any:
    """Return means of the used runs with equal setting and seed, pandas.DataFrame f64[settings, seeds].

    Settings and seeds without a used run have nan.
    """
    import pandas

    values = [float(row[column]) if is_finite(row, column) else math.nan for row in rows]
    seeds = pandas.Series([row["seed"] for row in rows])
    grouped = pandas.Series(values).where(used).groupby([number, seeds])
    # pandas rounds a sum of three or more numbers depending on their order; fsum does not, but it is slower.
    exact = lambda each: mean(each.dropna())  # noqa: E731
    return grouped.agg(exact if grouped.size().max() > 2 else "mean").unstack()


def _intervals(
    column: str, values: Sequence[np.ndarray], interval: str, confidence: float
) -> dict[str, list[float]]:
    """Return the mean of each setting's values and the ends of its confidence interval, as columns."""
    columns = zip(*(INTERVALS[interval](each, confidence) for each in values), strict=True)
    return dict(zip((column, f"{column}_low", f"{column}_high"), map(list, columns), strict=True))


def _counts(rows: Sequence[Row], number: Any, used: Any) -> dict[str, list[Any]]:
    """Return the columns `n`, `n_used`, `n_failed`, `n_pruned`, `seeds` and `environments`."""
    import pandas

    frame = pandas.DataFrame([{"seed": row["seed"], "pruned": row["status"] in PRUNED} for row in rows])
    n, n_used, n_pruned = (each.groupby(number).sum() for each in (used | True, used, frame["pruned"]))
    counts = {"n": n, "n_used": n_used, "n_failed": n - n_used - n_pruned}
    counts |= {"n_pruned": n_pruned} if n_pruned.any() else {}
    counts["seeds"] = frame["seed"].sort_values().astype(str).groupby(number).agg(" ".join)
    environment = numbered(rows, environments.shared_columns(rows))
    if environment.nunique() > 1:
        counts["environments"] = environment.where(used).groupby(number).nunique()
    return {name: column.tolist() for name, column in counts.items()}


def is_finite(row: Row, column: str) -> bool:
    """Return whether a row has a finite number in a column.

    Args:
        row: Row of a run.
        column: The column.

    Returns:
        False also for a row without the column.
    """
    value = row.get(column)
    return isinstance(value, Real) and math.isfinite(value)


def is_used(row: Row, score: str) -> bool:
    """Return whether the mean of a score includes a run.

    Args:
        row: Row of the run.
        score: Column of the score.

    Returns:
        True for a run that neither failed nor was pruned, and has a finite score.
    """
    return row["status"] in USED and is_finite(row, score)


def _known(column: str, rows: Sequence[Row], option: str) -> str:
    """Return the column if runs have it. Raises: JaxaeError with the nearest valid column."""
    valid = {name for row in rows for name in row if name.startswith(SPLITS) or name in COSTS}
    if column not in valid:
        candidates = [name for name in valid if not name.endswith("_standard_error")]
        raise JaxaeError(f"{option}: no run has '{column}'; {nearest(column, candidates)}")
    return column


def on_test_rows(score: str) -> str:
    """Return the same score over the test rows: validation.elbo -> test.elbo."""
    return f"test.{name}" if (name := _score_of(score)) else score


def _columns(score: str, rows: Sequence[Row], report: Sequence[str] | None, facts: Facts) -> list[str]:
    """Return the columns to be averaged, the score first."""
    if report is None:
        available = dict.fromkeys(name for row in rows for name in row if is_finite(row, name))
        names = [score, on_test_rows(score), *(f"test.{name}" for name in facts if facts[name].in_summary)]
        wanted = [column for name in names for column in (name, *companions(name, facts))]
        report = [name for name in wanted if name in available]
    return list(dict.fromkeys([score, *(_known(column, rows, "report") for column in report)]))


def _baseline(settings: Sequence[Row], names: Sequence[str], baseline: Mapping[str, Any] | None) -> int:
    """Return the number of the baseline's setting. Raises: JaxaeError unless exactly one setting matches."""
    for name in baseline or {}:
        if name not in names:
            raise JaxaeError(f"baseline: '{name}' is not swept over; {nearest(name, names)}")
    wanted = dict(baseline or settings[0])
    matches = [
        number
        for number, setting in enumerate(settings)
        if all(setting[name] == value for name, value in wanted.items())
    ]
    # Settings that differ only in the version of the user's code: take the latest, which comes last.
    if len(matches) > 1 and "code" in names and "code" not in wanted:
        matches = [number for number in matches if settings[number]["code"] == settings[matches[-1]]["code"]]
    if len(matches) != 1:
        problem = f"matches {len(matches)} settings, expected one" if matches else "matches no setting"
        more = f"; and {len(settings) - 5} more" if len(settings) > 5 else ""
        valid = "; ".join(map(_assignments, settings[:5]))
        raise JaxaeError(f"baseline: {_assignments(wanted)} {problem}; valid: {valid}{more}")
    return matches[0]


def _assignments(setting: Mapping[str, Any]) -> str:
    """Return a setting as text: `model.beta=1.0, epochs=10`."""
    return ", ".join(f"{name}={value}" for name, value in setting.items())
