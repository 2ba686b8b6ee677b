"""The status of a run in status.json, which is kept up to date while the run trains.

    {"status": "running", "reason": null, "pid": 812, "host": "node7", "since": "2026-11-29T18:02:11+00:00",
     "updated": "2026-11-29T18:03:40+00:00", "epoch": 31, "epochs": 50, "train_loss": 25.1,
     "validation_loss": 25.3, "best_epoch": 30, "best_loss": 25.2}

The file only informs people and tables: no number of a run depends on it, and a run goes on without it. This
module does not import jax, so that lists of runs are fast.
"""

import contextlib
import datetime
import functools
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from jaxae.errors import Diverged, Interrupted, JaxaeError, SavedExit
from jaxae.runs import directory, seals

STATUS = "status.json"
SECONDS = 1.0  # shortest time between two updates while a run trains

RUNNING, FINISHED, INTERRUPTED, FAILED, DIVERGED = "running", "finished", "interrupted", "failed", "diverged"
STOPPED_EARLY, STOPPED = "stopped early", "stopped by a callback"
KILLED = "killed"  # says that it runs, but its process has ended; only readers say so, status.json does not
UNFINISHED, NOT_STARTED = "unfinished", "not started"  # of old runs, which have no status.json
# The order in which tables sort them.
ALL = (
    RUNNING,
    FINISHED,
    STOPPED_EARLY,
    STOPPED,
    INTERRUPTED,
    KILLED,
    DIVERGED,
    FAILED,
    UNFINISHED,
    NOT_STARTED,
)
Fields = dict[str, Any]
Function = TypeVar("Function", bound=Callable[..., Any])


def now() -> str:
    """Return the present time as a text, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def update(folder: Path, **fields: Any) -> None:
    """Replace fields of status.json and keep the others; a disk that cannot be written is ignored.

    Args:
        folder: Directory of a run or sweep.
        **fields: The new values.
    """
    content = {**_stored(folder), **fields, "updated": now()}
    directory.replace_quickly(folder / STATUS, directory.as_json(content, indent=2))


def process() -> Fields:
    """Return the fields that identify this process: pid, host, and the time from which on it runs."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}


@contextlib.contextmanager
def kept(folder: Path | None, **fields: Any) -> Iterator[None]:
    """Write that a run or sweep is running, and at the end how it ended. The caller holds its lock.

    Args:
        folder: The directory; None for a run without one, and in all processes but the first.
        **fields: Other fields to write at the start.

    Yields:
        Nothing.
    """
    if folder is None:
        yield
        return
    update(folder, status=RUNNING, reason=None, **process(), **fields)
    try:
        yield
    except BaseException as error:
        update(folder, **_last_progress(folder), **_end_of(error))
        raise
    update(folder, **_last_progress(folder), **_from_scores(folder))


def recorded(function: Function) -> Function:
    """Decorate a function whose first argument is a `Run`, so that the run's status is kept."""

    @functools.wraps(function)
    def call(run: Any, *arguments: Any, **options: Any) -> Any:
        with kept(run.path, epochs=run.experiment.epochs):
            return function(run, *arguments, **options)

    return call  # type: ignore[return-value]


def note_epoch(folder: Path, history: list[Fields]) -> None:
    """Write the losses of the newest epoch, at most once a second.

    Args:
        folder: The run's directory.
        history: The lines of history.jsonl so far.
    """
    with contextlib.suppress(OSError):
        # The file's own time, and no variable: it also holds for a run that is trained in several calls.
        if time.time() - (folder / STATUS).stat().st_mtime < SECONDS:
            return
    update(folder, **_progress(history[-1], history))


def _progress(line: Fields, history: list[Fields]) -> Fields:
    """Return the fields for the newest line of the history."""
    best = line.get("best_epoch") or 0
    best_line = history[best - 1] if 0 < best <= len(history) else {}
    validation, best_validation = line.get("validation") or {}, best_line.get("validation") or {}
    return {
        "epoch": line["epoch"],
        "train_loss": (line.get("train") or {}).get("loss"),
        "validation_loss": validation.get("loss"),
        "best_epoch": best,
        "best_loss": best_validation.get("loss"),
    }


def _end_of(error: BaseException) -> Fields:
    """Return the status and the reason for an exception that ended a run."""
    # Interrupted: the command line's signals and stopped sweeps. The others: Ctrl-C and SIGTERM in Python.
    if isinstance(error, Interrupted | KeyboardInterrupt | SavedExit):
        return {"status": INTERRUPTED, "reason": _line(error) or "stopped and saved"}
    if isinstance(error, Diverged):
        return {"status": DIVERGED, "reason": _line(error)}
    name = "" if isinstance(error, JaxaeError) else f"{type(error).__name__}: "
    return {"status": FAILED, "reason": f"{name}{_line(error)}"[:500]}


