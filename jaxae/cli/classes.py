"""Find the classes that an option can name: `--optimizer SGD`, `--model.beta Linear`, or a user's class."""

import dataclasses
import math
import sys
from typing import Any

from jaxae.runs import config
from jaxae.specs import public
from jaxae.specs.pytree import alternatives, required
from jaxae.specs.records import accepts, is_node_type

# A config may import classes from these packages; they are not classes that the user wrote. Without this
# filter, `from flax.linen import Dense` would offer Dense as an encoder.
_LIBRARIES = ("jaxae", "flax")


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


def with_defaults(cls: Any) -> Any:
    """Return an instance of `cls`; nan marks each value that has no default and must be given."""
    # nan can never be a valid value: records and options accept finite numbers only.
    return cls(**dict.fromkeys(required(cls), math.nan))


def is_missing(value: Any) -> bool:
    """Return whether a value is the mark of `with_defaults` for a value that must still be given."""
    return isinstance(value, float) and math.isnan(value)


def _user_classes() -> list[Any]:
    """Return the user's classes that executed configs define or import, oldest config first."""
    # sys.modules keeps the order of imports.
    modules = [module for name, module in sys.modules.items() if config.is_config(name)]
    imported = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return [cls for cls in imported if cls.__module__.partition(".")[0] not in _LIBRARIES]
