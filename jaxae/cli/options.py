"""Read options from dataclass fields: those of a command, and each field of an experiment as `--a.b value`.

A field gives an option its name, type, range and default; the text under the field is its help. A part is
replaced by naming another class, which starts with its defaults. Further options can then change these.
"""

import dataclasses
import typing
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

from jaxae.cli import classes, values
from jaxae.cli.arguments import split
from jaxae.cli.help_text import print_help
from jaxae.errors import JaxaeError, nearest
from jaxae.runs import length
from jaxae.specs import renamed
from jaxae.specs.pytree import fields, get, is_node, paths, replace
from jaxae.specs.records import validate

T = TypeVar("T")
HELP = {"-h", "--help"}


def parse(
    command: type[T], arguments: list[str], program: str, experiment: Any = None, **defaults: Any
) -> tuple[T, Any]:
    """Read the options of a command line.

    Args:
        command: The dataclass of the command's options.
        arguments: The words that follow `program`.
        program: The words before the options, as the help shows them: `jaxae train CONFIG`.
        experiment: A spec whose fields are options as well; None if the command has no such options.
        **defaults: Defaults that replace those of the dataclass.

    Returns:
        (command, experiment), both with the changes of the options; the experiment is validated.

    Raises:
        JaxaeError: If a name is unknown or given twice, or a value is not valid.
        SystemExit: With code 0, after help was printed.
    """
    # `from_` is the option `--from`: the field cannot have the name of a Python keyword.
    own: Any = command(**defaults)
    names = {f"--{field.name.rstrip('_')}": field.name for field in dataclasses.fields(own)}
    hints = typing.get_type_hints(command, include_extras=True)
    repeatable = [option for option, name in names.items() if hints[name] == tuple[str, ...]]
    # Help is printed in spite of other mistakes: a user who needs help may have made some.
    given = _group_words([word for word in arguments if word not in HELP], repeatable)
    if not HELP.isdisjoint(arguments):
        print_help(program, own, _apply_classes(experiment, given))
        raise SystemExit(0)
    changes = {
        names[option]: _read_value(option, words, hints[names[option]])
        for option, words in given.items()
        if option in names
    }
    inner = {option: words for option, words in given.items() if option not in names}
    return dataclasses.replace(own, **changes), _apply_options(experiment, inner, names)


def changed(experiment: T, name: str, words: list[str]) -> T:
    """Return the experiment with one field changed, as `--name words` on the command line would do.

    Args:
        experiment: The experiment to change.
        name: The dotted name of the field, `model.beta`.
        words: The words of the value.

    Returns:
        The changed and validated experiment.

    Raises:
        JaxaeError: If the name is unknown or the value is not valid.

    Example:
        >>> from jaxae import Experiment
        >>> changed(Experiment(), "model.beta", ["4"]).model.beta
        4.0
    """
    return _apply_options(experiment, {f"--{name}": words}, ())


def todays_name(experiment: Any, path: str) -> str | None:
    """Translate the dotted name of a field from an older version of jaxae.

    Args:
        experiment: The experiment whose classes know their old names.
        path: A dotted name that may contain old names.

    Returns:
        Today's dotted name; None if `path` contains no old name.
    """
    names: list[str] = []
    for name in path.split("."):
        names.append(renamed.fields(type(experiment)).get(name, name))
        try:
            experiment = get(experiment, names[-1])
        except JaxaeError:
            # The rest of the path leads nowhere in this experiment; it is kept as it is.
            experiment = None
    return ".".join(names) if names != path.split(".") else None


def _group_words(arguments: list[str], repeatable: Collection[str]) -> dict[str, list[str]]:
    """Collect the words of each option, parts first. Raises: JaxaeError if an option is given twice."""
    given: dict[str, list[str]] = {}
    for option, words in split(arguments):
        if not option:
            raise JaxaeError(f"{words[0]}: is not an option; options start with --, see --help")
        if option in given and option not in repeatable:
            raise JaxaeError(f"{option}: given twice ({' '.join(given[option])} and {' '.join(words)})")
        given.setdefault(option, []).extend(words)
    # A part must be set before the options inside it, because its class decides which of them exist.
    return dict(sorted(given.items(), key=lambda item: item[0].count(".")))


def _apply_options(experiment: Any, given: dict[str, list[str]], own: Iterable[str]) -> Any:
    """Apply the options to the experiment and validate it; `own` are the command's options, for messages."""
    for option, words in given.items():
        experiment = _add_needed_part(experiment, option, given)
        annotation = _annotations(experiment).get(option)
        if annotation is None:
            raise JaxaeError(f"{option}: {_unknown(option, experiment, own)}")
        experiment = replace(experiment, option[2:], _read_value(option, words, annotation))
    if experiment is None:
        return None
    experiment = length.choose(experiment, [option[2:] for option in given])
    # nan that the user typed is not missing: `validate` below reports it as a value that is not finite.
    for path, annotation, value in paths(experiment):
        if classes.is_missing(value) and f"--{path}" not in given:
            raise JaxaeError(f"--{path}: is missing, expected {_expected(annotation)}")
    return validate(experiment)


