"""An experiment is a pytree: floats are leaves and traced, everything else is structure.

`@spec` makes the dataclass. `fields`, `paths`, `get` and `replace` read and edit specs and linen modules by
dotted names such as "model.encoder.widths".
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
from jaxae.specs.field_docs import with_attributes

T = TypeVar("T")
STATIC = object()  # in `Annotated[float, STATIC]`: a float that Python code compares, so it is never traced


@typing.dataclass_transform(frozen_default=True, kw_only_default=True)
def spec(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass and a pytree.

    A field is a leaf (or holds leaves) if its annotation contains a float, a spec or a protocol that specs
    fulfil: `float`, `float | Schedule`, `float | None`, `tuple[float, ...]`, `Autoencoder`. Leaves are
    traced: changing one never recompiles. Every other field, also `Annotated[float, STATIC]`, is structure
    and must be hashable: changing it compiles another program.

    Example:
        >>> import jax, jaxae
        >>> @jaxae.spec
        ... class Noise:
        ...     scale: float = 0.1
        ...     kind: str = "normal"
        >>> jax.tree.leaves(Noise(scale=0.5))
        [0.5]
    """
    # Frozen, so that a spec can be hashed and shared; keyword-only, so that fields can be added anywhere.
    cls = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    cls.__spec__ = True  # type: ignore[attr-defined]
    return register(_reject_old_fields(with_attributes(cls)))


def _reject_old_fields(cls: type[T]) -> type[T]:
    """Make `cls` raise TypeError with the current name for a field that was renamed."""
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
    """Register a class made by `@spec` as a pytree with jax.

    `spec` does this once in each process. A class that was pickled by value into another process is
    registered there by the code that unpickles it.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    leaves = [name for name in names if _holds_leaves(hints[name])]
    structure = [name for name in names if name not in leaves]

    # Not jax's register_dataclass: for jaxlib 0.10.2, two classes with the same number of fields are then
    # equal structures, and sometimes the program of one runs for the other. Here structure holds the class.
    def flatten(node: T) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(node, name) for name in leaves], (cls, *(getattr(node, name) for name in structure))

    def flatten_with_keys(node: T) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        children, structure_values = flatten(node)
        named = [jax.tree_util.GetAttrKey(name) for name in leaves]
        return list(zip(named, children, strict=True)), structure_values

    def unflatten(structure_values: tuple[Any, ...], children: Any) -> T:
        return cls(
            **dict(zip(leaves, children, strict=True)),
            **dict(zip(structure, structure_values[1:], strict=True)),
        )

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def is_spec(value: Any) -> bool:
    """Return whether `value` is a spec, or a class made by `@spec`."""
    return getattr(value, "__spec__", False) is True


def is_protocol(annotation: Any) -> bool:
    """Return whether `annotation` is a protocol class, such as `Autoencoder`."""
    return isinstance(annotation, type) and typing_extensions.is_protocol(annotation)


def fulfils(cls: type, protocol: type) -> bool:
    """Return whether instances of a class have all members of a protocol, with the same arguments of methods.

    Python's `issubclass` refuses protocols with attributes other than methods, and a field without a default
    is an attribute of instances only. Arguments are compared since a likelihood and a prior, for example,
    both have `init`, `log_prob` and `sample`.

    Args:
        cls: The class.
        protocol: The protocol class.

    Returns:
        Whether the class fulfils it.
    """
    return mismatch(cls, protocol) is None


def mismatch(cls: type, protocol: type) -> str | None:
    """Return the reason why a class does not fulfil a protocol, for a message; None if it does.

    Args:
        cls: The class.
        protocol: The protocol class.

    Returns:
        `VAE has no tokens`, `Mine.log_prob takes (x), expected (parameters, x)`, or None.
    """
    if absent := missing(cls, protocol):
        return f"{cls.__name__} has no {', '.join(absent)}"
    for name in sorted(typing_extensions.get_protocol_members(protocol)):
        method, expected = getattr(cls, name, None), getattr(protocol, name, None)
        if (
            inspect.isfunction(method)
            and inspect.isfunction(expected)
            and not _accepts_arguments(method, expected)
        ):
            return (
                f"{cls.__name__}.{name} takes {_argument_names(method)}, expected {_argument_names(expected)}"
            )
    return None


@functools.lru_cache(maxsize=4096)
def _accepts_arguments(method: Any, expected: Any) -> bool:
    """Return whether a method can be called with the arguments of a protocol's method."""
    # Cached by function and not by class, which a notebook may give another method. inspect.signature is
    # slow, and each run of a sweep is validated.
    parameters = list(inspect.signature(expected).parameters.values())
    required = [parameter for parameter in parameters if parameter.default is parameter.empty]
    try:
        inspect.signature(method).bind(*required)
    except TypeError:
        return False
    return True


def _argument_names(method: Any) -> str:
    """Return the names of a method's arguments: `(parameters, x, event_ndim)`."""
    return f"({', '.join(list(inspect.signature(method).parameters)[1:])})"


