"""The text under each field of a dataclass, which Python does not keep; this module does not import jax."""

import ast
import dataclasses
import functools
import inspect
import textwrap


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Return the text under each field of a class or its bases, by field name."""
    # Base classes first: a text under a field of the class itself replaces the inherited one.
    inherited = [field_docs(base) for base in reversed(cls.__bases__) if dataclasses.is_dataclass(base)]
    return {name: text for docs in [*inherited, _own_docs(cls)] for name, text in docs.items()}


def _own_docs(cls: type) -> dict[str, str]:
    """Return the text under each field in the source of one class."""
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
