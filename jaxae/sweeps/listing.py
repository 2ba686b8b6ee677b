"""List the runs and sweeps in a folder, from small files and without jax."""

import datetime
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.runs import directory, notes, seals, status
from jaxae.sweeps import sweep_status
from jaxae.sweeps.sweep_status import plain_value

Row = dict[str, Any]
DEPTH = 4  # levels of folders in which runs are looked for
UNREADABLE = "unreadable"
STATUSES = (*status.ALL, "stopped", "pruned", UNREADABLE)
# Names of the best score of a run, the first that it has; of a prior over tokens, of an autoencoder.
HEADLINES = ("elbo", "log_prob", "squared_error", "loss")
# Each name of `sort`: the columns that are compared, and whether large values come first.
SORTS = {
    "age": ("started", True),
    "name": ("path", False),
    "status": ("status", False),
    "model": ("model", False),
    "data": ("data", False),
    "epochs": ("epoch", True),
    "loss": ("best_loss", False),
    "score": ("value", True),
}


def list_runs(
    folder: str | Path = "runs",
    *,
    status: str | Sequence[str] = (),
    tag: str | Sequence[str] = (),
    sort: str = "age",
    all: bool = False,
) -> Any:
    """Return a table of the runs and sweeps in a folder.

    Only small text files are read; no model and no data. Folders that hold no run are left out. A run whose
    record is damaged has the status "unreadable" and the reason.

    Args:
        folder: The folder. Its folders are searched too. If it is a sweep, its runs are listed.
        status: Status to keep, or several: "running", "finished", "stopped" (early or by a callback),
            "interrupted", "killed", "diverged", "failed", "unreadable". Empty keeps all.
        tag: Tags that a run must have.
        sort: "age" (newest first), "name", "status", "model", "data", "epochs", "loss" or "score" (best
            first).
        all: Whether each run of a sweep is listed too.

    Returns:
        A pandas.DataFrame, one row for each run or sweep: path, kind, name, config, status, reason, model,
        data, seed, epoch, epochs, best_epoch, best_loss, score, value, unit, higher_is_better, started,
        updated, num_runs, counts, tags, note.

    Raises:
        JaxaeError: If there is no such folder, or no such status or column.

    Example:
        >>> table = jaxae.list_runs("runs", status="finished")  # doctest: +SKIP
        >>> table[["path", "model", "best_loss"]]  # doctest: +SKIP
    """
    import pandas

    rows = list_rows(folder, status=status, tag=tag, sort=sort, all=all)
    return pandas.DataFrame(rows, columns=list(_empty_row()))


def list_rows(
    folder: str | Path = "runs",
    *,
    status: str | Sequence[str] = (),
    tag: str | Sequence[str] = (),
    sort: str = "age",
    all: bool = False,
) -> list[Row]:
    """Return the rows of `list_runs` as dictionaries, without pandas.

    Args:
        folder: The folder.
        status: Status to keep, or several.
        tag: Tags that a run must have.
        sort: Name of a column in `SORTS`.
        all: Whether each run of a sweep is listed too.

    Returns:
        The rows.

    Raises:
        JaxaeError: If there is no such folder, or no such status or column.
    """
    top = Path(folder)
    wanted, tags = _texts(status), set(_texts(tag))
    for word in wanted:
        if not any(_is_status(each, word) for each in STATUSES):
            raise JaxaeError(f"status: got {word!r}; {nearest(word, STATUSES)}")
    if sort not in SORTS:
        raise JaxaeError(f"sort: got {sort!r}; {nearest(sort, SORTS)}")
    if not top.is_dir():
        raise JaxaeError(f"{top}: no such folder; expected one with runs, such as runs")
    rows = [
        row
        for row in _rows(top, all)
        if tags <= set(row["tags"])
        and (not wanted or any(_is_status(row["status"], word) for word in wanted))
    ]
    return sorted(rows, key=lambda row: _sort_key(row, sort))


