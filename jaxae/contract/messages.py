"""How a user's mistake is described in one line: what was given, and the line of the user's file."""

import functools
import inspect
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax

# Not the user's own code: jaxae, the installed packages, the standard library.
_FOLDERS = [str(Path(__file__).parents[1]), *map(sysconfig.get_path, ("purelib", "platlib", "stdlib"))]
FOREIGN = tuple(str(Path(folder).resolve()) + os.sep for folder in _FOLDERS)


def kind(found: Any) -> str:
    """Describe what a method gave: `float32[2, 3]`, `a dict`."""
    if isinstance(found, jax.ShapeDtypeStruct):
        return f"{found.dtype}[{', '.join(map(str, found.shape))}]"
    if found is None:
        return "None"
    size = f" of {len(found)}" if isinstance(found, tuple | list) else ""
    name = type(found).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{size}"


def listed(names: Iterable[str]) -> str:
    """`init, terms and weights`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def raised(model: object, method: str, error: Exception, situation: str = "", label: str = "model") -> str:
    """Describe what a method of the model, or of the part with the dotted name `label`, raised."""
    reason = (str(error).strip().splitlines() or [""])[0]
    where = _innermost(error.__traceback__) or place(getattr(type(model), method, None))
    name = f"{type(model).__name__}.{method}"
    return f"{label}: {name} raised {type(error).__name__}{situation}: {reason}{where}"


def place(function: Any) -> str:
    """` (file:line)` of a function of the user's own, or nothing."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return f" ({code.co_filename}:{code.co_firstlineno})" if code and _is_own(code.co_filename) else ""


def _innermost(traceback: TracebackType | None) -> str:
    """` (file:line)` of the innermost frame of the user's own code, or nothing."""
    where = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if _is_own(file):
            where = f" ({file}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return where


@functools.cache
def _is_own(file: str) -> bool:
    return not file.startswith("<") and not str(Path(file).resolve()).startswith(FOREIGN)
