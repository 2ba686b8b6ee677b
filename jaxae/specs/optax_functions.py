"""Specs made from functions that return an optax transformation or schedule, such as `optax.adamw`.

A spec class is made for each function: its fields are the function's arguments, with their names and
defaults. So the numbers are leaves, and options, sweeps and records work as for any other spec. The class has
the name of the function (`optax.adamw`), by which records and the command line name it.
"""

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxae.errors import JaxaeError, nearest
from jaxae.protocols.parts import Optimizer, Schedule
from jaxae.specs.argument_types import argument_docs, as_argument, as_field, field_types, is_transformation
from jaxae.specs.optax_wrappers import with_grad_fn_only, with_slow_parameters
from jaxae.specs.pytree import fields, required, spec

OWN = "write a spec with `build` instead, see docs/howto/own_optimiser.md"
# The modules under which optax's functions are public, in the order in which they are searched.
_MODULES = "optax", "optax.contrib", "optax.schedules", "optax.transforms"
_ONE_EXAMPLE = "it needs the gradient of each example, but a step computes that of the mean over a batch"
_TRACED = "every number of jaxae.Optax is traced already; give the inner function: Optax(optax.adam, ...)"
_DICT = "a record cannot hold its dict of boundaries; use jaxae.schedules.Piecewise"
REFUSED = {
    "optax.contrib.differentially_private_aggregate": _ONE_EXAMPLE,
    "optax.contrib.dpsgd": _ONE_EXAMPLE,
    "optax.contrib.scale_by_muon": "it takes matrices only; use optax.contrib.muon, which selects them",
    "optax.inject_hyperparams": _TRACED,
    "optax.inject_stateful_hyperparams": _TRACED,
    "optax.named_chain": "a record cannot hold its names; use optax.chain",
    "optax.piecewise_constant_schedule": _DICT,
    "optax.piecewise_interpolate_schedule": _DICT,
    "optax.sgdr_schedule": "a record cannot hold its dicts; use optax.join_schedules of cosine schedules",
}
"""Reason why a function cannot be used, although its arguments are numbers or parts."""

_LABELS: dict[type, str] = {Optimizer: "Optax", Schedule: "OptaxSchedule"}
_NOUNS: dict[type, str] = {Optimizer: "transformation", Schedule: "schedule"}
_WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "optax.lookahead": with_slow_parameters,
    "optax.contrib.sam": with_grad_fn_only,
}


def Optax(function: Callable[..., Any], /, *parts: Any, **arguments: Any) -> Any:
    """Return an optimiser from a function that returns an optax transformation.

    Numbers are leaves: they are traced, swept and changed without another compilation. A learning rate may be
    a schedule, and an inner transformation is another optimiser. Fields have the names of the arguments:
    `--optimizer optax.adamw --optimizer.weight_decay 0.01` is the same on the command line.

    Args:
        function: A function of optax, or your own at the top level of a module.
        *parts: Positional arguments, such as the transformations of `optax.chain`.
        **arguments: Keyword arguments: numbers, texts, None, schedules and optimisers.

    Returns:
        A spec that fulfils `jaxae.protocols.Optimizer`.

    Raises:
        JaxaeError: If an argument is unknown or missing, or cannot be recorded (a function, an array).

    Example:
        >>> import jaxae, optax
        >>> jaxae.Optax(optax.lion, learning_rate=1e-4).weight_decay
        0.001
        >>> clip = jaxae.Optax(optax.adaptive_grad_clip, clipping=0.01)
        >>> jaxae.Optax(optax.chain, clip, jaxae.Adam()).args[0].clipping
        0.01
    """
    return _make(function, Optimizer, parts, arguments)


def OptaxSchedule(function: Callable[..., Any], /, *parts: Any, **arguments: Any) -> Any:
    """Return a schedule from a function that returns an optax schedule.

    Args:
        function: A function of optax, or your own at the top level of a module.
        *parts: Positional arguments.
        **arguments: Keyword arguments. Numbers are leaves; numbers of steps are structure, because optax
            compares them in Python.

    Returns:
        A spec that fulfils `jaxae.protocols.Schedule`.

    Raises:
        JaxaeError: If an argument is unknown or missing, or cannot be recorded.

    Example:
        >>> import jaxae, optax
        >>> rate = jaxae.OptaxSchedule(optax.linear_schedule, 0.0, 1.0, transition_steps=10)
        >>> float(rate(5))
        0.5
    """
    return _make(function, Schedule, parts, arguments)


