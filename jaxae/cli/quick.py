"""Answer what needs no jax in a fifth of a second: help, and mistakes in the names of configs and options.

Every answer is the one that the command itself would give. Whatever the outlines in the cache cannot answer
is left to the command: a config that is more than calls of jaxae's classes, or a class of your own.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxae.cli import config_text, outlines, suggestions
from jaxae.cli.arguments import HELP, group
from jaxae.cli.outlines import EXPERIMENT, Command, Outline
from jaxae.errors import JaxaeError
from jaxae.runs import config_files, references


class Known(NamedTuple):
    """A call of which everything is known that help and suggestions need."""

    command: Command
    """The command."""
    base: Any
    """Record of the spec whose fields are options too, or None."""
    outlines: dict[str, Outline]
    """Full name of a class -> its outline."""

    @property
    def options(self) -> list[str]:
        """The options of the command itself."""
        return [f"--{name}" for name in self.outlines[self.command.options].fields]

    def with_classes(self, given: Mapping[str, list[str]]) -> Any:
        """Return the record of the spec with the classes that the options name."""
        base = self.base
        for option, words in given.items():
            base = _applied(self, base, option, words, given)
        return base


def answer(name: str, arguments: list[str], call: str) -> int | None:
    """Answer a command, if that needs no jax.

    Args:
        name: The command.
        arguments: The words after it.
        call: The command with its argument, `train CONFIG`, as the help shows it.

    Returns:
        The exit code 0 after help or a list was printed; None if the command itself must run.

    Raises:
        JaxaeError: If a config or an option does not exist, as the command would raise it.
    """
    if name == "show" and not arguments:
        print("\n".join(config_files.lines()))
        return 0
    words = [word for word in arguments if word not in HELP]
    num_places = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    # `evaluate RUN...` takes several runs. Otherwise a second word is a mistake, which `group` finds.
    num_places = num_places if "..." in call else min(1, num_places)
    places, has_help = words[:num_places], len(words) < len(arguments)
    known = look_up(name, places, call) if places or has_help else None
    # The arguments of a function of optax are options too, and optax is not in the cache.
    names_function = any(
        word.partition("=")[2].startswith("optax.") or word.startswith("optax.") for word in words
    )
    if known is None or names_function or "--config" in {word.partition("=")[0] for word in words}:
        return None
    given = group(words[num_places:], known.options)
    if has_help:
        _print_help(known, given, f"jaxae {' '.join([name, *places])}" if places else f"jaxae {call}")
        return 0
    _refuse_unknown(known, given, name)
    return None


def look_up(name: str, places: list[str], call: str) -> Known | None:
    """Return what the cache knows of a call.

    Args:
        name: The command.
        places: The words before the options: a config or runs.
        call: The command with its argument, `train CONFIG`.

    Returns:
        The command with its options; None if the cache does not know them all.

    Raises:
        JaxaeError: If there is no such config.
    """
    # A run of a sweep gets its directory when it is first named, which needs jax.
    is_of_sweep = bool(places) and references.parse(places[0]) is not None
    path = config_files.find(places[0]) if places and "CONFIG" in call and not is_of_sweep else None
    # A mistake in the name of a run comes before a mistake in an option: the command finds both.
    if path is None and not all(Path(place).is_dir() for place in places):
        return None
    held = outlines.load()
    if held is None or name not in held[1] or "COMMAND" in call:
        return None
    table, command = held[0], held[1][name]
    if command.base != EXPERIMENT:
        return Known(command, command.base, table)
    if path is None:
        return Known(command, {"class": EXPERIMENT}, table)
    base = None if config_files.is_record(path) else config_text.read(path, table)
    return None if base is None else Known(command, base, table)


def _print_help(known: Known, given: Mapping[str, list[str]], program: str) -> None:
    """Print the help, with the fields of the classes that options name."""
    # rich is imported here, since mistakes do without it.
    from jaxae.cli.help_text import print_help

    base = known.with_classes(given)
    print_help(program, {"class": known.command.options}, base, known.outlines)


def _refuse_unknown(known: Known, given: Mapping[str, list[str]], name: str) -> None:
    """Raise JaxaeError for the first option that does not exist."""
    base = known.base
    for option, words in given.items():
        base = _applied(known, base, option, words, given)
        parts = [] if base is None else [f"--{part.path}" for part in outlines.parts(base, known.outlines)]
        if option not in [*known.options, *parts]:
            reason = suggestions.unknown_option(option, known.options, base, known.outlines, name)
            raise JaxaeError(f"{option}: {reason}")


def _applied(known: Known, base: Any, option: str, words: list[str], given: Iterable[str]) -> Any:
    """Return the record after an option; only options that name a class change which fields exist."""
    fields = {} if base is None else {part.path: part for part in outlines.parts(base, known.outlines)}
    path, text = option[2:], " ".join(words)
    parent = fields.get(path.rpartition(".")[0])
    # As the command does: `--early_stopping.patience 5` creates the part, since only one class fits.
    if parent and parent.value is None and len(parent.field.classes) == 1 and f"--{parent.path}" not in given:
        [cls] = parent.field.classes.values()
        return outlines.replaced(base, parent.path, {"class": cls}, known.outlines)
    if path not in fields:
        return base
    field = fields[path].field
    if text in field.classes:
        return outlines.replaced(base, path, {"class": field.classes[text]}, known.outlines)
    if text == "None" and "{None}" in field.kind:
        return outlines.replaced(base, path, None, known.outlines)
    return base
