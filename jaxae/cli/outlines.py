"""Outlines of classes: texts and fields as plain data, for the help, for suggestions and for completion.

`describe` makes them from classes, which takes jax and a second. The first help or mistake after an
installation keeps them in the user's cache, next to compiled programs. As with Python's bytecode, they are
made again when a source file of jaxae has changed. Then neither help nor a mistake needs jax (`quick`).
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxae.runs import user_cache

_PACKAGE = Path(__file__).resolve().parents[1]
FORMAT = 1  # another number if the content of the file has another meaning
EXPERIMENT = "jaxae.Experiment"


class Field(NamedTuple):
    """A field of a class, which is an option of the command line."""

    kind: str
    """Values that words can spell, `{None}|FLOAT`."""
    limits: str
    """Range of the values, `(>= 0)`."""
    classes: dict[str, str]
    """Classes that the field accepts: last name -> full name."""
    text: str
    """The text under the field."""
    functions: bool
    """Whether the field accepts functions of optax."""
    element: "Field | None"
    """The parts of a tuple of specs."""


class Outline(NamedTuple):
    """A spec, a net, or the options of a command."""

    paragraphs: list[str]
    """The docstring."""
    fields: dict[str, Field]
    """The fields, in order."""
    defaults: dict[str, Any]
    """Default of each field that has one, as in a record."""
    old_names: dict[str, str]
    """Fields of older versions -> current fields."""


class Command(NamedTuple):
    """A command."""

    options: str
    """Full name of the class of its options."""
    base: Any
    """Record of the spec whose fields are options too; `EXPERIMENT` for a config's experiment; or None."""


class Part(NamedTuple):
    """A field of an experiment, at any depth."""

    path: str
    """Dotted name."""
    field: Field
    """The field."""
    value: Any
    """Its value, as in a record: {"class": name, ...} for a part with fields."""


def last_name(full_name: str) -> str:
    """Return the name of a class as users type it: `VAE`, or `optax.lion` for a function of optax."""
    return full_name if full_name.startswith("optax.") else full_name.rpartition(".")[2]


def is_node(value: Any) -> bool:
    """Return whether a value of a record is a spec or a net."""
    return isinstance(value, dict)


def is_sequence(value: Any) -> bool:
    """Return whether a value of a record is a tuple of specs."""
    return isinstance(value, list) and len(value) > 0 and all(map(is_node, value))


def values(record: dict[str, Any], outlines: Mapping[str, Outline]) -> dict[str, Any]:
    """Return the values of a record's fields.

    Args:
        record: A spec or net, as in a record.
        outlines: Full name of a class -> its outline.

    Returns:
        Name -> value, or the default if the record lacks it. Missing required values are left out.
    """
    outline = outlines[record["class"]]
    merged = {**outline.defaults, **record}
    return {name: merged[name] for name in outline.fields if name in merged}


def parts(record: dict[str, Any], outlines: Mapping[str, Outline], prefix: str = "") -> Iterator[Part]:
    """Yield every field at every depth; a part comes before its fields.

    Args:
        record: A spec or net, as in a record.
        outlines: Full name of a class -> its outline.
        prefix: Text before each dotted name.

    Yields:
        The parts.
    """
    given = values(record, outlines)
    for name, field in outlines[record["class"]].fields.items():
        value: Any = given.get(name)
        yield Part(prefix + name, field, value)
        if is_node(value):
            yield from parts(value, outlines, f"{prefix}{name}.")
        for number, item in enumerate(value if is_sequence(value) else ()):
            yield Part(f"{prefix}{name}.{number}", field.element or field, item)
            yield from parts(item, outlines, f"{prefix}{name}.{number}.")


def replaced(record: Any, path: str, value: Any, outlines: Mapping[str, Outline]) -> Any:
    """Return a record with the value at a dotted name replaced.

    Args:
        record: A record of a spec, or a list of them.
        path: The dotted name, which must exist.
        value: The new value.
        outlines: Full name of a class -> its outline.

    Returns:
        The changed copy.
    """
    head, _, rest = path.partition(".")
    if isinstance(record, list):
        inner = replaced(record[int(head)], rest, value, outlines) if rest else value
        return [*record[: int(head)], inner, *record[int(head) + 1 :]]
    held = values(record, outlines).get(head)
    return {**record, head: replaced(held, rest, value, outlines) if rest else value}


def load() -> "tuple[dict[str, Outline], dict[str, Command]] | None":
    """Return the outlines of classes and of commands from the cache; None if the source has changed."""
    # Any other content than expected is a miss: the file is made again.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        content = json.loads(_file().read_text(encoding="utf-8"))
        if content["source"] == _source():
            outlines = {name: _outline(fields) for name, fields in content["outlines"].items()}
            return outlines, {name: Command(*command) for name, command in content["commands"].items()}
    return None


def save(outlines: Mapping[str, Outline], commands: Mapping[str, Command]) -> None:
    """Write outlines to the cache; nothing happens if it cannot be written.

    Args:
        outlines: Full name of a class -> its outline.
        commands: Name of a command -> the command.
    """
    content = {"source": _source(), "outlines": outlines, "commands": commands}
    user_cache.write(_file(), json.dumps(content))


def _outline(stored: Any) -> Outline:
    """Read an outline from the lists that JSON made of it."""
    paragraphs, fields, *others = stored
    return Outline(paragraphs, {name: _field(field) for name, field in fields.items()}, *others)


def _field(stored: Any) -> Field:
    field = Field(*stored)
    return field._replace(element=_field(field.element) if field.element else None)


def _file() -> Path:
    # Checkouts and installations do not overwrite each other's file.
    place = hashlib.sha256(str(_PACKAGE).encode()).hexdigest()[:12]
    return user_cache.folder() / f"outlines-{place}.json"


def _source() -> str:
    """Return a fingerprint of jaxae's source files."""
    return user_cache.fingerprint(_PACKAGE, str(FORMAT))
