"""Read options from dataclass fields: those of a command, and each field of an experiment as `--a.b value`.

A field gives an option its name, type, range and default; the text under the field is its help. A part is
replaced by naming another class, which starts with its defaults. Further options can then change these.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from jaxae.cli import classes, describe, suggestions, values
from jaxae.cli.arguments import HELP, group, two_dashes
from jaxae.cli.help_text import print_help
from jaxae.errors import JaxaeError, nearest
from jaxae.runs import length
from jaxae.specs import renamed
from jaxae.specs.pytree import element, fields, get, paths, replace
from jaxae.specs.records import validate

T = TypeVar("T")


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
    given = group([word for word in arguments if word not in HELP], repeatable)
    describe.note(program.split(" ")[1], command, experiment)
    if not HELP.isdisjoint(arguments):
        outlines, [record, base] = describe.outlines_of(own, _apply_classes(experiment, given))
        print_help(program, record, base, outlines)
        raise SystemExit(0)
    changes = {
        names[option]: _read_value(option, words, hints[names[option]])
        for option, words in given.items()
        if option in names
    }
    inner = {option: words for option, words in given.items() if option not in names}
    unknown = functools.partial(_unknown, own=names, command=program.split(" ")[1])
    return dataclasses.replace(own, **changes), _apply_options(experiment, inner, unknown)


def changed(experiment: T, name: str, words: list[str], *, is_partial: bool = False) -> T:
    """Return the experiment with one field changed, as `--name words` on the command line would do.

    Args:
        experiment: The experiment to change.
        name: The dotted name of the field, `model.beta`.
        words: The words of the value.
        is_partial: Whether values without a default may still be missing; then nothing is validated.

    Returns:
        The changed and validated experiment.

    Raises:
        JaxaeError: If the name is unknown or the value is not valid.

    Example:
        >>> from jaxae import Experiment
        >>> changed(Experiment(), "model.beta", ["4"]).model.beta
        4.0
    """
    return _apply_options(experiment, {f"--{name}": words}, _unknown, is_partial=is_partial)


def todays_name(experiment: Any, path: str) -> str | None:
    """Translate the dotted name of a field from an older version of jaxae.

    Args:
        experiment: The experiment whose classes know their old names.
        path: A dotted name that may contain old names.

    Returns:
        Today's dotted name; None if `path` contains no old name.
    """
    outlines, [record] = describe.outlines_of(experiment)
    return suggestions.current_name(path, record, outlines)


def _apply_options(
    experiment: Any,
    given: dict[str, list[str]],
    unknown: Callable[[str, Any], str],
    *,
    is_partial: bool = False,
) -> Any:
    """Apply the options to the experiment and validate it; `unknown` explains an option that is unknown."""
    for option, words in given.items():
        experiment = _add_needed_part(experiment, option, given)
        annotation = _annotations(experiment).get(option)
        if annotation is None:
            raise JaxaeError(f"{option}: {unknown(option, experiment)}")
        experiment = replace(experiment, option[2:], _read_value(option, words, annotation))
    if experiment is None:
        return None
    experiment = length.choose(experiment, [option[2:] for option in given])
    # nan that the user typed is not missing: `validate` below reports it as a value that is not finite.
    for path, annotation, value in paths(experiment):
        if classes.is_missing(value) and f"--{path}" not in given:
            if is_partial:
                return experiment
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
    if (cls := classes.named(text, annotation)) is not None:
        return classes.with_defaults(cls)
    # A tuple of parts: `--optimizer.args optax.centralize Adam`.
    several = [classes.named(word, element(annotation)) for word in words if element(annotation)]
    if several and all(several):
        return tuple(map(classes.with_defaults, several))
    try:
        return values.read(words, annotation)
    except ValueError:
        got = f"got {text!r}" if words else "a value is missing"
        # A class may have another name today: name the new one, if it is valid here.
        new_name = renamed.PUBLIC.get(text, "").rpartition(".")[2]
        misfit = classes.explained(text, annotation) if accepted else None
        mistake = misfit or f"{got}, expected {_expected(annotation, text, option)}"
        if hint := two_dashes(words):
            mistake = f"{mistake}; {hint}"
        message = f"{text} is now {new_name}" if new_name in accepted else mistake
        raise JaxaeError(f"{option}: {message}") from None


def _expected(annotation: Any, text: str = "", option: str = "") -> str:
    """Return `a number (>= 0) or None, or a class: did you mean 'Linear'? valid: Constant, ...`."""
    accepted, plain = classes.accepted(annotation), " or ".join(values.expected(annotation))
    if not plain and len(accepted) == 1:
        # `--data mnist`: the part has one class, so only its fields can be set.
        [cls] = accepted.values()
        name = "name" if "name" in fields(cls) else next(iter(fields(cls)))
        return f"an option of this part, such as {option}.{name} {text if name == 'name' else ''}".strip()
    meant = suggestions.nearest_text(text, accepted)
    by_class = f"a class: {nearest(meant, accepted)}" if accepted else ""
    several = classes.accepted(element(annotation)) if element(annotation) else {}
    by_parts = f"a class for each part: {nearest(text, several)}" if several else ""
    return ", or ".join(filter(None, [plain, by_class, by_parts])) or "options of its parts"


def _unknown(option: str, experiment: Any, own: Iterable[str] = (), command: str = "") -> str:
    """Explain that an option is unknown; `own` are the options of the command itself."""
    outlines, [record] = describe.outlines_of(experiment)
    return suggestions.unknown_option(option, own, record, outlines, command)
