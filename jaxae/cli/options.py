"""Options from specs: every field of an experiment is `--dotted.name value`, with its help and its errors.

tyro reads values and writes the help, from plain dataclasses that mirror the experiment at hand (the
actual class of each part). Names and values are checked here first, so that a mistake is one line:
what tyro prints depends on the terminal.
"""

import ast
import contextlib
import dataclasses
import functools
import inspect
import io
import math
import re
import textwrap
import typing
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

import tyro

from jaxae.cli import words
from jaxae.errors import JaxaeError, nearest
from jaxae.specs import public
from jaxae.specs.pytree import (
    alternatives,
    element,
    fields,
    get,
    is_node,
    is_sequence,
    paths,
    replace,
    required,
)
from jaxae.specs.records import accepts, is_node_type, validate

T = TypeVar("T")


def parse(command: type[T], arguments: list[str], program: str, experiment: Any = None) -> tuple[T, Any]:
    """(the command's own options, the experiment with its overrides).

    Raises: JaxaeError in one line for unknown names (with the nearest) and values that cannot be read;
    SystemExit(0) after printing help.
    """
    arguments = _flags(_merged(_canonical(arguments), command), command)
    arguments, experiment = _choose_classes(arguments, experiment)
    mirror = command if experiment is None else _with_experiment(command, experiment)
    if not {"-h", "--help"} & set(arguments):
        _check(words.options(arguments), _known(command, experiment), experiment)
    parsed = _tyro(mirror, arguments, program)
    if experiment is not None:
        experiment = validate(_apply(experiment, parsed.experiment))  # tyro reads types, not ranges
    return parsed, experiment


def _canonical(arguments: list[str]) -> list[str]:
    """`--batch-size=3` -> `--batch_size`, `3`."""
    result = []
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2:
            name, equals, value = argument.partition("=")
            result += ["--" + name[2:].replace("-", "_"), *([value] if equals else [])]
        else:
            result.append(argument)
    return result


def _merged(arguments: list[str], command: type) -> list[str]:
    """`--over a --over b` -> `--over a b`, for the command's own options that take texts without end."""
    hints = typing.get_type_hints(command)
    given = words.options(arguments)
    lists = [f"--{name}" for name, hint in hints.items() if hint == tuple[str, ...]]
    joined = {name: [word for other, value in given if other == name for word in value] for name in lists}
    rest = [word for name, value in given if name not in lists for word in ([name] if name else []) + value]
    there = {name for name, _ in given}
    return rest + [word for name in lists if name in there for word in [name, *joined[name]]]


def _flags(arguments: list[str], command: type) -> list[str]:
    """`--dry_run` -> `--dry_run True`, for the command's own options that are true or false."""
    flags = [f"--{name}" for name, hint in typing.get_type_hints(command).items() if hint is bool]
    given = words.options(arguments)
    filled = [(name, ["True"] if name in flags and not value else value) for name, value in given]
    return [word for name, value in filled for word in ([name] if name else []) + value]


def _choose_classes(arguments: list[str], experiment: Any) -> tuple[list[str], Any]:
    """Takes `--optimizer SGD` and its like out of the arguments and puts that class's defaults in place."""
    if experiment is None:
        return arguments, None
    rest: list[str] = []
    position = 0
    while position < len(arguments):
        name, value = arguments[position], arguments[position + 1 : position + 2]
        chosen = _with_choice(experiment, name[2:], value[0]) if name.startswith("--") and value else None
        if chosen is not None:
            experiment, position = chosen, position + 2
            continue
        experiment = _fill_parent(experiment, name[2:]) if name.startswith("--") else experiment
        rest.append(arguments[position])
        position += 1
    return rest, experiment


def _with_choice(experiment: Any, path: str, value: str) -> Any:
    """The experiment with what `--path Class` asks for, or `--path 0.5` in a class's place; else None."""
    annotation = _annotation(experiment, path)
    choices = _classes(annotation)
    if value in choices:
        return replace(experiment, path, _defaults(choices[value]))
    if not choices or not is_node(get(experiment, path)) or value.startswith("--"):
        return None
    if not words.spell([value], annotation):
        raise JaxaeError(f"--{path}: {_misread([value], annotation)}")
    number = None if value == "None" else float(value)  # the only values that a class may stand for
    return replace(experiment, path, number)


