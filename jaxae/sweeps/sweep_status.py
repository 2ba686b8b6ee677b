"""The status of a sweep and of each of its runs, read from small files without jax.

status.json of a sweep says which process trains it, and counts its finished runs; progress.json of a group
has the losses of the runs that are being trained. Several processes may train groups of one sweep, so its
status is put together here from all of them.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.runs import seals, status
from jaxae.sweeps.files import GROUPS, PROGRESS, ROWS, RUNS, SWEEP, read_rows

Fields = dict[str, Any]
WAITING = "waiting"  # a run of a sweep that no process has started yet


def read(folder: Path) -> Fields:
    """Return the status of a sweep.

    Args:
        folder: The sweep's directory.

    Returns:
        The fields of its status.json, with the present `status`, `num_runs`, and `counts`: the number of runs
        by their status.

    Raises:
        JaxaeError: If sweep.json cannot be read.
    """
    groups, stored = _groups(folder), status.read_quickly(folder / status.STATUS) or {}
    done = [group for group in groups if (_folder(folder, group) / ROWS).exists()]
    counts, is_running = _counts(folder, groups, done, stored)
    num_runs = sum(len(group["runs"]) for group in groups)
    is_running = is_running or (
        stored.get("status") == status.RUNNING and status.has_process(stored) is not False
    )
    overall = _overall(len(done) == len(groups), is_running, stored.get("status"))
    reason = f"its process ({stored.get('pid')}) has ended" if overall == status.KILLED else None
    return {
        **stored,
        "status": overall,
        "reason": stored.get("reason") if overall == stored.get("status") else reason,
        "num_runs": num_runs,
        "counts": dict(counts),
    }


def record(folder: Path) -> Fields:
    """Return the content of sweep.json.

    Args:
        folder: The sweep's directory.

    Raises:
        JaxaeError: If it cannot be read.
    """
    content = seals.read(folder / SWEEP)
    if not isinstance(content, dict) or not isinstance(content.get("groups"), list):
        raise JaxaeError(f"{folder / SWEEP}: cannot be read as the record of a sweep")
    return content


def _groups(folder: Path) -> list[Fields]:
    groups = record(folder)["groups"]
    if not all(isinstance(group, dict) and isinstance(group.get("runs"), list) for group in groups):
        raise JaxaeError(f"{folder / SWEEP}: has a group without runs")
    return groups


def _counts(
    folder: Path, groups: list[Fields], done: list[Fields], stored: Fields
) -> tuple[Counter[str], bool]:
    """Return the number of runs by status, and whether a process trains any group."""
    counted = Counter(stored.get("finished_counts") or {})
    # The counts that were written with the tables; rows are read only if groups have finished since.
    if counted.total() != sum(len(group["runs"]) for group in done):
        counted = Counter(str(row.get("status")) for group in done for row in _rows(folder, group))
    is_running = False
    for group in groups:
        if group in done:
            continue
        states = [row["status"] for row in _progress_rows(folder, group, {})]
        is_running |= status.RUNNING in states
        counted.update(states + [WAITING] * (len(group["runs"]) - len(states)))
    return counted, is_running


def _overall(is_done: bool, is_running: bool, stored: str | None) -> str:
    """Return the status of the whole sweep."""
    if is_running or is_done:
        return status.RUNNING if is_running else status.FINISHED
    if stored == status.RUNNING:
        return status.KILLED
    # Groups are missing although the session that wrote the status has ended well: they were another's.
    return stored if stored in (status.INTERRUPTED, status.FAILED) else status.UNFINISHED


def runs(folder: Path) -> list[Fields]:
    """Return one row for each run of a sweep that has started, as in results.csv.

    Args:
        folder: The sweep's directory.

    Returns:
        Rows with run, seed, status, epochs_run, losses, scores, and the swept values under their names. Rows
        of runs that have not finished have no scores.

    Raises:
        JaxaeError: If sweep.json or the rows of a group cannot be read.
    """
    content = record(folder)
    rows: list[Fields] = []
    for group in _groups(folder):
        if (_folder(folder, group) / ROWS).exists():
            rows += _rows(folder, group)
        else:
            rows += _progress_rows(folder, group, _settings(folder, group, content.get("swept", [])))
    return rows


def _folder(folder: Path, group: Fields) -> Path:
    return folder / GROUPS / str(group.get("id"))


def _rows(folder: Path, group: Fields) -> list[Fields]:
    """Return the rows of a finished group. Raises: JaxaeError if the file was damaged."""
    return read_rows(folder, str(group.get("id")), group["runs"])


def _progress_rows(folder: Path, group: Fields, settings: dict[str, Fields]) -> list[Fields]:
    """Return the rows of a group that is being trained or was stopped; none before its first epoch."""
    progress = status.read_quickly(_folder(folder, group) / PROGRESS, folder)
    if progress is None or not isinstance(progress.get("lanes"), list):
        return []
    writer = progress.get("writer") or {}
    is_alive = status.is_alive(writer, _folder(folder, group))
    epochs = {"epochs": progress.get("epochs")}
    return [
        {**epochs, **settings.get(lane.get("run"), {}), **lane_row(lane, is_running=is_alive)}
        for lane in progress["lanes"]
    ]


def lane_row(lane: Fields, *, is_running: bool) -> Fields:
    """Return the row of a run that has not finished, with the names of the columns of results.csv.

    Args:
        lane: The fields of a `LaneProgress`.
        is_running: Whether its process is still training.

    Returns:
        The row.
    """
    bad, state = lane["first_bad_step"], status.RUNNING if is_running else status.INTERRUPTED
    if not lane["is_live"]:
        state = status.DIVERGED if bad is not None else "stopped"
    train = {f"train.{name}": value for name, value in (lane["train"] or {}).items()}
    validation = {f"validation.{name}": value for name, value in (lane["validation"] or {}).items()}
    return {
        "run": lane["run"],
        "seed": lane["seed"],
        "status": state,
        "first_bad_step": None if bad is None else bad + 1,  # counted from 1, as in the rows of finished runs
        "epochs_run": lane["epoch"],
        "best_epoch": lane["best_epoch"] or None,
        "best_score": lane["best_loss"],
        **train,
        **validation,
    }


def _settings(folder: Path, group: Fields, swept: list[str]) -> dict[str, Fields]:
    """Return the swept values of each run of a group, {id of the run: {dotted name: value}}."""
    content = seals.read_if_there(_folder(folder, group) / RUNS, folder)
    experiments = content.get("experiments", [])
    return {
        run: {name: plain_value(experiments[number], name) for name in swept}
        for run, _, number in content.get("runs", [])
        if number < len(experiments)
    }


def plain_value(experiment: Any, name: str) -> Any:
    """Return the value of a dotted name in the JSON of an experiment, as the cell of a table.

    Args:
        experiment: The JSON of an experiment or of a part of it.
        name: The dotted name.

    Returns:
        A number, a text or None; a part is named by its class.

    Example:
        >>> plain_value({"model": {"class": "jaxae.VAE", "beta": 4.0}}, "model.beta")
        4.0
        >>> plain_value({"model": {"class": "jaxae.VAE", "beta": 4.0}}, "model")
        'VAE'
    """
    value = experiment
    for part in name.split(".") if name else []:
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict):
        return str(value.get("class", "")).rpartition(".")[2]
    return " ".join(map(str, value)) if isinstance(value, list) else value
