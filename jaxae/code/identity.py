"""The code that the classes of an experiment consist of, as a digest that follows what the code says.

A definition is followed from the class through base classes, decorators, functions and constants of the
same file, and through what is imported from a user's own files. A digest changes when one of these changes. It
does not change with comments, docstrings, blank lines, the names of files, or what the classes do not reach.
"""

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxae.code.definitions import Import, Statement
from jaxae.code.sources import MAIN, MAIN_CLASSES, Source, find, is_installed, of_namespace
from jaxae.pytree import is_node, paths
from jaxae.records import class_name

FORMAT = "code 1"  # of digests
Classes = tuple[type, ...]


@dataclass(frozen=True)
class Code:
    """The code of a user's own classes in an experiment."""

    digest: str | None
    """SHA-256; None where the source of no class is available."""
    classes: dict[str, str]
    """Name in records -> the kept file that defines it."""
    definitions: dict[str, dict[str, str]]
    """Kept file -> name -> digest of what it defines there, without what that refers to."""
    texts: dict[str, str]
    """Kept file -> its text: of every file of the user's that is reached."""
    entry: str | None
    """The kept file that, executed, defines all classes."""
    shown: dict[str, str]
    """Kept file -> the file as a message names it."""
    unknown: list[str]
    """The classes whose source is not available."""
    of_class: dict[type, str]
    """Class -> the digest of its own code."""

    @property
    def short(self) -> str | None:
        """The first 12 digits of the digest."""
        return self.digest and self.digest[:12]

    def record(self) -> dict[str, Any]:
        """What a record keeps, as JSON's types."""
        names = "digest", "classes", "definitions", "entry", "unknown"
        return {**{name: getattr(self, name) for name in names}, "files": sorted(self.texts)}


def describe(experiment: Any) -> Code | None:
    """Return the code of the user's own classes in an experiment; None if all its classes are installed."""
    return describe_classes(classes_of(experiment))


def classes_of(experiment: Any) -> Classes:
    """Return the classes of an experiment's nodes, each once."""
    nodes = [experiment, *(value for _, _, value in paths(experiment) if is_node(value))]
    return tuple(dict.fromkeys(map(type, nodes)))


def describe_classes(classes: Iterable[type]) -> Code | None:
    """Return the code of those of the classes that are a user's own; None if there are none."""
    walks: dict[str, _Walk] = {}
    files: dict[str, str] = {}
    unknown: list[str] = []
    of_class: dict[type, str] = {}
    for cls in classes:
        walk = _Walk()
        sources = [source for each in cls.__mro__ if (source := walk.add_class(each)) is not None]
        if walk.forms:
            walks[class_name(cls)] = walk
            of_class[cls] = walk.digest
            files[class_name(cls)] = sources[0].label if sources else next(iter(walk.sources.values())).label
        if walk.unknown:
            unknown.append(class_name(cls))
    if not walks and not unknown:
        return None
    pairs = sorted([name.rpartition(".")[2], walk.digest] for name, walk in walks.items())
    merged = _Walk()
    for walk in walks.values():
        merged.merge(walk)
    texts = _texts(merged)
    digest = _sha([FORMAT, pairs]) if walks else None
    entry = _entry(files, merged, texts)
    shown = {source.label: source.shown for source in _reached(merged).values()}
    return Code(digest, files, merged.definitions, texts, entry, shown, unknown, of_class)