def _defaults(cls: Any) -> Any:
    """An instance of `cls`; nan stands for a number that has no default and must be given."""
    return cls(**dict.fromkeys(required(cls), math.nan))


def _fill_parent(experiment: Any, path: str) -> Any:
    """`--early_stopping.patience 5` where there is None yet: puts the one class that fits there."""
    parent, _, _ = path.rpartition(".")
    with contextlib.suppress(JaxaeError):
        choices = list(_classes(_annotation(experiment, parent)).values())
        if len(choices) == 1 and get(experiment, parent) is None:
            return replace(experiment, parent, _defaults(choices[0]))
    return experiment


def _annotation(experiment: Any, path: str) -> Any:
    """The annotation of the field at `path`, None where there is no such field."""
    return next((annotation for name, annotation, _ in paths(experiment) if name == path), None)


def _classes(annotation: Any) -> dict[str, Any]:
    """Name -> class of the public specs and nets that the annotation accepts."""
    if not any(is_node_type(part) for part in alternatives(annotation)):
        return {}
    values = [public.get(name) for name in public.NAMES]
    nodes = [cls for cls in values if isinstance(cls, type) and dataclasses.is_dataclass(cls)]
    return {cls.__name__: cls for cls in nodes if accepts(annotation, cls)}


def _known(command: type, experiment: Any) -> dict[str, Any]:
    """`--name` -> annotation of each option."""
    own = typing.get_type_hints(command, include_extras=True)
    ours = {path: annotation for path, annotation, _ in paths(experiment)} if experiment is not None else {}
    return {f"--{name}": annotation for name, annotation in (own | ours).items()}


def _check(given: list[tuple[str, list[str]]], known: dict[str, Any], experiment: Any) -> None:
    """Raises JaxaeError for a name that is unknown or given twice, and a value that cannot be read."""
    seen: dict[str, list[str]] = {}
    for name, value in given:
        if not name:
            raise JaxaeError(f"{value[0]}: is no option; options begin with --, see --help")
        if name not in known:
            raise JaxaeError(f"{name}: unknown option; {_hint(name, set(known) | {'--help'}, experiment)}")
        if name in seen:
            raise JaxaeError(f"{name}: given twice ({' '.join(seen[name])} and {' '.join(value)})")
        seen[name] = value
        if not words.spell(value, known[name]):
            raise JaxaeError(f"{name.rstrip('_')}: {_misread(value, known[name])}")
    for path, annotation, value in paths(experiment) if experiment is not None else ():
        if isinstance(value, float) and math.isnan(value) and f"--{path}" not in seen:
            raise JaxaeError(f"--{path}: is missing, expected {' or '.join(words.expected(annotation))}")


def _misread(value: list[str], annotation: Any) -> str:
    """`got 'Liner', expected a number (>= 0), or a class: did you mean 'Linear'? valid: Constant, ...`."""
    classes, text = _classes(annotation), " ".join(value)
    plain = [" or ".join(words.expected(annotation))] if words.expected(annotation) else []
    named = [f"a class: {nearest(text, classes)}"] if classes else []
    got = f"got {text!r}" if value else "a value is missing"
    return f"{got}, expected {', or '.join(plain + named)}"


def _hint(argument: str, known: set[str], experiment: Any) -> str:
    """The nearest option, and what the part it belongs to has."""
    parent, _, name = argument[2:].rpartition(".")
    with contextlib.suppress(JaxaeError):
        node = get(experiment, parent) if parent else None
        if is_node(node):
            here = type(node).__name__
            return (
                f"{here} here; {nearest(name, fields(node))}"
                if fields(node)
                else f"{here} here, which has no options"
            )
    close = nearest(argument, known).partition("? ")
    return f"{close[0]}?" if close[1] else "see --help"


def _with_experiment(command: type, experiment: Any) -> Any:
    """The command's dataclass with the experiment's fields beside its own."""
    mirror = _mirror(experiment)
    field = dataclasses.field(default_factory=mirror)
    made = dataclasses.make_dataclass(
        command.__name__,
        [("experiment", Annotated[mirror, tyro.conf.arg(name="")], field)],
        bases=(command,),
        kw_only=True,
    )
    made.__doc__ = command.__doc__
    return made


