"""The name, tags and note that a user gives a run or sweep, in its file notes.json.

    {"name": "wide net", "tags": ["baseline", "paper"], "note": "the one in table 2"}

The file may be edited at any time: it is no part of the record, and no number or digest depends on it. This
module does not import jax, so that lists of runs are fast.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxae.errors import JaxaeError
from jaxae.runs import directory

NOTES = "notes.json"
LONGEST = {"name": 100, "tags": 50, "note": 10_000}  # characters


class Notes(NamedTuple):
    """Name, tags and note of a run or sweep."""

    name: str | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None


NONE = Notes()


def check(name: Any = None, tags: Any = (), note: Any = None, run_dir: Any = "", prefix: str = "") -> Notes:
    """Return the notes that a user gives.

    Args:
        name: One line, or None.
        tags: A tag or several. A tag is one word or line without commas.
        note: A text, or None.
        run_dir: The directory of the run; None if it has none, which allows no notes.
        prefix: Text before the argument's name in messages: "--" on the command line.

    Returns:
        The notes; each tag once, in the given order.

    Raises:
        JaxaeError: If one of them is not valid, or the run has no directory.
    """
    words = (tags,) if isinstance(tags, str) else tags
    if not isinstance(words, Sequence):
        raise JaxaeError(f"{prefix}tags: got {tags!r}, expected texts")
    for tag in words:
        _check_line(f"{prefix}tag{'' if prefix else 's'}", tag, LONGEST["tags"], forbidden=",")
    if name is not None:
        _check_line(f"{prefix}name", name, LONGEST["name"])
    if note is not None and (not isinstance(note, str) or len(note) > LONGEST["note"]):
        raise JaxaeError(f"{prefix}note: expected a text of at most {LONGEST['note']:,} characters")
    notes = Notes(name, tuple(dict.fromkeys(words)), note)
    if any(notes) and run_dir is None:
        given = next(field for field, value in notes._asdict().items() if value)
        raise JaxaeError(f"{prefix}{given}: is kept in the run's directory; give run_dir as well")
    return notes


def _check_line(argument: str, text: Any, longest: int, forbidden: str = "") -> None:
    """Raise JaxaeError if a value is not a short text of one line."""
    if not isinstance(text, str) or not text.strip() or len(text) > longest or not text.isprintable():
        raise JaxaeError(f"{argument}: got {text!r}, expected one line of 1 to {longest} characters")
    if any(letter in text for letter in forbidden):
        raise JaxaeError(f"{argument}: got {text!r}, expected no comma; give each tag by itself")


def read(folder: Path) -> Notes:
    """Return the notes of a run or sweep; values that are missing or not valid are left out.

    Args:
        folder: The directory.
    """
    try:
        content = json.loads((folder / NOTES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return Notes()
    if not isinstance(content, dict):
        return Notes()
    name, tags, note = content.get("name"), content.get("tags"), content.get("note")
    return Notes(
        name if isinstance(name, str) and name else None,
        tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        note if isinstance(note, str) and note else None,
    )


def write(folder: Path, notes: Notes) -> None:
    """Write notes.json; nothing is written for a new run without notes.

    Args:
        folder: The directory.
        notes: The notes.
    """
    if any(notes) or (folder / NOTES).exists():
        # Without a digest, since the file is there to be edited.
        content = {**notes._asdict(), "tags": list(notes.tags)}
        directory.write_json(folder / NOTES, content, is_sealed=False)


def change(folder: Path, added: Notes, removed: Sequence[str] = ()) -> Notes:
    """Add to the notes of a run or sweep and write them.

    Args:
        folder: The directory.
        added: New name and note, which replace the old ones, and further tags.
        removed: Tags to remove.

    Returns:
        The new notes.
    """
    old = read(folder)
    tags = [tag for tag in dict.fromkeys([*old.tags, *added.tags]) if tag not in removed]
    notes = Notes(added.name or old.name, tuple(tags), added.note or old.note)
    write(folder, notes)
    return notes