class _Walk:
    """The definitions that are reached from one class."""

    def __init__(self) -> None:
        self.forms: list[Any] = []
        self.sources: dict[str, Source] = {}
        self.definitions: dict[str, dict[str, str]] = {}
        self.used: dict[tuple[str, tuple[int, int]], Statement] = {}  # by module and place
        self.unknown = False
        self._numbers: dict[tuple[str, str], int] = {}

    @property
    def digest(self) -> str:
        return _sha(self.forms)

    def merge(self, other: "_Walk") -> None:
        """Takes over what the other has reached."""
        self.sources |= other.sources
        self.used |= other.used
        for label, names in other.definitions.items():
            self.definitions.setdefault(label, {}).update(names)

    def add_class(self, cls: type) -> Source | None:
        """Follow a class; returns its source if it is a user's own and available."""
        for function in _functions(cls):  # those put into the class by another module
            if function.__module__ != cls.__module__ and not is_installed(function.__module__):
                source = of_namespace(function.__globals__)
                if source is not None:
                    self._visit(source, function.__qualname__.partition(".")[0])
        if is_installed(cls.__module__):
            return None
        source = _source_of(cls)
        if source is None:
            self.unknown = True
            return None
        self.forms.append(
            ["class", [self._visit(source, name) for name in _roots(cls, source)], _bound_to(cls)]
        )
        return source

    def _visit(self, source: Source, name: str) -> Any:
        """The number of a definition, the dotted name of what is imported from elsewhere, or None."""
        key = source.name, name
        if key in self._numbers:
            return self._numbers[key]
        table = source.table
        statements = table.bound.get(name, [])
        if not statements and name in table.imports:
            return self._imported(source, *table.imports[name], [()])
        if not statements:
            return self._starred(source, name)
        number = self._numbers[key] = len(self._numbers)
        self.sources[source.name] = source
        value = _plain(source.namespace.get(name)) if table.is_computed(name) else None
        parts: list[Any] = []
        self.forms.append([parts, value])
        if name in table.imports:
            parts.append(["import", [[name, self._imported(source, *table.imports[name], [()])]]])
        for statement in statements:
            self.used[source.name, statement.order] = statement
            parts.append([statement.form, self._references(source, statement)])
        # Numbers of definitions are left out: what has changed is named where it was changed.
        own = [[form, [each for each in found if isinstance(each[1], str)]] for form, found in parts]
        self.definitions.setdefault(source.label, {})[name] = _sha([own, value])[:12]
        return number

    def _references(self, source: Source, statement: Statement) -> list[Any]:
        """[name, what it refers to] of the global names that a statement reads, and of its own imports."""
        table, found = source.table, []
        for name in statement.reads:
            if name in table.imports and name not in table.bound:
                reference = self._imported(source, *table.imports[name], statement.chains(name))
            else:
                reference = self._visit(source, name)
            if reference is not None:
                found.append([name, reference])
        for inner in statement.imports:
            found.append([inner.dotted, self._followed(source, inner, [()])])
        return found

    def _imported(
        self, source: Source, found: Import, statement: Statement, chains: Sequence[tuple[str, ...]]
    ) -> Any:
        self.used[source.name, statement.order] = statement
        self.sources.setdefault(source.name, source)
        return self._followed(source, found, chains)

    def _followed(self, source: Source, found: Import, chains: Sequence[tuple[str, ...]]) -> Any:
        """What an import refers to: definitions of a user's own module, else its dotted name."""
        module = source.absolute(found.module)
        if found.name is None:
            return self._module(source, module, chains)
        if (inner := find(f"{module}.{found.name}", source)) is not None:
            return self._module(source, inner.name, chains)
        other = find(module, source)
        if other is None:
            return found.dotted
        if found.name == "*":
            return self._whole(other)
        reference = self._visit(other, found.name)
        return self._whole(other) if reference is None else reference

    def _module(self, source: Source, module: str, chains: Sequence[tuple[str, ...]]) -> Any:
        """The parts of a module that are read, by the attributes read from its name."""
        found = [[list(chain), self._attribute(source, module, chain)] for chain in chains]
        is_own = any(not isinstance(reference, str) for _, reference in found)
        return found if is_own else module

    def _attribute(self, source: Source, module: str, chain: Sequence[str]) -> Any:
        for number, name in enumerate(chain):
            if (inner := find(f"{module}.{name}", source)) is not None or _is_package(module, name):
                module = inner.name if inner is not None else f"{module}.{name}"
                continue
            own = find(module, source)
            if own is None:
                return ".".join([module, *chain[number:]])
            reference = self._visit(own, name)
            return self._whole(own) if reference is None else reference
        own = find(module, source)
        return module if own is None else self._whole(own)

    def _whole(self, source: Source) -> Any:
        """All that a module defines."""
        names = [*source.table.bound, *source.table.imports]
        key = source.name, "*"
        if key not in self._numbers:  # a module may import itself in a circle
            self._numbers[key] = len(self._numbers)
            self.forms.append([[name, self._visit(source, name)] for name in sorted(names) if name != "*"])
        return self._numbers[key]

    def _starred(self, source: Source, name: str) -> Any:
        """A name that came by `from module import *`."""
        for star, statement in source.table.stars:
            other = find(source.absolute(star.module), source)
            if other is not None and (name in other.table.bound or name in other.table.imports):
                self.used[source.name, statement.order] = statement
                return self._visit(other, name)
        return None


def _is_package(module: str, name: str) -> bool:
    """Whether `module.name` is a folder of modules without source."""
    found = sys.modules.get(f"{module}.{name}")
    return found is not None and getattr(found, "__file__", "") is None


