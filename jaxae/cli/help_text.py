"""Print the help of a command: every option with its type, range, text and default, grouped by part.

The text of an option is the string literal under its field in the source, so the two cannot disagree. A group
looks like this:

    model: VAE
      Variational autoencoder.
      --model.latent_dim INT (> 0)
            Dimension of the latent space. (default: 10)

The help is printed from outlines, so that it needs neither jax nor the classes themselves.
"""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from jaxae.cli.outlines import Field, Outline, is_node, is_sequence, last_name, parts, values
from jaxae.specs.field_docs import field_docs as field_docs

WIDEST = 110  # longer lines are hard to read
STYLES = {r"(?m)^\S.*$": "bold", r"(?m)^  --\S+": "cyan"}  # headings, and the names of options


def print_help(program: str, command: dict[str, Any], base: Any, outlines: Mapping[str, Outline]) -> None:
    """Print the help of a command.

    Args:
        program: The words before the options, `jaxae train CONFIG`.
        command: The options of the command as a record; its values are the defaults.
        base: Record of a spec whose fields are options as well, with the defaults as values; or None.
        outlines: Full name of a class -> its outline.
    """
    console = Console()
    width = min(console.width, WIDEST)
    about = [_wrap(paragraph, width, 0) for paragraph in outlines[command["class"]].paragraphs]
    groups = _groups(command, base, outlines, width)
    text = Text("\n".join(line for group in groups for line in group))
    for pattern, style in STYLES.items():
        text.highlight_regex(pattern, style)
    with console.capture() as captured:
        console.print(text, soft_wrap=True)
    # Printed by print and not by the console: at a closed pipe rich exits by itself, without our message.
    print("\n\n".join([f"usage: {program} [-h] [OPTIONS]", *about]), captured.get(), sep="\n", end="")


def _groups(
    command: dict[str, Any], base: Any, outlines: Mapping[str, Outline], width: int
) -> Iterator[list[str]]:
    """Yield the lines of each group: options of the command and the experiment, then those of each part."""
    yield ["", "options"]
    yield from _field_options(command, "", outlines, width)
    if base is None:
        return
    # First the fields of the experiment itself (batch_size, epochs), then its parts at every depth.
    yield from _field_options(base, "", outlines, width)
    for path, field, value in parts(base, outlines):
        if is_node(value):
            about = outlines[value["class"]].paragraphs
            first = _wrap(about[0], width, 2)
            yield ["", f"{path}: {last_name(value['class'])}", *([first] if first else [])]
            # A part that has one possible class and cannot be None leaves nothing to choose: no option.
            if len(field.classes) > 1 or field.kind:
                yield _option(path, field._replace(text=""), width)
            yield from _field_options(value, f"{path}.", outlines, width)


def _field_options(
    record: dict[str, Any], prefix: str, outlines: Mapping[str, Outline], width: int
) -> Iterator[list[str]]:
    """Yield the lines of each field that is not a part or a tuple of parts; parts have separate groups."""
    given = values(record, outlines)
    for name, field in outlines[record["class"]].fields.items():
        default = _default(given[name]) if name in given else "(required)"
        if not is_node(given.get(name)) and not is_sequence(given.get(name)):
            yield _option(prefix + name, field, width, default)


def _option(name: str, field: Field, width: int, default: str = "") -> list[str]:
    """Return `--name FLOAT|CLASS (>= 0)` and the text below it."""
    class_names = ", ".join(field.classes)
    kinds = "|".join(filter(None, [field.kind, "CLASS" if class_names else ""]))
    head = " ".join(filter(None, [f"  --{name}", kinds, field.limits]))
    also = ", or optax.NAME, a function of optax" if field.functions else ""
    choices = f"CLASS is one of {class_names}{also}." if class_names else ""
    return [head, _wrap(" ".join(filter(None, [field.text, choices, default])), width, 8)]


def _default(value: Any) -> str:
    """Return `(default: 0.5)`, spelled as a user would type it."""
    # A tuple is typed as words without brackets or commas: `--model.encoder.widths 64 32`.
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"(default: {text or 'no value'})"


def _wrap(text: str, width: int, indent: int) -> str:
    """Wrap a text to lines of at most `width` characters without breaking words."""
    # Hyphens do not break a line: `--num-samples` must stay whole to be copied.
    wrapper = textwrap.TextWrapper(width - indent, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent(wrapper.fill(" ".join(text.split())), " " * indent)
