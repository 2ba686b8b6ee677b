"""Write docs/capabilities.md from the docstrings of the protocols: `python docs/capabilities.py`."""

import inspect
import re
from pathlib import Path
from typing import Any

from typing_extensions import get_protocol_members, is_protocol

from jaxae.protocols import capabilities, dataset, measures, parts

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Capabilities: add this method, get that

<!-- Written by `python docs/capabilities.py` from the docstrings in jaxae/protocols. -->

jaxae asks a model for three methods: `init`, `terms` and `weights`. Everything else is a capability. A model
that has the methods and attributes of a row below gets what stands in its last column. Nothing is inherited
and nothing is registered: a class decorated by `@jaxae.spec` fulfils a protocol by its members, and
`isinstance(model, jaxae.protocols.Tokenizer)` says whether it does. Before a run starts, each method is tried
on shapes. A method of the right name with a wrong signature or result is one line that names the class, the
method and your file.

All protocols are in `jaxae.protocols`. Their docstrings give shapes and units. For each of them
tests/outside/members.py and tests/outside/parts.py have a class as a user writes it.
"""
PARTS = """
## Parts

A part is a spec that stands in a field of a model or a run, such as `VAE(likelihood=...)`. A class of your
own stands there too if it fulfils the protocol: in a config, on the command line, in a record. Inherit from
the protocol to get the defaults of the methods in *italics*.
"""
DATA = """
## Data

`fitted(dataset)` of a `DataDependent` model or part gets a `TrainingData` and may read these members.
"""
MEASURES = """
## Measures

A measure of your own is given to `jaxae.measure` or named in `jaxae evaluate --measures`, see
[your own measure](howto/own_measure.md). It is any object with these members, or a function of a subject.
"""


def page() -> str:
    """Return the text of docs/capabilities.md."""
    needed = [cls for cls in _protocols(parts) if _gives(cls) is None]
    offered = [cls for cls in _protocols(parts) if _gives(cls) is not None]
    return "\n".join(
        [
            HEAD,
            "## Models",
            "",
            _table(_protocols(capabilities), ("Protocol", "Add", "Get")),
            PARTS,
            _table(needed, ("Protocol", "Methods", "What it is")),
            "",
            "A part gets more by these:",
            "",
            _table(offered, ("Protocol", "Add", "Get")),
            DATA,
            _table(_protocols(dataset), ("Protocol", "Members", "What it is")),
            MEASURES,
            _table(_protocols(measures), ("Protocol", "Add", "Get")),
            "",
        ]
    )


def _protocols(module: Any) -> list[type]:
    """Return the protocols that a module defines, in the order of its text."""
    values = [value for value in vars(module).values() if isinstance(value, type) and is_protocol(value)]
    return [value for value in values if value.__module__ == module.__name__]


def _table(protocols: list[type], heads: tuple[str, str, str]) -> str:
    rows = [(f"`{cls.__name__}`: {_first(cls)}", _members(cls), _gives(cls) or "") for cls in protocols]
    if not any(gives for _, _, gives in rows):
        rows = [(f"`{cls.__name__}`", _members(cls), _first(cls)) for cls in protocols]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(heads) + " |", "|---|---|---|", *lines])


def _first(cls: type) -> str:
    """Return the first paragraph of a docstring."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())


def _gives(cls: type) -> str | None:
    """Return what stands after "Gives:" in a docstring."""
    found = re.search(
        r"^Gives: (.*?)(?:\n\n|\Z)", inspect.cleandoc(cls.__doc__ or ""), re.MULTILINE | re.DOTALL
    )
    return " ".join(found[1].split()) if found else None


def _members(cls: type) -> str:
    """Return what a class adds to the protocols that it extends: `encode(variables, batch)`, `num_codes`."""
    extended = [base for base in cls.__bases__ if is_protocol(base)]
    members = get_protocol_members(cls)
    own = [_member(cls, name) for name in list(vars(cls)) if name in members]
    return ", ".join([*(f"all of `{base.__name__}`" for base in extended), *own])


def _member(cls: type, name: str) -> str:
    value = vars(cls)[name]
    if not inspect.isfunction(value):
        return f"`{name}`"
    parameters = [parameter for parameter in inspect.signature(value).parameters if parameter != "self"]
    text = f"`{name}({', '.join(parameters)})`"
    return f"*{text}*" if _has_default(value) else text


def _has_default(function: Any) -> bool:
    """Return whether a protocol's method does something: it has code besides its docstring."""
    return function.__code__.co_code != _nothing.__code__.co_code


def _nothing() -> None:
    """Do nothing, as a method of a protocol without a default."""


if __name__ == "__main__":
    PAGE.write_text(page())
