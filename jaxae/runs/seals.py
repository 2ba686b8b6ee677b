"""Digests inside JSON files, so that a changed number is noticed by everything that reads it.

The text of a JSON object ends with its digest, the start of the SHA-256 of the text before it:

    {"epoch": 3, "train": {"loss": 27.4}, "digest": "8c1f6e0a5b2d9e77"}

The digest is computed from the text and not from the values: two numbers may be written in several ways.
Files of versions before format 3 have no digests. This module does not import jax.
"""

import contextlib
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError

KEY = "digest"
SINCE = 3  # format of record.json and sweep.json from which on all files of their folder have digests
RECORDS = ("record.json", "sweep.json")
LONGEST = 100  # characters at the end of a text in which its digest is looked for
_SEAL = re.compile(r',?\s*"digest": "([0-9a-f]{16})"\s*\}\s*\Z')
_FORMAT = re.compile(rb'\s*\{\s*"format": ?([0-9]{1,9})\b')


class Unsealed(ValueError):
    """Error of a text whose digest is missing or not that of the text; `value` is what the text says."""

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message)
        self.value = value


def seal(text: str) -> str:
    """Return the JSON text of an object with its digest as the last entry.

    Args:
        text: The text, as `json.dumps` writes it, in one line or in several.

    Returns:
        The text with the digest.

    Example:
        >>> seal('{"loss": 27.4}')
        '{"loss": 27.4, "digest": "99be7ce6c65a89bf"}'
    """
    body = text.rstrip().removesuffix("}").rstrip()
    comma = "" if body.endswith("{") else ","
    space, end = ("\n  ", "\n}") if "\n" in body else (" " if comma else "", "}")
    return f'{body}{comma}{space}"{KEY}": "{_digest(body)}"{end}'


def loads(text: str, *, required: bool) -> Any:
    """Return the value of a JSON text, after a check of its digest.

    Args:
        text: The text, with or without a digest.
        required: Whether an object without a digest is refused.

    Returns:
        The value, without the digest.

    Raises:
        Unsealed: If the digest is missing although it is required, or is not that of the text.
        ValueError: If the text is no valid JSON or has a key twice.
    """
    # Python's json keeps the last of two equal keys without a warning: an edited record could mean another
    # run.
    value = json.loads(text, object_pairs_hook=_each_key_once)
    # Only at the end: a search through the whole text takes as long as parsing it.
    found = _SEAL.search(text, max(0, len(text) - LONGEST))
    if found is None:
        if required:
            raise Unsealed("has no digest", value)
        return value
    del value[KEY]
    if found[1] != _digest(text[: found.start()]):
        raise Unsealed("was changed after jaxae wrote it: its digest differs", value)
    return value


def are_required(folder: Path) -> bool:
    """Return whether the files of a run or sweep must have digests, by the format in its record.

    Args:
        folder: Directory of the run or sweep.
    """
    for name in RECORDS:
        with contextlib.suppress(OSError), open(folder / name, "rb") as file:
            # The first entry. The whole file may be long, and lists of runs ask this for each run.
            found = _FORMAT.match(file.read(64))
            return found is not None and int(found[1]) >= SINCE
    return False


def read(path: Path, folder: Path | None = None) -> Any:
    """Return the content of a JSON file of a run or sweep, after a check of its digest.

    Args:
        path: The file.
        folder: Directory of the run or sweep; None: that of the file.

    Returns:
        The content, without the digest.

    Raises:
        JaxaeError: If the file is missing, cannot be read, is no JSON, has a key twice, or has another
            digest. The message is one line.
    """
    owner = path.parent if folder is None else folder
    return _parse(text_of(path), str(path), owner, are_required(owner))


def read_if_there(path: Path, folder: Path | None = None) -> dict[str, Any]:
    """Return the object in a JSON file of a run or sweep, {} if there is no such file.

    Args:
        path: The file.
        folder: Directory of the run or sweep; None: that of the file.

    Returns:
        The object, without the digest.

    Raises:
        JaxaeError: If there is a file and it cannot be read, is no object or has another digest.
    """
    if not path.exists():
        return {}
    content = read(path, folder)
    if not isinstance(content, dict):
        raise JaxaeError(f"{path}: got {str(content)[:60]!r}, expected an object")
    return content


def read_lines(path: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the objects of a file that has one in each line; a last line without an end is left out.

    Args:
        path: The file.
        folder: Directory of the run or sweep.

    Returns:
        The objects, without digests.

    Raises:
        JaxaeError: If the file cannot be read, or a line is no object or has another digest.
    """
    # Not splitlines: it also splits at characters that a JSON text may contain. A last line without an end
    # was torn by a kill.
    lines = text_of(path).split("\n")[:-1]
    required = are_required(folder)
    objects = []
    for number, line in enumerate(lines, start=1):
        value = _parse(line, f"{path}, line {number}", folder, required)
        if not isinstance(value, dict):
            raise JaxaeError(f"{path}, line {number}: got {line[:60]!r}, expected an object")
        objects.append(value)
    return objects


def text_of(path: Path) -> str:
    """Return the text of a file of a run or sweep.

    Args:
        path: The file.

    Raises:
        JaxaeError: If it is missing, cannot be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise JaxaeError(f"{path}: not found; every run has one") from None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8
        raise JaxaeError(f"{path}: cannot be read ({type(error).__name__})") from None


def _parse(text: str, place: str, folder: Path, required: bool) -> Any:
    """Return the value of a text, a file or a line of it. Raises: JaxaeError that names the place."""
    try:
        return loads(text, required=required)
    except Unsealed as error:
        hint = f"`jaxae accept {folder}` accepts an edit of your own"
        raise JaxaeError(f"{place}: {error}; {hint}") from None
    except (ValueError, RecursionError) as error:
        raise JaxaeError(f"{place}: is not valid JSON ({error})") from None


def _digest(text: str) -> str:
    # 64 bits: the chance that a damaged text has the same digest is 5e-20.
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key '{next(key for key in entries if keys.count(key) > 1)}' appears twice")
    return entries
