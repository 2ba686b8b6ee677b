"""A run's directory: record.json, history.jsonl, scores.json, checkpoints/, figures/, log.txt.

Everything is plain text or Orbax; nothing is pickled. A file appears as a whole (it is written under another
name, then renamed) or grows by one line at a time. So a run that is killed at any moment can be read. Each
JSON object has a digest (`seals`).
"""

import contextlib
import datetime
import errno
import hashlib
import json
import math
import os
import re
import shutil
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxae import errors
from jaxae.errors import JaxaeError
from jaxae.runs import locks, seals

RECORD, HISTORY, SCORES, LOG = "record.json", "history.jsonl", "scores.json", "log.txt"
MEASURES = "measures.json"
FIGURES = "figures"  # folder of the figures
# Names that are written before the record makes a directory a run. If the process is killed before, the same
# command can start the run again.
STARTED = {".lock", "notes.json", "initial", "code", RECORD}
EXTENDED = "extended"  # entry of record.json: one dictionary for each change of the run's length


def create(path: Path | None, name: str, seed: int) -> Path:
    """Make a new directory for a run.

    Args:
        path: The directory, new or empty; None chooses a free name runs/<name>-s<seed>-<time>.
        name: The run's name.
        seed: The run's seed.

    Returns:
        The directory.

    Raises:
        JaxaeError: If `path` is not empty or cannot be made.
    """
    if path is not None:
        return _create_at(path)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    # The name may come from a record: it must not contain a path that
    # leaves runs/, nor be too long for a file.
    name = re.sub(r"[^\w.-]+", "-", name)[:100]
    # The time in the name has whole seconds, and several runs may start within one.
    for number in range(1, 10_000):
        suffix = f"-{number}" if number > 1 else ""
        candidate = Path("runs") / f"{name}-s{seed}-{stamp}{suffix}"
        with contextlib.suppress(FileExistsError):
            make(candidate)
            return candidate
    raise JaxaeError(f"runs/{name}-s{seed}-{stamp}: no free name")


