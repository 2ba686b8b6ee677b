"""Computation of measures one by one: rows, or the reason why a measure has no value.

One measure that fails must not cost the others, some of which take an hour. So each part runs alone, and its
errors and warnings are recorded under its names.
"""

import contextlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jaxae.display.html import card, folded, table
from jaxae.display.words import count
from jaxae.errors import JaxaeError, NotApplicable
from jaxae.evaluation.subject import Row


class Part(NamedTuple):
    """Measures that are computed together.

    A part names its measures before it computes them, so that a failure can be reported under these names.
    """

    names: tuple[str, ...]  # the measures of the rows
    rows: Callable[[], Row | Sequence[Row]]  # computes the rows


class Measured(dict[str, list[Row]]):
    """Rows by group: {group: [row, ...]}.

    The attributes explain rows that are missing or doubtful. Their keys are `group` or `group.measure`.
    """

    absent: dict[str, str]
    """Reason why a measure does not apply."""
    failed: dict[str, Exception]
    """Unexpected error of a measure."""
    warned: dict[str, str]
    """Warnings of libraries during the computation of a measure."""

    def __init__(self, rows: Mapping[str, list[Row]] | None = None) -> None:
        super().__init__(rows or {})
        self.absent, self.failed, self.warned = {}, {}, {}

    def __repr__(self) -> str:
        groups = [f"{group}: {count(len(rows), 'measure')}" for group, rows in self.items()]
        missing = [f"{len(names)} {kind}" for kind, names in self._missing.items() if names]
        return f"Measured({'; '.join([*groups, *missing])})"

    def _repr_html_(self) -> str:
        head = "measure", "value", "standard error", "unit", "rows"
        parts = [card(group, table(map(_cells, rows), head)) for group, rows in self.items()]
        for kind, reasons in self._missing.items():
            if reasons:
                rows = [(", ".join(names), reason) for reason, names in by_reason(reasons).items()]
                parts.append(folded(f"{len(reasons)} {kind}", table(rows)))
        return "".join(parts)

    @property
    def _missing(self) -> dict[str, Mapping[str, str]]:
        """Reasons of the measures that are missing."""
        return {"absent": self.absent, "failed": described(self.failed)}


def _cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a measure in a table."""
    error = "" if row.standard_error is None else f"{row.standard_error:.2g}"
    return row.measure, f"{row.value:.5g}", error, row.unit, f"{row.num:,}"


def part(names: str, function: Callable[..., Row | Sequence[Row]], *arguments: Any) -> Part:
    """Return a part of a group of measures.

    Args:
        names: Names of the measures, separated by spaces.
        function: Function that computes their rows. It may raise `NotApplicable` with a reason.
        *arguments: Arguments of `function`.

    Returns:
        The part; nothing is computed yet.
    """
    return Part(tuple(names.split()), lambda: function(*arguments))


def add(measured: Measured, group: str, parts: Iterable[Part]) -> None:
    """Compute the parts of a group and add their rows.

    A part without a value, or one that fails, does not stop the others. Rows that are not finite are left out
    and reported as absent. A group without rows is not added.

    Args:
        measured: Rows and reasons so far; it is changed.
        group: Name of the group.
        parts: Parts of the group. The iterable may raise `NotApplicable` for the whole group.
    """
    rows: list[Row] = []
    # The outer block catches errors of the generator `parts` itself, the inner one those of a single part.
    with noted(measured, [group]):
        for measures in parts:
            with noted(measured, [f"{group}.{name}" for name in measures.names]):
                computed = measures.rows()
                rows += [computed] if isinstance(computed, Row) else computed
    finite_rows = [row for row in rows if math.isfinite(row.value)]
    other_rows = [row for row in rows if not math.isfinite(row.value)]
    measured.absent |= {f"{group}.{row.measure}": f"the value is {row.value}" for row in other_rows}
    if finite_rows:
        measured[group] = finite_rows


@contextlib.contextmanager
def noted(measured: Measured, names: Sequence[str]) -> Iterator[None]:
    """Record the error of a block, which does not propagate, and the warnings inside it.

    A `JaxaeError` or `NotApplicable` is recorded as absent, any other exception as failed.

    Args:
        measured: Gets the reason, the error and the warnings.
        names: Keys under which they are recorded, `group` or `group.measure`.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings(record=True) as caught:
        # By default Python shows a warning once, so only the first of several measures would have it.
        warnings.simplefilter("always")
        try:
            yield
        except Exception as error:
            # Compared by exact type: subclasses of JaxaeError are about the machine (a locked run, full
            # memory), so they are failures and no property of the model.
            if type(error) in (JaxaeError, NotApplicable):
                measured.absent |= dict.fromkeys(names, in_one_line(str(error)))
            else:
                measured.failed |= dict.fromkeys(names, error)
    messages = dict.fromkeys(in_one_line(str(warning.message)) for warning in caught)  # distinct, in order
    if messages:
        measured.warned |= dict.fromkeys(names, "; ".join(messages))


def by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names that share a reason, {reason: [name, ...]}."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return names


def described(failed: Mapping[str, Exception]) -> dict[str, str]:
    """Return the type and the message of each error in one line, such as `ValueError: no rows`."""
    return {name: in_one_line(f"{type(error).__name__}: {error}") for name, error in failed.items()}


def in_one_line(text: str, length: int = 300) -> str:
    """Return a text without line breaks, cut off with `...` if it is too long.

    Args:
        text: Any text.
        length: Largest number of characters of the result.

    Returns:
        The text with single spaces in place of all white space.
    """
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."
