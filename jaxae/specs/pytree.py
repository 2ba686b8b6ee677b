"""An experiment is a pytree: floats are leaves and traced, everything else is structure.

`@spec` makes the dataclass; `fields`, `paths`, `get` and `replace` read and edit one by dotted
names ("model.encoder.widths"), through specs and linen modules alike.
"""

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
import typing_extensions

from jaxae.errors import JaxaeError, nearest
from jaxae.specs import renamed

T = TypeVar("T")


@typing.dataclass_transform(frozen_default=True, kw_only_default=True)
def spec(cls: type[T]) -> type[T]:
    """Makes `cls` a frozen keyword-only dataclass and a pytree.

    A field is a leaf (or holds leaves) when its annotation speaks of a float, a spec or a protocol
    that specs fulfil: `float`, `float | Schedule`, `float | None`, `tuple[float, ...]`, `Autoencoder`.
    Every other field is structure and must be hashable: changing it is another program.
    """
    cls = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    cls.__spec__ = True  # type: ignore[attr-defined]
    return register(_naming_renamed(cls))


def _naming_renamed(cls: type[T]) -> type[T]:
    """Make `cls` raise TypeError with today's name for a field that it had under another name."""
    init: Any = cls.__init__
    today = renamed.fields(cls)
    if not today:
        return cls

    @functools.wraps(init)
    def checked(self: T, **values: Any) -> None:
        for name in values.keys() & today:
            raise TypeError(f"{cls.__name__}.{name} is now {today[name]}")
        init(self, **values)

    cls.__init__ = checked  # type: ignore
    return cls


def register(cls: type[T]) -> type[T]:
    """Tells jax of a class made by `@spec`: once in each process that has it, which `spec` sees to."""
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    leaves = [name for name in names if _holds_leaves(hints[name])]
    structure = [name for name in names if name not in leaves]

    # Not jax's register_dataclass: to jaxlib 0.10.2 classes with fields of the same number are then equal
    # structures, and now and then a program of the one runs for the other. The class is structure here.
    def flatten(node: T) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(node, name) for name in leaves], (cls, *(getattr(node, name) for name in structure))

    def flatten_with_keys(node: T) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        children, kept = flatten(node)
        named = [jax.tree_util.GetAttrKey(name) for name in leaves]
        return list(zip(named, children, strict=True)), kept

    def unflatten(kept: tuple[Any, ...], children: Any) -> T:
        return cls(**dict(zip(leaves, children, strict=True)), **dict(zip(structure, kept[1:], strict=True)))

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def is_spec(value: Any) -> bool:
    """Whether `value` is a spec, or a class made by `@spec`."""
    return getattr(value, "__spec__", False) is True


def is_protocol(annotation: Any) -> bool:
    """Return whether `annotation` is a protocol class, such as `Autoencoder`."""
    return isinstance(annotation, type) and typing_extensions.is_protocol(annotation)


def fulfils(cls: type, protocol: type) -> bool:
    """Return whether instances of a class have all members of a protocol, methods with as many arguments.

    Python's `issubclass` refuses protocols that have attributes besides methods. A field without a default is
    an attribute of instances only. Arguments are counted since a likelihood and a prior, say, both have
    `init`, `log_prob` and `sample`.
    """
    return mismatch(cls, protocol) is None


def mismatch(cls: type, protocol: type) -> str | None:
    """Return what keeps a class from fulfilling a protocol, for a message; None if nothing does."""
    if absent := missing(cls, protocol):
        return f"{cls.__name__} has no {', '.join(absent)}"
    for name in sorted(typing_extensions.get_protocol_members(protocol)):
        method, wanted = getattr(cls, name, None), getattr(protocol, name, None)
        if inspect.isfunction(method) and inspect.isfunction(wanted) and not _takes(method, wanted):
            return f"{cls.__name__}.{name} takes {_arguments(method)}, expected {_arguments(wanted)}"
    return None


@functools.lru_cache(maxsize=4096)
def _takes(method: Any, wanted: Any) -> bool:
    """Return whether a method can be called with the arguments of a protocol's method.

    Kept by function, not by class, which may get another method: each run of a sweep is validated.
    """
    parameters = list(inspect.signature(wanted).parameters.values())
    required = [each for each in parameters if each.default is each.empty]
    try:
        inspect.signature(method).bind(*required)
    except TypeError:
        return False
    return True


