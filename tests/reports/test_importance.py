"""Importance of hyperparameters against variances that are known by hand."""

from typing import Any

import numpy as np
import pytest

from jaxae.reports.importance import importance


def rows(a: float, b: float, num: int = 8) -> list[dict[str, Any]]:
    """A full grid over x and y; the score is a x + b y, the name has no effect."""
    values = np.linspace(0, 1, num)
    return [
        {"x": float(x), "y": float(y), "name": "one" if (i + j) % 2 else "two", "score": a * x + b * y}
        for i, x in enumerate(values)
        for j, y in enumerate(values)
    ]


@pytest.mark.parametrize(("a", "b"), [(2.0, 1.0), (1.0, 3.0)])
def test_shares_of_a_sum_are_those_of_the_variances(a: float, b: float) -> None:
    found = importance(rows(a, b), ["x", "y", "name"], "score")
    # Var(a x) / (Var(a x) + Var(b y)) with equal variances of x and y.
    assert found["x"] == pytest.approx(a**2 / (a**2 + b**2), abs=0.06)
    assert found["y"] == pytest.approx(b**2 / (a**2 + b**2), abs=0.06)
    assert found["name"] < 0.03
    assert next(iter(found)) == ("x" if a > b else "y")


def test_too_few_runs_or_nothing_that_varies_have_no_importance() -> None:
    many = rows(1.0, 1.0)
    assert importance(many[:3], ["x", "y"], "score") == {}
    assert importance(many, ["x"], "score") == {}
    assert importance([{**row, "score": 1.0} for row in many], ["x", "y"], "score") == {}
