"""The environments in which a sweep's rows were made: versions, device and numerical flags, as columns.

A resumed run has the same bits only in the same environment (see `provenance`). A mean over rows of different
environments mixes numbers that differ, if only slightly.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxae import errors
from jaxae.runs import directory, provenance

PREFIXES, NAMES = ("version.", "flag."), ("device", "processor")
# Warnings that this process has printed: the tables are written many times in a sweep.
_warned: set[tuple[Path, str]] = set()


def forget() -> None:
    """Forget the printed warnings, so that they are printed again."""
    _warned.clear()


def columns() -> dict[str, Any]:
    """Return the present environment as {column: value} of a row."""
    environment = provenance.environment()
    return {
        "device": environment["device"]["kind"],
        "device_count": environment["device"]["count"],
        "processor": environment["device"]["processor"],
        **{f"version.{name}": version for name, version in environment["versions"].items()},
        **{f"flag.{name}": value for name, value in environment["flags"].items()},
    }


def shared_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the environment columns that all rows have; rows of older versions lack some."""
    if not rows:
        return []
    names = [name for name in rows[0] if name in NAMES or name.startswith(PREFIXES)]
    return [name for name in names if all(name in row for row in rows)]


def differences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the differences between the environments of rows, such as `jax 0.10.2 -> 0.12.0`."""
    changes = []
    for name in shared_columns(rows):
        values = list(dict.fromkeys(str(row[name]) for row in rows))
        if len(values) > 1:
            changes.append(f"{name.removeprefix('version.').removeprefix('flag.')} {' -> '.join(values)}")
    return changes


def warn(
    path: Path, rows: Sequence[Mapping[str, Any]], *, is_running: bool = False, log: bool = True
) -> None:
    """Warn once per process if the rows of a sweep were made in several environments.

    Args:
        path: Directory of the sweep.
        rows: Rows of the sweep.
        is_running: Whether rows of the present environment will follow.
        log: Whether the warning is also written to log.txt.
    """
    # The present environment counts only if rows exist: a new sweep has nothing to differ from.
    changes = differences([*rows, columns()] if rows and is_running else rows)
    key = path.resolve(), ", ".join(changes)
    if not changes or key in _warned:
        return
    _warned.add(key)
    message = f"{path}: rows were made in different environments, and means mix them: {key[1]}"
    if log:
        directory.warn(path, message)
    else:
        errors.warn(message)
