"""The code that is kept in a run's directory, and the checks for classes that have changed since."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.runs import directory
from jaxae.runs.code.identity import Code
from jaxae.specs.records import unknown_classes

FOLDER = "code"
KEY, CHANGES = "code", "code_changes"  # keys of a record
MISSING = "is not available (it was typed into a session that keeps none, or defined again since)"
MAX_NAMES = 3  # of definitions in a message


def digest(record: Mapping[str, Any]) -> str | None:
    """Return the digest of the code that a record was made with; None without classes of a user's own."""
    recorded = record.get(KEY)
    return recorded.get("digest") if isinstance(recorded, dict) else None


def check_record(record: Mapping[str, Any]) -> None:
    """Raise JaxaeError if a record's entries about code are not in the form that this module writes."""
    # A record may have been edited by hand; `latest` and `changes` rely on this form.
    listed = record.get(CHANGES, [])
    accepted: list[Any] = listed if isinstance(listed, list) else [None]
    if not all(isinstance(change, dict) and isinstance(change.get("trains"), bool) for change in accepted):
        raise JaxaeError(f"{CHANGES}: got an invalid entry, expected a list as jaxae writes it")
    own = [record[KEY]] if KEY in record else []
    for entry in [*own, *(change.get(KEY) for change in accepted)]:
        names = entry.get("definitions") if isinstance(entry, dict) else None
        if not isinstance(names, dict) or not all(isinstance(inner, dict) for inner in names.values()):
            raise JaxaeError(f"{KEY}: got an invalid entry, expected an object as jaxae writes it")


def latest(record: Mapping[str, Any], *, trains: bool = False) -> dict[str, Any] | None:
    """Return the code with which a run was made, or the code that was accepted last.

    Args:
        record: The run's record.
        trains: Whether to ignore code that was accepted for reading the run only, not for training it
            further.

    Returns:
        The record's entries, or None.
    """
    accepted = [change for change in record.get(CHANGES) or [] if change["trains"] or not trains]
    return accepted[-1][KEY] if accepted else record.get(KEY)


def is_changed(recorded: Mapping[str, Any] | None, code: Code | None) -> bool:
    """Return whether the code of a record is known and differs from the present code.

    Args:
        recorded: The record's entries, or None.
        code: The present code.

    Returns:
        Whether it has changed; False if the record does not know it.
    """
    before = recorded.get("digest") if recorded else None
    return before is not None and before != (code.digest if code else None)


def cannot_compare(recorded: Mapping[str, Any] | None, code: Code | None) -> str | None:
    """Return why a change of a user's own classes would not be noticed.

    Args:
        recorded: The record's entries, or None.
        code: The present code.

    Returns:
        Text for a warning; None if a change would be noticed.
    """
    if code is None:
        return None
    names = ", ".join(name.rpartition(".")[2] for name in code.classes or code.unknown)
    if recorded is None:
        return f"the record does not hold the code of {names}, so later changes of it cannot be detected"
    if recorded.get("digest") is None or recorded.get("unknown"):
        unknown = ", ".join(name.rpartition(".")[2] for name in recorded.get("unknown") or code.unknown)
        return f"the code of {unknown} was not available, so changes of it cannot be detected"
    return None


def changes(recorded: Mapping[str, Any], code: Code | None) -> str:
    """Return the files that have changed since a record, with the changed definitions: `layers.py (block)`.

    Args:
        recorded: The record's entries.
        code: The present code.

    Returns:
        Text for a message.
    """
    before: dict[str, dict[str, str]] = recorded.get("definitions") or {}
    now, shown = (code.definitions, code.shown) if code else ({}, {})
    # If files were renamed, definitions are compared by name alone, since
    # the same classes may be in another file.
    is_moved = set(before) != set(now)
    changed: dict[str, list[str]] = {}
    for label, names in now.items():
        known = _merge(before) if is_moved else before[label]
        changed[label] = [name for name, value in names.items() if known.get(name) != value]
    for label, names in before.items():
        known = _merge(now) if is_moved else now[label]
        changed.setdefault(label, []).extend(name for name in names if name not in known)
    texts = [f"{shown.get(label, label)} ({_join_names(names)})" for label, names in changed.items() if names]
    # No single definition may differ, such as when a class now reaches another one: then all files are named.
    return ", ".join(texts) or ", ".join(shown.values()) or ", ".join(before)


