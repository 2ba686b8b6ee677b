"""Read the options of a command without importing jax, for commands that only read small files.

Everything that is not plainly right, and `--help`, goes to `options`, which has all messages.
"""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

from jaxae.cli.arguments import split

T = TypeVar("T")


def parse(command: type[T], arguments: list[str], program: str) -> T:
    """Read the options of a command line.

    Args:
        command: The dataclass of the command's options.
        arguments: The words that follow `program`.
        program: The words before the options, as the help shows them.

    Returns:
        The command.

    Raises:
        JaxaeError: If a name is unknown or given twice, or a value is not valid.
        SystemExit: With code 0, after help was printed.
    """
    values = None if {"-h", "--help"} & set(arguments) else _read(command, arguments)
    if values is not None:
        return command(**values)
    from jaxae.cli import options  # imports jax, which takes a second

    return options.parse(command, arguments, program)[0]


def _read(command: type, arguments: list[str]) -> dict[str, Any] | None:
    """Return the values of the options by field; None if anything is unusual."""
    hints = typing.get_type_hints(command)
    values: dict[str, Any] = {}
    fields = {f"--{field.name.rstrip('_')}": field.name for field in dataclasses.fields(command)}
    for option, words in split(arguments):
        if option not in fields:
            return None
        name = fields[option]
        is_repeatable = hints[name] == tuple[str, ...]
        if name in values and not is_repeatable:
            return None
        # `--json` without a value means True, as in `options`.
        words = words or (["True"] if hints[name] is bool else [])
        if not words:
            return None
        value = tuple(words) if is_repeatable else _value(hints[name], " ".join(words))
        if value is None:
            return None
        values[name] = values.get(name, ()) + value if is_repeatable else value
    return values


def _value(hint: Any, text: str) -> Any:
    """Return the value that a text spells, None if it is not plain."""
    if typing.get_origin(hint) is Literal:
        return text if text in typing.get_args(hint) else None
    kinds = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}
    if bool in kinds:
        return {"True": True, "False": False, "true": True, "false": False}.get(text)
    if int in kinds:
        return int(text) if text.isdecimal() and len(text) < 10 else None
    if text == "None":
        return None
    return Path(text) if Path in kinds else text if str in kinds else None
