"""Classes that an option may name: `--optimizer SGD`, `--model.beta Linear`, or a user's own."""

import dataclasses
import math
import sys
from typing import Any

from jaxae.runs import config
from jaxae.specs import public
from jaxae.specs.pytree import alternatives, required
from jaxae.specs.records import accepts, is_node_type

_LIBRARIES = ("jaxae", "flax")  # what a config imports from them is no class of the user's own


def accepted(annotation: Any) -> dict[str, Any]:
    """Return name -> class of the specs and nets, sorted, that may be given where `annotation` is written.

    They are jaxae's public ones and those of the configs that were executed; of two with one name a config's,
    and that of the newest, is meant.
    """
    if not any(is_node_type(part) for part in alternatives(annotation)):
        return {}
    known: list[Any] = [cls for cls in [*public.classes(), *_own()] if dataclasses.is_dataclass(cls)]
    return dict(sorted({cls.__name__: cls for cls in known if accepts(annotation, cls)}.items()))


def with_defaults(cls: Any) -> Any:
    """Return an instance of `cls`; nan marks each value that has no default and must be given."""
    return cls(**dict.fromkeys(required(cls), math.nan))


def is_missing(value: Any) -> bool:
    """Return whether a value still has to be given."""
    return isinstance(value, float) and math.isnan(value)


def _own() -> list[Any]:
    """The classes of the user's own that executed configs define or import, oldest config first."""
    modules = [module for name, module in sys.modules.items() if config.is_config(name)]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return [cls for cls in found if cls.__module__.partition(".")[0] not in _LIBRARIES]
