"""The text under each field of a dataclass, which Python does not keep, and its place in `help`.

This module does not import jax.
"""

import ast
import contextlib
import dataclasses
import functools
import inspect
import textwrap
from typing import Any, TypeVar

T = TypeVar("T")


class _Docstring:
    """Docstring of a class that ends with its fields; it is made when it is read, as by `help`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __get__(self, instance: Any, cls: type) -> str:
        """Return the docstring with the section "Attributes"."""
        text = inspect.cleandoc(self.text)
        # Programs read docstrings at any moment, such as during an import: they must not fail.
        with contextlib.suppress(Exception):
            # Imported here: the section names classes, for which all of jaxae is imported.
            from jaxae.specs.attributes import section

            return f"{text}\n\n{section(cls)}".strip()
        return text


def with_attributes(cls: type[T]) -> type[T]:
    """Make the docstring of a dataclass end with its fields: meaning, type, range, default, valid names."""
    # Python asks a class's `__doc__` for `__get__`, as it does for any attribute.
    cls.__doc__ = _Docstring(cls.__doc__ or "")  # type: ignore[assignment]
    return cls


def docstring(cls: type) -> str:
    """Return the docstring of a class as it stands in the source, without indentation."""
    text = vars(cls).get("__doc__")
    return inspect.cleandoc(text.text if isinstance(text, _Docstring) else text or "")


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Return the text under each field of a class or its bases, by field name."""
    # Base classes first: a text under a field of the class itself replaces the inherited one.
    inherited = [field_docs(base) for base in reversed(cls.__bases__) if dataclasses.is_dataclass(base)]
    return {name: text for docs in [*inherited, _own_docs(cls)] for name, text in docs.items()}


def _own_docs(cls: type) -> dict[str, str]:
    """Return the text under each field in the source of one class."""
    if "argument_docs" in vars(cls):  # the class of a function, which documents its arguments
        return dict(cls.argument_docs)  # type: ignore[attr-defined]
    # Python keeps no docstring of a field, so read the source.
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):
        # A class that was defined in a cell of a notebook or by exec has no source.
        return {}
    assert isinstance(body, ast.ClassDef)
    docs = {}
    # A text belongs to the field directly above it.
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(literal))):
                docs[name] = " ".join(literal.split())
    return docs
