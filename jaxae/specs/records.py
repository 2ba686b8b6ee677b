"""Specs as plain data: written to JSON, read back equal without executing anything, and validated.

A spec or linen module is written as `{"class": "jaxae.VAE", field: value, ...}`: a class of jaxae by its
public name, a user's class by its module and name. The reader looks the class up among jaxae's own and the
modules already imported. So a record can name a class, but it can never make Python execute a user's module.
Records of older versions are read too (`jaxae.specs.old_records`).
"""

import dataclasses
import functools
import importlib
import json
import sys
import typing
from collections.abc import Iterator
from typing import Any, TypeVar

from flax import linen as nn
from pydantic import (
    ConfigDict,
    PydanticUndefinedAnnotation,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
)

from jaxae.errors import JaxaeError, nearest
from jaxae.protocols.parts import Checked
from jaxae.specs import old_records, optax_functions, public, renamed
from jaxae.specs.pytree import (
    alternatives,
    element,
    fields,
    fulfils,
    is_node,
    is_protocol,
    is_spec,
    mismatch,
    missing,
    required,
)

T = TypeVar("T")
CONFIGS = "jaxae_configs"  # the parent package of the modules under which configs are executed


def class_name(cls: type) -> str:
    """Return the name of a class in records: `jaxae.VAE`, or module and name of a user's class.

    A class made inside a function has the name under which its module holds it, if any.
    """
    if (public_name := public.name_of(cls)) is not None:
        return public_name
    name = cls.__qualname__
    if "<locals>" in name:
        # `f.<locals>.Net` cannot be looked up when the record is read; the global variable that holds the
        # class can.
        namespace = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
        name = next((held_name for held_name, value in namespace.items() if value is cls), name)
    return f"{cls.__module__}.{name}"


def to_record(value: Any) -> Any:
    """Return a spec, linen module, tuple, number, string or None as values that JSON can hold.

    Example:
        >>> import jaxae
        >>> to_record(jaxae.schedules.Constant(value=0.5))
        {'class': 'jaxae.schedules.Constant', 'value': 0.5}
    """
    if is_node(value):
        parts = {name: to_record(getattr(value, name)) for name in fields(value)}
        return {"class": class_name(type(value)), **parts}
    if isinstance(value, tuple):
        return [to_record(item) for item in value]
    return value


def from_record(record: Any, annotation: Any, path: str = "") -> Any:
    """Return the value that a record describes, validated.

    Args:
        record: Return value of `to_record`, in this version or an older one, as parsed from JSON.
        annotation: The type that the value must have.
        path: The dotted name of the value, for messages.

    Returns:
        The spec, linen module, tuple, number, string or None.

    Raises:
        JaxaeError: If the record has an unknown class, an unknown key or an invalid value. The message gives
            its dotted name.
    """
    return _read(old_records.current(record), annotation, path)


def _read(record: Any, annotation: Any, path: str) -> Any:
    part = element(annotation)
    if isinstance(record, list) and is_node_type(part):
        return tuple(_read(item, part, _join(path, str(number))) for number, item in enumerate(record))
    if not isinstance(record, dict):
        return _validate_plain(record, annotation, path, from_json=True)
    cls = _find_class(record.get("class"), annotation, path)
    hints = fields(cls)
    values = {}
    # `old_records.current` renames fields by the class that the record names: those of jaxae's classes. A
    # user's class that extends one of them has the old field as well.
    old_names = renamed.fields(cls)
    for key, item in record.items():
        if key == "class":
            continue
        name = key if key in hints else old_names.get(key, str(key))
        if name not in hints:
            raise JaxaeError(f"{_join(path, name)}: unknown key of {cls.__name__}; {nearest(name, hints)}")
        values[name] = _read(item, hints[name], _join(path, name))
    absent = [name for name in required(cls) if name not in values]
    if absent:
        raise JaxaeError(f"{_join(path, absent[0])}: is missing, {cls.__name__} has no default for it")
    return _run_check(cls(**values), path)


