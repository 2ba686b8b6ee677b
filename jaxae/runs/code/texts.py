"""Files to keep with a run: those that define its classes, and the user's own files that they import."""

from collections.abc import Iterable, Iterator, Mapping

from jaxae.runs.code.definitions import Import
from jaxae.runs.code.source_files import MAIN, MAIN_CLASSES, Source, find
from jaxae.runs.code.walk import Walk

ALL_CLASSES = "all_classes.py"


def texts_of(walk: Walk) -> dict[str, str]:
    """Return the files to keep: those with definitions, and the user's own files that they import."""
    texts = {source.label: source.cells[0] for source in reached(walk).values() if source.name != MAIN}
    main = walk.sources.get(MAIN)
    if main is not None:
        # Of a script only the statements that are reached: executing all of it would train again.
        used = sorted(
            (order, statement.text) for (name, order), statement in walk.used.items() if name == MAIN
        )
        texts[MAIN_CLASSES] = "\n\n\n".join(text for _, text in used) + "\n"
        if main.path is not None:
            # For people: the whole script, which is not executed again.
            texts.setdefault(main.path.name, main.cells[0])
    return texts


def reached(walk: Walk) -> dict[str, Source]:
    """Return module -> source of the files with definitions and of the user's own files that they import."""
    # Kept files must run on their own, so imports count even if no class needs them.
    sources = dict(walk.sources)
    queue = list(sources.values())
    while queue:
        source = queue.pop()
        for name in _modules_of(source, walk):
            other = find(name, source) if name not in sources else None
            if other is not None:
                sources[name] = other
                queue.append(other)
    return sources


def _modules_of(source: Source, walk: Walk) -> Iterator[str]:
    """Yield the full names of the modules, and of their packages, that a file may import.

    For a script, only the imports in statements that are reached count.
    """
    imports: Iterable[Import] = source.table.everything
    if source.name == MAIN:
        imports = [
            imported for (name, _), used in walk.used.items() if name == MAIN for imported in used.imports
        ]
    for found in imports:
        module = source.absolute(found.module)
        # `from a import b` may import the module a.b. Importing a.b.c runs the packages a and a.b first.
        whole = [module, *([f"{module}.{found.name}"] if found.name and found.name != "*" else [])]
        for name in whole:
            parts = name.split(".")
            yield from (".".join(parts[: number + 1]) for number in range(len(parts)))


def entry_of(files: Mapping[str, str], walk: Walk, texts: dict[str, str]) -> str | None:
    """Return the kept file that defines all classes when executed.

    Args:
        files: Name of a class in records -> the kept file that defines it.
        walk: The definitions that are reached from all classes.
        texts: The kept files. If no file defines all classes, one that imports them is added.

    Returns:
        The name of the file; None if no class has source.
    """
    labels = list(dict.fromkeys(files.values()))
    by_label = {source.label: source for source in walk.sources.values()}
    for label in labels:
        # A file whose imports reach all the others defines all classes when it is executed.
        start = Walk()
        start.sources, start.used = {by_label[label].name: by_label[label]}, walk.used
        if set(labels) <= {source.label for source in reached(start).values()}:
            return label
    if not labels:
        return None
    lines = [f"from {_module_name(label)} import {cls.rpartition('.')[2]}" for cls, label in files.items()]
    texts[ALL_CLASSES] = "\n".join(["# The classes of this run, for --config.", *lines]) + "\n"
    return ALL_CLASSES


def _module_name(label: str) -> str:
    return label.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