def _texts(value: str | Sequence[str]) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value


def _is_status(value: str, word: str) -> bool:
    """Return whether a status is the one that a user names; "stopped" names both kinds."""
    return value == word or value.startswith(f"{word} ")


def _sort_key(row: Row, sort: str) -> tuple[Any, ...]:
    """Return the key by which a row is sorted; rows without a value come last."""
    column, is_descending = SORTS[sort]
    value = row[column]
    if sort == "age":
        value = _seconds(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return (1, 0, row["path"])
    if sort == "score":
        # Scores of one name are next to each other: an ELBO and an error cannot be compared.
        return (0, row["score"], -value if row["higher_is_better"] else value, row["path"])
    return (0, -value if is_descending else value, row["path"])


def _rows(top: Path, all: bool) -> Iterator[Row]:
    kind = status.kind(top)
    if kind == "sweep":
        yield from sweep_rows(top)
    elif kind == "run":
        yield run_row(top)
    else:
        for folder, kind in find(top):
            yield row_of(folder, kind)
            if kind == "sweep" and all:
                yield from sweep_rows(folder)


def find(top: Path, depth: int = DEPTH) -> Iterator[tuple[Path, status.Kind]]:
    """Yield the folders below a folder that hold a run or a sweep.

    Args:
        top: The folder.
        depth: Levels of folders that are searched.

    Yields:
        (folder, kind). Runs inside a run or sweep are not yielded.
    """
    try:
        folders = sorted(entry.path for entry in os.scandir(top) if _is_folder(entry))
    except OSError:  # no permission
        return
    for path in map(Path, folders):
        kind = status.kind(path)
        if kind is not None:
            yield path, kind
        elif depth > 1:
            yield from find(path, depth - 1)


def _is_folder(entry: Any) -> bool:
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:
        return False


def row_of(folder: Path, kind: status.Kind) -> Row:
    """Return the row of a run or a sweep; one that cannot be read has the status "unreadable".

    Args:
        folder: The directory.
        kind: Whether it is a run or a sweep.

    Returns:
        The row.
    """
    try:
        return run_row(folder) if kind == "run" else sweep_row(folder)
    except (JaxaeError, OSError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return _empty_row() | {
            "path": str(folder),
            "kind": kind,
            "status": UNREADABLE,
            "reason": reason,
        }


def _empty_row() -> Row:
    """Return all columns in their order, without values."""
    columns = "path kind name config status reason model data seed epoch epochs best_epoch best_loss"
    more = "score value unit higher_is_better started updated num_runs counts tags note"
    return {**dict.fromkeys(f"{columns} {more}".split()), "tags": []}


def run_row(folder: Path) -> Row:
    """Return the row of a run.

    Args:
        folder: Its directory.

    Returns:
        The row.

    Raises:
        JaxaeError: If its record or its scores cannot be read.
    """
    record = seals.read(folder / directory.RECORD)
    if not isinstance(record, dict) or not isinstance(record.get("experiment"), dict):
        raise JaxaeError(f"{folder / directory.RECORD}: cannot be read as the record of a run")
    state, experiment = status.read(folder), record["experiment"]
    return {
        **_empty_row(),
        **_labels(folder),
        "kind": "run",
        "config": record.get("name"),
        **{name: state.get(name) for name in ("status", "reason", "epoch", "best_epoch", "best_loss")},
        **_described(experiment),
        "seed": record.get("seed"),
        "epochs": state.get("epochs") or experiment.get("epochs"),
        **headline(seals.read_if_there(folder / directory.SCORES)),
        "started": record.get("started"),
        "updated": state.get("updated"),
    }


def _labels(folder: Path) -> Row:
    written = notes.read(folder)
    return {
        "path": str(folder),
        "name": written.name,
        "tags": list(written.tags),
        "note": written.note,
    }


def _described(experiment: Any) -> Row:
    """Return the model and the data of an experiment, from its JSON."""
    # Format 1 had other names for the parts.
    model = plain_value(experiment, "model") or plain_value(experiment, "autoencoder")
    return {"model": model, "data": plain_value(experiment, "data.name")}


def headline(scores: Row, split: str = "validation") -> Row:
    """Return the main score of a run as the columns score, value, unit and higher_is_better.

    Args:
        scores: Content of scores.json.
        split: The rows that were scored.

    Returns:
        The columns; none if the run has no scores.
    """
    values = scores.get(split) or {}
    name = next((name for name in HEADLINES if values.get(name) is not None), None)
    if name is None:
        return {}
    return {
        "score": f"{split}.{name}",
        "value": values[name],
        "unit": (scores.get("units") or {}).get(name),
        "higher_is_better": (scores.get("higher_is_better") or {}).get(name, name in ("elbo", "log_prob")),
    }


def sweep_row(folder: Path) -> Row:
    """Return the row of a sweep; `counts` are the numbers of its runs by their status.

    Args:
        folder: Its directory.

    Returns:
        The row.

    Raises:
        JaxaeError: If its record cannot be read.
    """
    record, state = sweep_status.record(folder), sweep_status.read(folder)
    best = state.get("best") or {}
    score = best.get("score")
    return {
        **_empty_row(),
        **_labels(folder),
        "kind": "sweep",
        **{name: state.get(name) for name in ("status", "reason", "num_runs", "counts", "updated")},
        **_described(record.get("experiment")),
        "score": score,
        "value": best.get("value"),
        **(_facts(record, score) if score else {}),
        "started": record.get("started"),
    }


def _facts(record: Row, column: str) -> Row:
    """Return the unit and the direction of a score of a sweep, as sweep.json has them."""
    fact = record.get("scores", {}).get(column.partition(".")[2]) or {}
    return {"unit": fact.get("unit") or None, "higher_is_better": bool(fact.get("higher_is_better"))}


def sweep_rows(folder: Path) -> Iterator[Row]:
    """Yield one row for each run of a sweep that has started; `path` is SWEEP:ID, `name` the swept values.

    Args:
        folder: The sweep's directory.
    """
    record = sweep_status.record(folder)
    rows = sweep_status.runs(folder)
    for row in rows:
        scores = {name.partition(".")[2]: value for name, value in row.items() if name.startswith("valid")}
        name = next((each for each in HEADLINES if scores.get(each) is not None), None)
        # A run that is being trained has losses, but no scores yet.
        value, column = scores.get(name or "") if "seconds" in row else None, f"validation.{name}"
        yield {
            **_empty_row(),
            "path": f"{folder}:{row.get('run')}",
            "kind": "run of a sweep",
            "name": ", ".join(f"{each}={row.get(each)}" for each in record.get("swept", [])),
            "status": row.get("status"),
            "reason": row.get("reason"),
            **_described(record.get("experiment")),
            **{key: row[key] for key in ("model", "seed", "epochs") if row.get(key) is not None},
            "epoch": row.get("epochs_run"),
            "epochs": row.get("epochs") or record.get("experiment", {}).get("epochs"),
            "best_epoch": row.get("best_epoch"),
            "best_loss": row.get("best_score"),
            **({} if value is None else {"score": column, "value": value, **_facts(record, column)}),
            "started": record.get("started"),
            "updated": row.get("finished_at"),
        }


def age(started: Any) -> str:
    """Return the time since a moment as a short text: `40 s`, `3 min`, `5 h`, `12 d`.

    Args:
        started: The moment as ISO text; None gives an empty text.
    """
    moment = _seconds(started)
    if moment is None:
        return ""
    seconds = max(0.0, datetime.datetime.now(datetime.UTC).timestamp() - moment)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _seconds(moment: Any) -> float | None:
    """Return a moment as seconds since 1970, None if it is not valid."""
    try:
        return datetime.datetime.fromisoformat(moment).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
