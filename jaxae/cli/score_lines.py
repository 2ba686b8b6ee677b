"""Print the scores of a run as lines on the screen.

An example of the lines:

    best epoch 4 by validation loss; means over examples
    test        elbo -25.123 +- 0.212  distortion 17.321 +- 0.180  rate 7.802 +- 0.051
    units       nats: distortion, elbo, rate
"""

import math
import shlex
from pathlib import Path
from typing import Any

from jaxae.runs.result import Result


def print_scores(result: Result, path: Path) -> None:
    """Print the scores of a run with their units, and the paths of its files.

    Args:
        result: A scored run.
        path: The run's directory, as the user typed it.
    """
    if result.scores["stopped_early"]:
        print(f"stopped early after epoch {result.scores['epochs_run']} of {result.experiment.epochs}")
    if "stopped_by" in result.scores:
        print(f"stopped by a callback after epoch {len(result.history)}; `jaxae resume {path}` continues")
    print(f"best epoch {result.scores['epoch']} by {result.scores['chosen_by']}; means over examples")
    splits = [split for split in ("validation", "test") if split in result.scores]
    for split in splits:
        print(f"{split:<10}  {_format_scores(result.scores[split])}")
    if splits:
        print(f"units       {_format_units(result.scores[splits[0]], result.scores['units'])}")
    print(f"run         {path}\nfigures     {path / 'figures'}\n{page_line(path)}")


def page_line(path: Path) -> str:
    """Return the line that says how to make the page of a run or sweep.

    Args:
        path: Its directory, as the user typed it.
    """
    return f"page        {shlex.join(['jaxae', 'report', str(path)])}"


def _format_scores(scores: dict[str, Any]) -> str:
    """Return `elbo -25.123 +- 0.012  rate 7.900 +- 0.010`, the scores of one split."""
    # Standard errors are printed behind their scores and not as further scores.
    names = [name for name in scores if not name.endswith("_standard_error")]
    return "  ".join(f"{name} {scores[name]:.3f}{_format_error(scores, name)}" for name in names)


def _format_error(scores: dict[str, Any], name: str) -> str:
    """Return ` +- 0.012`, or an empty text for a score without a standard error."""
    # The standard error of a single example is nan: it must not be printed as a number.
    error = scores.get(f"{name}_standard_error")
    return "" if error is None or not math.isfinite(error) else f" +- {error:.3f}"


def _format_units(scores: dict[str, Any], units: dict[str, str]) -> str:
    """Return `nats: elbo, rate; share: error_rate`, the scores by unit; scores without a unit come last."""
    names_by_unit: dict[str, list[str]] = {}
    for name in scores:
        if not name.endswith("_standard_error"):
            names_by_unit.setdefault(units.get(name, ""), []).append(name)
    unknown = names_by_unit.pop("", [])
    # A score of a user's class may have no declared unit: say so instead of guessing nats.
    parts = [f"{unit}: {', '.join(names)}" for unit, names in names_by_unit.items()]
    return "; ".join([*parts, *([f"unit not declared: {', '.join(unknown)}"] if unknown else [])])
