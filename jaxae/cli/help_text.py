"""Print the help of a command: every option with its type, range, text and default, grouped by part.

The text of an option is the string literal under its field in the source, so the two cannot disagree. A group
looks like this:

    model: VAE
      Variational autoencoder.
      --model.latent_dim INT (> 0)
            Dimension of the latent space. (default: 10)
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

WIDEST = 110  # longer lines are hard to read
STYLES = {r"(?m)^\S.*$": "bold", r"(?m)^  --\S+": "cyan"}  # headings, and the names of options


def print_help(program: str, command: Any, experiment: Any) -> None:
    """Print the help of a command.

    Args:
        program: The words before the options, `jaxae train CONFIG`.
        command: An instance of the dataclass of the command's options; its values are the defaults.
        experiment: A spec whose fields are options as well, with the defaults as values; may be None.
    """
    console = Console()
    width = min(console.width, WIDEST)
    about = [_wrap(paragraph, width, 0) for paragraph in _paragraphs(type(command))]
    text = Text("\n".join(line for group in _groups(command, experiment, width) for line in group))
    for pattern, style in STYLES.items():
        text.highlight_regex(pattern, style)
    with console.capture() as captured:
        console.print(text, soft_wrap=True)
    # Printed by print and not by the console: at a closed pipe rich exits by itself, without our message.
    print("\n\n".join([f"usage: {program} [-h] [OPTIONS]", *about]), captured.get(), sep="\n", end="")


def _groups(command: Any, experiment: Any, width: int) -> Iterator[list[str]]:
    """Yield the lines of each group: options of the command and the experiment, then those of each part."""
    cls: Any = type(command)
    hints, docs = typing.get_type_hints(cls, include_extras=True), field_docs(cls)
    yield ["", "options"]
    for field in own_first(cls):
        value, text = getattr(command, field.name), docs.get(field.name, "")
        yield _option(field.name.rstrip("_"), hints[field.name], text, width, _default(value))
    if experiment is None:
        return
    # First the fields of the experiment itself (batch_size, epochs), then its parts at every depth.
    yield from _field_options(experiment, "", width)
    for path, annotation, value in paths(experiment):
        if is_node(value):
            first = _wrap((_paragraphs(type(value)) or [""])[0], width, 2)
            yield ["", f"{path}: {type(value).__name__}", *([first] if first else [])]
            # A part that has one possible class and cannot be None leaves nothing to choose: no option.
            if len(classes.accepted(annotation)) > 1 or values.metavar(annotation):
                yield _option(path, annotation, "", width)
            yield from _field_options(value, f"{path}.", width)


def own_first(cls: type) -> list[dataclasses.Field]:
    """Return the fields of a command's options: those of the class itself, then those that commands share."""
    own = inspect.get_annotations(cls)
    return sorted(dataclasses.fields(cls), key=lambda field: field.name not in own)


def _field_options(node: Any, prefix: str, width: int) -> Iterator[list[str]]:
    """Yield the lines of each field that is not a part or a tuple of parts; parts have separate groups."""
    docs = field_docs(type(node))  # type: ignore[arg-type]
    for name, annotation in fields(node).items():
        value = getattr(node, name)
        if not is_node(value) and not is_sequence(value):
            yield _option(prefix + name, annotation, docs.get(name, ""), width, _default(value))


def _option(name: str, annotation: Any, text: str, width: int, default: str = "") -> list[str]:
    """Return `--name FLOAT|CLASS (>= 0)` and the text below it."""
    class_names = ", ".join(classes.accepted(annotation))
    kinds = "|".join(filter(None, [values.metavar(annotation), "CLASS" if class_names else ""]))
    head = " ".join(filter(None, [f"  --{name}", kinds, values.ranges(annotation)]))
    choices = f"CLASS is one of {class_names}." if class_names else ""
    return [head, _wrap(" ".join(filter(None, [text, choices, default])), width, 8)]


def _default(value: Any) -> str:
    """Return `(default: 0.5)`, spelled as a user would type it."""
    if classes.is_missing(value):
        return "(required)"
    # A tuple is typed as words without brackets or commas: `--model.encoder.widths 64 32`.
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"(default: {text or 'no value'})"


def _paragraphs(cls: type) -> list[str]:
    """Split the docstring of a class into paragraphs."""
    return (inspect.getdoc(cls) or "").split("\n\n")


def _wrap(text: str, width: int, indent: int) -> str:
    """Wrap a text to lines of at most `width` characters without breaking words."""
    # Hyphens do not break a line: `--num-samples` must stay whole to be copied.
    wrapper = textwrap.TextWrapper(width - indent, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent(wrapper.fill(" ".join(text.split())), " " * indent)


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Return the text under each field of a class or its bases, by field name."""
    # Base classes first: a text under a field of the class itself replaces the inherited one.
    inherited = [field_docs(base) for base in reversed(cls.__bases__) if dataclasses.is_dataclass(base)]
    return {name: text for docs in [*inherited, _own_docs(cls)] for name, text in docs.items()}


def _own_docs(cls: type) -> dict[str, str]:
    """Return the text under each field in the source of one class."""
    # Python keeps no docstring of a field, so read the source.
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):
        # A class that was defined in a cell of a notebook or by exec has no source.
        return {}
    assert isinstance(body, ast.ClassDef)
    docs = {}
    # A text belongs to the field directly above it.
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(literal))):
                docs[name] = " ".join(literal.split())
    return docs
