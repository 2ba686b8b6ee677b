"""Check whether a file still holds the code that this process imported from it.

Python imports a file once. Later edits are on the disk, but the process does not run them.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from jaxae import errors
from jaxae.runs.code.source_files import MAIN, Source
from jaxae.specs.records import CONFIGS

_warned: set[tuple[Path, int]] = set()  # (file, hash of its text): one warning for each edit


def warn_if_edited(source: Source) -> None:
    """Warn once if a file was edited after this process imported it."""
    # Scripts and configs are read and executed at once, in this process: the text is what runs. A notebook
    # has no file, and a module that is not imported yet runs no old code.
    if source.path is None or not source.namespace or source.name.startswith((MAIN, CONFIGS)):
        return
    key = source.path, hash(source.cells)
    if key not in _warned and not is_as_imported(source):
        _warned.add(key)
        errors.warn(
            f"{source.shown}: has been edited since it was imported, but the old code is still running; "
            "restart Python, or use importlib.reload"
        )


def is_as_imported(source: Source) -> bool:
    """Return whether the functions of an imported module are those of its file."""
    try:
        # Compiled and never executed: only the code objects of functions are compared. With dont_inherit, or
        # this module's own `from __future__` imports would apply.
        compiled = compile(source.cells[0], str(source.path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    in_file = {code.co_qualname: code for code in _nested_code(compiled)}
    return all(_is_same_code(code, in_file.get(code.co_qualname)) for code in _running_code(source))


def _running_code(source: Source) -> Iterator[CodeType]:
    """Yield the code of a module's functions and of the methods of its classes."""
    values = [value for value in source.namespace.values() if getattr(value, "__module__", "") == source.name]
    classes = [value for value in values if isinstance(value, type)]
    for value in [*values, *(inner for cls in classes for inner in vars(cls).values())]:
        function = _unwrap(value)
        # A decorator may have put a function of another file in place of the one that the source defines.
        if inspect.isfunction(function) and Path(function.__code__.co_filename) == source.path:
            yield function.__code__


def _unwrap(value: Any) -> Any:
    try:
        return inspect.unwrap(value) if callable(value) else None
    except ValueError:
        return None


def _nested_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _nested_code(value)


def _is_same_code(code: CodeType, other: CodeType | None) -> bool:
    """Return whether two functions do the same; texts are ignored, since docstrings are among them."""
    if other is None:
        return False
    constants = [
        [value for value in each.co_consts if not isinstance(value, str | CodeType)] for each in (code, other)
    ]
    same = code.co_code == other.co_code and code.co_names == other.co_names
    # Compared by repr, since 1 == True == 1.0 and nan != nan.
    return same and repr(constants[0]) == repr(constants[1])