def _mirror(node: Any, path: str = "", others: Iterable[str] = ()) -> type:
    """A plain dataclass for tyro with the values of `node` as defaults, its parts mirrored in turn.

    `others`: the classes that could stand at `path` as well, for the help.
    """
    members: list[Any] = []
    documentation = field_docs(type(node))  # type: ignore[arg-type]
    for name, annotation in fields(node).items():
        value = getattr(node, name)
        if is_node(value) or is_sequence(value):
            make = _mirror if is_node(value) else _mirror_sequence
            inner = make(value, f"{path}{name}.", _classes(element(annotation) or annotation))
            members.append((name, inner, dataclasses.field(default_factory=inner)))
            continue
        plain, text = _readable(annotation), documentation.get(name, "")
        help_text = " ".join([text, words.ranges(annotation), *_alternatives_text(annotation)]).strip()
        missing = isinstance(value, float) and math.isnan(value)
        default = dataclasses.field(default=tyro.MISSING if missing else value)
        members.append((name, Annotated[plain, tyro.conf.arg(help=help_text)], default))
    made = dataclasses.make_dataclass(type(node).__name__, members, kw_only=True)
    choice = f" Another: --{path[:-1]} {{{','.join(others)}}}" if len(list(others)) > 1 else ""
    made.__doc__ = f"{type(node).__name__}: " + (inspect.getdoc(type(node)) or "").split("\n")[0] + choice
    return made


def _mirror_sequence(nodes: tuple[Any, ...], path: str, others: Iterable[str]) -> type:
    """The same of a tuple of nodes, named by their numbers; a name in Python cannot begin with one."""
    members: list[Any] = []
    for number, node in enumerate(nodes):
        inner: Any = _mirror(node, f"{path}{number}.", others)
        named = Annotated[inner, tyro.conf.arg(name=str(number))]
        members.append((f"_{number}", named, dataclasses.field(default_factory=inner)))
    return dataclasses.make_dataclass("Sequence", members, kw_only=True)


def _readable(annotation: Any) -> Any:
    """The part of an annotation that a word on the command line can spell, without its ranges."""
    plain = [part for part in alternatives(annotation) if not is_node_type(part)]
    return typing.Union[tuple(words.bare(part) for part in plain)]  # noqa: UP007 (made from a list)


def _alternatives_text(annotation: Any) -> list[str]:
    return [f"Or one of {', '.join(_classes(annotation))}."] if _classes(annotation) else []


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Field name -> the string literal that follows it in the source of the class, or of its bases."""
    inherited = [field_docs(base) for base in reversed(cls.__bases__) if dataclasses.is_dataclass(base)]
    return {name: text for docs in [*inherited, _own_docs(cls)] for name, text in docs.items()}


def _own_docs(cls: type) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):  # a class without source, made in a notebook's cell
        return {}
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(told))):
                found[name] = " ".join(told.split())
    return found


def _apply(experiment: Any, mirror: Any, prefix: str = "") -> Any:
    """The experiment with the mirror's values."""
    for field in dataclasses.fields(mirror):
        value = getattr(mirror, field.name)
        numbered = field.name.startswith("_") and field.name[1:].isdigit()
        name = prefix + field.name[numbered:]
        if dataclasses.is_dataclass(value):
            experiment = _apply(experiment, value, f"{name}.")
        elif value != get(experiment, name):
            experiment = replace(experiment, name, value)
    return experiment


def _tyro(mirror: Any, arguments: list[str], program: str) -> Any:
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            config = (tyro.conf.FlagConversionOff,)
            return tyro.cli(mirror, args=arguments, prog=program, config=config, use_underscores=True)
    except SystemExit as stop:
        if stop.code == 0:
            raise
        raise JaxaeError(_one_line(errors.getvalue())) from None


def _one_line(box: str) -> str:
    """What tyro says in its frame, in one line."""
    text = re.sub(r"\x1b\[[0-9;]*m|[\u2500-\u257f]|-{5,}", " ", box)
    return " ".join(text.split()) or "the options cannot be read; see --help"