class _OfFunction:
    """Base of the classes that are made here: the function, and its arguments from the fields."""

    function: ClassVar[Any]
    """The function, as a static method."""
    positional: ClassVar[str | None]
    """Name of the field with the function's positional arguments (`*args`), if it takes any."""

    def call(self) -> Any:
        """Call the function with the values of the fields."""
        values = {name: as_argument(getattr(self, name)) for name in fields(self)}
        positional = values.pop(self.positional, ()) if self.positional else ()
        return self.function(*positional, **values)

    def __reduce__(self) -> Any:
        # By its function: pickle looks up a class by name, and finds the function there.
        protocol = Optimizer if isinstance(self, Optimizer) else Schedule
        return _rebuild, (self.function, protocol, {name: getattr(self, name) for name in fields(self)})

    def check(self) -> None:
        """Check settings that would train or evaluate other parameters than expected."""
        # Between the steps of transparent SAM the parameters are perturbed, and would be evaluated.
        if not getattr(self, "opaque_mode", True):
            reason = "so that perturbed parameters are never evaluated"
            raise ValueError(f"{type(self).__name__} needs opaque_mode=True, {reason}")
        if self.positional and not getattr(self, self.positional):
            raise ValueError(f"{type(self).__name__} got no transformations, expected at least one")


class _OptimizerOfFunction(_OfFunction):
    def build(self) -> Any:
        """Return the optax transformation."""
        made = _WRAPPERS.get(type(self).__name__, lambda made: made)(self.call())
        # optax.MultiSteps is a class whose objects have the methods of a transformation, and this one.
        return made.gradient_transformation() if hasattr(made, "gradient_transformation") else made


class _ScheduleOfFunction(_OfFunction):
    def __call__(self, step: ArrayLike, /) -> Array:
        """Return the number at `step`, f32[]."""
        return jnp.asarray(self.call()(step), float)


def class_of(value: Any) -> type | None:
    """Return the class that a name in a record or an option means: a class, or that of a function.

    Args:
        value: The object that has the name.

    Returns:
        The class; None for other objects, and for functions that return neither a transformation nor a
        schedule.
    """
    if isinstance(value, type) and value.__module__.partition(".")[0] != "optax":
        return value
    # A record must not be able to call any function: the function declares what it returns, or was
    # given to `Optax` by the program itself.
    protocol = _made.get(value) if isinstance(value, types.FunctionType) else None
    protocol = protocol or _returned(value)
    try:
        return spec_class(value, protocol) if protocol else None
    except JaxaeError:
        return None


def named(name: str) -> type | None:
    """Return the class of a function of optax by its public name, `optax.contrib.muon`; None if unknown."""
    module, _, function = name.rpartition(".")
    if module not in _MODULES:
        return None
    import optax.contrib  # noqa: F401 (a record or an option may name its functions first)

    return class_of(vars(sys.modules[module]).get(function))


def refusal(name: str) -> str | None:
    """Return why a function of optax cannot be used, by its public name; None for other names."""
    module, _, qualname = name.rpartition(".")
    function = (
        vars(sys.modules[module]).get(qualname) if module in _MODULES and module in sys.modules else None
    )
    if not callable(function):
        return None
    try:
        spec_class(function, _returned(function) or Optimizer)
    except JaxaeError as error:
        return str(error)
    return None


def names(protocol: type) -> list[str]:
    """Return the public names of optax's functions that can be used for a protocol."""
    import optax.contrib  # noqa: F401

    listed = [
        (module, name, value) for module in _MODULES for name, value in vars(sys.modules[module]).items()
    ]
    classes = {f"{module}.{name}": class_of(value) for module, name, value in listed if name[0] != "_"}
    # Each function once, under its first name.
    return sorted(
        name for name, cls in classes.items() if cls and cls.__name__ == name and _fits(cls, protocol)
    )


def _fits(cls: type, protocol: type) -> bool:
    return issubclass(cls, _OptimizerOfFunction if protocol is Optimizer else _ScheduleOfFunction)


_made: dict[Any, type] = {}  # functions that were given to `Optax` or `OptaxSchedule` -> their protocol


