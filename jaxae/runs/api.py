"""Train runs from Python: `fit` and `resume`, each returning a `Result`. `load` is in `opening`."""

import sys
from pathlib import Path
from typing import Any

from jaxae.runs import directory, execution, interrupts, opening, recorded_data
from jaxae.runs.experiment import Experiment
from jaxae.runs.result import Result
from jaxae.runs.run_types import Observer, Outcome, Run
from jaxae.training import parallel


def quiet(result: Any, saved: bool) -> bool:
    """Watches a run without a word and never stops it."""
    return False


def fit(
    experiment: Experiment,
    x: Any = None,
    y: Any = None,
    *,
    seed: int = 0,
    run_dir: str | Path | None = None,
    observe: Observer = quiet,
    devices: int = 1,
    distributed: bool = False,
) -> Result:
    """Trains `experiment` on the data it names, or on rows x [N, ...] (and labels y [N]) of your own.

    uint8 images [N, H, W] or [N, H, W, C] are bytes and divided by 255. Everything else is taken as it is:
    floats, bools, integers of other types, and tables [N, D] of any type. With `run_dir` the run is written
    there as the command line does, and can be resumed. `observe(epoch, saved)` sees every epoch. Where it
    returns True the run stops and the result so far is returned; `scores["stopped_by"]` is "observe". With
    `run_dir` it is saved, and `resume` goes on from there. Ctrl-C with `run_dir` saves the epoch, then raises
    KeyboardInterrupt. Each batch is divided over `devices`: those of this process, or with
    `distributed` as many of every process, all of which have called jax.distributed.initialize() and
    now make the same call; the first of them alone needs `run_dir`.
    Raises: JaxaeError for a mistake in the input, Diverged where a number is not finite.
    """
    begun = opening.prepare(experiment, seed, x, y, parallel.make_mesh(devices, distributed))
    if run_dir is not None:
        begun = opening.start(begun, Path(run_dir), Path(run_dir).name, sys.argv)
    with opening.held(begun):
        return finish(begun, observe)


def resume(
    path: str | Path,
    x: Any = None,
    y: Any = None,
    *,
    observe: Observer = quiet,
    devices: int = 1,
    distributed: bool = False,
    data_name: str | Path | None = None,
    data_folder: str | Path | None = None,
    accept_code_changes: bool = False,
) -> Result:
    """Goes on with an interrupted run and ends bitwise as if it had never stopped.

    A run that its observer stopped goes on too; one that has finished is scored again.
    `x`, `y`: the rows that the run was given, where they came from Python. `devices`, `distributed`: as
    for `fit`; other ones than before give the same numbers but for the order of sums. `data_name`,
    `data_folder`: where data that has moved is now; the record then says so. `accept_code_changes`: goes on
    although classes of your own have changed, and records their new code.
    Raises: JaxaeError where it cannot (no record, other data or code, no whole checkpoint), Diverged.
    """
    moved, mesh = recorded_data.moved_to(data_name, data_folder), parallel.make_mesh(devices, distributed)
    begun, record = opening.reopen(Path(path), x, y, mesh, moved, accept_code_changes, trains=True)
    with opening.held(begun):
        opening.remember(begun, moved)
        opening.warn_of_changes(begun, record)
        return finish(begun, observe, resume=True)


def finish(begun: Run, observe: Observer = quiet, *, resume: bool = False) -> Result:
    """Train to the end, or until `observe` stops the run, and score the best state so far.

    scores.json is the last thing written. Raises: KeyboardInterrupt after a save, on Ctrl-C in a run with a
    directory.
    """
    with interrupts.deferred(begun.path is not None) as pending:
        outcome = execution.train(begun, lambda *seen: bool(observe(*seen)) or pending.came, resume=resume)
    if pending.came:
        hint = f"jaxae.resume({str(begun.path)!r}) goes on"
        raise KeyboardInterrupt(f"stopped after epoch {len(outcome.history)}, saved; {hint}")
    result = scored(begun, outcome)
    if begun.path:
        write_scores(result)
    return result


def scored(begun: Run, outcome: Outcome, num_samples: int | None = None) -> Result:
    """The result of a run that has been trained, with the scores of its best state."""
    return Result(begun, outcome, execution.scores(begun, outcome, num_samples))


def write_scores(result: Result) -> None:
    """Write scores.json: the run is finished, or its observer stopped it and `stopped_by` says so."""
    with directory.disk_errors(result.run.folder):
        directory.write_json(result.run.folder / directory.SCORES, result.scores)