def validate(value: T, annotation: Any = None, path: str = "") -> T:
    """Check every field of a value at every depth for its type, its range and finiteness.

    Args:
        value: A spec, linen module, tuple or plain value.
        annotation: The type that the value must have; None for any spec or linen module.
        path: The dotted name of the value, for messages.

    Returns:
        The same value.

    Raises:
        JaxaeError: `model.beta: got -1.0; input should be greater than or equal to 0`.
    """
    part = element(annotation)
    if isinstance(value, tuple) and is_node_type(part):
        for number, item in enumerate(value):
            validate(item, part, _join(path, str(number)))
        return value
    if not is_node(value):
        return _validate_plain(value, annotation, path, from_json=False)
    if annotation is not None and not accepts(annotation, type(value)):
        raise JaxaeError(f"{path or 'record'}: {explain_misfit(type(value), annotation)}")
    for name, hint in fields(value).items():
        validate(getattr(value, name), hint, _join(path, name))
    return _run_check(value, path)


def accepts(annotation: Any, cls: type) -> bool:
    """Return whether a field with this annotation can hold an instance of the spec or module class `cls`.

    Args:
        annotation: The field's annotation; for a union, one of its parts has to accept the class.
        cls: The class.

    Returns:
        Whether it can.
    """
    # Only specs can fulfil a protocol: a linen module, for example, has a `__call__` but is no schedule.
    return any(
        is_spec(cls) and fulfils(cls, part) if is_protocol(part) else issubclass(cls, part)
        for part in alternatives(annotation)
        if is_node_type(part)
    )


def describe(annotation: Any) -> str:
    """Return the annotation as text for a message: `float or Schedule`, `Bernoulli or Gaussian`."""
    return " or ".join(_type_name(part) for part in alternatives(annotation))


