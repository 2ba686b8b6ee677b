"""Read the value of an option from its words, and describe the valid values in messages and help."""

import contextlib
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from jaxae.specs.attributes import ranges as ranges
from jaxae.specs.pytree import alternatives
from jaxae.specs.records import is_node_type

_KINDS: dict[Any, tuple[str, str, str]] = {  # name in the help, one in a message, several in a message
    int: ("INT", "a whole number", "whole numbers"),
    float: ("FLOAT", "a number", "numbers"),
    str: ("STR", "a text", "texts"),
    Path: ("PATH", "a path", "paths"),
}


def read(words: list[str], annotation: Any) -> Any:
    """Read a value of the annotated type from the words after an option.

    Specs and nets cannot be written as words: an option names their class (see `classes`).

    Args:
        words: The words after the option. No words mean True for a bool.
        annotation: The type annotation of the field.

    Returns:
        The value. Ranges such as `Gt(0)` are not checked here, but when the experiment is validated.

    Raises:
        ValueError: If the words are not a value of this type.

    Example:
        >>> read(["3", "4"], tuple[int, ...]), read(["1e-3"], float | None), read(["None"], float | None)
        ((3, 4), 0.001, None)
    """
    # Try None first: for `str | None` the word "None" would otherwise be read as a text.
    for part in sorted(_spellable_parts(annotation), key=lambda part: part is not types.NoneType):
        with contextlib.suppress(ValueError):
            return _read(words, _kind(part))
    raise ValueError


def expected(annotation: Any) -> list[str]:
    """Describe the valid values for a message: `["a number (>= 0)", "None"]`."""
    return [f"{_expected(_kind(part))} {ranges(part)}".strip() for part in _spellable_parts(annotation)]


def metavar(annotation: Any) -> str:
    """Describe the valid values for the help: `{None}|FLOAT`, `{auto,closed}`, `[INT [INT ...]]`."""
    kinds = (_metavar(_kind(part)) for part in _spellable_parts(annotation))
    return "|".join(sorted(kinds, key=lambda text: text != "{None}"))


def _spellable_parts(annotation: Any) -> list[Any]:
    """Return the alternatives of a type that words can spell: no specs, nets or tuples of them."""
    return [part for part in alternatives(annotation) if _is_spellable(_kind(part))]


def _is_spellable(kind: Any) -> bool:
    """Return whether words can spell a value of this type."""
    return not is_node_type(kind) and all(item is ... or _spellable_parts(item) for item in _items(kind))


def _kind(part: Any) -> Any:
    """Return an alternative of a type without its ranges."""
    return typing.get_args(part)[0] if typing.get_origin(part) is Annotated else part


def _items(kind: Any) -> tuple[Any, ...]:
    """Return (A, B) of `tuple[A, B]`, (A, ...) of `tuple[A, ...]`, and () of other types."""
    return typing.get_args(kind) if typing.get_origin(kind) is tuple else ()


def _choices(kind: Any) -> tuple[Any, ...]:
    """Return all values of a Literal, a bool or None, and () of other types."""
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    return {bool: (True, False), types.NoneType: (None,)}.get(kind, ())


def _read(words: list[str], kind: Any) -> Any:
    """Read a value of one alternative. Raises: ValueError if the words are no such value."""
    if items := _items(kind):
        # tuple[A, ...] takes any number of words; strict=True below refuses a wrong number for tuple[A, B].
        items = items[:1] * len(words) if ... in items else items
        return tuple(read([word], item) for word, item in zip(words, items, strict=True))
    # `--data.stream` alone switches a flag on.
    if kind is bool and not words:
        return True
    [word] = words
    # Choices are compared as texts, because they may be None, True or numbers. ValueError if none is equal.
    if choices := _choices(kind):
        return choices[list(map(str, choices)).index(word)]
    # An empty path is a mistake: Path("") would silently be the working directory.
    if kind not in _KINDS or (kind is Path and not word):
        raise ValueError
    return kind(word)


def _expected(kind: Any) -> str:
    """Describe one alternative for a message: `a whole number`, `2 values`, `True or False`."""
    if items := _items(kind):
        kinds = {_kind(item) for item in items if item is not ...}
        several = _KINDS[kinds.pop()][2] if len(kinds) == 1 and kinds < set(_KINDS) else "values"
        return several if ... in items else f"{len(items)} {several}"
    if choices := list(map(str, _choices(kind))):
        return f"one of {', '.join(choices)}" if len(choices) > 2 else " or ".join(choices)
    return _KINDS[kind][1] if kind in _KINDS else getattr(kind, "__name__", str(kind))


def _metavar(kind: Any) -> str:
    """Describe one alternative for the help: `INT`, `{auto,closed}`, `[INT [INT ...]]`."""
    if items := _items(kind):
        one = metavar(items[0])
        return f"[{one} [{one} ...]]" if ... in items else " ".join(map(metavar, items))
    if choices := _choices(kind):
        return f"{{{','.join(map(str, choices))}}}"
    return _KINDS[kind][0] if kind in _KINDS else _expected(kind).upper()
