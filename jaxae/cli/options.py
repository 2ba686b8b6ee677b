"""Options from specs: every field of an experiment is `--dotted.name value`, with its help and its errors.

tyro parses values and writes the help, from plain dataclasses that mirror the experiment at hand (the
actual class of each part). Names are checked here first, so that a mistake is one line.
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

import annotated_types
import tyro

import jaxae
from jaxae.errors import JaxaeError, nearest
from jaxae.pytree import alternatives, fields, get, is_node, paths, replace
from jaxae.records import accepts, is_node_type, validate

T = TypeVar("T")
_RANGES = {annotated_types.Gt: "> {gt}", annotated_types.Ge: ">= {ge}", annotated_types.Lt: "< {lt}", annotated_types.Le: "<= {le}"}


def parse(command: type[T], arguments: list[str], program: str, experiment: Any = None) -> tuple[T, Any]:
    """(the command's own options, the experiment with its overrides).

    Raises: JaxaeError in one line for unknown names (with the nearest) and values that cannot be read;
    SystemExit(0) after printing help.
    """
    arguments, experiment = _choose_classes(_canonical(arguments), experiment)
    mirror = command if experiment is None else _with_experiment(command, experiment)
    _check_names(arguments, command, experiment)
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


def _choose_classes(arguments: list[str], experiment: Any) -> tuple[list[str], Any]:
    """Takes `--optimizer SGD` and its like out of the arguments and puts that class's defaults in place."""
    if experiment is None:
        return arguments, None
    rest: list[str] = []
    position = 0
    while position < len(arguments):
        name, value = arguments[position], arguments[position + 1 : position + 2]
        chosen = _class_choice(experiment, name[2:], value[0]) if name.startswith("--") and value else None
        if chosen is not None:
            experiment, position = replace(experiment, name[2:], chosen), position + 2
            continue
        experiment = _fill_parent(experiment, name[2:]) if name.startswith("--") else experiment
        rest.append(arguments[position])
        position += 1
    return rest, experiment


def _class_choice(experiment: Any, path: str, value: str) -> Any:
    """The instance that `--path ClassName` (or None) asks for; None where it asks for something else."""
    choices = _choices(experiment, path)
    if value in choices:
        return _defaults(choices[value])
    if choices and is_node(get(experiment, path)) and not value.startswith("--"):
        raise JaxaeError(f"--{path}: got {value!r}; {nearest(value, choices)}")
    return None


def _defaults(cls: Any) -> Any:
    """An instance of `cls`; nan stands for a number that has no default and must be given."""
    required = {
        field.name: math.nan
        for field in dataclasses.fields(cls)
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return cls(**required)


def _fill_parent(experiment: Any, path: str) -> Any:
    """`--early_stopping.patience 5` where there is None yet: puts the one class that fits there."""
    parent, _, _ = path.rpartition(".")
    with contextlib.suppress(JaxaeError):
        choices = [cls for name, cls in _choices(experiment, parent).items() if name != "None"] if parent else []
        if len(choices) == 1 and get(experiment, parent) is None:
            return replace(experiment, parent, _defaults(choices[0]))
    return experiment


def _choices(experiment: Any, path: str) -> dict[str, Any]:
    """Class name -> class of jaxae's public specs and nets that may stand at `path`."""
    return _classes(next((annotation for name, annotation, _ in paths(experiment) if name == path), None))


def _classes(annotation: Any) -> dict[str, Any]:
    """Name -> class of the public specs and nets that the annotation accepts."""
    if not any(is_node_type(part) for part in alternatives(annotation)):
        return {}
    public = [getattr(jaxae, name) for name in jaxae.__all__]
    nodes = [cls for cls in public if isinstance(cls, type) and dataclasses.is_dataclass(cls)]
    return {cls.__name__: cls for cls in nodes if accepts(annotation, cls)}


def _check_names(arguments: list[str], command: type, experiment: Any) -> None:
    own = [field.name for field in dataclasses.fields(command)]  # type: ignore[arg-type]
    known = {f"--{name}" for name in own} | {"--help"}
    known |= {f"--{path}" for path, _, _ in paths(experiment)} if experiment is not None else set()
    for argument in arguments:
        if argument.startswith("--") and argument not in known:
            raise JaxaeError(f"{argument}: unknown option; {_hint(argument, known, experiment)}")


def _hint(argument: str, known: set[str], experiment: Any) -> str:
    """The nearest option, and what the part it belongs to has."""
    parent, _, name = argument[2:].rpartition(".")
    with contextlib.suppress(JaxaeError):
        node = get(experiment, parent) if parent else None
        if is_node(node):
            return f"{type(node).__name__} here; {nearest(name, fields(node))}"
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
    members = []
    documentation = field_docs(type(node))
    for name, annotation in fields(node).items():
        value = getattr(node, name)
        if is_node(value):
            inner = _mirror(value, f"{path}{name}.", _classes(annotation))
            members.append((name, inner, dataclasses.field(default_factory=inner)))
            continue
        plain, text = _readable(annotation), documentation.get(name, "")
        help_text = " ".join([text, *_ranges(annotation), *_alternatives_text(annotation)]).strip()
        missing = isinstance(value, float) and math.isnan(value)
        default = dataclasses.field(default=tyro.MISSING if missing else value)
        members.append((name, Annotated[plain, tyro.conf.arg(help=help_text)], default))
    made = dataclasses.make_dataclass(type(node).__name__, members, kw_only=True)
    choice = f" Another: --{path[:-1]} {{{','.join(others)}}}" if len(list(others)) > 1 else ""
    made.__doc__ = f"{type(node).__name__}: " + (inspect.getdoc(type(node)) or "").split("\n")[0] + choice
    return made


def _readable(annotation: Any) -> Any:
    """The part of an annotation that a word on the command line can spell, without its ranges."""
    plain = [part for part in alternatives(annotation) if not is_node_type(part)]
    return typing.Union[tuple(_bare(part) for part in plain)]


def _bare(annotation: Any) -> Any:
    if typing.get_origin(annotation) is Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is tuple:
        return tuple[tuple(_bare(part) if part is not ... else ... for part in typing.get_args(annotation))]  # type: ignore[misc]
    return annotation


def _ranges(annotation: Any) -> list[str]:
    """`(> 0, < 1)` where the annotation limits the values."""
    found = [item for part in _all_parts(annotation) for item in getattr(part, "__metadata__", ())]
    texts = [_RANGES[type(item)].format(**dataclasses.asdict(item)) for item in found if type(item) in _RANGES]
    return [f"({', '.join(texts)})"] if texts else []


def _all_parts(annotation: Any) -> list[Any]:
    inner = [part for arg in typing.get_args(annotation) for part in _all_parts(arg)]
    return [annotation, *inner]


def _alternatives_text(annotation: Any) -> list[str]:
    return [f"Or one of {', '.join(_classes(annotation))}."] if _classes(annotation) else []


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Field name -> the string literal that follows it in the class's source."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):  # a class without source, made in a notebook's cell
        return {}
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            if isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
                found[field.target.id] = " ".join(text.value.value.split())
    return found


def _apply(experiment: Any, mirror: Any, prefix: str = "") -> Any:
    """The experiment with the mirror's values."""
    for field in dataclasses.fields(mirror):
        value = getattr(mirror, field.name)
        if dataclasses.is_dataclass(value):
            experiment = _apply(experiment, value, f"{prefix}{field.name}.")
        elif value != get(experiment, prefix + field.name):
            experiment = replace(experiment, prefix + field.name, value)
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
    """The first paragraph of tyro's framed message, in jaxae's words where a number was expected."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", box)
    paragraph = []
    for line in text.splitlines()[1:]:
        if "───" in line:
            break
        paragraph.append(line.strip("│ "))
    message = " ".join(paragraph) or "the options cannot be read; see --help"
    message = re.sub(r"Error parsing (\S+): invalid literal for int\(\).*: (.*)", r"\1: got \2, expected a whole number", message)
    return re.sub(r"Error parsing (\S+): could not convert string to float: (.*)", r"\1: got \2, expected a number", message)
