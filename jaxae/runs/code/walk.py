"""The walk from a class through all definitions that it reaches, in a user's own files.

The first definition visited has the number 0, the next one 1, and so on. Definitions refer to each other by
number, so the names of files and modules do not matter.
"""

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from jaxae.runs.code.definitions import Import, Statement
from jaxae.runs.code.source_files import MAIN, Source, find, is_installed, of_namespace


class Walk:
    """The definitions that are reached from one class."""

    def __init__(self) -> None:
        self.forms: list[Any] = []
        self.sources: dict[str, Source] = {}
        self.definitions: dict[str, dict[str, str]] = {}
        self.used: dict[tuple[str, tuple[int, int]], Statement] = {}  # (module, place) -> statement
        self.unknown = False
        self._numbers: dict[tuple[str, str], int] = {}
        self._lazy = 0  # > 0 inside a function's imports, whose modules may or may not be imported by now

    @property
    def digest(self) -> str:
        """SHA-256 of all definitions that were reached."""
        return sha(self.forms)

    def merge(self, other: "Walk") -> None:
        """Add the definitions that another walk has reached."""
        self.sources |= other.sources
        self.used |= other.used
        for label, names in other.definitions.items():
            self.definitions.setdefault(label, {}).update(names)

    def add_class(self, cls: type) -> Source | None:
        """Follow a class; return its source if it is a user's own and available."""
        for function in _functions(cls):  # methods that another module put into the class
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
            ["class", [self._visit(source, name) for name in _roots(cls, source)], _bound_values(cls)]
        )
        return source

    def _visit(self, source: Source, name: str) -> Any:
        """Return the number of a definition, the dotted name of an import from elsewhere, or None."""
        key = source.name, name
        if key in self._numbers:
            return self._numbers[key]
        table = source.table
        statements = table.bound.get(name, [])
        if not statements and name in table.imports:
            return self._use_import(source, *table.imports[name], [()])
        if not statements:
            return self._visit_starred(source, name)
        # Before the references are followed: a recursive function refers to its own number.
        number = self._numbers[key] = len(self._numbers)
        self.sources[source.name] = source
        # A constant's value counts, as `WIDTH = int(os.environ["WIDTH"])` says too little. In
        # a lazy import it does not: the module may be imported now and not in the next
        # process, and the digest must be the same.
        value = None if self._lazy or name in table.rebound else _plain_value(source.namespace.get(name))
        parts: list[Any] = []
        self.forms.append([parts, value])
        if name in table.imports:
            parts.append(["import", [[name, self._use_import(source, *table.imports[name], [()])]]])
        for statement in statements:
            self.used[source.name, statement.order] = statement
            parts.append([statement.form, self._references(source, statement)])
        # Without the numbers of other definitions: a change is reported for the definition that changed, not
        # for all that refer to it.
        own = [[form, [each for each in found if isinstance(each[1], str)]] for form, found in parts]
        self.definitions.setdefault(source.label, {})[name] = sha([own, value])[:12]
        return number

    def _references(self, source: Source, statement: Statement) -> list[Any]:
        """Return [name, reference] of the global names that a statement reads, and of its inner imports."""
        table, references = source.table, []
        for name in statement.reads:
            if name in table.imports and name not in table.bound:
                reference = self._use_import(source, *table.imports[name], statement.chains(name))
            else:
                reference = self._visit(source, name)
            if reference is not None:
                references.append([name, reference])
        self._lazy += 1
        for inner in statement.imports:
            references.append([inner.dotted, self._follow_import(source, inner, [()])])
        self._lazy -= 1
        return references

    def _use_import(
        self, source: Source, imported: Import, statement: Statement, chains: Sequence[tuple[str, ...]]
    ) -> Any:
        self.used[source.name, statement.order] = statement
        self.sources.setdefault(source.name, source)
        return self._follow_import(source, imported, chains)

    def _follow_import(self, source: Source, imported: Import, chains: Sequence[tuple[str, ...]]) -> Any:
        """Return the reference of an import: definitions of a user's own module, or else its dotted name."""
        module = source.absolute(imported.module)
        if imported.name is None:
            return self._module_parts(source, module, chains)
        # `from a import b` may import the module a.b.
        if (inner := find(f"{module}.{imported.name}", source)) is not None:
            return self._module_parts(source, inner.name, chains)
        other = find(module, source)
        if other is None:
            return imported.dotted
        if imported.name == "*":
            return self._visit_module(other)
        reference = self._visit(other, imported.name)
        return self._visit_module(other) if reference is None else reference

    def _module_parts(self, source: Source, module: str, chains: Sequence[tuple[str, ...]]) -> Any:
        """Return the parts of a module that are read, by the attributes read from its name."""
        references = [[list(chain), self._attribute(source, module, chain)] for chain in chains]
        is_own = any(not isinstance(reference, str) for _, reference in references)
        return references if is_own else module

    def _attribute(self, source: Source, module: str, chain: Sequence[str]) -> Any:
        # A chain leads through packages first, then to a definition (`lib.layers.block`). Attributes after
        # that belong to a value and are not followed.
        for number, name in enumerate(chain):
            if (inner := find(f"{module}.{name}", source)) is not None or _is_package(module, name):
                module = inner.name if inner is not None else f"{module}.{name}"
                continue
            own = find(module, source)
            if own is None:
                return ".".join([module, *chain[number:]])
            reference = self._visit(own, name)
            return self._visit_module(own) if reference is None else reference
        own = find(module, source)
        return module if own is None else self._visit_module(own)

    def _visit_module(self, source: Source) -> Any:
        """Return the number of a module as a whole: all that it defines."""
        names = [*source.table.bound, *source.table.imports]
        key = source.name, "*"
        if key not in self._numbers:  # modules may import each other in a circle
            self._numbers[key] = len(self._numbers)
            self.forms.append([[name, self._visit(source, name)] for name in sorted(names) if name != "*"])
        return self._numbers[key]

    def _visit_starred(self, source: Source, name: str) -> Any:
        """Return the reference of a name that came by `from module import *`."""
        for star, statement in source.table.stars:
            other = find(source.absolute(star.module), source)
            if other is not None and (name in other.table.bound or name in other.table.imports):
                self.used[source.name, statement.order] = statement
                return self._visit(other, name)
        return None