def _line(error: BaseException) -> str:
    """Return the message of an exception in one line."""
    return " ".join(str(error).split())


def _last_progress(folder: Path) -> Fields:
    """Return the fields for the whole history of a run; none for a sweep or a damaged history."""
    with contextlib.suppress(JaxaeError, OSError, ValueError, TypeError):
        history = directory.read_history(folder, directory.last_epoch(folder))
        return _progress(history[-1], history) if history else {}
    return {}


def _from_scores(folder: Path) -> Fields:
    """Return the status that scores.json states; its last entries are written when training has ended."""
    scores = read_quickly(folder / directory.SCORES) or {}
    if scores.get("stopped_by"):
        return {"status": STOPPED, "reason": f"after epoch {scores.get('epochs_run')}"}
    if scores.get("stopped_early"):
        return {"status": STOPPED_EARLY, "reason": f"after epoch {scores.get('epochs_run')}"}
    return {"status": FINISHED, "reason": None}


def read(folder: Path) -> Fields:
    """Return the status of a run, from status.json or, for an older run, from its other files.

    Args:
        folder: The run's directory.

    Returns:
        The fields of status.json that are known. `status` is always there. It is "killed" if the file says
        that the run is running but its process has ended.
    """
    content = _stored(folder)
    if content.get("status") not in ALL:
        return _derive(folder)
    if content["status"] == RUNNING and not is_alive(content, folder):
        content |= {"status": KILLED, "reason": f"its process ({content.get('pid')}) has ended"}
    return content


def is_alive(content: Fields, folder: Path) -> bool:
    """Return whether the process that a status names still writes to the folder.

    Args:
        content: Fields with `pid` and `host`.
        folder: The folder whose lock the process holds.

    Returns:
        False if its process has ended or nobody holds the lock.
    """
    # The pid first: it answers without touching the lock, which a new process may want at this moment. A pid
    # that is alive may be that of another process, so the lock decides.
    return has_process(content) is not False and directory.is_held(folder)


def has_process(content: Fields) -> bool | None:
    """Return whether the process that a status names exists; None if this machine cannot know."""
    pid = content.get("pid")
    # On Windows os.kill ends the process, whatever the signal.
    if content.get("host") != socket.gethostname() or not isinstance(pid, int) or os.name == "nt":
        return None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it exists, but belongs to another user
        return True
    return True


def _derive(folder: Path) -> Fields:
    """Return the status of a run without status.json, from its other files."""
    record = read_quickly(folder / directory.RECORD) or {}
    line = last_line(folder)
    fields: Fields = {"epochs": (record.get("experiment") or {}).get("epochs"), "epoch": 0}
    if line:
        fields |= _progress(line, []) | {"best_loss": None}
    if (folder / directory.SCORES).exists():
        return fields | _from_scores(folder)
    if line is None:
        return fields | {"status": NOT_STARTED, "reason": "has trained no epoch"}
    if fields["train_loss"] is None:
        return fields | {"status": DIVERGED, "reason": f"in epoch {line['epoch']}"}
    return fields | {"status": UNFINISHED, "reason": "made by an older version, which kept no status"}


def last_line(folder: Path) -> Fields | None:
    """Return the last whole line of the history without reading all of it; None if there is none."""
    try:
        with open(folder / directory.HISTORY, "rb") as file:
            file.seek(0, os.SEEK_END)
            # Lines are short; the last line may be torn by a kill, so at least two must fit.
            file.seek(max(0, file.tell() - 16_384))
            whole = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
        line = seals.loads(whole.decode(), required=seals.are_required(folder))
    except (OSError, ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("epoch"), int) else None


def read_quickly(path: Path, folder: Path | None = None) -> Fields | None:
    """Return the object in a JSON file of a run or sweep; None if it is missing, damaged or no object.

    Args:
        path: The file.
        folder: Directory of the run or sweep; None: that of the file.

    Returns:
        The object, without its digest.
    """
    try:
        content = seals.read(path, folder)
    except JaxaeError:
        return None
    return content if isinstance(content, dict) else None


def _stored(folder: Path) -> Fields:
    return read_quickly(folder / STATUS) or {}


Kind = Literal["run", "sweep"]


def kind(folder: Path) -> Kind | None:
    """Return whether a folder holds a run or a sweep; None if it holds neither."""
    if (folder / directory.RECORD).exists():
        return "run"
    return "sweep" if (folder / "sweep.json").exists() else None
