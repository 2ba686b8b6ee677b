"""Find the callbacks that --callback names in the user's files."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.runs import config
from jaxae.specs.pytree import is_spec
from jaxae.specs.records import CONFIGS


def find(names: Iterable[str], *files: str | None) -> list[Callable[..., Any]]:
    """Return the callbacks of some names.

    Args:
        names: Names of functions, of objects that can be called, or of classes of such objects.
        *files: The CONFIG and the value of --config, which have been executed; None and records are skipped.

    Returns:
        The callbacks; a class gives a new object.

    Raises:
        JaxaeError: If no file defines a name, or a class needs arguments.
    """
    paths = [config.find(file) for file in files if file is not None]
    # Records and YAML files define no functions.
    paths = [path for path in paths if f"{CONFIGS}.{path.stem}" in sys.modules and path.suffix == ".py"]
    return [_callback(name, paths) for name in names]


def _callback(name: str, paths: list[Path]) -> Callable[..., Any]:
    """Return the callback of one name. Raises: JaxaeError."""
    modules = [sys.modules[f"{CONFIGS}.{path.stem}"] for path in paths]
    value = next((vars(module)[name] for module in modules if callable(vars(module).get(name))), None)
    if value is None:
        valid = sorted({each for module in modules for each in _defined(module)})
        if not paths:
            raise JaxaeError(f"--callback {name}: no file defines it; give one by --config FILE")
        where = ", ".join(map(str, paths))
        hint = nearest(name, valid) if valid else "define it there: def stop(epoch, saved): ..."
        raise JaxaeError(f"--callback {name}: not defined by {where}; {hint}")
    if not isinstance(value, type):
        return value
    try:
        callback: Any = value()
    except TypeError as error:
        raise JaxaeError(f"--callback {name}: {error}; name an object instead: it = {name}(...)") from error
    if not callable(callback):
        raise JaxaeError(f"--callback {name}: its objects cannot be called; expected a method __call__")
    return callback


def _defined(module: Any) -> list[str]:
    """Return the public names of a module that may be callbacks: what it defines itself, except specs."""
    name = module.__name__
    return [
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and callable(value)
        and not is_spec(value)
        and name in (getattr(value, "__module__", None), type(value).__module__)
    ]
