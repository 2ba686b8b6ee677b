"""Find the classes that an option can name: `--optimizer SGD`, `--model.beta Linear`, or a user's class."""

import dataclasses
import math
import sys
import types
from collections.abc import Collection, Iterable
from typing import Any

from jaxae.errors import nearest
from jaxae.protocols.parts import Optimizer, Schedule
from jaxae.protocols.tracker import Tracker
from jaxae.runs import config
from jaxae.runs.code.source_files import is_installed
from jaxae.specs import optax_functions, public
from jaxae.specs.pytree import alternatives, required
from jaxae.specs.records import accepts, class_name, explain_misfit, is_node_type
from jaxae.trackers import find_trackers

# A config may import classes from these packages; they are not classes that the user wrote. Without this
# filter, `from flax.linen import Dense` would offer Dense as an encoder.
_LIBRARIES = ("jaxae", "flax", "optax")


def accepted(annotation: Any, *, own: bool = True) -> dict[str, Any]:
    """Return the specs and nets that an option accepts, by class name, sorted.

    The candidates are the public classes of jaxae and the classes of all configs that were executed. Of two
    classes with the same name, a config's class wins over jaxae's, and a newer config wins over older ones.

    Args:
        annotation: The type annotation of the field, such as `float | Schedule`.
        own: Whether the classes of executed configs are candidates too.

    Returns:
        Class name -> class.

    Example:
        >>> from jaxae.protocols.parts import Schedule
        >>> list(accepted(float | Schedule))
        ['Constant', 'Cosine', 'Linear', 'Piecewise', 'Step']
    """
    # Most fields are plain numbers or texts: skip the search through all public classes for them.
    if not any(is_node_type(part) for part in alternatives(annotation)):
        return {}
    # The user's classes come last: a later key replaces an equal earlier one in the dict below.
    candidates = [*public.classes(), *(_user_classes() if own else [])]
    known: list[Any] = [cls for cls in candidates if dataclasses.is_dataclass(cls)]
    return dict(sorted({cls.__name__: cls for cls in known if accepts(annotation, cls)}.items()))


def named(name: str, annotation: Any) -> type | None:
    """Return the class that a word means: by its name, its name with its module, or a function of optax.

    Args:
        name: The word, such as `Lamb`, `mylib.Lamb`, `schedules.Linear` or `optax.lion`.
        annotation: The type annotation of the field.

    Returns:
        The class; None if there is no such class, or the field cannot hold it.
    """
    known = accepted(annotation)
    function = optax_functions.named(name) if known else None
    if function is not None and accepts(annotation, function):
        return function
    # A module's name: two of the user's modules may have classes of one name.
    dotted = (cls for cls in known.values() if "." in name and f".{class_name(cls)}".endswith(f".{name}"))
    return known.get(name) or next(dotted, None)


def optax_protocol(annotation: Any) -> type | None:
    """Return the protocol for which a field takes functions of optax, `Optimizer` or `Schedule`, or None."""
    return next((part for part in (Optimizer, Schedule) if part in alternatives(annotation)), None)


def explained(name: str, annotation: Any) -> str | None:
    """Return why a field cannot hold the class of that name: `got Mine, expected Optimizer, which has build`.

    Args:
        name: The word that the user gave.
        annotation: The type annotation of the field.

    Returns:
        The reason, or a hint for a misspelled function of optax; None if the word names no class.
    """
    every = {cls.__name__: cls for cls in [*public.classes(), *_user_classes()]}
    cls = every.get(name) or optax_functions.named(name)
    if cls is not None:
        return f"{explain_misfit(cls, annotation)}; valid: {', '.join(accepted(annotation))}"
    protocol = optax_protocol(annotation)
    if protocol is None or not name.startswith("optax."):
        return None
    if (reason := optax_functions.refusal(name)) is not None:
        return reason
    # Without the list of valid names: there are about a hundred.
    hint, close, _ = nearest(name, optax_functions.names(protocol)).partition("?")
    hint = f"; {hint}?" if close else ", such as optax.adamw" if protocol is Optimizer else ""
    kind = "a transformation" if protocol is Optimizer else "a schedule"
    return f"got {name!r}, expected a function of optax that returns {kind}{hint}"


def with_defaults(cls: Any) -> Any:
    """Return an instance of `cls`; nan marks each value that has no default and must be given."""
    # nan can never be a valid value: records and options accept finite numbers only.
    return cls(**dict.fromkeys(required(cls), math.nan))


def is_missing(value: Any) -> bool:
    """Return whether a value is the mark of `with_defaults` for a value that must still be given."""
    return isinstance(value, float) and math.isnan(value)


def own(name: str) -> Any:
    """Return what a name means in the configs that were executed, the newest first; None if nothing.

    Args:
        name: The name of a measure or a launcher, also with that of its module: `mylib.MyMeasure`.
    """
    for config_name, module in reversed(list(sys.modules.items())):
        if config.is_config(config_name):
            value: Any = module
            for part in name.split("."):
                value = getattr(value, part, None)
            if value is not None:
                return value
    return None


def own_or_name(name: str, names: Collection[str]) -> Any:
    """Return a name of jaxae as it is, else the object that a config has under this name.

    Args:
        name: The word on the command line.
        names: The names of jaxae, which come first.

    Returns:
        The name, also if no config has it; a class without arguments gives a new object.
    """
    value = None if name in names else own(name)
    return name if value is None else value() if isinstance(value, type) else value


def trackers(names: Iterable[str]) -> list[Tracker]:
    """Return the trackers that --tracker names. Raises: JaxaeError for a name that nothing has."""
    return find_trackers.find([own_or_name(name, find_trackers.TRACKERS) for name in names])


def _user_classes() -> list[Any]:
    """Return the user's classes that executed configs define or import, oldest config first.

    A function that declares to return an optax transformation or schedule counts by its class.
    """
    # sys.modules keeps the order of imports.
    configs = [module for name, module in sys.modules.items() if config.is_config(name)]
    # `import mylib` in a config offers the classes of the user's module as well.
    imported = [value for module in configs for value in vars(module).values() if _is_own_module(value)]
    values = [value for module in [*imported, *configs] for value in vars(module).values()]
    found = [optax_functions.class_of(value) for value in values if callable(value)]
    return [cls for cls in found if cls and cls.__module__.partition(".")[0] not in _LIBRARIES]


def _is_own_module(value: Any) -> bool:
    return isinstance(value, types.ModuleType) and not is_installed(value.__name__)
