"""Facts about each score that a reader needs: its unit, its direction and how it is computed.

Each `Score` is defined next to the function that computes it.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

NATS = "nats"


@dataclasses.dataclass(frozen=True)
class Score:
    """A number that is measured for a model on the rows of a split."""

    name: str
    """Name of the score in files and tables."""
    unit: str
    """Unit of the number; empty if the model does not declare it."""
    higher_is_better: bool
    """Whether a higher value is better."""
    how: str
    """How the number is computed, in enough detail to repeat it in another program."""
    has_error: bool = True
    """Whether the number is a mean over rows, with a standard error."""
    companions: tuple[str, ...] = ()
    """Names of the scores that measure the reliability of this one; tables show them next to it."""
    in_summary: bool = False
    """Whether the summary of a sweep reports the score by default."""


class Estimate(NamedTuple):
    """Value of a score, with its standard error if it has one."""

    value: float
    standard_error: float | None = None  # None: not a mean over rows; nan: a single row, or infinite values


Facts = Mapping[str, Score]  # by name


def flat(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """Return {name: value, name_standard_error: error} in alphabetical order, as in scores.json.

    Example:
        >>> from jaxae.estimators.score_facts import Estimate, flat
        >>> flat({"elbo": Estimate(-90.0, 0.5), "loss": Estimate(90.0)})
        {'elbo': -90.0, 'elbo_standard_error': 0.5, 'loss': 90.0}
    """
    values = {name: estimate.value for name, estimate in estimates.items()}
    for name, estimate in estimates.items():
        if estimate.standard_error is not None:
            values[error_name(name)] = estimate.standard_error
    return {name: values[name] for name in sorted(values)}


def error_name(name: str) -> str:
    """Return the name of a score's standard error."""
    return f"{name}_standard_error"


def names_of(facts: Facts) -> list[str]:
    """Return the names of all scores and of their standard errors."""
    errors = [error_name(name) for name, score in facts.items() if score.has_error]
    return [*facts, *errors]


def by_name(scores: Iterable[Score]) -> dict[str, Score]:
    """Return {name: score}."""
    return {score.name: score for score in scores}


def as_columns(facts: Facts) -> dict[str, dict[str, Any]]:
    """Return {"units": {name: unit}, "higher_is_better": {...}, "how": {...}}, as in scores.json."""
    return {
        "units": {name: score.unit for name, score in facts.items() if score.unit},
        "higher_is_better": {name: score.higher_is_better for name, score in facts.items()},
        "how": {name: score.how for name, score in facts.items()},
    }


def to_record(facts: Facts) -> dict[str, dict[str, Any]]:
    """Return the facts as JSON, {name: {field: value}}."""
    return {
        name: {field: value for field, value in dataclasses.asdict(score).items() if field != "name"}
        for name, score in facts.items()
    }


def from_record(record: Mapping[str, Mapping[str, Any]]) -> dict[str, Score]:
    """Read the facts from a record; fields that this version does not know are ignored."""
    known = {field.name for field in dataclasses.fields(Score)}
    facts = {}
    for name, fields in record.items():
        values = {field: value for field, value in fields.items() if field in known}
        facts[name] = Score(name, **{**values, "companions": tuple(values.get("companions", ()))})
    return facts
