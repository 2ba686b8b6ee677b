"""Describe classes and experiments as `outlines`, and keep those of jaxae's own classes in the cache."""

import dataclasses
import importlib
import typing
from typing import Any

from jaxae.cli import classes, outlines, values
from jaxae.cli.outlines import Command, Field, Outline
from jaxae.cli.output import own_first
from jaxae.runs.experiment import Experiment
from jaxae.specs import public, pytree, renamed
from jaxae.specs.field_docs import docstring, field_docs
from jaxae.specs.records import class_name, is_node_type, to_record


class Outlines(dict[str, Outline]):
    """Outlines by the full name of the class, each made at its first use.

    A name is known if `add` or a field of a known class has it.
    """

    def __init__(self, own: bool = True) -> None:
        """Make an empty table; without `own`, fields do not accept classes of executed configs."""
        super().__init__()
        self.own = own
        self.classes: dict[str, Any] = {}

    def add(self, cls: type) -> str:
        """Make a class known and return its full name."""
        self.classes[class_name(cls)] = cls
        return class_name(cls)

    def __missing__(self, name: str) -> Outline:
        """Describe a class at its first use."""
        self[name] = outline = self._describe(self.classes[name])
        return outline

    def _describe(self, cls: Any) -> Outline:
        docs, held = field_docs(cls), {field.name: field for field in dataclasses.fields(cls)}
        hints = _annotations(cls)
        fields = {_option(name): self._field(hint, docs.get(name, "")) for name, hint in hints.items()}
        defaults = {_option(name): _default(held[name]) for name in hints if _has_default(held[name])}
        paragraphs = docstring(cls).split("\n\n")
        return Outline(paragraphs, fields, defaults, renamed.fields(cls))

    def _field(self, annotation: Any, text: str = "") -> Field:
        accepted = classes.accepted(annotation, own=self.own)
        element = pytree.element(annotation)
        return Field(
            kind=values.metavar(annotation),
            limits=values.ranges(annotation),
            classes={name: self.add(cls) for name, cls in accepted.items()},
            text=text,
            functions=classes.optax_protocol(annotation) is not None,
            element=self._field(element) if classes.accepted(element, own=self.own) else None,
        )


def outlines_of(*nodes: Any) -> tuple[Outlines, list[Any]]:
    """Describe specs, nets or options of a command.

    Args:
        *nodes: The instances; each may be None.

    Returns:
        The outlines of all classes in them, and the nodes as records.
    """
    table = Outlines()
    present = [node for node in nodes if node is not None]
    for node in present:
        _add_classes(table, node)
    return table, [None if node is None else _record(node) for node in nodes]


def _add_classes(table: Outlines, node: Any) -> None:
    """Make the classes of a spec and of all its parts known."""
    table.add(type(node))
    # Options of a command have no parts.
    for _, _, value in pytree.paths(node) if is_node_type(type(node)) else ():
        if pytree.is_node(value):
            table.add(type(value))


def _record(node: Any) -> dict[str, Any]:
    """Return a node as a record, whose missing values are left out."""
    given = {name: getattr(node, name) for name in _annotations(type(node))}
    present = {name: value for name, value in given.items() if not classes.is_missing(value)}
    return {"class": class_name(type(node)), **{_option(name): _value(present[name]) for name in present}}


def _value(value: Any) -> Any:
    if pytree.is_node(value):
        return _record(value)
    if pytree.is_sequence(value):
        return [_record(item) for item in value]
    # Paths of a command's options are the only values that records do not hold.
    return list(value) if isinstance(value, tuple) else value if value is None else to_record(_plain(value))


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _annotations(cls: Any) -> dict[str, Any]:
    """Return field -> annotation of a spec, a net or the options of a command."""
    if is_node_type(cls):
        return pytree.fields(cls)
    # Options are a dataclass without @spec. They may be called `name`, as is a field that linen adds to nets.
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in own_first(cls)}


def _option(name: str) -> str:
    # `from_` is the option `--from`: the field cannot have the name of a Python keyword.
    return name.rstrip("_")


def _has_default(field: Any) -> bool:
    return not field.default is field.default_factory is dataclasses.MISSING


def _default(field: Any) -> Any:
    return _value(field.default if field.default is not dataclasses.MISSING else field.default_factory())


_parsed: dict[str, tuple[type, Any]] = {}  # name of a command -> class of its options, and its spec


def note(name: str, options: type, base: Any) -> None:
    """Note a command that is parsed in this process, for `keep`.

    Args:
        name: The command.
        options: The class of its options.
        base: The spec whose fields are options too, or None.
    """
    _parsed[name] = options, base


def note_command(name: str) -> None:
    """Note a command on configs, as if it had been parsed.

    Args:
        name: The command; the class of its options has the same name, `train` and `Train`.
    """
    module = importlib.import_module(f"jaxae.cli.{name}_command")
    note(name, getattr(module, name.capitalize()), Experiment())


def keep() -> None:
    """Keep the outlines of jaxae's classes, and of the commands that were parsed, in the user's cache."""
    held = outlines.load()
    commands = held[1] if held else {}
    if not _parsed.keys() - commands.keys():
        return
    # Classes of executed configs are left out: the next process does not know them.
    table = Outlines(own=False)
    for cls in public.classes():
        if dataclasses.is_dataclass(cls):
            table.add(cls)
    for name, (options, base) in _parsed.items():
        is_experiment = isinstance(base, Experiment)
        if not is_experiment and base is not None:
            _add_classes(table, base)
        record = outlines.EXPERIMENT if is_experiment else base if base is None else _record(base)
        commands[name] = Command(table.add(options), record)
    done: set[str] = set()
    # Describing a class makes the classes known that its fields accept.
    while todo := table.classes.keys() - done:
        done |= {name for name in todo if table[name]}
    outlines.save({**(held[0] if held else {}), **table}, commands)
