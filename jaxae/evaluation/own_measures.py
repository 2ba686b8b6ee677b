"""Measures that a user has written: functions, and objects with the method `rows`, as groups of measures."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.errors import JaxaeError, NotApplicable
from jaxae.evaluation.attempts import Measured, Part, noted, part
from jaxae.evaluation.subject import Row, Subject
from jaxae.maths import precision
from jaxae.protocols.measures import Measure, NamedMeasure, PlottedMeasure, RestrictedMeasure
from jaxae.specs.pytree import missing

EXPECTED = "a number, a pair (number, standard error), a dict of them, or one or several jaxae.Row"


def name_of(measure: Any) -> str:
    """Return the name of a user's measure, which is that of its group.

    Raises:
        JaxaeError: If it is neither a function of a subject nor an object with the method `rows`.
    """
    if isinstance(measure, NamedMeasure):
        return str(measure.name)
    if isinstance(measure, Measure):
        return type(measure).__name__
    if inspect.isfunction(measure):
        return measure.__name__
    raise JaxaeError(
        f"measures: got an object of {type(measure).__name__}, expected a name, a function of a subject, or "
        "an object with the method rows (see jaxae.protocols.Measure)"
    )


def as_measure(value: Any) -> Any:
    """Return a measure: a class is called without arguments, anything else is returned unchanged.

    Raises:
        JaxaeError: If the class needs arguments.
    """
    if not isinstance(value, type):
        return value
    try:
        return value()
    except TypeError as error:
        raise JaxaeError(f"measures: {value.__name__} needs arguments: {error}; give an instance") from None


@dataclasses.dataclass(frozen=True)
class OwnGroup:
    """A user's measure as a group of one part."""

    measure: Any

    def __call__(self, subject: Subject) -> Iterator[Part]:
        """Yield the part; raise NotApplicable if the model lacks what the measure requires."""
        _check_model(self.measure, subject)
        yield part(name_of(self.measure), _measure, self.measure, subject)


@precision.within(lambda subject: subject.result.experiment)
def draw(subject: Subject, groups: Mapping[str, Any], folder: Path, measured: Measured) -> list[Path]:
    """Plot the figures of a user's measures that have values.

    Args:
        subject: Run and rows.
        groups: Groups by name; those of jaxae are skipped.
        folder: Existing folder for the PNG files.
        measured: Gets the reason for a figure that fails, under `figures.NAME`.

    Returns:
        The paths of the figures that were written.
    """
    measures = {name: group.measure for name, group in groups.items() if isinstance(group, OwnGroup)}
    written: list[Path] = []
    for name, measure in measures.items():
        if name in measured and isinstance(measure, PlottedMeasure):
            with noted(measured, [f"figures.{name}"]):
                measure.plot(subject, folder / f"{name}.png")
                written.append(folder / f"{name}.png")
    return written


def _check_model(measure: Any, subject: Subject) -> None:
    """Raise NotApplicable if the model lacks methods that the measure requires."""
    for protocol in measure.requires if isinstance(measure, RestrictedMeasure) else ():
        if not isinstance(subject.model, protocol):
            absent = ", ".join(missing(subject.model, protocol))
            raise NotApplicable(f"{subject.member} is no {protocol.__name__}: it has no {absent}")


def _measure(measure: Any, subject: Subject) -> list[Row]:
    """Compute a measure and return its rows."""
    result = measure.rows(subject) if isinstance(measure, Measure) else measure(subject)
    name, how = name_of(measure), _description(measure)
    if isinstance(result, Mapping):
        return [_row(str(key), value, subject, how) for key, value in result.items()]
    if isinstance(result, Sequence) and result and all(isinstance(row, Row) for row in result):
        return list(result)
    return [_row(name, result, subject, how)]


def _row(name: str, value: Any, subject: Subject, how: str) -> Row:
    """Return a number, or a pair of a number and its standard error, as a row."""
    if isinstance(value, Row):
        return value
    pair = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    numbers = [None if number is None else _number(number) for number in pair]
    if numbers[0] is None:
        raise TypeError(f"got {value!r} for {name}, expected {EXPECTED}")
    return Row(name, numbers[0], numbers[1], "", len(subject.rows.x), how)


def _number(value: Any) -> float | None:
    """Return a scalar of any library as a float; None for anything else."""
    array = np.asarray(value)
    return float(array) if array.shape == () and array.dtype.kind in "biuf" else None


def _description(measure: Any) -> str:
    """Return the first line of the docstring of a measure, for the column `how`."""
    owner = measure if inspect.isfunction(measure) else type(measure)
    return (inspect.getdoc(owner) or "").partition("\n")[0]
