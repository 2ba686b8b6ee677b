"""Measures one by one: the rows of each, and the reason where one has none."""

import contextlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jaxae.errors import JaxaeError, NotApplicable
from jaxae.evaluation.subject import Row


class Part(NamedTuple):
    """Measures that are computed together."""

    names: tuple[str, ...]  # of their rows
    rows: Callable[[], Row | Sequence[Row]]


class Measured(dict[str, list[Row]]):
    """Rows by group, and the reasons for those that are missing, by `group` or `group.measure`."""

    absent: dict[str, str]
    """Why a measure does not apply."""
    failed: dict[str, Exception]
    """The unexpected error of a measure."""
    warned: dict[str, str]
    """Warnings of libraries while a measure was computed."""

    def __init__(self, rows: Mapping[str, list[Row]] | None = None) -> None:
        super().__init__(rows or {})
        self.absent, self.failed, self.warned = {}, {}, {}


def part(names: str, function: Callable[..., Row | Sequence[Row]], *arguments: Any) -> Part:
    """Return the part whose measures are `names`, separated by spaces; `function(*arguments)` computes it."""
    return Part(tuple(names.split()), lambda: function(*arguments))


def add(measured: Measured, group: str, parts: Iterable[Part]) -> None:
    """Compute each part of a group; one that has no value, or fails, does not stop the others."""
    rows: list[Row] = []
    with noted(measured, [group]):
        for each in parts:
            with noted(measured, [f"{group}.{name}" for name in each.names]):
                computed = each.rows()
                rows += [computed] if isinstance(computed, Row) else computed
    numbers = [row for row in rows if math.isfinite(row.value)]
    others = [row for row in rows if not math.isfinite(row.value)]
    measured.absent |= {f"{group}.{row.measure}": f"came to {row.value}" for row in others}
    if numbers:
        measured[group] = numbers


@contextlib.contextmanager
def noted(measured: Measured, names: Sequence[str]) -> Iterator[None]:
    """Record under `names` why the block has no result, and what libraries warn of inside it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except Exception as error:
            # Subclasses of JaxaeError are about the machine: a run that is locked, full memory.
            if type(error) in (JaxaeError, NotApplicable):
                measured.absent |= dict.fromkeys(names, in_one_line(str(error)))
            else:
                measured.failed |= dict.fromkeys(names, error)
    messages = dict.fromkeys(in_one_line(str(each.message)) for each in caught)
    if messages:
        measured.warned |= dict.fromkeys(names, "; ".join(messages))


def by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names of each reason, {reason: [name, ...]}."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return names


def described(failed: Mapping[str, Exception]) -> dict[str, str]:
    """Return `ValueError: its message` for each name, in one line."""
    return {name: in_one_line(f"{type(error).__name__}: {error}") for name, error in failed.items()}


def in_one_line(text: str, length: int = 300) -> str:
    """Return the text without line breaks, at most `length` characters of it."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."
