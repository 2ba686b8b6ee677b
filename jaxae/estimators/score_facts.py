"""What a reader must know of a score: its unit, its direction and how it is made.

Each `Score` is defined next to the function that computes it.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

NATS = "nats"


@dataclasses.dataclass(frozen=True)
class Score:
    """A number that is measured of a model over the rows of a split."""

    name: str
    unit: str
    """Empty if the model does not declare it."""
    higher_is_better: bool
    how: str
    """How the number is made: what another program has to do to get it."""
    has_error: bool = True
    """Whether it is a mean over rows, with a standard error."""
    companions: tuple[str, ...] = ()
    """Names of the scores that say how far this one can be trusted; tables show them next to it."""
    in_summary: bool = False
    """Whether the summary of a sweep reports it without being asked."""


class Estimate(NamedTuple):
    """The value of a score."""

    value: float
    standard_error: float | None = None  # None: it has none; nan: of a single row, or of rows that are inf


Facts = Mapping[str, Score]  # by name


def flat(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """Return {name: value, name_standard_error: error} in alphabetical order, as scores.json has them."""
    found = {name: each.value for name, each in estimates.items()}
    for name, each in estimates.items():
        if each.standard_error is not None:
            found[error_name(name)] = each.standard_error
    return {name: found[name] for name in sorted(found)}


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
    """Return {"units": {name: unit}, "higher_is_better": {...}, "how": {...}}, as scores.json has them."""
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
    """Return the facts of a record; fields of other versions are ignored."""
    known = {field.name for field in dataclasses.fields(Score)}
    facts = {}
    for name, told in record.items():
        values = {field: value for field, value in told.items() if field in known}
        facts[name] = Score(name, **{**values, "companions": tuple(values.get("companions", ()))})
    return facts
