"""The types of the fields that hold the arguments of a function of optax, and their documentation."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxae.protocols.parts import Optimizer, Schedule
from jaxae.specs.pytree import STATIC, alternatives, is_protocol, is_spec

# Arguments whose values optax compares in Python: they cannot be traced, so they are structure.
_STATIC = {
    "cosine_onecycle_schedule": ("pct_start", "div_factor", "final_div_factor"),
    "exponential_decay": ("decay_rate",),
    "linear_onecycle_schedule": ("pct_start", "pct_final", "div_factor", "final_div_factor"),
    "reduce_on_plateau": ("factor", "rtol", "atol"),
    "scale_by_sm3": ("b2",),
    "warmup_cosine_decay_schedule": ("peak_value",),
    "warmup_exponential_decay_schedule": ("decay_rate",),
}
_WHOLE = "_steps", "_period", "_interval"  # ends of the names of whole numbers that optax calls ArrayLike
_NUMBERS = {float, Array, np.ndarray, np.number}  # parts of ArrayLike, by which it is recognised


def field_types(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the type of the field for each argument; None for one whose values a record cannot hold."""
    parameters = inspect.signature(function).parameters.values()
    is_of_optax = function.__module__.partition(".")[0] == "optax"
    static = _STATIC.get(function.__name__, ()) if is_of_optax else ()
    return {
        each.name: Annotated[float, STATIC] if each.name in static else _field_type(each)
        for each in parameters
    }


def _field_type(parameter: inspect.Parameter) -> Any:
    default, hint, name = parameter.default, parameter.annotation, parameter.name
    if parameter.kind is parameter.VAR_KEYWORD:
        return None
    if parameter.kind is parameter.VAR_POSITIONAL:
        return tuple[Optimizer, ...] if is_transformation(hint) else None
    # A mask is a tree of booleans; one that is True or False by default applies to all parameters.
    if "mask" in name and not isinstance(default, bool):
        return None
    # optax takes a number as well as a key; `seed` is its deprecated name.
    if name in ("key", "seed") and default is None:
        return int | None if name == "key" else None
    if name.endswith("dtype"):
        return str | None
    return _type_of_default(default, hint) or _type_of_annotation(default, hint, name)


def _type_of_default(default: Any, hint: Any) -> Any:
    """Return the type that a default decides, or None."""
    # Before the annotation: optax calls most numbers ArrayLike, whole or not.
    for kind in (bool, int, str):
        if isinstance(default, kind):
            return hint if typing.get_origin(hint) is Literal else kind
    is_floats = isinstance(default, tuple) and all(isinstance(item, float) for item in default)
    return tuple[float, ...] if is_floats else None


def _type_of_annotation(default: Any, hint: Any, name: str) -> Any:
    """Return the type that an annotation decides, or None."""
    if not isinstance(default, float) and default not in (None, inspect.Parameter.empty):
        return None  # a function or a transformation
    parts = _parts(hint, isinstance(default, float), name)
    parts = [*parts, types.NoneType] if parts and default is None else parts
    return typing.Union[tuple(parts)] if parts else None  # noqa: UP007 (made from a list)


def _parts(hint: Any, is_float: bool, name: str) -> list[Any]:
    """Return the types that an argument of this annotation can hold in a spec."""
    import optax

    if hint is inspect.Parameter.empty:
        return [float, Schedule]
    inner = alternatives(hint)
    if typing.get_origin(hint) in (tuple, list, Sequence):
        items = _parts(typing.get_args(hint)[0], False, "")
        return [tuple[items[0], ...]] if items else []  # type: ignore[valid-type]
    own = [part for part in inner if _is_part(part)]
    if any(map(is_transformation, inner)):
        return [*own, Optimizer]
    if any(typing.get_origin(part) in (Iterable, Mapping) for part in inner):
        return own  # a tree of arrays
    is_number = is_float or not _NUMBERS.isdisjoint(inner)
    if int in inner and (not is_number or name.endswith(_WHOLE)):
        return [*own, int]
    if str in inner:
        return [*own, str]
    schedule = [Schedule] if optax.Schedule in inner else []
    return [*own, *([float] if is_number else []), *schedule]


def _is_part(annotation: Any) -> bool:
    """Return whether an annotation is a protocol or spec of jaxae or of a user; optax has protocols too."""
    is_own = getattr(annotation, "__module__", "").partition(".")[0] != "optax"
    return is_own and (is_protocol(annotation) or is_spec(annotation))


def is_transformation(annotation: Any) -> bool:
    """Return whether an annotation is optax's class of transformations."""
    import optax

    kinds = optax.GradientTransformation, optax.GradientTransformationExtraArgs
    return isinstance(annotation, type) and issubclass(annotation, kinds)


def as_field(value: Any) -> Any:
    """Return an argument as a spec holds it: a list as a tuple, a dtype by its name."""
    if isinstance(value, list | tuple):
        return tuple(map(as_field, value))
    is_dtype = isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic))
    # jnp.float32 is an object with a dtype, but no array.
    if is_dtype or (hasattr(value, "dtype") and not isinstance(value, jax.Array | np.ndarray | np.generic)):
        return jnp.dtype(value).name
    return value


def as_argument(value: Any) -> Any:
    """Return a field as optax takes it: an optimiser as its transformation; a schedule is a function."""
    if isinstance(value, tuple):
        return tuple(map(as_argument, value))
    return value.build() if isinstance(value, Optimizer) else value


def argument_docs(function: Callable[..., Any]) -> dict[str, str]:
    """Return the text of each argument in a docstring in Google's style, by name."""
    lines = (inspect.getdoc(function) or "").partition("\nArgs:\n")[2].splitlines()
    texts: dict[str, str] = {}
    name = ""
    for line in lines:
        if line and not line.startswith(" "):
            break  # the next section
        head, colon, text = line.strip().partition(": ")
        if line.startswith("  ") and not line.startswith("    ") and colon and head.isidentifier():
            name, texts[head] = head, text
        elif name:
            texts[name] = f"{texts[name]} {line.strip()}".strip()
    # Sphinx's roles, such as :func:`optax.adam`, mean nothing in a terminal.
    return {argument: re.sub(r":\w+:`", "`", text) for argument, text in texts.items()}