def check_path(path: Path) -> None:
    """Raise JaxaeError if the path of a directory is not UTF-8, since no checkpoint can have such a path."""
    name = os.fspath(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        raise JaxaeError(f"{os.fsencode(name)!r}: the path is not UTF-8; rename the directory") from None


def _create_at(path: Path) -> Path:
    refuse_existing(path)
    names = {entry.name.removesuffix(".part") for entry in path.iterdir()} if path.is_dir() else set()
    if names and not (".lock" in names and names <= STARTED):
        raise JaxaeError(f"--run-dir {path}: the directory is not empty; choose an empty one, or a new name")
    if not path.is_dir():
        with contextlib.suppress(FileExistsError):  # made by another process just now: the lock decides
            make(path)
    return path


def refuse_existing(path: Path) -> None:
    """Raise JaxaeError if `path` holds a run."""
    if (path / RECORD).exists():
        raise JaxaeError(
            f"--run-dir {path}: holds a run already; `jaxae resume {path}` goes on with it, "
            "or choose another directory"
        )


def make(path: Path) -> None:
    """Make a new directory.

    Raises:
        FileExistsError: If the directory exists.
        JaxaeError: If it cannot be made.
    """
    check_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError as error:
        blocking = Path(error.filename)
        if not blocking.is_dir():
            raise JaxaeError(f"{path}: {blocking} is a file, expected a name for a new directory") from None
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise JaxaeError(f"{path}: cannot be made ({getattr(error, 'strerror', error)})") from None


class Held(JaxaeError):
    """Error of a run that another process is writing to."""


@contextlib.contextmanager
def lock(run: Path) -> Iterator[None]:
    """Hold the run for one writer; the kernel releases the lock when the process ends, even if it is killed.

    Raises:
        Held: If another process holds it (a JaxaeError that names the process).
    """
    handle = _open_lock(run)
    try:
        # Without a lock two writers mix their checkpoints, and a restore accepts those of the other seed
        # (measured).
        if not locks.acquire(handle, wait=False):
            raise Held(f"{run}: another process ({_holder(handle)}) is writing to this run")
        handle.truncate(0)
        handle.write(f"pid {os.getpid()}")
        handle.flush()
        yield
    finally:
        handle.close()  # which releases the lock


def is_held(run: Path) -> bool:
    """Return whether another process holds the lock of a run; no file is made.

    Call it only for a run that claims to be held: a free lock is taken for an instant.
    """
    if not (run / ".lock").exists():
        return False
    try:
        with lock(run):
            return False
    except JaxaeError:
        # Also for a directory without permission to write: who reads the run of another user must believe it.
        return True


def _holder(handle: Any) -> str:
    """Return `pid 123` of the process that holds the lock, or `unknown`."""
    # On Windows a locked file cannot be read by other processes.
    with contextlib.suppress(OSError):
        handle.seek(0)
        return handle.read().strip() or "unknown"
    return "unknown"


def _open_lock(run: Path) -> Any:
    check_path(run)
    try:
        return open(run / ".lock", "a+", encoding="utf-8")
    except OSError as error:
        raise JaxaeError(f"{run}: cannot be written to ({error.strerror})") from None


def preflight(run: Path, state_bytes: int) -> None:
    """Raise JaxaeError if the disk has no room for three checkpoints: two are kept while one is written.

    Args:
        run: The run's directory, which need not exist yet.
        state_bytes: Size of the run's state.
    """
    existing = next(folder for folder in (run, *run.absolute().parents) if folder.is_dir())
    free, needed = shutil.disk_usage(existing).free, 3 * state_bytes + 2**20
    if free < needed:
        raise JaxaeError(
            f"{run}: {free / 2**20:.1f} MiB are free on this disk, "
            f"but its checkpoints need {needed / 2**20:.1f} MiB"
        )


def write_json(path: Path, value: Any, *, is_sealed: bool = True) -> None:
    """Write a JSON object as a whole or not at all; numbers that are not finite become null.

    Args:
        path: The file.
        value: A dictionary that JSON can hold.
        is_sealed: Whether the file has a digest. False for files that are there to be edited.
    """
    write_text(path, as_json(value, indent=2, is_sealed=is_sealed))


def write_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    """Write JSON objects, one in each line and with its digest, as a whole or not at all.

    Args:
        path: The file.
        values: Dictionaries that JSON can hold.
    """
    write_text(path, "".join(map(as_json, values)))


def as_json(value: dict[str, Any], indent: int | None = None, *, is_sealed: bool = True) -> str:
    """Return the JSON text of an object and a line end; numbers that are not finite are null.

    Args:
        value: A dictionary that JSON can hold.
        indent: Spaces of each level; None for one line.
        is_sealed: Whether the text ends with a digest.

    Returns:
        The text.
    """
    text = json.dumps(finite(value), indent=indent, allow_nan=False)
    return f"{seals.seal(text) if is_sealed else text}\n"


def write_text(path: Path, text: str) -> None:
    """Write a file under another name, then rename it: a reader never sees a part of it.

    Args:
        path: The file.
        text: Its content.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        # newline: Windows would write other bytes, and hashes of kept files would differ.
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            # Without fsync, a file system may commit the rename before the
            # data: an empty file after a power failure.
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        # A full disk, or a directory of this name: leave no part behind.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def replace_quickly(path: Path, text: str) -> None:
    """Replace a small file as a whole, or leave it unchanged if the disk is full or cannot be written.

    For files that only inform readers: nothing waits for the disk, and no error is raised.

    Args:
        path: The file.
        text: Its content.
    """
    # The process in the name: several processes of a sweep may write the same file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def keep_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts to files in a folder.

    Args:
        folder: The folder.
        texts: Name of a file, which may contain folders -> its content.
    """
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / name, text)


def is_finished(run: Path) -> bool:
    """Return whether the run has its final scores, not those of an epoch at which a callback stopped it."""
    return has_scores(run) and stopped_by(run) is None


def stopped_by(run: Path) -> str | None:
    """Return "callback" if a callback stopped the run at the epoch of its scores, else None."""
    scores = read_scores(run)
    return scores.get("stopped_by") if isinstance(scores, dict) else None


def read_scores(run: Path) -> Any:
    """Return the content of scores.json; {} if the run has no scores of its present length."""
    return seals.read(run / SCORES) if has_scores(run) else {}


def has_scores(run: Path) -> bool:
    """Return whether the run has scores, not those that it had before it was extended."""
    return (run / SCORES).exists() and not has_old_scores(run)


def has_old_scores(run: Path) -> bool:
    """Return whether scores.json is from the time before the run was extended.

    The file has another name then, but a kill may come between the new record and the new name.
    """
    if not ((run / SCORES).exists() and (run / RECORD).exists()):
        return False
    record = seals.read(run / RECORD)
    extensions = record.get(EXTENDED, []) if isinstance(record, dict) else []
    return bool(extensions) and extensions[-1].get("scores") == digest_of(run / SCORES)


