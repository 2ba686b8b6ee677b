"""The public names of jaxae: the stub `__init__.pyi` lists them, and each is imported at its first use.

The front door `jaxae` has these names. Rooms behind it look them up here, so that they do not import it.
"""

from pathlib import Path
from typing import Any

import lazy_loader

from jaxae.errors import nearest

_value, _, NAMES = lazy_loader.attach_stub("jaxae", str(Path(__file__).with_name("__init__.pyi")))


def get(name: str) -> Any:
    """Return the value of a public name (`VAE`). Raises: AttributeError with the nearest name."""
    if name in NAMES:
        return _value(name)
    hint = "" if name.startswith("_") else f"; {nearest(name, NAMES).partition(' valid: ')[0]}"
    raise AttributeError(f"module 'jaxae' has no attribute '{name}'{hint}")


def find(full_name: str) -> Any:
    """Return the value of a full public name (`jaxae.VAE`), or None."""
    package, _, name = full_name.partition(".")
    return get(name) if package == "jaxae" and name in NAMES else None


def name_of(cls: type) -> str | None:
    """Return the full public name of a class of jaxae, or None."""
    name = f"jaxae.{cls.__qualname__}"
    return name if cls.__module__.partition(".")[0] == "jaxae" and find(name) is cls else None