def _type_name(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if annotation is type(None):
        return "None"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def explain_misfit(cls: type, annotation: Any) -> str:
    """Return why a class does not fit a field: `got Mine, expected Likelihood, which has log_prob`.

    Args:
        cls: The class.
        annotation: The field's annotation.

    Returns:
        The reason, for a message.
    """
    text, protocols = f"got {cls.__name__}, expected {describe(annotation)}", alternatives(annotation)
    nodes = [part for part in protocols if is_node_type(part)]
    if len(nodes) != 1 or not is_protocol(nodes[0]):
        return text
    if issubclass(cls, nn.Module):
        return text
    if not is_spec(cls):
        return f"{text}; {cls.__name__} is not a spec; decorate the class with @jaxae.spec"
    absent = missing(cls, nodes[0])
    return f"{text}, which has {', '.join(absent)}" if absent else f"{text}; {mismatch(cls, nodes[0])}"


def is_node_type(annotation: Any) -> bool:
    """Return whether the annotation is a class of specs or nets: spec, protocol of specs or linen module."""
    is_class = isinstance(annotation, type)
    return is_class and (is_spec(annotation) or is_protocol(annotation) or issubclass(annotation, nn.Module))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _run_check(node: T, path: str) -> T:
    """Run the spec's method `check`, which raises ValueError for fields that do not fit together."""
    name = type(node).__name__
    try:
        if isinstance(node, Checked):
            node.check()
    except ValueError as error:
        raise JaxaeError(f"{path or name}: {error}") from None
    except Exception as error:  # a bug in a user's `check`
        reason = (str(error).splitlines() or [""])[0]
        raise JaxaeError(f"{path or name}: {name}.check raised {type(error).__name__}: {reason}") from error
    return node


@functools.cache
def _adapter(annotation: Any) -> TypeAdapter:
    # Cached: pydantic compiles a validator for each annotation.
    plain = [part for part in alternatives(annotation) if not is_node_type(part)]
    union: Any = typing.Union[tuple(plain)]  # noqa: UP007 (made from a list)
    # Strict: 3.7 is not read as 3, True not as 1, "3" not as 3; nan and inf are refused.
    return TypeAdapter(union, config=ConfigDict(strict=True, allow_inf_nan=False))


def _validate_plain(value: Any, annotation: Any, path: str, *, from_json: bool) -> Any:
    """Check a number, string, tuple or None against its annotation and return it."""
    if all(is_node_type(part) for part in alternatives(annotation)):
        raise JaxaeError(f"{path}: got {value!r}, expected {describe(annotation)}")
    try:
        adapter = _adapter(annotation)
    except (PydanticUserError, PydanticUndefinedAnnotation):
        # Such as the initialisers of flax's own layers.
        raise JaxaeError(
            f"{path}: a record cannot hold a field of the type {describe(annotation)[:80]}; "
            "expected numbers, texts, tuples or specs; write a module of your own that has only such fields"
        ) from None
    try:
        # JSON has lists only: in strict mode pydantic accepts a list for a tuple from JSON, but not from
        # Python.
        return adapter.validate_json(json.dumps(value)) if from_json else adapter.validate_python(value)
    except ValidationError as error:
        # Of a union, the alternative with the value's type explains most: its range is broken, not its type.
        reasons, wrong_type = error.errors(), ("_type", "none_required")
        reason = next((each for each in reasons if not each["type"].endswith(wrong_type)), reasons[0])
        index = "".join(f"[{part}]" for part in reason["loc"] if isinstance(part, int))
        message = reason["msg"][0].lower() + reason["msg"][1:]
        raise JaxaeError(f"{path}{index}: got {value!r}; {message}") from None


def _find_class(name: Any, annotation: Any, path: str) -> type:
    """Return the class that a record names. Raise JaxaeError if it is unknown or does not fit."""
    if not isinstance(name, str):
        raise JaxaeError(f"{path or 'record'}: the key 'class' is missing, expected {describe(annotation)}")
    cls = next((cls for cls in _candidates(name) if cls is not None and is_node_type(cls)), None)
    if cls is None or not dataclasses.is_dataclass(cls):  # flax.linen.Module itself is none
        raise JaxaeError(
            f"{path or 'record'}: unknown class {name}; a class of your own must be imported first "
            "(on the command line: --config FILE, the file that defines it)"
        )
    if not accepts(annotation, cls):
        raise JaxaeError(f"{path or 'record'}: {explain_misfit(cls, annotation)}")
    return cls


def unknown_classes(record: Any) -> list[str]:
    """Return the names of classes in a record, of any format, that this process does not know."""
    return _unknown_classes(old_records.current(record))


def _unknown_classes(record: Any) -> list[str]:
    if isinstance(record, dict):
        name = record.get("class")
        is_unknown = isinstance(name, str) and not any(cls is not None for cls in _candidates(name))
        inner = [unknown for value in record.values() for unknown in _unknown_classes(value)]
        return [name, *inner] if is_unknown else inner  # type: ignore[list-item]
    return (
        [unknown for each in record for unknown in _unknown_classes(each)] if isinstance(record, list) else []
    )


def _candidates(name: str) -> Iterator[type | None]:
    """Yield the classes that a record's class name may mean, the most likely first."""
    yield optax_functions.named(name)
    yield from map(optax_functions.class_of, _objects(name))


def _objects(name: str) -> Iterator[Any]:
    """Yield the objects that a record's class name may mean, the most likely first.

    The first has the full name. For a user's own class, the others have the same last name in the configs
    that were executed, the newest first, and in the running script or notebook. So a class that has moved is
    found in the file that the user gives.
    """
    yield public.find(name)
    module_name, _, attribute = name.rpartition(".")
    yield getattr(_module(module_name), attribute, None)
    if module_name.partition(".")[0] != "jaxae":
        executed = [module for module in reversed(sys.modules) if module.startswith(f"{CONFIGS}.")]
        yield from (getattr(sys.modules[module], attribute, None) for module in [*executed, "__main__"])


def _module(name: str) -> Any:
    """Return a module of jaxae, or a module that is imported already; None otherwise."""
    # Only jaxae's own modules are imported by name. The parts must be identifiers, since the name comes from
    # a file.
    if name.partition(".")[0] == "jaxae" and all(part.isidentifier() for part in name.split(".")):
        try:
            return importlib.import_module(name)
        except ImportError:
            return None
    return sys.modules.get(name)
