"""Accept files of a run or sweep that were edited by hand: write their digests again. jax is not imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.runs import directory, seals, status

EDITED = "edited"  # entry of record.json and sweep.json: file and time of each accepted edit
LINES = (".jsonl", ".log")  # names of files with one object in each line end so
_OF_RUN = (directory.RECORD, directory.HISTORY, directory.SCORES, directory.MEASURES)
_OF_SWEEP = ("sweep.json", "groups/*/runs.json", "groups/*/rows.jsonl", "search/optuna.log")


def accept(folder: Path) -> list[Path]:
    """Write the digests of all files of a run or sweep whose digest is wrong or missing.

    The record keeps which files were accepted, and when.

    Args:
        folder: Directory of the run or sweep.

    Returns:
        The files that were accepted.

    Raises:
        JaxaeError: If the folder holds no run and no sweep, another process writes to it, or a file is no
            valid JSON. Nothing is written then.
    """
    kind = status.kind(folder)
    if kind is None:
        raise JaxaeError(f"{folder}: holds no run and no sweep")
    patterns = _OF_RUN if kind == "run" else _OF_SWEEP
    with directory.lock(folder):
        edited = {
            path: objects
            for pattern in patterns
            for path in sorted(folder.glob(pattern))
            if (objects := _edited(path)) is not None
        }
        if not edited:
            return []
        record, now = folder / patterns[0], status.now()
        [content] = edited[record] if record in edited else [seals.read(record)]
        entries = [{"file": path.relative_to(folder).as_posix(), "date": now} for path in edited]
        # First of all: after a kill no file is accepted without an entry.
        directory.write_json(record, {**content, EDITED: [*content.get(EDITED, []), *entries]})
        for path, objects in edited.items():
            if path.suffix in LINES:
                directory.write_lines(path, objects)
            elif path != record:
                directory.write_json(path, objects[0])
    return list(edited)


def lines(record: Mapping[str, Any]) -> list[str]:
    """Return one line for each file that was edited by hand, by the record of its run or sweep.

    Args:
        record: The content of record.json or sweep.json.
    """
    return [f"{entry.get('file')} ({entry.get('date')})" for entry in record.get(EDITED, [])]


def _edited(path: Path) -> list[dict[str, Any]] | None:
    """Return the objects of a file without digests; None if all digests are right."""
    text = seals.text_of(path)
    objects, is_edited = [], False
    for part in text.rstrip("\n").split("\n") if path.suffix in LINES else [text]:
        try:
            value = seals.loads(part, required=True)
        except seals.Unsealed as error:
            value, is_edited = error.value, True
        except (ValueError, RecursionError) as error:
            raise JaxaeError(f"{path}: is not valid JSON ({error})") from None
        if not isinstance(value, dict):
            raise JaxaeError(f"{path}: got {part[:60]!r}, expected an object")
        value.pop(seals.KEY, None)  # an editor may have written it in another form
        objects.append(value)
    return objects if is_edited else None
