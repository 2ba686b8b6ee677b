"""Options from dataclass fields: a command's own, and every field of an experiment as `--dotted.name value`.

A field gives an option its name, type, range and default, and its help by the text under it. A part is
exchanged by naming its class, which comes with its defaults; other options may then change those.
"""

import dataclasses
import typing
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

from jaxae.cli import classes, values
from jaxae.cli.arguments import split
from jaxae.cli.help_text import print_help
from jaxae.errors import JaxaeError, nearest
from jaxae.specs import renamed
from jaxae.specs.pytree import fields, get, is_node, paths, replace
from jaxae.specs.records import validate

T = TypeVar("T")
HELP = {"-h", "--help"}


def parse(
    command: type[T], arguments: list[str], program: str, experiment: Any = None, **defaults: Any
) -> tuple[T, Any]:
    """Read a command line.

    Args:
        command: A dataclass of the command's own options.
        arguments: The words that follow `program`.
        program: What the help calls the command, `jaxae train CONFIG`.
        experiment: A spec, of which every field is an option as well; None if there are no such options.
        defaults: Defaults of the command's options that differ from the dataclass's.

    Returns:
        The command and the experiment, both with what the options change; the experiment is validated.

    Raises:
        JaxaeError: In one line, for an unknown name, a name given twice, or a value that is not valid.
        SystemExit: With code 0, after help was printed.
    """
    own: Any = command(**defaults)
    names = {f"--{field.name.rstrip('_')}": field.name for field in dataclasses.fields(own)}
    hints = typing.get_type_hints(command, include_extras=True)
    repeatable = [option for option, name in names.items() if hints[name] == tuple[str, ...]]
    given = _given([word for word in arguments if word not in HELP], repeatable)
    if not HELP.isdisjoint(arguments):
        print_help(program, own, _with_classes(experiment, given))
        raise SystemExit(0)
    changes = {
        names[option]: _value(option, words, hints[names[option]])
        for option, words in given.items()
        if option in names
    }
    inner = {option: words for option, words in given.items() if option not in names}
    return dataclasses.replace(own, **changes), _with_options(experiment, inner, names)


def changed(experiment: T, name: str, words: list[str]) -> T:
    """Return the experiment with what `--name words` asks for. Raises: JaxaeError, as `parse` does."""
    return _with_options(experiment, {f"--{name}": words}, ())


def todays_name(experiment: Any, path: str) -> str | None:
    """Return the dotted name that a field has now, by one with names of older versions; None for others."""
    names: list[str] = []
    for name in path.split("."):
        names.append(renamed.fields(type(experiment)).get(name, name))
        try:
            experiment = get(experiment, names[-1])
        except JaxaeError:
            experiment = None
    return ".".join(names) if names != path.split(".") else None


def _given(arguments: list[str], repeatable: Collection[str]) -> dict[str, list[str]]:
    """The words after each option; a part comes before the options inside it, which depend on its class."""
    given: dict[str, list[str]] = {}
    for option, words in split(arguments):
        if not option:
            raise JaxaeError(f"{words[0]}: is no option; options begin with --, see --help")
        if option in given and option not in repeatable:
            raise JaxaeError(f"{option}: given twice ({' '.join(given[option])} and {' '.join(words)})")
        given.setdefault(option, []).extend(words)
    return dict(sorted(given.items(), key=lambda item: item[0].count(".")))


def _with_options(experiment: Any, given: dict[str, list[str]], own: Iterable[str]) -> Any:
    """The experiment with what the options say, validated; `own`: the command's options, for messages."""
    for option, words in given.items():
        experiment = _with_part(experiment, option, given)
        annotation = _annotations(experiment).get(option)
        if annotation is None:
            raise JaxaeError(f"{option}: {_unknown(option, experiment, own)}")
        experiment = replace(experiment, option[2:], _value(option, words, annotation))
    if experiment is None:
        return None
    for path, annotation, value in paths(experiment):
        if classes.is_missing(value) and f"--{path}" not in given:
            raise JaxaeError(f"--{path}: is missing, expected {_expected(annotation)}")
    return validate(experiment)


def _with_classes(experiment: Any, given: dict[str, list[str]]) -> Any:
    """The experiment with the parts that options exchange, for the help; other options have no say in it."""
    for option, words in given.items():
        experiment = _with_part(experiment, option, given)
        annotation = _annotations(experiment).get(option)
        if classes.accepted(annotation):
            experiment = replace(experiment, option[2:], _value(option, words, annotation))
    return experiment


def _with_part(experiment: Any, option: str, given: Collection[str]) -> Any:
    """`--early_stopping.patience 5` where there is None: puts the one class that fits there."""
    parent = option.rpartition(".")[0]
    fitting = list(classes.accepted(_annotations(experiment).get(parent)).values())
    if len(fitting) == 1 and parent not in given and get(experiment, parent[2:]) is None:
        return replace(experiment, parent[2:], classes.with_defaults(fitting[0]))
    return experiment


def _annotations(experiment: Any) -> dict[str, Any]:
    """Option -> annotation of every field of the experiment, at every depth."""
    return {} if experiment is None else {f"--{path}": hint for path, hint, _ in paths(experiment)}


def _value(option: str, words: list[str], annotation: Any) -> Any:
    """What the words mean: an instance of the class that they name, or the value that they spell."""
    text, named = " ".join(words), classes.accepted(annotation)
    if text in named:
        return classes.with_defaults(named[text])
    try:
        return values.read(words, annotation)
    except ValueError:
        got = f"got {text!r}" if words else "a value is missing"
        new = renamed.PUBLIC.get(text, "").rpartition(".")[2]
        message = f"{text} is now {new}" if new in named else f"{got}, expected {_expected(annotation, text)}"
        raise JaxaeError(f"{option}: {message}") from None


def _expected(annotation: Any, text: str = "") -> str:
    """`a number (>= 0) or None, or a class: did you mean 'Linear'? valid: Constant, ...`."""
    named, plain = classes.accepted(annotation), " or ".join(values.expected(annotation))
    by_class = f"a class: {nearest(text, named)}" if named else ""
    return ", or ".join(filter(None, [plain, by_class])) or "options for its parts, which have numbers from 0"


def _unknown(option: str, experiment: Any, own: Iterable[str]) -> str:
    """`unknown option; VAE here; did you mean 'beta'? valid: ...`, or the option's new name."""
    if new := todays_name(experiment, option[2:]):
        return f"is now --{new}"
    parent, _, name = option.rpartition(".")
    annotations = _annotations(experiment)
    hint = _hint_inside(parent, name, experiment, annotations.get(parent))
    return f"unknown option; {hint or _hint(option, [*own, *annotations, '--help'])}"


def _hint_inside(parent: str, name: str, experiment: Any, annotation: Any) -> str | None:
    """The options of the part that lacks `name`, or the classes that may stand there and have it."""
    if annotation is None:
        return None
    part = get(experiment, parent[2:])
    if not is_node(part):
        having = [each for each, cls in classes.accepted(annotation).items() if name in fields(cls)]
        return f"{parent} is {part} here, {name} is for {', '.join(having)}" if having else None
    here = f"{type(part).__name__} here"
    return f"{here}; {nearest(name, fields(part))}" if fields(part) else f"{here}, which has no options"


def _hint(option: str, known: list[str]) -> str:
    """The options that end like this one, or else the nearest."""
    ends = [f"'{each}'" for each in known if each.endswith(f".{option[2:]}")]
    close, is_close, _ = nearest(option, known).partition("? ")
    closest = f"did you mean {' or '.join(ends)}" if ends else close
    return f"{closest}?" if ends or is_close else "see --help"
