"""The words after an option: whether they spell a value of its type, and what was expected where not."""

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
_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    Path: "a path",
    str: "a text",
    types.NoneType: "None",
}


def options(arguments: list[str]) -> list[tuple[str, list[str]]]:
    """`--widths 3 4 --seed 1` -> [("--widths", ["3", "4"]), ("--seed", ["1"])]; stray words come under ""."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for argument in arguments:
        if argument.startswith("--"):
            found.append((argument, []))
        else:
            found[-1][1].append(argument)
    return found if found[0][1] else found[1:]


def spell(words: list[str], annotation: Any) -> bool:
    """Whether the words can be read as one of the annotation's alternatives, specs and nets aside."""
    return any(_spell(words, part) for part in alternatives(annotation) if not is_node_type(part))


def expected(annotation: Any) -> list[str]:
    """What can be spelled, for a person: `["a number (>= 0)", "None"]`."""
    return [_expected(part) for part in alternatives(annotation) if not is_node_type(part)]


def ranges(annotation: Any) -> str:
    """`(> 0, < 1)` where the annotation limits the values, else nothing."""
    found = [item for part in _all_parts(annotation) for item in getattr(part, "__metadata__", ())]
    texts = [
        _RANGES[type(item)].format(**dataclasses.asdict(item)) for item in found if type(item) in _RANGES
    ]
    return f"({', '.join(texts)})" if texts else ""


def bare(annotation: Any) -> Any:
    """The annotation without its ranges, at every depth."""
    if typing.get_origin(annotation) is Annotated:
        return bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is tuple:
        return tuple[tuple(bare(part) if part is not ... else ... for part in typing.get_args(annotation))]  # type: ignore[misc]
    return annotation


def _spell(words: list[str], part: Any) -> bool:
    part = bare(part)
    items = typing.get_args(part)
    if typing.get_origin(part) is tuple:
        items = (items[0],) * len(words) if items[-1] is ... else items
        return len(items) == len(words) and all(map(spell, ([word] for word in words), items))
    if len(words) != 1:
        return False
    if typing.get_origin(part) is Literal:
        return words[0] in map(str, items)
    if part in (bool, types.NoneType):
        return words[0] in (("True", "False") if part is bool else ("None",))
    try:
        part(words[0])
    except ValueError:
        return False
    return True


def _expected(part: Any) -> str:
    kind, items = bare(part), typing.get_args(bare(part))
    if typing.get_origin(kind) is tuple:
        count = "" if items[-1] is ... else f"{len(items)} "
        return f"{count}{'whole numbers' if items[0] is int else 'numbers'} {ranges(part)}".strip()
    if typing.get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, items))}"
    return f"{_KINDS.get(kind, getattr(kind, '__name__', str(kind)))} {ranges(part)}".strip()


def _all_parts(annotation: Any) -> list[Any]:
    inner = [part for arg in typing.get_args(annotation) for part in _all_parts(arg)]
    return [annotation, *inner]