def _source_of(cls: type) -> Source | None:
    """The source that made a class, also if its module was executed again since."""
    namespaces = (each.__globals__ for each in _functions(cls) if each.__module__ == cls.__module__)
    namespace = next(namespaces, None)
    source = of_namespace(namespace) if namespace is not None else find(cls.__module__)
    if source is None:
        return None
    latest = source.namespace.get(cls.__qualname__)
    is_stale = isinstance(latest, type) and latest not in cls.__mro__  # defined again by a later cell
    is_defined = cls.__module__ != MAIN or bool(source.table.bound)
    return source if is_defined and not is_stale else None


def _functions(cls: type) -> Iterator[Any]:
    """The functions that a class has itself, without what wraps them."""
    for value in vars(cls).values():
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        function = inspect.unwrap(value) if callable(value) else None
        if inspect.isfunction(function) and function.__module__:
            yield function


def _roots(cls: type, source: Source) -> list[str]:
    """The names of a module from which a class is made; all names where it has none there."""
    table, top = source.table, cls.__qualname__.partition(".")[0]
    names = [top] if top in table.bound else []
    if "<locals>" in cls.__qualname__ or not names:
        bound = sorted(
            name for name, value in source.namespace.items() if value is cls and name in table.bound
        )
        names = [*names, *bound] if bound else sorted(table.bound)
    return list(dict.fromkeys(names))


def _bound_to(cls: type) -> list[Any]:
    """What the function that made a class has given it: plain values of its scope and attributes."""
    if "<locals>" not in cls.__qualname__:
        return []
    attributes = [[name, _plain(value)] for name, value in sorted(vars(cls).items()) if name[:2] != "__"]
    cells = [
        [function.__name__, name, _plain(inspect.getclosurevars(function).nonlocals.get(name))]
        for function in _functions(cls)
        for name in function.__code__.co_freevars
    ]
    return [each for each in [*attributes, *cells] if each[-1] is not None]


def _plain(value: Any) -> Any:
    """A number or short text, or a tuple or list of them, for a digest; None for other values.

    Rounded, since the last digits of what is computed differ between machines. Paths differ too.
    """
    if isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, str):
        return None if os.sep in value else repr(value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return None


def _texts(walk: _Walk) -> dict[str, str]:
    """The files that are kept: those with definitions, and what these import of a user's own."""
    texts = {source.label: source.cells[0] for source in _reached(walk).values() if source.name != MAIN}
    main = walk.sources.get(MAIN)
    if main is not None:
        used = sorted((order, each.text) for (name, order), each in walk.used.items() if name == MAIN)
        texts[MAIN_CLASSES] = "\n\n\n".join(text for _, text in used) + "\n"
        if main.path is not None:
            texts.setdefault(main.path.name, main.cells[0])
    return texts


def _reached(walk: _Walk) -> dict[str, Source]:
    """Module -> source of the files with definitions, and of what they import of a user's own."""
    reached = dict(walk.sources)
    waiting = list(reached.values())
    while waiting:
        source = waiting.pop()
        for name in _modules_of(source, walk):
            found = find(name, source) if name not in reached else None
            if found is not None:
                reached[name] = found
                waiting.append(found)
    return reached


def _modules_of(source: Source, walk: _Walk) -> Iterator[str]:
    """The full names of modules, and packages around them, that a file may import; of a script those used."""
    imports: Iterable[Import] = source.table.everything
    if source.name == MAIN:
        imports = [each for (name, _), used in walk.used.items() if name == MAIN for each in used.imports]
    for found in imports:
        module = source.absolute(found.module)
        whole = [module, *([f"{module}.{found.name}"] if found.name and found.name != "*" else [])]
        for name in whole:
            parts = name.split(".")
            yield from (".".join(parts[: number + 1]) for number in range(len(parts)))


def _entry(files: Mapping[str, str], walk: _Walk, texts: dict[str, str]) -> str | None:
    """The kept file that defines all classes when executed; if none does, one is made that imports them."""
    labels = list(dict.fromkeys(files.values()))
    by_label = {source.label: source for source in walk.sources.values()}
    for label in labels:
        start = _Walk()
        start.sources, start.used = {by_label[label].name: by_label[label]}, walk.used
        if set(labels) <= {source.label for source in _reached(start).values()}:
            return label
    if not labels:
        return None
    name = "all_classes.py"
    lines = [f"from {_module_name(label)} import {cls.rpartition('.')[2]}" for cls, label in files.items()]
    texts[name] = "\n".join(["# The classes of this run, for --config.", *lines]) + "\n"
    return name


def _module_name(label: str) -> str:
    return label.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
