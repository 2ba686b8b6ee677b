"""`jaxae accept RUN ...`: accept files of runs and sweeps that were edited by hand. jax is not imported."""

import dataclasses
from pathlib import Path

from jaxae.cli import quick_options
from jaxae.errors import JaxaeError, visible
from jaxae.runs import edits


@dataclasses.dataclass(kw_only=True)
class Accept:
    """Accept files of runs or sweeps that you edited by hand, and print their names.

    Each file holds a digest of its text, and a file that was changed is refused. This command writes the
    digests again. The record keeps which files were accepted, and `jaxae show RUN` prints them.
    """


def main(arguments: list[str]) -> int:
    """Run `jaxae accept` and return the exit code."""
    num = next((i for i, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    quick_options.parse(Accept, arguments[num:], "jaxae accept RUN...")
    if num == 0:
        raise JaxaeError("accept: the runs are missing: jaxae accept RUN...")
    for folder in map(Path, arguments[:num]):
        accepted = edits.accept(folder)
        lines = [f"accepted {path}" for path in accepted] or [f"{folder}: no file was edited"]
        print(visible("\n".join(lines)))
    return 0
