"""`jaxae resume RUN`: goes on with an interrupted run."""

import dataclasses
from pathlib import Path

from jaxae import api, runs
from jaxae.cli import common, options
from jaxae.errors import JaxaeError


@dataclasses.dataclass(kw_only=True)
class Resume:
    """Goes on from the newest whole checkpoint; the end is bitwise that of an uninterrupted run."""

    config: str | None = None
    """The config that defines classes of your own, if the run has any; it is executed."""


def main(arguments: list[str]) -> int:
    """Runs `jaxae resume` and returns the exit code."""
    folder, rest = run_first("resume", arguments, Resume)
    command, _ = options.parse(Resume, rest, "jaxae resume RUN")
    common.learn_classes(command.config)
    common.keep_compiled_programs()
    begun, record = api.reopen(folder)
    if (folder / runs.SCORES).exists():
        print(f"{folder} is finished already")
        return 0
    api.warn_of_changes(begun, record)
    common.tell(common.finish(begun, resume=True), folder)
    return 0


def run_first(name: str, arguments: list[str], command: type) -> tuple[Path, list[str]]:
    """The run's directory, which comes first, and the options after it."""
    if not arguments or arguments[0].startswith("-"):
        if {"-h", "--help"} & set(arguments):
            options.parse(command, ["--help"], f"jaxae {name} RUN")
        raise JaxaeError(f"{name}: the run comes first: jaxae {name} RUN [--options]")
    folder = Path(arguments[0])
    if not folder.is_dir():
        raise JaxaeError(f"{folder}: no such run; expected the directory of one, such as those under runs/")
    return folder, arguments[1:]
