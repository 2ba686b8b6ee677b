"""The public names of jaxae: the stub `__init__.pyi` lists them, and each is imported at its first use.

The package `jaxae` offers these names to users. Modules inside the package look them up here, so that they
need not import the package's front door. A name may be that of a module, whose classes are public under it:
`jaxae.schedules.Linear`.
"""

import functools
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import lazy_loader

from jaxae.errors import nearest
from jaxae.specs import renamed

# The stub is read as text, without executing it: the list that type checkers see cannot differ from this one.
_value, _, NAMES = lazy_loader.attach_stub("jaxae", str(Path(__file__).parents[1] / "__init__.pyi"))


def get(name: str) -> Any:
    """Return the object behind a public name such as `VAE`, importing its module at the first use.

    Raises:
        AttributeError: If there is no such name. The message gives the nearest one, or the current name.
    """
    if name in NAMES:
        return _value(name)
    if name in renamed.PUBLIC:
        raise AttributeError(f"jaxae.{name} is now jaxae.{renamed.PUBLIC[name]}")
    # AttributeError, not JaxaeError: Python's import system and hasattr expect it of a module's
    # `__getattr__`. They also look for names such as `__path__`, for which a hint would make no sense.
    hint = "" if name.startswith("_") else f"; {nearest(name, NAMES).partition(' valid: ')[0]}"
    raise AttributeError(f"module 'jaxae' has no attribute '{name}'{hint}")


@functools.cache
def _modules() -> list[str]:
    """Return the public names that are modules, without importing them."""
    return [name for name in NAMES if find_spec(f"jaxae.{name}") is not None]


def find(full_name: str) -> Any:
    """Return the object behind a full public name (`jaxae.VAE`, `jaxae.schedules.Linear`), or None."""
    package, _, rest = full_name.partition(".")
    name, _, inner = rest.partition(".")
    if package != "jaxae" or name not in NAMES:
        return None
    value = get(name)
    if not inner:
        return value
    # vars, not getattr: for a name from a record, getattr could run a module's `__getattr__`.
    return vars(value).get(inner) if isinstance(value, ModuleType) else None


def name_of(cls: type) -> str | None:
    """Return the full public name of a class of jaxae; None for other classes."""
    if cls.__module__.partition(".")[0] != "jaxae":
        return None
    # Compared by identity, since a private class may have the name of a public one.
    name = cls.__qualname__
    places = ["jaxae", *(f"jaxae.{module}" for module in _modules())]
    return next((f"{place}.{name}" for place in places if find(f"{place}.{name}") is cls), None)


def classes() -> Iterator[type]:
    """Yield the public classes in the order of their names, those of public modules last."""
    # Functions are left out before they are looked up: their modules, such as that of `measure`, import
    # slowly.
    values = [get(name) for name in NAMES if name in _modules() or not name.islower()]
    modules = [value for value in values if isinstance(value, ModuleType)]
    inner = [value for module in modules for value in vars(module).values()]
    yield from dict.fromkeys(value for value in [*values, *inner] if isinstance(value, type))
