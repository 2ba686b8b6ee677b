"""The help of a command: every option with its type, range, text and default, in a group for each part.

The text of an option is the string literal under its field in the source: there is no second one to keep.
"""

import ast
import dataclasses
import functools
import inspect
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from jaxae.cli import classes, values
from jaxae.specs.pytree import fields, is_node, is_sequence, paths

WIDEST = 110
STYLES = {r"(?m)^\S.*$": "bold", r"(?m)^  --\S+": "cyan"}  # headings, and the names of options


def print_help(program: str, command: Any, experiment: Any) -> None:
    """Print the help of a command.

    Args:
        program: What is typed before the options, `jaxae train CONFIG`.
        command: A dataclass of the command's own options; its values are the defaults.
        experiment: A spec whose fields are options as well, or None; its values are the defaults.
    """
    console = Console()
    width = min(console.width, WIDEST)
    about = [_wrapped(paragraph, width, 0) for paragraph in _paragraphs(type(command))]
    text = Text("\n".join(line for group in _groups(command, experiment, width) for line in group))
    for pattern, style in STYLES.items():
        text.highlight_regex(pattern, style)
    with console.capture() as captured:
        console.print(text, soft_wrap=True)
    # Not printed by the console, which ends the process in its own way at a pipe that is closed.
    print("\n\n".join([f"usage: {program} [-h] [OPTIONS]", *about]), captured.get(), sep="\n", end="")


def _groups(command: Any, experiment: Any, width: int) -> Iterator[list[str]]:
    """The lines of each group: the command's options and plain ones of the experiment, then each part."""
    cls: Any = type(command)
    hints, docs = typing.get_type_hints(cls, include_extras=True), field_docs(cls)
    yield ["", "options"]
    for field in dataclasses.fields(command):
        value, text = getattr(command, field.name), docs.get(field.name, "")
        yield _option(field.name.rstrip("_"), hints[field.name], text, width, _default(value))
    if experiment is None:
        return
    yield from _plain_options(experiment, "", width)
    for path, annotation, value in paths(experiment):
        if is_node(value):
            first = _wrapped((_paragraphs(type(value)) or [""])[0], width, 2)
            yield ["", f"{path}: {type(value).__name__}", *([first] if first else [])]
            if len(classes.accepted(annotation)) > 1 or values.metavar(annotation):
                yield _option(path, annotation, "", width)
            yield from _plain_options(value, f"{path}.", width)


def _plain_options(node: Any, prefix: str, width: int) -> Iterator[list[str]]:
    """The lines of each field whose value is no part, or tuple of parts, with fields of its own."""
    docs = field_docs(type(node))  # type: ignore[arg-type]
    for name, annotation in fields(node).items():
        value = getattr(node, name)
        if not is_node(value) and not is_sequence(value):
            yield _option(prefix + name, annotation, docs.get(name, ""), width, _default(value))


def _option(name: str, annotation: Any, text: str, width: int, default: str = "") -> list[str]:
    """`--name FLOAT|CLASS (>= 0)`, and the text below it."""
    named = ", ".join(classes.accepted(annotation))
    kinds = "|".join(filter(None, [values.metavar(annotation), "CLASS" if named else ""]))
    head = " ".join(filter(None, [f"  --{name}", kinds, values.ranges(annotation)]))
    of_classes = f"CLASS is one of {named}." if named else ""
    return [head, _wrapped(" ".join(filter(None, [text, of_classes, default])), width, 8)]


def _default(value: Any) -> str:
    """`(default: 0.5)`, as it is typed."""
    if classes.is_missing(value):
        return "(required)"
    spelled = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"(default: {spelled or 'no value'})"


def _paragraphs(cls: type) -> list[str]:
    return (inspect.getdoc(cls) or "").split("\n\n")


def _wrapped(text: str, width: int, indent: int) -> str:
    """The text in lines of at most `width` characters; words, such as options, stay whole."""
    wrapper = textwrap.TextWrapper(width - indent, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent(wrapper.fill(" ".join(text.split())), " " * indent)


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
    docs = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(literal))):
                docs[name] = " ".join(literal.split())
    return docs
