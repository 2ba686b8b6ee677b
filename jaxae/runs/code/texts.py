"""The files that are kept with a run: those that define its classes, and those of the user's they import."""

from collections.abc import Iterable, Iterator, Mapping

from jaxae.runs.code.definitions import Import
from jaxae.runs.code.source_files import MAIN, MAIN_CLASSES, Source, find
from jaxae.runs.code.walk import Walk

ALL_CLASSES = "all_classes.py"


def texts_of(walk: Walk) -> dict[str, str]:
    """The files that are kept: those with definitions, and what these import of a user's own."""
    texts = {source.label: source.cells[0] for source in reached(walk).values() if source.name != MAIN}
    main = walk.sources.get(MAIN)
    if main is not None:
        used = sorted((order, each.text) for (name, order), each in walk.used.items() if name == MAIN)
        texts[MAIN_CLASSES] = "\n\n\n".join(text for _, text in used) + "\n"
        if main.path is not None:
            texts.setdefault(main.path.name, main.cells[0])
    return texts


def reached(walk: Walk) -> dict[str, Source]:
    """Module -> source of the files with definitions, and of what they import of a user's own."""
    found = dict(walk.sources)
    waiting = list(found.values())
    while waiting:
        source = waiting.pop()
        for name in _modules_of(source, walk):
            other = find(name, source) if name not in found else None
            if other is not None:
                found[name] = other
                waiting.append(other)
    return found


def _modules_of(source: Source, walk: Walk) -> Iterator[str]:
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


def entry_of(files: Mapping[str, str], walk: Walk, texts: dict[str, str]) -> str | None:
    """The kept file that defines all classes when executed; if none does, one is made that imports them."""
    labels = list(dict.fromkeys(files.values()))
    by_label = {source.label: source for source in walk.sources.values()}
    for label in labels:
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
