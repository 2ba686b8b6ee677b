"""`jaxae resume RUN`: continue an interrupted run to its end."""

import dataclasses
from pathlib import Path
from typing import Any

from jaxae.cli import callbacks, classes, inputs, jax_setup, options, output, run_to_end, score_lines
from jaxae.cli.inputs import Elsewhere
from jaxae.cli.signals import OnUsr1
from jaxae.errors import JaxaeError
from jaxae.runs import directory, extension, opening, references, seals, status
from jaxae.runs.run_types import Run
from jaxae.training import processes


@dataclasses.dataclass(kw_only=True)
class Resume(output.TrainingOutput):
    """Continue from the newest complete checkpoint. The result has the same bits as an uninterrupted run.

    --epochs or --steps extends a run, also a finished one. The result has the same bits as a run of that
    length from the start.
    """

    epochs: int | None = None
    """New number of epochs of the whole run. None changes nothing."""
    steps: int | None = None
    """New number of steps of the whole run, instead of --epochs."""
    config: str | None = None
    """Config that defines your own classes, if the run uses any. It is executed."""
    accept_code_changes: bool = False
    """Continue even if your own classes have changed since the run, and record their new code."""
    tracker: tuple[str, ...] = ()
    """Tracker that receives the numbers: tensorboard, wandb, mlflow, trackio, or the name of your own
    tracker in CONFIG or --config. Give the option several times for several trackers."""
    devices: int = 1
    """Number of devices that share each batch, as for `train`. Another number than before changes the last
    digits."""
    distributed: bool = False
    """Join other processes, as for `train`. Only the first process needs the directory RUN."""
    on_usr1: OnUsr1 = "save"
    """What SIGUSR1 and SIGUSR2 do, as for `train`."""
    callback: tuple[str, ...] = ()
    """Name of a function or class that --config defines, as for `train`."""


def main(arguments: list[str]) -> int:
    """Run `jaxae resume` and return the exit code."""
    word, rest = inputs.first_word("resume RUN", arguments, Resume, Elsewhere())
    folder = _run_to_resume(word)
    command, place = options.parse(Resume, rest, f"jaxae resume {word}", Elsewhere())
    inputs.learn_classes(command.config)
    trackers = classes.trackers(command.tracker)
    display, called = command.display, callbacks.find(command.callback, command.config)
    mesh = jax_setup.mesh(command.devices, command.distributed)
    # Only the first process must be able to see the directory, so it answers for all processes.
    processes.broadcast(mesh, lambda: str(existing(folder)))
    run, record = opening.reopen(
        folder,
        mesh=mesh,
        moved=place.moved,
        accept_code_changes=command.accept_code_changes,
        trains=True,
    )
    # The new place of the data is recorded even if the run is finished: later commands need it.
    if any(place.moved) or (command.epochs, command.steps) != (None, None):
        with opening.hold(run):
            opening.remember(run, place.moved)
            run = extension.extend(run, command.epochs, command.steps, ["jaxae", "resume", *arguments])
    how: dict[str, Any] = {"callbacks": called, "trackers": trackers, "on_usr1": command.on_usr1}
    go_on(run, folder, record, display=display, **how)
    return 0


def go_on(run: Run, folder: Path, record: dict[str, Any], **how: Any) -> None:
    """Continue a run to its end, and print its scores; only report a run that is finished.

    Args:
        run: The run.
        folder: Its directory.
        record: Its record.
        **how: Arguments of `run_to_end.finish`.
    """
    if processes.broadcast(run.mesh, lambda: directory.is_finished(folder)):
        print(f"{folder} is already finished")
        output.report(folder, run=folder, seed=run.seed, scores=seals.read(folder / directory.SCORES))
        return
    opening.warn_of_changes(run, record)
    if run.path:
        jax_setup.print_device(run.mesh.size if run.mesh else 1)
    result = run_to_end.finish(run, resume=True, **how)
    if run.path:
        score_lines.print_scores(result, folder)
        output.report(folder, run=folder, seed=run.seed, scores=result.scores)


def _run_to_resume(word: str) -> Path:
    """Return the directory of a run. Raises: JaxaeError for a sweep or a run of one."""
    if references.parse(word) is None and status.kind(Path(word)) != "sweep":
        return Path(word)
    raise JaxaeError(
        f"{word}: the same `jaxae sweep` command resumes a sweep; to train one of its runs for longer, "
        "start it again: jaxae train SWEEP:ID --epochs N"
    )


def existing(folder: Path) -> Path:
    """Return the directory of a run. Raises: JaxaeError if it does not exist."""
    if not folder.is_dir():
        raise JaxaeError(f"{folder}: no such run; expected the directory of a run, such as one in runs/")
    return folder