def _arguments(method: Any) -> str:
    """Return the names of a method's arguments: `(parameters, x, event_ndim)`."""
    return f"({', '.join(list(inspect.signature(method).parameters)[1:])})"


def missing(value: Any, protocol: type) -> list[str]:
    """Return the members of a protocol that an instance, or the instances of a class, do not have."""
    members = typing_extensions.get_protocol_members(protocol)
    if isinstance(value, type):
        return sorted(members - {*dir(value), *getattr(value, "__dataclass_fields__", {})})
    return sorted(name for name in members if not hasattr(value, name))


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """`A | B | None` -> (A, B, NoneType); `Annotated[A, ...]` -> (Annotated[A, ...],)."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(part for arg in typing.get_args(annotation) for part in alternatives(arg))
    return (annotation,)


def _holds_leaves(annotation: Any) -> bool:
    if annotation is float or is_spec(annotation) or is_protocol(annotation):
        return True
    return any(
        _holds_leaves(arg)
        for arg in typing.get_args(annotation)
        if isinstance(arg, (type, types.GenericAlias)) or typing.get_origin(arg)
    )


def is_node(value: Any) -> bool:
    """Whether `value` has named parts: a spec, or a linen module given as a network."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def is_sequence(value: Any) -> bool:
    """Whether `value` is a tuple of nodes; its parts are named by their numbers from 0."""
    return isinstance(value, tuple) and len(value) > 0 and all(map(is_node, value))


def element(annotation: Any) -> Any:
    """`tuple[A, ...]` -> A, where A may be a union; None for an annotation that is no such tuple."""
    found = [part for part in alternatives(annotation) if typing.get_origin(part) is tuple]
    return typing.get_args(found[0])[0] if found else None


def fields(node: Any) -> dict[str, Any]:
    """Field name -> annotation of a spec or linen module (instance or class), in order."""
    cls = node if isinstance(node, type) else type(node)
    hints = typing.get_type_hints(cls, include_extras=True)
    linen = {"parent", "name"} if not is_spec(cls) else set()  # linen's own bookkeeping
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.name not in linen}


def required(cls: type) -> list[str]:
    """The fields of a spec or linen module that have no default."""
    parts = {field.name: field for field in dataclasses.fields(cls)}
    missing = dataclasses.MISSING
    return [name for name in fields(cls) if parts[name].default is parts[name].default_factory is missing]


def paths(node: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, annotation, value) of every field at every depth; a node comes before its parts."""
    for name, annotation in fields(node).items():
        value = getattr(node, name)
        yield prefix + name, annotation, value
        if is_node(value):
            yield from paths(value, f"{prefix}{name}.")
        for number, part in enumerate(value if is_sequence(value) else ()):
            yield f"{prefix}{name}.{number}", element(annotation), part
            yield from paths(part, f"{prefix}{name}.{number}.")


def get(node: Any, path: str) -> Any:
    """The value at a dotted name; JaxaeError with the nearest name where there is none."""
    head, _, rest = path.partition(".")
    parts = _parts(node)
    if head not in parts:
        if (new := renamed.fields(type(node)).get(head)) is not None:
            raise JaxaeError(f"{path}: is now {'.'.join([new, *([rest] if rest else [])])}")
        raise JaxaeError(f"{path}: no such field; {nearest(head, parts)}")
    return get(parts[head], rest) if rest else parts[head]


def replace(node: T, path: str, value: Any) -> T:
    """A copy of `node` with the value at a dotted name replaced; JaxaeError where there is no such name."""
    get(node, path)
    head, _, rest = path.partition(".")
    parts = _parts(node)
    parts[head] = replace(parts[head], rest, value) if rest else value
    # Not dataclasses.replace: linen modules would adopt a parent inside a module's scope.
    return type(node)(parts.values()) if isinstance(node, tuple) else type(node)(**parts)


def _parts(node: Any) -> dict[str, Any]:
    """Name -> value of a node's fields, number -> node of a sequence of them; nothing for a plain value."""
    if is_sequence(node):
        return {str(number): part for number, part in enumerate(node)}
    return {name: getattr(node, name) for name in fields(node)} if is_node(node) else {}
