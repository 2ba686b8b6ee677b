"""A run's directory: record.json, history.jsonl, scores.json, checkpoints/, figures/, log.txt.

Everything is plain text or Orbax, nothing is pickled. Files appear whole (written aside, then
renamed) or grow by one line at a time, so that a run killed at any moment can be read.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import math
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError

RECORD, HISTORY, SCORES, LOG = "record.json", "history.jsonl", "scores.json", "log.txt"


def create(path: Path | None, name: str, seed: int) -> Path:
    """A new directory for a run: `path`, or runs/<name>-s<seed>-<time> under a name not yet taken.

    Raises: JaxaeError where `path` holds something already, or cannot be made.
    """
    if path is not None:
        return _create_at(path)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 10_000):
        suffix = f"-{number}" if number > 1 else ""
        candidate = Path("runs") / f"{name}-s{seed}-{stamp}{suffix}"
        with contextlib.suppress(FileExistsError):
            _make(candidate)
            return candidate
    raise JaxaeError(f"runs/{name}-s{seed}-{stamp}: no free name")


def _create_at(path: Path) -> Path:
    if (path / RECORD).exists():
        raise JaxaeError(
            f"--run-dir {path}: holds a run already; `jaxae resume {path}` goes on with it, "
            "or choose another directory"
        )
    if path.is_dir() and any(path.iterdir()):
        raise JaxaeError(f"--run-dir {path}: the directory is not empty; choose one that is, or a new name")
    if not path.is_dir():
        _make(path)
    return path


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise JaxaeError(f"{path}: is a file, expected a name for a new directory") from None
        raise
    except OSError as error:
        raise JaxaeError(f"{path}: cannot be made ({error.strerror})") from None


@contextlib.contextmanager
def lock(run: Path) -> Iterator[None]:
    """Holds the run for one writer. Raises: JaxaeError naming the process that holds it."""
    handle = _open_lock(run)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = handle.read().strip() or "unknown"
            raise JaxaeError(f"{run}: another process ({holder}) is writing to this run") from None
        handle.seek(0)
        handle.truncate()
        handle.write(f"pid {os.getpid()}")
        handle.flush()
        yield
    finally:
        handle.close()  # which lets go of the lock, as the kernel does for a killed process


def _open_lock(run: Path) -> Any:
    try:
        return open(run / ".lock", "a+")
    except OSError as error:
        raise JaxaeError(f"{run}: cannot be written to ({error.strerror})") from None


def preflight(run: Path, state_bytes: int) -> None:
    """Raises JaxaeError where the disk has no room for three checkpoints of this size."""
    free, needed = shutil.disk_usage(run).free, 3 * state_bytes + 2**20
    if free < needed:
        raise JaxaeError(
            f"{run}: {free / 2**20:.1f} MiB are free on this disk, but its checkpoints need {needed / 2**20:.1f} MiB"
        )


def write_json(path: Path, value: Any) -> None:
    """Writes the file whole or not at all; numbers that are not finite become null."""
    aside = path.with_name(path.name + ".part")
    with open(aside, "w") as file:
        json.dump(_finite(value), file, indent=2, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def read_json(path: Path) -> Any:
    """The file's content. Raises: JaxaeError for one that is missing or no JSON."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise JaxaeError(f"{path}: not found; every run has one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise JaxaeError(f"{path}: cannot be read ({type(error).__name__})") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise JaxaeError(f"{path}: is no JSON ({error})") from None


def append_history(run: Path, line: dict[str, Any]) -> None:
    """One line an epoch, in one write."""
    append_line(run / HISTORY, json.dumps(_finite(line), allow_nan=False))


def append_line(path: Path, line: str) -> None:
    with open(path, "a") as file:
        file.write(line + "\n")


def warn(run: Path, message: str) -> None:
    """One line on standard error, and in the run's log."""
    print(f"jaxae: warning: {message}", file=sys.stderr)
    append_line(run / LOG, f"warning: {message}")


def read_history(run: Path) -> list[dict[str, Any]]:
    """The epochs' lines; a last line torn by a kill is dropped."""
    path = run / HISTORY
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    try:
        return [json.loads(line) for line in whole]
    except json.JSONDecodeError as error:
        raise JaxaeError(f"{path}: has a line that is no JSON ({error.msg})") from None


def keep_history(run: Path, last_epoch: int) -> list[dict[str, Any]]:
    """Drops the lines after `last_epoch`, whose epochs will be run again; returns the rest."""
    kept = [line for line in read_history(run) if line["epoch"] <= last_epoch]
    aside = run / (HISTORY + ".part")
    aside.write_text("".join(json.dumps(line) + "\n" for line in kept))
    aside.replace(run / HISTORY)
    return kept


def _finite(value: Any) -> Any:
    """JSON has no nan: null stands for a number that is not finite."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def disk_errors(run: Path) -> Iterator[None]:
    """Turns a full or read-only disk, however the writer reports it, into one line."""
    try:
        yield
    except Exception as error:
        text = str(error)
        number = getattr(error, "errno", None)
        if number == errno.ENOSPC or "RESOURCE_EXHAUSTED" in text or "No space left" in text:
            raise OSError(
                errno.ENOSPC, f"{run}: the disk is full; what was committed before is kept"
            ) from None
        raise