def _apply_classes(experiment: Any, given: dict[str, list[str]]) -> Any:
    """Apply only those options that replace a part by another class, so that the help shows its fields."""
    for option, words in given.items():
        experiment = _add_needed_part(experiment, option, given)
        annotation = _annotations(experiment).get(option)
        if classes.accepted(annotation):
            experiment = replace(experiment, option[2:], _read_value(option, words, annotation))
    return experiment


def _add_needed_part(experiment: Any, option: str, given: Collection[str]) -> Any:
    """Create the part that an option needs: `--early_stopping.patience 5` creates an EarlyStopping."""
    # Only if exactly one class fits and the user has not set the part: anything else would be a guess.
    parent = option.rpartition(".")[0]
    fitting = list(classes.accepted(_annotations(experiment).get(parent)).values())
    if len(fitting) == 1 and parent not in given and get(experiment, parent[2:]) is None:
        return replace(experiment, parent[2:], classes.with_defaults(fitting[0]))
    return experiment


def _annotations(experiment: Any) -> dict[str, Any]:
    """Return the type annotation of each field of the experiment, at every depth, by option."""
    return {} if experiment is None else {f"--{path}": hint for path, hint, _ in paths(experiment)}


def _read_value(option: str, words: list[str], annotation: Any) -> Any:
    """Read the words of an option: an instance of the class that they name, or the value that they spell."""
    text, accepted = " ".join(words), classes.accepted(annotation)
    if text in accepted:
        return classes.with_defaults(accepted[text])
    try:
        return values.read(words, annotation)
    except ValueError:
        got = f"got {text!r}" if words else "a value is missing"
        # A class may have another name today: name the new one, if it is valid here.
        new_name = renamed.PUBLIC.get(text, "").rpartition(".")[2]
        mistake = f"{got}, expected {_expected(annotation, text)}"
        message = f"{text} is now {new_name}" if new_name in accepted else mistake
        raise JaxaeError(f"{option}: {message}") from None


def _expected(annotation: Any, text: str = "") -> str:
    """Return `a number (>= 0) or None, or a class: did you mean 'Linear'? valid: Constant, ...`."""
    accepted, plain = classes.accepted(annotation), " or ".join(values.expected(annotation))
    by_class = f"a class: {nearest(text, accepted)}" if accepted else ""
    return ", or ".join(filter(None, [plain, by_class])) or "options of its parts, which are numbered from 0"


def _unknown(option: str, experiment: Any, own: Iterable[str]) -> str:
    """Return `unknown option; --model is VAE; did you mean 'beta'? valid: ...`, or the option's new name."""
    if new_name := todays_name(experiment, option[2:]):
        return f"is now --{new_name}"
    parent, _, name = option.rpartition(".")
    annotations = _annotations(experiment)
    hint = _hint_inside(parent, name, experiment, annotations.get(parent))
    return f"unknown option; {hint or _hint(option, [*own, *annotations, '--help'])}"


def _hint_inside(parent: str, name: str, experiment: Any, annotation: Any) -> str | None:
    """Return the valid names of the part that lacks `name`, or the classes for this part that have it."""
    if annotation is None:
        return None
    part = get(experiment, parent[2:])
    if not is_node(part):
        accepted = classes.accepted(annotation)
        owners = [class_name for class_name, cls in accepted.items() if name in fields(cls)]
        return f"{parent} is {part}, but {name} is an option of {', '.join(owners)}" if owners else None
    class_name, names = type(part).__name__, fields(part)
    return f"{parent} is {class_name}; {nearest(name, names)}" if names else f"{class_name} has no options"


def _short_names(option: str) -> set[str]:
    """Return the last part of a dotted option, and the initials of its words: `learning_rate`, `lr`."""
    _, dot, last = option.rpartition(".")
    words = last.lstrip("-").split("_")
    initials = {"".join(word[:1] for word in words)} if len(words) > 1 else set()
    return initials | ({last} if dot else set())


def _hint(option: str, known: list[str]) -> str:
    """Return the options that end with the same name or its initials, or else the most similar option."""
    # `--beta` is more often a forgotten `--model.beta` than a spelling mistake; `--lr` is a learning rate.
    same_ending = [f"'{name}'" for name in known if option[2:] in _short_names(name)]
    close, is_close, _ = nearest(option, known).partition("? ")
    closest = f"did you mean {' or '.join(same_ending)}" if same_ending else close
    return f"{closest}?" if same_ending or is_close else "see --help"
