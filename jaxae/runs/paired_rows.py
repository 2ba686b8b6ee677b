"""Differences between runs over the same test rows, one row at a time."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxae.data import AnyDataset
from jaxae.errors import JaxaeError
from jaxae.estimators.bound_scores import has_draws
from jaxae.estimators.score_facts import Score
from jaxae.estimators.scores import columns_of_draws, columns_of_rows, facts_of_scores
from jaxae.maths import precision
from jaxae.runs import execution, opening
from jaxae.runs.result import Result
from jaxae.training import loop

# Two-sided 95 % quantile of N(0, 1): a test split has hundreds of rows, where Student's t is almost normal.
QUANTILE = 1.959963984540054


class RowValues(NamedTuple):
    """Scores of each test row of a run."""

    values: dict[str, np.ndarray]  # f64[N], by the name of the score
    facts: dict[str, Score]


def differences(names: list[str], folders: list[Path]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the differences of each run to the first one, over the rows that both have scored.

    Args:
        names: Names of the runs.
        folders: Their directories.

    Returns:
        (rows, reasons): rows with run, score, unit, difference, low, high, num and verdict; and the reason
        why a run has no rows, by its name.
    """
    rows: list[dict[str, Any]] = []
    reasons: dict[str, str] = {}
    try:
        first = _load(folders[0])
        first_values = _row_values(first)
    except JaxaeError as error:
        return [], dict.fromkeys(names[1:], str(error))
    for name, folder in zip(names[1:], folders[1:], strict=True):
        try:
            other = _load(folder)
            if reason := _difference_of_rows(first, other):
                reasons[name] = reason
                continue
            found = _compare(name, first_values, _row_values(other))
        except JaxaeError as error:
            reasons[name] = str(error)
            continue
        rows += found
        if not found:
            reasons[name] = "the models have no score of single rows in common"
    return rows, reasons


def _load(folder: Path) -> Result:
    result = opening.load(folder)
    if not len(result.run.dataset.test.x):
        raise JaxaeError(f"{folder}: has no test rows")
    return result


def _difference_of_rows(first: Result, other: Result) -> str | None:
    """Return why the test rows of two runs are not the same; None if they are."""
    # The rows themselves: the hash of the data is that of all rows, and does not depend on the splits.
    is_same = _has_same_rows(first.run.dataset, other.run.dataset)
    if is_same and first.experiment.data.binarize == other.experiment.data.binarize:
        return None
    return "has other test rows than the first run, so only their means can be compared"


def _has_same_rows(left: AnyDataset, right: AnyDataset) -> bool:
    """Return whether the test rows and their labels are equal."""
    a, b = left.test, right.test
    has_labels = [not isinstance(each.y, tuple) for each in (a, b)]
    return (
        left.scale == right.scale
        and np.array_equal(np.asarray(a.x), np.asarray(b.x))
        and has_labels[0] == has_labels[1]
        and (not has_labels[0] or np.array_equal(np.asarray(a.y), np.asarray(b.y)))
    )


@precision.within(lambda result: result.experiment)
def _row_values(result: Result) -> RowValues:
    """Return the scores of each test row, as the mean scores of the run are computed."""
    model, test = execution.last_autoencoder(result.run), loop.to_device(result.run.dataset.test)
    values = dict(columns_of_rows(model, result.variables, test).rows)
    if has_draws(model):
        # The noise depends on a row's content: both models see the same noise for the same row.
        bound, _ = columns_of_draws(model, result.variables, test)
        values |= dict(bound)
        if "elbo" not in bound:
            values["elbo"] = -(np.asarray(bound["distortion"], np.float64) + np.asarray(bound["rate"]))
    facts = facts_of_scores(model)
    known = {name: np.asarray(value, np.float64) for name, value in values.items() if name in facts}
    return RowValues({name: known[name] for name in facts if name in known}, facts)


def _compare(run: str, first: RowValues, other: RowValues) -> list[dict[str, Any]]:
    """Return a row for each score that both runs have."""
    return [
        {
            "run": run,
            "score": name,
            "unit": other.facts[name].unit,
            **paired_interval(first.values[name], other.values[name], other.facts[name].higher_is_better),
        }
        for name in other.values
        if name in first.values
    ]


def paired_interval(first: np.ndarray, other: np.ndarray, higher_is_better: bool) -> dict[str, Any]:
    """Compute the mean of other - first over rows with its 95 % interval, mean +- 1.96 s / sqrt(N).

    Args:
        first: Values of the first run, f64[N].
        other: Values of the other run for the same rows, f64[N].
        higher_is_better: Whether a positive difference means that the other run is better.

    Returns:
        difference, low, high, num, and the verdict: "better", "worse" or "no difference seen" of the other
        run. Ends are nan for a single row or values that are not finite.

    Example:
        >>> paired_interval(np.array([1.0, 2.0]), np.array([2.0, 3.0]), False)["verdict"]
        'worse'
    """
    differences, num = other - first, len(first)
    mean = float(np.mean(differences))
    error = float(np.std(differences, ddof=1)) / math.sqrt(num) if num > 1 else math.nan
    low, high = mean - QUANTILE * error, mean + QUANTILE * error
    verdict = "no difference seen"
    if low > 0 or high < 0:
        verdict = "better" if (low > 0) == higher_is_better else "worse"
    return {"difference": mean, "low": low, "high": high, "num": num, "verdict": verdict}
