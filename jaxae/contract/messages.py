"""Texts of error messages about a user's code: the wrong value, and the line of the user's file."""

import functools
import inspect
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax

# Code that no user has written: jaxae, the installed packages, the standard library.
_FOLDERS = [str(Path(__file__).parents[1]), *map(sysconfig.get_path, ("purelib", "platlib", "stdlib"))]
# With a separator at the end, so that a user's folder `jaxae_models` does not match `jaxae`.
FOREIGN = tuple(str(Path(folder).resolve()) + os.sep for folder in _FOLDERS)


def kind(value: Any) -> str:
    """Describe a value in a message: `float32[2, 3]`, `a dict`, `a tuple of 3`."""
    if isinstance(value, jax.ShapeDtypeStruct):
        return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
    if value is None:
        return "None"
    size = f" of {len(value)}" if isinstance(value, tuple | list) else ""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{size}"


def listed(names: Iterable[str]) -> str:
    """Join names as in `init, terms and weights`.

    Example:
        >>> listed(["init", "terms", "weights"])
        'init, terms and weights'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def raised(model: object, method: str, error: Exception, situation: str = "", label: str = "model") -> str:
    """Describe an exception of a user's method in one line.

    Args:
        model: Model or part with the method.
        method: Name of the method.
        error: Exception that it raised.
        situation: Text about the call, such as " for its gradient".
        label: Dotted name of the model or part in the experiment.

    Returns:
        `label: Class.method raised ValueError: reason (file:line)`.
    """
    reason = (str(error).strip().splitlines() or [""])[0]  # JAX's errors go on for many lines
    # The user's line that failed, or the method itself if the error came from a library's code alone.
    location = _find_innermost(error.__traceback__) or place(getattr(type(model), method, None))
    name = f"{type(model).__name__}.{method}"
    return f"{label}: {name} raised {type(error).__name__}{situation}: {reason}{location}"


def place(function: Any) -> str:
    """Return ` (file:line)` of a function that a user has written, or ""."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return f" ({code.co_filename}:{code.co_firstlineno})" if code and _is_own(code.co_filename) else ""


def _find_innermost(traceback: TracebackType | None) -> str:
    """Return ` (file:line)` of the innermost frame in a user's file, or ""."""
    location = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if _is_own(file):
            location = f" ({file}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return location


@functools.cache  # a traceback through jit has many frames of few files
def _is_own(file: str) -> bool:
    """Return whether a source file belongs to a user; `<string>` and other generated code does not."""
    return not file.startswith("<") and not str(Path(file).resolve()).startswith(FOREIGN)
