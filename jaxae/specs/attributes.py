"""Describe the fields of a class for `help(jaxae.VAE)`: meaning, type, range, default and valid names."""

import dataclasses
import textwrap
import typing
from typing import Any

import annotated_types

from jaxae.specs import public
from jaxae.specs.field_docs import field_docs
from jaxae.specs.pytree import alternatives, element, fields, is_node, is_protocol
from jaxae.specs.records import accepts, describe, is_node_type

WIDTH = 88
_RANGES = {
    annotated_types.Gt: "> {gt}",
    annotated_types.Ge: ">= {ge}",
    annotated_types.Lt: "< {lt}",
    annotated_types.Le: "<= {le}",
}


def section(cls: type) -> str:
    """Return the section "Attributes" of a docstring; "" for a class without fields.

    Example:
        >>> import jaxae
        >>> section(jaxae.schedules.Constant).splitlines()[1]
        '    value: float, required. The number at every step.'
    """
    lines = [line for name, annotation in fields(cls).items() for line in _lines(cls, name, annotation)]
    return "\n".join(["Attributes:", *lines]) if lines else ""


def ranges(annotation: Any) -> str:
    """Return the limits of the values, `(> 0, < 1)`; "" if there are no limits."""
    groups = [
        [_RANGES[type(item)].format(**dataclasses.asdict(item)) for item in limits if type(item) in _RANGES]
        for limits in (getattr(part, "__metadata__", ()) for part in _all_parts(annotation))
    ]
    # Each alternative of a union has its own limits: a number of rows (>= 0), or a share (> 0, < 1).
    texts = [", ".join(group) for group in groups if group]
    return f"({' or '.join(texts)})" if texts else ""


def _all_parts(annotation: Any) -> list[Any]:
    """Return an annotation and all annotations inside it, where ranges may stand at any depth."""
    inner = [part for arg in typing.get_args(annotation) for part in _all_parts(arg)]
    return [annotation, *inner]


def _lines(cls: type, name: str, annotation: Any) -> list[str]:
    """Return `name: float (> 0), default 1.0. Meaning.` in lines of the section."""
    kind = " ".join(filter(None, [_kind(annotation), ranges(annotation)]))
    text = f"{name}: {kind}, {_default(cls, name)}. {field_docs(cls).get(name, '')} {_valid(annotation)}"
    return textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=4 * " ",
        subsequent_indent=8 * " ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _kind(annotation: Any) -> str:
    """Return a type without its ranges: `float or Schedule`, `tuple[int, ...]`."""
    if typing.get_origin(annotation) is tuple:
        items = typing.get_args(annotation)
        return f"tuple[{', '.join('...' if item is ... else _kind(item) for item in items)}]"
    parts = alternatives(annotation)
    return " or ".join(map(_kind, parts)) if len(parts) > 1 else describe(annotation)


def _default(cls: type, name: str) -> str:
    """Return `default 0.5`, or `required`; a part is shown as a call of its class."""
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    # Not by dataclasses.MISSING: a class that was pickled by value holds another object of that kind.
    if hasattr(cls, name):
        value = getattr(cls, name)
    elif callable(field.default_factory):
        value = field.default_factory()
    else:
        return "required"
    return f"default {type(value).__name__}()" if is_node(value) else f"default {value!r}"


def _valid(annotation: Any) -> str:
    """Return the classes of jaxae that a field accepts: `Schedule is one of Constant, Cosine.`."""
    texts = []
    for part in alternatives(element(annotation) or annotation):
        if is_protocol(part) or (is_node_type(part) and part.__module__.partition(".")[0] != "jaxae"):
            parts = filter(dataclasses.is_dataclass, public.classes())
            names = sorted(cls.__name__ for cls in parts if accepts(part, cls))
            texts.append(f"{part.__name__} is one of {', '.join(names)}." if names else "")
    return " ".join(filter(None, texts))