def _join_names(names: list[str]) -> str:
    """Return up to MAX_NAMES names as text."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _merge(definitions: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {name: value for names in definitions.values() for name, value in names.items()}


def copy(folder: Path, recorded: Mapping[str, Any] | None) -> str | None:
    """Return the kept file to give as --config, which defines all classes of the run.

    Args:
        folder: The run's directory.
        recorded: The record's entries, or None.

    Returns:
        Its path; None if nothing was kept.
    """
    entry = recorded.get("entry") if recorded else None
    inside = recorded.get("folder", FOLDER) if recorded else FOLDER
    path = folder / inside / str(entry)
    return str(path) if entry and path.is_file() else None


def hint(folder: Path, record: Mapping[str, Any]) -> str:
    """Return the end of a message about unknown classes: `; give --config PATH, the copy that was kept`.

    Args:
        folder: The run's directory.
        record: The run's record.

    Returns:
        The text; "" if all classes are known or nothing was kept.
    """
    recorded = latest(record)
    missing = unknown_classes(record.get("experiment"))
    copied = copy(folder, recorded) if missing else None
    return advice(copied)


def advice(copied: str | None) -> str:
    """Return the end of a message that names the kept copy of the code; "" for None."""
    in_python = f" (in Python: jaxae.load_config({copied!r}) first)"
    return f"; give --config {copied}, the copy that was kept{in_python}" if copied else ""


def check(
    folder: Path, record: Mapping[str, Any], code: Code | None, *, accept: bool = False, trains: bool = False
) -> bool:
    """Compare the code of a run's classes with its record.

    Args:
        folder: The run's directory.
        record: Its record.
        code: The present code.
        accept: Whether changed code is used nevertheless.
        trains: Whether the run is trained further. Code that was accepted for reading only does not count
            then.

    Returns:
        Whether changed code was accepted, which `record_changes` has to record.

    Raises:
        JaxaeError: If code has changed and is not accepted. The message names the file.
    """
    # A missing record of code is a warning: older versions did not write one, and their runs stay usable.
    recorded = latest(record, trains=trains)
    if (message := cannot_compare(recorded, code)) is not None:
        directory.warn(folder, f"{folder}: {message}")
    # To read a run, code that was accepted for reading or for training will do.
    known = [recorded] if trains else [recorded, latest(record, trains=True)]
    if not all(is_changed(entry, code) for entry in known):
        return False
    assert recorded is not None
    message = f"{folder}: the code of its classes has changed: {changes(recorded, code)}"
    if code and code.digest is None:
        message = f"{folder}: the source of {', '.join(code.unknown)} {MISSING}, so it cannot be compared"
    if accept:
        directory.warn(folder, f"{message}; continuing with the changed code, which was accepted")
        return True
    copied = copy(folder, recorded)
    raise JaxaeError(
        f"{message}; {f'give --config {copied}, the copy that was kept, or ' if copied else ''}"
        "--accept-code-changes (accept_code_changes=True) to go on with the changed code"
    )


def keep(folder: Path, code: Code | None, inside: str = FOLDER) -> None:
    """Write the text of a user's own classes into a run's directory.

    Args:
        folder: The run's directory.
        code: The code; None without classes of a user's own.
        inside: The folder inside the directory.
    """
    if code is not None:
        directory.keep_files(folder / inside, code.texts)
        for name in code.unknown:
            directory.warn(folder, f"the source of {name} {MISSING}, so changes of it cannot be detected")


def record_changes(
    folder: Path, record: dict[str, Any], code: Code | None, command: list[str], *, trains: bool = False
) -> None:
    """Write accepted code into a run's directory, and into its record with the time and the last epoch.

    Args:
        folder: The run's directory.
        record: Its record, which gets the new entry.
        code: The accepted code.
        command: The command that accepted it.
        trains: Whether the run is trained further with it.
    """
    before = record.get(CHANGES) or []
    # A folder for each change: the code of all stages of the run is kept.
    inside = f"{FOLDER}/change-{len(before) + 1}"
    keep(folder, code, inside)
    change = {
        "accepted": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "after_epoch": directory.last_epoch(folder),
        "trains": trains,
        "command": command,
        KEY: {**(code.record() if code else {}), "folder": inside},
    }
    record[CHANGES] = [*before, change]
    directory.write_json(folder / directory.RECORD, record)