def missing(value: Any, protocol: type) -> list[str]:
    """Return the members of a protocol that an instance, or the instances of a class, do not have.

    Args:
        value: An instance or a class.
        protocol: The protocol class.

    Returns:
        The names, sorted.
    """
    members = typing_extensions.get_protocol_members(protocol)
    if isinstance(value, type):
        # A field without default is no attribute of the class, so dir does not list it.
        return sorted(members - {*dir(value), *getattr(value, "__dataclass_fields__", {})})
    return sorted(name for name in members if not hasattr(value, name))


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the parts of a union as a tuple: `A | B | None` -> (A, B, NoneType), `A` -> (A,)."""
    # Up to Python 3.13, `A | B` and `Union[A, B]` have different origins.
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(part for arg in typing.get_args(annotation) for part in alternatives(arg))
    return (annotation,)


def _holds_leaves(annotation: Any) -> bool:
    if any(item is STATIC for item in getattr(annotation, "__metadata__", ())):
        return False
    if annotation is float or is_spec(annotation) or is_protocol(annotation):
        return True
    return any(
        _holds_leaves(arg)
        for arg in typing.get_args(annotation)
        if isinstance(arg, (type, types.GenericAlias)) or typing.get_origin(arg)
    )


def is_node(value: Any) -> bool:
    """Return whether `value` has named parts: a spec, or a linen module that is used as a network."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def is_traced(node: Any, path: str) -> bool:
    """Return whether the value at a dotted name is a leaf; the floats of linen modules are structure.

    Args:
        node: A spec or linen module.
        path: The dotted name.

    Returns:
        Whether it is traced.
    """
    parent, _, name = path.rpartition(".")
    owner = get(node, parent) if parent else node
    return is_spec(owner) and _holds_leaves(fields(owner)[name])


def is_sequence(value: Any) -> bool:
    """Return whether `value` is a tuple of nodes, whose parts are named by their numbers from 0."""
    return isinstance(value, tuple) and len(value) > 0 and all(map(is_node, value))


def element(annotation: Any) -> Any:
    """Return A for the annotation `tuple[A, ...]`, where A may be a union; None for other annotations."""
    tuples = [part for part in alternatives(annotation) if typing.get_origin(part) is tuple]
    return typing.get_args(tuples[0])[0] if tuples else None


def fields(node: Any) -> dict[str, Any]:
    """Return field name -> annotation of a spec or linen module (instance or class), in order."""
    cls = node if isinstance(node, type) else type(node)
    hints = typing.get_type_hints(cls, include_extras=True)
    linen = {"parent", "name"} if not is_spec(cls) else set()  # fields that linen adds to every module
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.name not in linen}


def required(cls: type) -> list[str]:
    """Return the names of the fields of a spec or linen module that have no default."""
    parts = {field.name: field for field in dataclasses.fields(cls)}
    missing = dataclasses.MISSING
    return [name for name in fields(cls) if parts[name].default is parts[name].default_factory is missing]


def defaults(cls: type) -> dict[str, Any]:
    """Return the default of each field of a spec or linen module that has one."""
    parts = {field.name: field.default for field in dataclasses.fields(cls)}
    return {name: parts[name] for name in fields(cls) if parts[name] is not dataclasses.MISSING}


def paths(node: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield every field at every depth; a node comes before its parts.

    Args:
        node: A spec or linen module.
        prefix: Text before each dotted name.

    Yields:
        (dotted name, annotation, value).

    Example:
        >>> import jaxae
        >>> [(name, value) for name, _, value in paths(jaxae.Adam(), "optimizer.")][:2]
        [('optimizer.learning_rate', 0.001), ('optimizer.b1', 0.9)]
    """
    for name, annotation in fields(node).items():
        value = getattr(node, name)
        yield prefix + name, annotation, value
        if is_node(value):
            yield from paths(value, f"{prefix}{name}.")
        for number, part in enumerate(value if is_sequence(value) else ()):
            yield f"{prefix}{name}.{number}", element(annotation), part
            yield from paths(part, f"{prefix}{name}.{number}.")


def get(node: Any, path: str) -> Any:
    """Return the value at a dotted name.

    Args:
        node: A spec or linen module.
        path: The dotted name; a part of a tuple is named by its number.

    Returns:
        The value.

    Raises:
        JaxaeError: If there is no such field. The message gives the nearest one, or the current name.

    Example:
        >>> import jaxae
        >>> get(jaxae.Experiment(), "optimizer.learning_rate")
        0.001
    """
    names = path.split(".")
    for position, name in enumerate(names):
        parts = _parts(node)
        if name not in parts:
            if (new := renamed.fields(type(node)).get(name)) is not None:
                raise JaxaeError(
                    f"{path}: is now {'.'.join([*names[:position], new, *names[position + 1 :]])}"
                )
            # The class is named: in a sweep over classes a field may exist in some of them only.
            owner = f"; {'.'.join(names[:position])} is {type(node).__name__}" if position else ""
            raise JaxaeError(f"{path}: no such field; {nearest(name, parts)}{owner}")
        node = parts[name]
    return node


def replace(node: T, path: str, value: Any) -> T:
    """Return a copy of `node` with the value at a dotted name replaced.

    Args:
        node: A spec or linen module.
        path: The dotted name; a part of a tuple is named by its number.
        value: The new value; it is not validated here.

    Returns:
        The copy.

    Raises:
        JaxaeError: If there is no such field.

    Example:
        >>> import jaxae
        >>> replace(jaxae.Experiment(), "model.latent_dim", 3).model.latent_dim
        3
    """
    get(node, path)  # raises for an unknown name, with the whole path in its message
    head, _, rest = path.partition(".")
    parts = _parts(node)
    parts[head] = replace(parts[head], rest, value) if rest else value
    # Not dataclasses.replace: linen modules would adopt a parent inside a module's scope.
    return type(node)(parts.values()) if isinstance(node, tuple) else type(node)(**parts)


def _parts(node: Any) -> dict[str, Any]:
    """Return field -> value of a node, number -> node of a tuple of nodes, or {} for a plain value."""
    if is_sequence(node):
        return {str(number): part for number, part in enumerate(node)}
    return {name: getattr(node, name) for name in fields(node)} if is_node(node) else {}
