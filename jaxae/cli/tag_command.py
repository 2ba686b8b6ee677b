"""`jaxae tag RUN ...`: change the name, the tags and the note of runs and sweeps. jax is not imported."""

import dataclasses
from pathlib import Path

from jaxae.cli import quick_options
from jaxae.errors import JaxaeError, visible
from jaxae.runs import notes, status


@dataclasses.dataclass(kw_only=True)
class Tag:
    """Change the name, the tags and the note of runs or sweeps, and print them.

    They are kept in notes.json of each directory, which you may also edit. No number of a run depends on it.
    """

    tag: tuple[str, ...] = ()
    """Tag to add. May be given several times."""
    remove: tuple[str, ...] = ()
    """Tag to remove. May be given several times."""
    name: str | None = None
    """New name."""
    note: str | None = None
    """New note, which replaces the old one."""


def main(arguments: list[str]) -> int:
    """Run `jaxae tag` and return the exit code."""
    num = next((i for i, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    command = quick_options.parse(Tag, arguments[num:], "jaxae tag RUN...")
    if num == 0:
        raise JaxaeError("tag: the runs come first: jaxae tag RUN... --tag TAG")
    folders = [Path(word) for word in arguments[:num]]
    added = notes.check(command.name, command.tag, command.note, prefix="--")
    # All runs are checked before the first one is changed.
    for folder in folders:
        if status.kind(folder) is None:
            raise JaxaeError(f"{folder}: holds no run and no sweep")
    for folder in folders:
        new = notes.change(folder, added, command.remove)
        parts = [new.name or "", ", ".join(new.tags), new.note or ""]
        print(visible("  ".join([str(folder), *filter(None, parts)])))
    return 0