def rename_old_scores(run: Path) -> None:
    """Rename scores and measures from the time before the run was extended: `scores-20-epochs.json`."""
    if not has_old_scores(run):
        return
    epochs = seals.read(run / RECORD)[EXTENDED][-1].get("trained")
    # The scores last: as long as they have their name, this function still has something to do.
    for name in (MEASURES, SCORES):
        path = run / name
        if path.exists():
            path.replace(path.with_stem(f"{path.stem}-{epochs}-epochs"))


def digest_of(path: Path) -> str | None:
    """Return the SHA-256 of a file; None if there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def append_history(run: Path, line: dict[str, Any]) -> None:
    """Append the line of an epoch to the history.

    Args:
        run: The run's directory.
        line: The epoch's numbers.
    """
    append_line(run / HISTORY, as_json(line).rstrip("\n"))


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file.

    Args:
        path: The file; it is made if missing.
        line: The line, without its end.
    """
    with open(path, "a", encoding="utf-8", newline="\n") as file:
        # One write for the line and its end: a line without an end was torn by a kill, and readers drop it.
        file.write(line + "\n")


def sync_history(run: Path) -> None:
    """Force the history to the disk, so that no checkpoint outlives the lines of the epochs before it."""
    with open(run / HISTORY, "rb") as file:
        os.fsync(file.fileno())


def warn(run: Path, message: str) -> None:
    """Print a warning, and append it to the run's log if it can be written.

    Args:
        run: The run's directory.
        message: The warning, one line.
    """
    errors.warn(message)
    with contextlib.suppress(OSError):
        append_line(run / LOG, f"warning: {message}")


def log_error(run: Path, error: BaseException) -> None:
    """Append a traceback to the run's log, if it can be written.

    Args:
        run: The run's directory.
        error: The exception.
    """
    with contextlib.suppress(OSError):
        append_line(run / LOG, "".join(traceback.format_exception(error)))


def read_history(run: Path, last_epoch: int) -> list[dict[str, Any]]:
    """Return the history's lines of the epochs 1 to `last_epoch`.

    Args:
        run: The run's directory.
        last_epoch: The last epoch to read.

    Returns:
        One dictionary for each epoch.

    Raises:
        JaxaeError: If a line is missing, out of order, or has no epoch.
    """
    # A run that was killed between two checkpoints has lines of epochs that no checkpoint holds.
    lines = [line for line in _history(run) if line["epoch"] <= last_epoch]
    if [line["epoch"] for line in lines] != list(range(1, last_epoch + 1)):
        raise JaxaeError(f"{run / HISTORY}: expected a line for each epoch from 1 to {last_epoch}, in order")
    return lines


def last_epoch(run: Path) -> int:
    """Return the newest epoch in the history, or 0 if it is empty."""
    return max((line["epoch"] for line in _history(run)), default=0)


def _history(run: Path) -> list[dict[str, Any]]:
    """Return all lines of the history; a last line that was torn by a kill is dropped."""
    path = run / HISTORY
    lines = seals.read_lines(path, run) if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not isinstance(line.get("epoch"), int):
            raise JaxaeError(f"{path}, line {number}: has no epoch")
    return lines


def keep_history(run: Path, last_epoch: int) -> list[dict[str, Any]]:
    """Drop the lines after `last_epoch`, whose epochs will be run again.

    Args:
        run: The run's directory.
        last_epoch: The last epoch to keep.

    Returns:
        The lines that are kept.
    """
    lines = read_history(run, last_epoch)
    write_lines(run / HISTORY, lines)
    return lines


def finite(value: Any) -> Any:
    """Return the value with None for numbers that are not finite, since JSON has no nan."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def disk_errors(run: Path) -> Iterator[None]:
    """Turn the error of a full disk, in whatever form the writer reports it, into an OSError of one line."""
    try:
        yield
    except Exception as error:
        # TensorStore reports a full disk as ValueError: RESOURCE_EXHAUSTED. XLA's
        # RuntimeError with the same words is about memory.
        is_tensorstore_full = isinstance(error, ValueError) and "RESOURCE_EXHAUSTED" in str(error)
        if (
            is_tensorstore_full
            or getattr(error, "errno", None) == errno.ENOSPC
            or "No space left" in str(error)
        ):
            raise OSError(
                errno.ENOSPC, f"{run}: the disk is full; checkpoints saved before are kept"
            ) from None
        raise
