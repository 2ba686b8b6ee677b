"""The words after an option: the value that they spell, and how a person is shown what is valid."""

import contextlib
import dataclasses
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types

from jaxae.specs.pytree import alternatives
from jaxae.specs.records import is_node_type

_RANGES = {
    annotated_types.Gt: "> {gt}",
    annotated_types.Ge: ">= {ge}",
    annotated_types.Lt: "< {lt}",
    annotated_types.Le: "<= {le}",
}
_KINDS: dict[Any, tuple[str, str, str]] = {  # in help, one in a message, several in a message
    int: ("INT", "a whole number", "whole numbers"),
    float: ("FLOAT", "a number", "numbers"),
    str: ("STR", "a text", "texts"),
    Path: ("PATH", "a path", "paths"),
}


def read(words: list[str], annotation: Any) -> Any:
    """Return the value of the annotated type that the words spell; no words are True for a bool.

    Raises: ValueError if they spell none. Specs and nets are not spelled, but named by their class.
    """
    # None first: the word is a text, too.
    for part in sorted(_plain(annotation), key=lambda part: part is not types.NoneType):
        with contextlib.suppress(ValueError):
            return _read(words, _kind(part))
    raise ValueError


def expected(annotation: Any) -> list[str]:
    """Return what can be spelled, for a message: `["a number (>= 0)", "None"]`."""
    return [f"{_expected(_kind(part))} {ranges(part)}".strip() for part in _plain(annotation)]


def metavar(annotation: Any) -> str:
    """Return what can be spelled, for the help: `{None}|FLOAT`, `{auto,closed}`, `[INT [INT ...]]`."""
    kinds = (_metavar(_kind(part)) for part in _plain(annotation))
    return "|".join(sorted(kinds, key=lambda text: text != "{None}"))


def ranges(annotation: Any) -> str:
    """Return the limits of the values, `(> 0, < 1)`; "" if there are none."""
    limits = [item for part in _all_parts(annotation) for item in getattr(part, "__metadata__", ())]
    texts = [
        _RANGES[type(item)].format(**dataclasses.asdict(item)) for item in limits if type(item) in _RANGES
    ]
    return f"({', '.join(texts)})" if texts else ""


def _plain(annotation: Any) -> list[Any]:
    """The alternatives that words can spell: no specs, nets or tuples of them."""
    return [part for part in alternatives(annotation) if _is_plain(_kind(part))]


def _is_plain(kind: Any) -> bool:
    return not is_node_type(kind) and all(item is ... or _plain(item) for item in _items(kind))


def _kind(part: Any) -> Any:
    """The alternative without its ranges."""
    return typing.get_args(part)[0] if typing.get_origin(part) is Annotated else part


def _items(kind: Any) -> tuple[Any, ...]:
    """(A, B) of `tuple[A, B]`, (A, ...) of `tuple[A, ...]`, () of anything else."""
    return typing.get_args(kind) if typing.get_origin(kind) is tuple else ()


def _choices(kind: Any) -> tuple[Any, ...]:
    """The values of a type that has only a few, () of any other type."""
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    return {bool: (True, False), types.NoneType: (None,)}.get(kind, ())


def _read(words: list[str], kind: Any) -> Any:
    if items := _items(kind):
        items = items[:1] * len(words) if ... in items else items
        return tuple(read([word], item) for word, item in zip(words, items, strict=True))
    if kind is bool and not words:
        return True
    [word] = words
    if choices := _choices(kind):
        return choices[list(map(str, choices)).index(word)]
    if kind not in _KINDS or (kind is Path and not word):  # Path("") would be the working directory
        raise ValueError
    return kind(word)


def _expected(kind: Any) -> str:
    if items := _items(kind):
        kinds = {_kind(item) for item in items if item is not ...}
        several = _KINDS[kinds.pop()][2] if len(kinds) == 1 and kinds < set(_KINDS) else "values"
        return several if ... in items else f"{len(items)} {several}"
    if choices := list(map(str, _choices(kind))):
        return f"one of {', '.join(choices)}" if len(choices) > 2 else " or ".join(choices)
    return _KINDS[kind][1] if kind in _KINDS else getattr(kind, "__name__", str(kind))


def _metavar(kind: Any) -> str:
    if items := _items(kind):
        one = metavar(items[0])
        return f"[{one} [{one} ...]]" if ... in items else " ".join(map(metavar, items))
    if choices := _choices(kind):
        return f"{{{','.join(map(str, choices))}}}"
    return _KINDS[kind][0] if kind in _KINDS else _expected(kind).upper()


def _all_parts(annotation: Any) -> list[Any]:
    inner = [part for arg in typing.get_args(annotation) for part in _all_parts(arg)]
    return [annotation, *inner]