def _is_package(module: str, name: str) -> bool:
    """Return whether `module.name` is a folder of modules without source."""
    imported_module = sys.modules.get(f"{module}.{name}")
    return imported_module is not None and getattr(imported_module, "__file__", "") is None


def _source_of(cls: type) -> Source | None:
    """Return the source that made a class, even if its module was executed again since."""
    # The class's functions keep the global names of the module that made it; sys.modules has the newest one.
    namespaces = (
        function.__globals__ for function in _functions(cls) if function.__module__ == cls.__module__
    )
    namespace = next(namespaces, None)
    source = of_namespace(namespace) if namespace is not None else find(cls.__module__)
    if source is None:
        return None
    latest = source.namespace.get(cls.__qualname__)
    is_stale = isinstance(latest, type) and latest not in cls.__mro__  # defined again by a later cell
    is_defined = cls.__module__ != MAIN or bool(source.table.bound)
    return source if is_defined and not is_stale else None


def _functions(cls: type) -> Iterator[Any]:
    """Yield the functions that a class has itself, without their wrappers."""
    for value in vars(cls).values():
        # Properties, class methods and static methods hold the function inside.
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        function = inspect.unwrap(value) if callable(value) else None
        if inspect.isfunction(function) and function.__module__:
            yield function


def _roots(cls: type, source: Source) -> list[str]:
    """Return the names of a module from which a class is made; all names if it has none there."""
    table, top = source.table, cls.__qualname__.partition(".")[0]
    # A class from a function (`Net = make(3)`) has that function's name
    # first; the variables that hold it count too.
    names = [top] if top in table.bound else []
    if "<locals>" in cls.__qualname__ or not names:
        bound = sorted(
            name for name, value in source.namespace.items() if value is cls and name in table.bound
        )
        names = [*names, *bound] if bound else sorted(table.bound)
    return list(dict.fromkeys(names))


def _bound_values(cls: type) -> list[Any]:
    """Return plain values that a class has from the function that made it: of its scope and attributes."""
    if "<locals>" not in cls.__qualname__:
        return []
    attributes = [
        [name, _plain_value(value)] for name, value in sorted(vars(cls).items()) if name[:2] != "__"
    ]
    cells = [
        [function.__name__, name, _plain_value(inspect.getclosurevars(function).nonlocals.get(name))]
        for function in _functions(cls)
        for name in function.__code__.co_freevars
    ]
    return [value for value in [*attributes, *cells] if value[-1] is not None]


def _plain_value(value: Any) -> Any:
    """Return a number or short text, or a tuple of them, for a digest; None for other values.

    Lists are left out, since functions may change them while they run. Floats are rounded, since the last
    digits of computed values differ between machines. Texts with a path are left out, since paths differ too.
    """
    if isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, str):
        return None if os.sep in value else repr(value)
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return None


def sha(value: Any) -> str:
    """Return the SHA-256 of JSON's types."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
