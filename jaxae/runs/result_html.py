"""A result as HTML, for notebooks."""

import math
from typing import Any

from jaxae.display.html import card, table


def result_html(result: Any) -> str:
    """Return the facts and the scores of a result as two tables.

    Args:
        result: The `Result`.

    Returns:
        The HTML.
    """
    run, scores = result.run, result.scores
    facts = [
        ("data", run.dataset.description),
        ("seed", run.seed),
        ("epochs", result.outcome.summary),
        *([("stopped by", scores["stopped_by"])] if "stopped_by" in scores else []),
        *([("directory", run.path)] if run.path else []),
    ]
    return card(f"Result of {type(run.experiment.model).__name__}", table(facts), _scores(scores))


def _scores(scores: dict[str, Any]) -> str:
    """Return a table with a row for each score and a column for each split."""
    splits = [split for split in ("validation", "test") if split in scores]
    names = dict.fromkeys(name for split in splits for name in scores[split])
    names = {name: None for name in names if not name.endswith("_standard_error")}
    units = scores.get("units", {})
    rows = [[name, *(_value(scores[split], name) for split in splits), units.get(name, "")] for name in names]
    return table(rows, ["score", *splits, "unit"]) if rows else ""


def _value(scores: dict[str, Any], name: str) -> str:
    """Return `-25.123 ± 0.012`, the score with its standard error over examples."""
    value, error = scores.get(name), scores.get(f"{name}_standard_error")
    if value is None:
        return ""
    has_error = error is not None and math.isfinite(error)
    return f"{value:.5g} ± {error:.2g}" if has_error else f"{value:.5g}"
