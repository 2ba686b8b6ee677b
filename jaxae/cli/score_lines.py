"""The scores of a run as lines on the screen."""

import math
from pathlib import Path
from typing import Any

from jaxae.runs.result import Result


def print_scores(result: Result, path: Path) -> None:
    """Print the scores of a run, and where to look."""
    if result.scores["stopped_early"]:
        print(f"stopped early after epoch {result.scores['epochs_run']} of {result.experiment.epochs}")
    print(f"best epoch {result.scores['epoch']} by {result.scores['chosen_by']}; means over examples")
    splits = [split for split in ("validation", "test") if split in result.scores]
    for split in splits:
        print(f"{split:<10}  {_in_words(result.scores[split])}")
    if splits:
        print(f"units       {_units(result.scores[splits[0]], result.scores['units'])}")
    print(f"run         {path}\nfigures     {path / 'figures'}")


def _in_words(scores: dict[str, Any]) -> str:
    names = [name for name in scores if not name.endswith("_standard_error")]
    return "  ".join(f"{name} {scores[name]:.3f}{_error(scores, name)}" for name in names)


def _error(scores: dict[str, Any], name: str) -> str:
    """` +- 0.012`, or nothing for a score without a standard error: one example has none."""
    error = scores.get(f"{name}_standard_error")
    return "" if error is None or not math.isfinite(error) else f" +- {error:.3f}"


def _units(scores: dict[str, Any], units: dict[str, str]) -> str:
    """`nats: elbo, rate; share: error_rate`: the scores of each unit, those without a known one last."""
    of_unit: dict[str, list[str]] = {}
    for name in scores:
        if not name.endswith("_standard_error"):
            of_unit.setdefault(units.get(name, ""), []).append(name)
    unknown = of_unit.pop("", [])
    parts = [f"{unit}: {', '.join(names)}" for unit, names in of_unit.items()]
    return "; ".join([*parts, *([f"unit not declared: {', '.join(unknown)}"] if unknown else [])])
