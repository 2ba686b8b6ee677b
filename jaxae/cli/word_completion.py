"""Find the words that may follow on a command line, for the shell; this module does not import jax."""

import contextlib
import importlib
import re
from collections.abc import Iterable
from pathlib import Path

from jaxae.cli import outlines, quick, suggestions
from jaxae.cli.arguments import group
from jaxae.cli.main import COMMANDS, call_of
from jaxae.cli.outlines import Field
from jaxae.errors import JaxaeError
from jaxae.runs import config_files

RUN_FILES = ("record.json", "sweep.json")  # a folder with one of them is a run or a sweep
SUBCOMMANDS = {"data": ["list", "prepare", "show"], "completion": ["bash", "fish", "zsh"]}


def prepare() -> None:
    """Keep the outlines of jaxae's classes in the cache, if they are not there."""
    if outlines.load() is None:
        describe = importlib.import_module("jaxae.cli.describe")
        for name in ("train", "sweep", "show"):
            describe.note_command(name)
        describe.keep()


def candidates(words: list[str]) -> list[str]:
    """Return the words that may replace the last one.

    Args:
        words: The words after `jaxae`; the last one is incomplete, and may be "".

    Returns:
        The candidates; none for a path, which the shell completes itself.
    """
    *before, last = _joined(words)
    if not before:
        return _starting(last, [*COMMANDS, "--help", "--version"])
    name, arguments = before[0], before[1:]
    if name not in COMMANDS:
        return []
    option, equals, value = last.partition("=")
    if last.startswith("--") and not equals:
        return _starting(last, _options(name, arguments))
    if equals and last.startswith("--"):
        return [f"{option}={word}" for word in _starting(value, _values(name, arguments, option))]
    if arguments and arguments[-1].startswith("--"):
        return _starting(last, _values(name, arguments[:-1], arguments[-1]))
    return _starting(last, _arguments(name, arguments, last))


def _joined(words: list[str]) -> list[str]:
    """Join `--option`, `=` and `value`, which bash passes as three words."""
    joined: list[str] = []
    for word in words:
        if joined and (word.startswith("=") or joined[-1].endswith("=")) and joined[-1].startswith("--"):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _starting(prefix: str, words: Iterable[str]) -> list[str]:
    """Return the words that begin with the prefix, with its dashes in the place of underscores."""
    # `--run-dir` and `--run_dir` are the same option: the user's spelling stays.
    if prefix.startswith("--") and "-" in prefix[2:]:
        words = [f"--{word[2:].replace('_', '-')}" for word in words]
    return [word for word in words if word.startswith(prefix)]


def _arguments(name: str, arguments: list[str], last: str) -> list[str]:
    """Return what the command works on: configs, runs, or the commands of a command."""
    call = call_of(name)
    if name in SUBCOMMANDS:
        return SUBCOMMANDS[name] if not arguments else []
    if arguments and "..." not in call:
        return []
    configs = config_files.names() if "CONFIG" in call else []
    return [*configs, *(_runs(last) if "RUN" in call else [])]


def _runs(last: str) -> list[str]:
    """Return the folders of runs and sweeps in runs/, or next to what is typed."""
    folder = Path(last).parent if "/" in last else Path("runs")
    files = [file for name in RUN_FILES for file in folder.glob(f"*/{name}")]
    # The newest first: it is most often the one that is meant.
    newest = sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)
    return [str(file.parent) for file in newest]


def _options(name: str, arguments: list[str]) -> list[str]:
    """Return the options of a command that are not given yet, with those of the experiment."""
    given = {word.partition("=")[0].replace("-", "_") for word in arguments}
    own = suggestions.options_of_commands().get(name, [])
    known = dict.fromkeys([*own, *_fields(name, arguments), "--help"])
    return [option for option in known if option.replace("-", "_") not in given]


def _values(name: str, arguments: list[str], option: str) -> list[str]:
    """Return the classes and the choices of an option; none for numbers, texts and paths."""
    field = _fields(name, arguments).get(f"--{option[2:].replace('-', '_')}")
    # The shell completes paths, but only if no word is offered, `None` among them.
    if field is None or "PATH" in field.kind:
        return []
    choices = [word for words in re.findall(r"\{([^}]*)\}", field.kind) for word in words.split(",")]
    return [*field.classes, *choices]


def _fields(name: str, arguments: list[str]) -> dict[str, Field]:
    """Return option -> field of a command and of its experiment, as the words before decide it."""
    prepare()
    num_places = next((i for i, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    known = None
    with contextlib.suppress(JaxaeError):
        known = quick.look_up(name, arguments[:num_places], call_of(name))
    # A config that has to be executed, or does not exist: the options of the default experiment.
    known = known or quick.look_up(name, [], call_of(name))
    if known is None:
        return {}
    base = known.base
    with contextlib.suppress(JaxaeError):  # an option that is given twice
        base = known.with_classes(group(arguments[num_places:], known.options))
    own = {f"--{option}": field for option, field in known.outlines[known.command.options].fields.items()}
    parts = [] if base is None else outlines.parts(base, known.outlines)
    return {**own, **{f"--{part.path}": part.field for part in parts}}
