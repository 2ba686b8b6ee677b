"""Protocols of measures that a user adds: to `jaxae.measure` and to `jaxae evaluate --measures`.

A measure is a function of a `jaxae.Subject` (a trained run with the rows to measure), or an object with the
method `rows`. It becomes a group of the table with its name.
"""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Measure(Protocol):
    """Measure of a trained run. A function `(subject) -> numbers` is one too, under its name.

    Gives: a group of rows in the table of measures, in measures.json and in `--table`.
    """

    def rows(self, subject: Any) -> Any:
        """Return the numbers of a run; raise `jaxae.NotApplicable` with a reason if it has none.

        Args:
            subject: `jaxae.Subject`: `rows` and `train` (x and labels y), `codes`, `decode`, `model`,
                `variables`, `result`, and `key(name)` for random draws.

        Returns:
            A number; a pair (number, standard error); a dict {name: number or pair}; or one or several
            `jaxae.Row`, with unit, number of examples and how the value was computed.
        """


@runtime_checkable
class NamedMeasure(Measure, Protocol):
    """`Measure` with a name other than that of its class.

    Gives: two measures of one class in one table.
    """

    @property
    def name(self) -> str:
        """Name of the group in tables and in `--measures`."""


@runtime_checkable
class RestrictedMeasure(Measure, Protocol):
    """`Measure` of models with certain methods.

    Gives: for other models the reason in the list of absent measures.
    """

    @property
    def requires(self) -> tuple[type, ...]:
        """Protocols that the model has to fulfil, such as `jaxae.protocols.JointDensity`."""


@runtime_checkable
class PlottedMeasure(Measure, Protocol):
    """`Measure` with a figure.

    Gives: figures/NAME.png next to the figures of jaxae's measures (`jaxae evaluate` only).
    """

    def plot(self, subject: Any, path: Path) -> None:
        """Write the figure as a PNG file; raise `jaxae.NotApplicable` with a reason if there is none.

        Args:
            subject: The `jaxae.Subject` that was measured.
            path: The file.
        """
