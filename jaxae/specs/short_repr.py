"""Short representation of specs: the fields that differ from their defaults, on lines of limited width."""

import dataclasses
from collections.abc import Collection
from typing import Any

from jaxae.specs.pytree import fields, is_node

WIDTH = 88  # characters of a line, as in formatted source code
INDENT = "    "


def short_repr(node: Any, always: Collection[str] = ()) -> str:
    """Return a spec or linen module as an expression that makes it again.

    Args:
        node: The spec or module.
        always: Names of fields of the node that are shown even if they have their defaults.

    Returns:
        One line, or several if it is long.

    Example:
        >>> import jaxae
        >>> short_repr(jaxae.VAE(latent_dim=2, decoder=jaxae.MLP(widths=(64, 32))))
        'VAE(decoder=MLP(widths=(64, 32)), latent_dim=2)'
    """
    return "\n".join(_lines(node, "", "", WIDTH, always))


def _lines(value: Any, before: str, after: str, width: int, always: Collection[str] = ()) -> list[str]:
    """Return `before`, the value and `after`: in one line if it fits, else a line for each part."""
    line = f"{before}{_one_line(value, always)}{after}"
    parts = _parts(value, always)
    if len(line) <= width or not parts:
        return [line]
    opening, closing = ("(", ")") if isinstance(value, tuple) else (f"{type(value).__name__}(", ")")
    inner = [line for name, part in parts for line in _lines(part, name, ",", width - len(INDENT))]
    return [f"{before}{opening}", *(INDENT + line for line in inner), f"{closing}{after}"]


def _one_line(value: Any, always: Collection[str] = ()) -> str:
    if is_node(value):
        parts = ", ".join(f"{name}{_one_line(part)}" for name, part in _parts(value, always))
        return f"{type(value).__name__}({parts})"
    if isinstance(value, tuple):
        parts = ", ".join(map(_one_line, value))
        return f"({parts},)" if len(value) == 1 else f"({parts})"
    return _plain(value)


def _parts(value: Any, always: Collection[str]) -> list[tuple[str, Any]]:
    """Return ("name=", value) of the fields to show, or ("", item) of a tuple."""
    if isinstance(value, tuple):
        return [("", item) for item in value]
    if not is_node(value):
        return []
    defaults = {field.name: _default(field) for field in dataclasses.fields(value)}
    given = [(name, getattr(value, name)) for name in fields(value)]
    return [(f"{name}=", part) for name, part in given if name in always or not _is(part, defaults[name])]


def _default(field: dataclasses.Field) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _is(value: Any, default: Any) -> bool:
    """Return whether a value equals its default."""
    try:
        return bool(value == default)
    except Exception:  # arrays of other shapes, and tracers inside a compiled function, cannot be compared
        return False


def _plain(value: Any) -> str:
    """Return a number, text or function. A resolved float is an array f32[], shown with its digits."""
    if getattr(value, "shape", None) == () and getattr(value, "dtype", None) is not None:
        try:
            return f"{float(value):.7g}"
        except Exception:  # a tracer has no value
            return repr(value)
    return getattr(value, "__qualname__", None) or repr(value)
