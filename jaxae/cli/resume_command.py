"""`jaxae resume RUN`: goes on with an interrupted run."""

import dataclasses
from pathlib import Path

from jaxae.cli import completion, inputs, jax_setup, options, score_lines
from jaxae.cli.inputs import Elsewhere
from jaxae.errors import JaxaeError
from jaxae.runs import directory, opening
from jaxae.training import processes


@dataclasses.dataclass(kw_only=True)
class Resume:
    """Goes on from the newest whole checkpoint; the end is bitwise that of an uninterrupted run."""

    config: str | None = None
    """The config that defines classes of your own, if the run has any; it is executed."""
    accept_code_changes: bool = False
    """Goes on although classes of your own have changed since the run, and records their new code."""
    devices: int = 1
    """Devices that share each batch, as of `train`; another number than before changes the last digits."""
    distributed: bool = False
    """Joins other processes, as of `train`; the first of them alone needs RUN."""


def main(arguments: list[str]) -> int:
    """Runs `jaxae resume` and returns the exit code."""
    word, rest = inputs.first_word("resume RUN", arguments, Resume, Elsewhere())
    folder = Path(word)
    command, place = options.parse(Resume, rest, "jaxae resume RUN", Elsewhere())
    inputs.learn_classes(command.config)
    mesh = jax_setup.mesh(command.devices, command.distributed)
    finished = processes.told(mesh, lambda: directory.is_finished(existing(folder)))
    begun, record = opening.reopen(
        folder,
        mesh=mesh,
        moved=place.moved,
        accept_code_changes=command.accept_code_changes,
        trains=True,
    )
    if any(place.moved):
        with opening.held(begun):
            opening.remember(begun, place.moved)
    if finished:
        print(f"{folder} is finished already")
        return 0
    opening.warn_of_changes(begun, record)
    if begun.path:
        jax_setup.print_device(mesh.size if mesh else 1)
    result = completion.finish(begun, resume=True)
    if begun.path:
        score_lines.print_scores(result, folder)
    return 0


def existing(folder: Path) -> Path:
    """The directory itself. Raises: JaxaeError where it is none."""
    if not folder.is_dir():
        raise JaxaeError(f"{folder}: no such run; expected the directory of one, such as those under runs/")
    return folder