def _make(function: Any, protocol: type, parts: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
    """Return the spec of a function with some arguments."""
    cls: Any = spec_class(function, protocol)
    if isinstance(function, types.FunctionType):
        _made[function] = protocol
    known, name = fields(cls), cls.__name__
    # `*args` of optax.chain is a field with a tuple; other positional arguments have names.
    order = list(inspect.signature(function).parameters)
    named = {cls.positional: parts} if cls.positional else dict(zip(order, parts, strict=False))
    if len(parts) > len(order) and not cls.positional:
        raise JaxaeError(f"{name}: got {len(parts)} positional arguments, expected at most {len(order)}")
    for argument in [*named, *arguments]:
        if argument not in known:
            raise JaxaeError(f"{name}: {_why_not(function, argument, known)}")
    if twice := sorted(named.keys() & arguments):
        raise JaxaeError(f"{name}: the argument {twice[0]} is given twice")
    arguments = {**arguments, **named}
    if absent := [field for field in required(cls) if field not in arguments]:
        raise JaxaeError(f"{name}: the argument {absent[0]} is missing")
    return cls(**{argument: as_field(value) for argument, value in arguments.items()})


def _rebuild(function: Any, protocol: type, values: dict[str, Any]) -> Any:
    """Return a spec that was pickled."""
    return spec_class(function, protocol)(**values)


def _why_not(function: Any, argument: str, known: Any) -> str:
    """Return why a function has no field for an argument."""
    if argument in inspect.signature(function).parameters:
        return f"{argument} is a function, an array or a tree, which no record can hold; {OWN}"
    return f"unknown argument {argument}; {nearest(argument, known)}"


@functools.cache
def spec_class(function: Any, protocol: type) -> type:
    """Return the spec class of a function.

    Args:
        function: A function of optax, or of a user's module.
        protocol: `Optimizer` or `Schedule`.

    Returns:
        The class; the same one at each call.

    Raises:
        JaxaeError: If the function has no name that a record could hold, or an argument that it could not.
    """
    module, qualname = _place(function, _LABELS[protocol])
    name = f"{module}.{qualname}" if module in _MODULES else qualname
    _check_usable(function, protocol, name)
    base = _OptimizerOfFunction if protocol is Optimizer else _ScheduleOfFunction
    namespace = {
        **_field_namespace(function),
        "__module__": module,
        "__qualname__": qualname,
        "__doc__": (inspect.getdoc(function) or name).partition("\n\n")[0],
        "__repr__": _describe,  # in the class itself: a dataclass replaces an inherited one
        "argument_docs": argument_docs(function),
        "function": staticmethod(function),
    }
    return spec(types.new_class(name, (base,), exec_body=lambda body: body.update(namespace)))


def _field_namespace(function: Any) -> dict[str, Any]:
    """Return the annotations and the defaults of the fields, and the name of that of `*args`."""
    hints = {name: hint for name, hint in field_types(function).items() if hint is not None}
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name in hints]
    defaults = {each.name: as_field(each.default) for each in parameters if each.default is not each.empty}
    starred = {each.name: () for each in parameters if each.kind is each.VAR_POSITIONAL}
    return {"__annotations__": hints, **defaults, **starred, "positional": next(iter(starred), None)}


def _check_usable(function: Any, protocol: type, name: str) -> None:
    """Raise JaxaeError if a function cannot be used for a protocol."""
    label, kind = _LABELS[protocol], _NOUNS[protocol]
    if name in REFUSED:
        raise JaxaeError(f"{label}: {name}: {REFUSED[name]}")
    returned = _returned(function)
    # A user's function need not declare what it returns.
    if returned is not protocol and (returned or name.startswith("optax.")):
        what = f"a {_NOUNS[returned]}; use jaxae.{_LABELS[returned]}" if returned else f"no {kind}"
        raise JaxaeError(f"{label}: {name} returns {what}")
    hints = field_types(function)
    for each in inspect.signature(function).parameters.values():
        if hints[each.name] is None and each.default is each.empty and each.kind is not each.VAR_KEYWORD:
            raise JaxaeError(f"{label}: {name}: {_why_not(function, each.name, ())}")


def _describe(self: Any) -> str:
    """Return the call that makes the spec, as its `repr`."""
    label = _LABELS[Optimizer if isinstance(self, _OptimizerOfFunction) else Schedule]
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields(self) if name != self.positional)
    parts = [repr(part) for part in (getattr(self, self.positional) if self.positional else ())]
    return f"{label}({', '.join(filter(None, [type(self).__name__, *parts, values]))})"


def _place(function: Any, label: str) -> tuple[str, str]:
    """Return the module and the name under which a function can be found again."""
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", "")
    if str(module).partition(".")[0] == "optax":
        # vars, not getattr: optax's modules have old names, for which getattr warns.
        found = [place for place in _MODULES if vars(sys.modules.get(place, sys)).get(name) is function]
        module = found[0] if found else module
    if "." in name or getattr(sys.modules.get(module), name, None) is not function or not name:
        example = "optax.adamw" if label == "Optax" else "optax.cosine_decay_schedule"
        got = name or (repr(function) if isinstance(function, str) else f"a {type(function).__name__}")
        raise JaxaeError(
            f"{label}: got {got}, expected a function at the top level of a module, which a record can name, "
            f"followed by its arguments: {label}({example}, ...)"
        )
    return module, name


def _returned(function: Any) -> type | None:
    """Return the protocol of what a function declares to return: `Optimizer`, `Schedule` or None."""
    import optax

    if function is optax.MultiSteps:
        return Optimizer
    if not isinstance(function, types.FunctionType):
        return None
    annotation = inspect.signature(function).return_annotation
    # As text too: `from __future__ import annotations` makes every annotation one.
    if annotation == optax.Schedule or (isinstance(annotation, str) and annotation.endswith("Schedule")):
        return Schedule
    is_made = is_transformation(annotation)
    is_text = isinstance(annotation, str) and "GradientTransformation" in annotation.rpartition(".")[2]
    return Optimizer if is_made or is_text else None
