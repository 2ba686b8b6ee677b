"""Rows of the measures that are scores too.

Scores (scores.json, computed after training) and measures use the same functions and the same noise, so their
numbers are equal. Each function here computes once for a subject and then only looks values up.
"""

import math
from typing import Any

import numpy as np

from jaxae.errors import NotApplicable
from jaxae.estimators.bound_scores import bound_estimates, has_draws
from jaxae.estimators.row_scores import RowColumns, row_estimates
from jaxae.estimators.score_facts import Estimate, Score
from jaxae.estimators.scores import columns_of_draws, columns_of_rows, facts_of_scores
from jaxae.evaluation.subject import Row, Subject, once


@once
def bounds_of(subject: Subject) -> dict[str, Estimate]:
    """Return the estimates of the ELBO, its parts, the IWELBO and its diagnostics, by name."""
    num_samples, model = subject.settings.num_samples, subject.model
    assert has_draws(model)  # the caller has checked it
    seed = subject.settings.seed
    columns = columns_of_draws(model, subject.variables, subject.rows, num_samples, seed)
    return bound_estimates(model, columns, num_samples)


@once
def row_columns_of(subject: Subject) -> RowColumns:
    """Return the scores of each row that need no noise, and counts over the split."""
    return columns_of_rows(subject.model, subject.variables, subject.rows)


@once
def row_estimates_of(subject: Subject) -> dict[str, Estimate]:
    """Return the estimates over the split that `row_columns_of` gives, by name."""
    return row_estimates(subject.model, row_columns_of(subject))


@once
def _describe_scores(subject: Subject) -> dict[str, Score]:
    """Return unit, direction and method of each score, by name."""
    return facts_of_scores(subject.model, subject.settings.num_samples)


def bound_row(subject: Subject, name: str, more: str) -> Row:
    """Return the row of an estimate of `bounds_of`.

    Args:
        subject: Run and rows.
        name: Name of the score, such as "elbo".
        more: Text that is added to `how`.

    Returns:
        The row.
    """
    return score_row(subject, name, bounds_of(subject), more)


def row_score(subject: Subject, name: str, more: str = "") -> Row:
    """Return the row of an estimate of `row_estimates_of`.

    Args:
        subject: Run and rows.
        name: Name of the score, such as "squared_error".
        more: Text that is added to `how`.

    Returns:
        The row.
    """
    return score_row(subject, name, row_estimates_of(subject), more)


def score_row(subject: Subject, name: str, estimates: dict[str, Estimate], more: str) -> Row:
    """Return the row of a score, with its unit and its `how`.

    Args:
        subject: Run and rows.
        name: Name of the score.
        estimates: Estimates by name.
        more: Text that is added to `how`.

    Returns:
        The row.

    Raises:
        NotApplicable: If the model has no such score.
    """
    if name not in estimates:
        raise NotApplicable(f"the model has no score {name!r}")
    score = _describe_scores(subject)[name]
    return estimate_row(name, estimates[name], score.unit, len(subject.rows.x), with_more(score.how, more))


def estimate_row(name: str, estimate: Estimate, unit: str, num: int, how: str) -> Row:
    """Return the row of an estimate.

    Args:
        name: Name of the measure.
        estimate: Value and standard error.
        unit: Unit of the value.
        num: Number of examples.
        how: How the value was computed.

    Returns:
        The row. It has no standard error if that of the estimate is missing or, as for one example, nan.
    """
    value, error = estimate
    return Row(name, value, error if error is not None and np.isfinite(error) else None, unit, num, how)


def bits_row(name: str, row: Row, num: int, unit: str = "bits/dim") -> Row:
    """Return a lower bound in nats as bits for each dimension, -bound / (num log 2); lower is better.

    Args:
        name: Name of the new measure.
        row: Row of the bound.
        num: Number of dimensions, or of tokens.
        unit: Unit of the new row.

    Returns:
        The row in bits.
    """
    scale = num * math.log(2.0)
    # The sign changes (bits are a cost), the error does not.
    error = None if row.standard_error is None else row.standard_error / scale
    return Row(name, -row.value / scale, error, unit, row.num, f"-{row.measure}; {row.how}")


def with_more(how: str, more: Any) -> str:
    """Join two texts by a semicolon.

    Args:
        how: First text.
        more: Second text; nothing is added if it is empty.

    Returns:
        The joined text.
    """
    return f"{how}; {more}" if more else how
