"""The code of an experiment's classes, as a digest of its meaning.

A definition is followed from the class through base classes, decorators, functions and constants of the same
file, and through imports from a user's own files. The digest changes when one of these changes. It does not
change with comments, docstrings, blank lines, names of files, or definitions that the classes do not reach.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jaxae.runs.code import current
from jaxae.runs.code.texts import entry_of, reached, texts_of
from jaxae.runs.code.walk import Walk, sha
from jaxae.specs.pytree import is_node, paths
from jaxae.specs.records import class_name

FORMAT = "code 1"  # of digests; part of each one
Classes = tuple[type, ...]


@dataclass(frozen=True)
class Code:
    """The code of a user's own classes in an experiment."""

    digest: str | None
    """SHA-256; None if the source of no class is available."""
    classes: dict[str, str]
    """Name in records -> the kept file that defines it."""
    definitions: dict[str, dict[str, str]]
    """Kept file -> name -> digest of its definition, without the definitions that it refers to."""
    texts: dict[str, str]
    """Kept file -> its text, for each file of the user's that is reached."""
    entry: str | None
    """The kept file that defines all classes when it is executed."""
    shown: dict[str, str]
    """Kept file -> name of the file in messages."""
    unknown: list[str]
    """Classes whose source is not available."""
    of_class: dict[type, str]
    """Class -> digest of its code."""

    @property
    def short(self) -> str | None:
        """First 12 digits of the digest."""
        return self.digest and self.digest[:12]

    def record(self) -> dict[str, Any]:
        """Return the entries of a record, as values that JSON can hold."""
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
    """Return the code of the user's own classes among these; None if there are none."""
    walks: dict[str, Walk] = {}
    files: dict[str, str] = {}
    unknown: list[str] = []
    of_class: dict[type, str] = {}
    for cls in classes:
        walk = Walk()
        # Base classes too: a method that is inherited from a user's class is part of the code.
        sources = [source for base in cls.__mro__ if (source := walk.add_class(base)) is not None]
        if walk.unknown:
            unknown.append(class_name(cls))
        elif walk.forms:
            walks[class_name(cls)] = walk
            of_class[cls] = walk.digest
            files[class_name(cls)] = sources[0].label if sources else next(iter(walk.sources.values())).label
    if not walks and not unknown:
        return None
    # Last names only and sorted: a class that moved to another file, or other fields first, is the same code.
    pairs = sorted([name.rpartition(".")[2], walk.digest] for name, walk in walks.items())
    merged = Walk()
    for walk in walks.values():
        merged.merge(walk)
    # All descriptions of code are made here, so an edit that the process does not run is always reported.
    for source in merged.sources.values():
        current.warn_if_edited(source)
    texts = texts_of(merged)
    digest = sha([FORMAT, pairs]) if walks else None
    entry = entry_of(files, merged, texts)
    shown = {source.label: source.shown for source in reached(merged).values()}
    return Code(digest, files, merged.definitions, texts, entry, shown, unknown, of_class)
