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
import re
import shutil
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxae import errors
from jaxae.errors import JaxaeError

RECORD, HISTORY, SCORES, LOG = "record.json", "history.jsonl", "scores.json", "log.txt"


def create(path: Path | None, name: str, seed: int) -> Path:
    """A new directory for a run: `path`, or runs/<name>-s<seed>-<time> under a name not yet taken.

    Raises: JaxaeError where `path` holds something already, or cannot be made.
    """
    if path is not None:
        return _create_at(path)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = re.sub(r"[^\w.-]+", "-", name)[:100]  # it may come from a record, and must not lead out of runs/
    for number in range(1, 10_000):
        suffix = f"-{number}" if number > 1 else ""
        candidate = Path("runs") / f"{name}-s{seed}-{stamp}{suffix}"
        with contextlib.suppress(FileExistsError):
            make(candidate)
            return candidate
    raise JaxaeError(f"runs/{name}-s{seed}-{stamp}: no free name")


def _create_at(path: Path) -> Path:
    refuse_existing(path)
    if path.is_dir() and any(path.iterdir()):
        raise JaxaeError(f"--run-dir {path}: the directory is not empty; choose one that is, or a new name")
    if not path.is_dir():
        with contextlib.suppress(FileExistsError):  # made by another process just now: the lock decides
            make(path)
    return path


def refuse_existing(path: Path) -> None:
    """Raises JaxaeError where `path` holds a run."""
    if (path / RECORD).exists():
        raise JaxaeError(
            f"--run-dir {path}: holds a run already; `jaxae resume {path}` goes on with it, "
            "or choose another directory"
        )


def make(path: Path) -> None:
    """Makes a new directory. Raises: FileExistsError where there is one, JaxaeError where there cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError as error:
        blocking = Path(error.filename)
        if not blocking.is_dir():
            raise JaxaeError(f"{path}: {blocking} is a file, expected a name for a new directory") from None
        raise
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise JaxaeError(f"{path}: cannot be made ({getattr(error, 'strerror', error)})") from None


class Held(JaxaeError):
    """Another process is the writer."""


@contextlib.contextmanager
def lock(run: Path) -> Iterator[None]:
    """Holds the run for one writer. Raises: Held, a JaxaeError, naming the process that holds it."""
    handle = _open_lock(run)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise Held(f"{run}: another process ({holder}) is writing to this run") from None
        handle.truncate(0)
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
    """Raises JaxaeError where the disk has no room for three checkpoints; `run` may be yet to be made."""
    there = next(folder for folder in (run, *run.absolute().parents) if folder.is_dir())
    free, needed = shutil.disk_usage(there).free, 3 * state_bytes + 2**20
    if free < needed:
        raise JaxaeError(
            f"{run}: {free / 2**20:.1f} MiB are free on this disk, "
            f"but its checkpoints need {needed / 2**20:.1f} MiB"
        )


def write_json(path: Path, value: Any) -> None:
    """Writes the file whole or not at all; numbers that are not finite become null."""
    write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes aside, then renames: a reader sees the file before or after, never a part of it."""
    aside = path.with_name(path.name + ".part")
    with open(aside, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def keep_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes each text under its name, which may lead into folders inside `folder`."""
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / name, text)


def read_json(path: Path) -> Any:
    """The file's content. Raises: JaxaeError for one that is missing or no JSON."""
    try:
        return json.loads(path.read_text(), object_pairs_hook=_each_key_once)
    except FileNotFoundError:
        raise JaxaeError(f"{path}: not found; every run has one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise JaxaeError(f"{path}: cannot be read ({type(error).__name__})") from None
    except (ValueError, RecursionError) as error:
        raise JaxaeError(f"{path}: is no JSON ({error})") from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"the key '{twice[0]}' is there twice")
    return dict(pairs)


def is_finished(run: Path) -> bool:
    """Return whether the run has scores, and not those of an epoch at which its observer stopped it."""
    return (run / SCORES).exists() and stopped_by(run) is None


def stopped_by(run: Path) -> str | None:
    """Return "observe" if the scores are those of an epoch where the run's observer stopped it, else None."""
    scores = read_json(run / SCORES) if (run / SCORES).exists() else {}
    return scores.get("stopped_by") if isinstance(scores, dict) else None


def append_history(run: Path, line: dict[str, Any]) -> None:
    """One line an epoch, in one write."""
    append_line(run / HISTORY, json.dumps(finite(line), allow_nan=False))


def append_line(path: Path, line: str) -> None:
    """The line at the file's end."""
    with open(path, "a") as file:
        file.write(line + "\n")


def sync_history(run: Path) -> None:
    """Has the history on the disk itself, so that no checkpoint outlives the epochs that led to it."""
    with open(run / HISTORY, "rb") as file:
        os.fsync(file.fileno())


def warn(run: Path, message: str) -> None:
    """One line on standard error, and in the run's log where it can be written."""
    errors.warn(message)
    with contextlib.suppress(OSError):
        append_line(run / LOG, f"warning: {message}")


def log_error(run: Path, error: BaseException) -> None:
    """Append the traceback to the run's log, where it can be written."""
    with contextlib.suppress(OSError):
        append_line(run / LOG, "".join(traceback.format_exception(error)))


def read_history(run: Path, last_epoch: int) -> list[dict[str, Any]]:
    """The lines of the epochs 1 to `last_epoch`.

    Raises: JaxaeError for a line that is missing or no epoch's.
    """
    kept = [line for line in _history(run) if line["epoch"] <= last_epoch]
    if [line["epoch"] for line in kept] != list(range(1, last_epoch + 1)):
        raise JaxaeError(f"{run / HISTORY}: expected a line for each epoch from 1 to {last_epoch}, in order")
    return kept


def last_epoch(run: Path) -> int:
    """The newest epoch in the history, 0 where there is none."""
    return max((line["epoch"] for line in _history(run)), default=0)


def _history(run: Path) -> list[dict[str, Any]]:
    """Every line; a last one that was torn by a kill is dropped."""
    path = run / HISTORY
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [_epoch_line(path, line) for line in lines if line.endswith("\n")]


def _epoch_line(path: Path, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise JaxaeError(f"{path}: has a line that is no JSON ({error})") from None
    if not isinstance(found, dict) or not isinstance(found.get("epoch"), int):
        raise JaxaeError(f"{path}: has a line without an epoch: {line.strip()[:60]}")
    return found


def keep_history(run: Path, last_epoch: int) -> list[dict[str, Any]]:
    """Drops the lines after `last_epoch`, whose epochs will be run again; returns the rest."""
    kept = read_history(run, last_epoch)
    write_text(run / HISTORY, "".join(json.dumps(line) + "\n" for line in kept))
    return kept


def finite(value: Any) -> Any:
    """The same with None for numbers that are not finite: JSON has no nan."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def disk_errors(run: Path) -> Iterator[None]:
    """Turns a full disk, however the writer reports it, into one line."""
    try:
        yield
    except Exception as error:
        # TensorStore raises ValueError: RESOURCE_EXHAUSTED; XLA's RuntimeError of that name is about memory.
        told = isinstance(error, ValueError) and "RESOURCE_EXHAUSTED" in str(error)
        if told or getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            raise OSError(
                errno.ENOSPC, f"{run}: the disk is full; what was committed before is kept"
            ) from None
        raise
