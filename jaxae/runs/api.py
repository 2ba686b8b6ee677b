"""Train runs from Python: `fit` and `resume` return a `Result`. `load` is in `opening`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxae.data.own import given_rows
from jaxae.display.places import Display, for_python
from jaxae.protocols.tracker import Tracker
from jaxae.runs import (
    directory,
    execution,
    extension,
    interrupts,
    notes,
    opening,
    recorded_data,
    run_progress,
    status,
    tracking,
    warm_start,
)
from jaxae.runs.callbacks import Callback, Callbacks, combine
from jaxae.runs.experiment import Experiment
from jaxae.runs.result import Result
from jaxae.runs.run_types import Outcome, Run
from jaxae.trackers import find_trackers
from jaxae.training import parallel
from jaxae.training.loop import EpochResult


def fit(
    experiment: Experiment,
    x: Any = None,
    y: Any = None,
    *,
    x_validation: Any = None,
    y_validation: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    seed: int = 0,
    init_from: str | Path | Result | None = None,
    run_dir: str | Path | None = None,
    name: str | None = None,
    tags: str | Sequence[str] = (),
    note: str | None = None,
    callbacks: Callbacks = (),
    trackers: Any = (),
    devices: int = 1,
    distributed: bool = False,
    progress: bool = True,
) -> Result:
    """Train an experiment, score its best epoch and return the result.

    The data are those that `experiment.data` names, or your own rows `x`. The best epoch is the one with the
    lowest validation loss. With the same experiment, data, seed and machine, two runs are equal to the bit.

    Args:
        experiment: The experiment; it is checked against the data before anything is trained.
        x: Your own rows [N, ...]; None reads the data that `experiment.data` names. uint8 images [N, H, W] or
            [N, H, W, C] are bytes and are divided by 255. Everything else is taken as it is: floats, bools,
            integers of other types, and tables [N, D] of any type.
        y: Labels [N] of the rows x, as whole numbers or texts, or the name of their column if x has named
            columns; None for data without labels.
        x_validation: Your own validation rows, all of which are used. None holds rows of x out, as
            `experiment.data.num_validation` says: a tenth by default.
        y_validation: Labels of `x_validation`.
        x_test: Your own test rows, all of which are used. None holds rows of x out, as
            `experiment.data.num_test` says: a tenth by default.
        y_test: Labels of `x_test`.
        seed: Seed of the initial parameters, the order of the rows and the noise, from 0 to 2^32 - 1.
        init_from: Directory or result of a trained run. Variables of its best epoch replace the initial ones
            that have the same name and shape; the optimiser starts as usual. The arrays that were taken and
            left are printed and recorded, and a copy is kept: a resumed run does not need the other run.
        run_dir: New or empty directory for the record, the history, the checkpoints and the scores, as the
            command line writes them. Such a run can be resumed and loaded. None writes nothing.
        name: Name for lists of runs. Name, tags and note are kept in notes.json of `run_dir`, which you may
            edit. They change no number.
        tags: Words by which lists of runs are filtered.
        note: A text for yourself.
        callbacks: A function, or several, called as `callback(epoch, saved)` after each epoch, with an
            `EpochResult` and whether the epoch was saved. If one returns True, the run stops and its result
            so far is returned, with `scores["stopped_by"] == "callback"`. With `run_dir` the stopped run is
            saved and can be resumed.
        trackers: Trackers that receive the numbers: "tensorboard", "wandb", "mlflow", "trackio", a `Tracker`,
            or a list of them. A tracker that fails is reported, and never stops or changes the run.
        devices: Number of devices of this process that share each batch; with `distributed`, of each process.
        distributed: Whether several processes train this run together. All of them must have called
            `jax.distributed.initialize()` and make the same call. Only the first process needs `run_dir`.
        progress: Whether progress is displayed: a bar in a notebook or terminal, else a few lines on standard
            error. The environment variable JAXAE_PROGRESS=0 switches it off everywhere.

    Returns:
        The result: its scores, its history, and methods to encode, decode, sample and save.

    Raises:
        JaxaeError: If the experiment, the data or an argument has a mistake. The message names it.
        Diverged: If a number is not finite. The message names the step and the term; with `run_dir` the last
            good state is kept.
        KeyboardInterrupt: After Ctrl-C. With `run_dir` the current epoch is finished and saved first.
        SystemExit: With `run_dir`, the same after SIGTERM or SIGHUP, with the code 143 or 129. SIGUSR1 and
            SIGUSR2 save the epoch, and training goes on. Signals that your program handles are left to it.

    Example:
        >>> import jaxae
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(600, 4))
        >>> experiment = jaxae.Experiment(model=jaxae.AE(latent_dim=2), epochs=5)
        >>> result = jaxae.fit(experiment, x, seed=0)
        >>> len(result.history)
        5
        >>> result.encode(x).shape
        (600, 2)
    """
    # All checks come first, so a mistake in the input leaves no directory behind.
    callback, found = combine(callbacks), find_trackers.find(trackers)
    labels = notes.check(name, tags, note, run_dir)
    given = given_rows.collect(x, y, x_validation, y_validation, x_test, y_test)
    run = opening.prepare(experiment, seed, given, parallel.make_mesh(devices, distributed))
    if init_from is not None:
        run = warm_start.start_from(run, init_from)
        warm_start.report(run, sys.stderr)
    if run_dir is not None:
        run = opening.start(run, Path(run_dir), Path(run_dir).name, sys.argv, labels)
    with opening.hold(run):
        return finish(run, callback, found, display=for_python(progress))


def resume(
    path: str | Path,
    x: Any = None,
    y: Any = None,
    *,
    x_validation: Any = None,
    y_validation: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    epochs: int | None = None,
    steps: int | None = None,
    callbacks: Callbacks = (),
    trackers: Any = (),
    devices: int = 1,
    distributed: bool = False,
    data_name: str | Path | None = None,
    data_folder: str | Path | None = None,
    accept_code_changes: bool = False,
    progress: bool = True,
) -> Result:
    """Continue an interrupted run; the result is bitwise that of a run that was never interrupted.

    A run that was stopped by a callback goes on too. A run that has finished is only scored again, unless
    `epochs` or `steps` extends it. Its result is then bitwise that of a run that had this length from the
    start, and its record keeps the earlier length.

    Args:
        path: The run's directory.
        x: The rows that were given to `fit`; None if the data were not given from Python.
        y: The labels that were given to `fit`.
        x_validation: The validation rows that were given to `fit`; so for the next three.
        y_validation: Labels of `x_validation`.
        x_test: Test rows.
        y_test: Labels of `x_test`.
        epochs: New number of epochs of the whole run, of any state; None changes nothing.
        steps: New number of steps of the whole run, instead of `epochs`.
        callbacks: Functions that are called after each epoch, as for `fit`.
        trackers: Trackers that receive the numbers, as for `fit`.
        devices: As for `fit`. With another number than before, results differ by the order of sums only.
        distributed: As for `fit`.
        data_name: New `data.name` of data that has moved: a path or a name. The record is updated.
        data_folder: New `data.folder` of data that has moved. The record is updated.
        accept_code_changes: Whether to go on although the code of your own classes has changed. The new code
            is recorded.
        progress: Whether progress is displayed, as for `fit`.

    Returns:
        The result of the whole run.

    Raises:
        JaxaeError: If the run cannot be resumed: there is no record, its data or code has changed, or no
            checkpoint is whole. Also if the run cannot be extended: it has diverged or stopped early, or its
            model has a schedule whose last value depends on the length. The message names the field.
        Diverged: If a number is not finite.
        KeyboardInterrupt: After Ctrl-C, when the current epoch has been finished and saved.
        SystemExit: The same after SIGTERM or SIGHUP, as for `fit`.

    Example:
        >>> import tempfile
        >>> import jaxae
        >>> folder = f"{tempfile.mkdtemp()}/run"
        >>> experiment = jaxae.Experiment(model=jaxae.AE(latent_dim=2), epochs=3)
        >>> def stop_after_two(epoch, saved):
        ...     return epoch.epoch == 2
        >>> result = jaxae.fit(experiment, run_dir=folder, callbacks=stop_after_two)
        >>> result.scores["epochs_run"], jaxae.resume(folder).scores["epochs_run"]
        (2, 3)
    """
    callback, found = combine(callbacks), find_trackers.find(trackers)
    moved, mesh = recorded_data.moved_to(data_name, data_folder), parallel.make_mesh(devices, distributed)
    # Not under the lock yet: `reopen` takes it itself to record changes of code that were accepted.
    given = given_rows.collect(x, y, x_validation, y_validation, x_test, y_test)
    run, record = opening.reopen(Path(path), given, mesh, moved, accept_code_changes, trains=True)
    with opening.hold(run):
        opening.remember(run, moved)
        opening.warn_of_changes(run, record)
        run = extension.extend(run, epochs, steps, sys.argv)
        return finish(run, callback, found, resume=True, display=for_python(progress))


@status.recorded
def finish(
    run: Run,
    callback: Callback,
    trackers: Sequence[Tracker] = (),
    *,
    resume: bool = False,
    display: Display = Display(),  # noqa: B008 (frozen)
) -> Result:
    """Train to the end, or until the callback stops the run, and score the best state so far.

    Args:
        run: The run; if it has a directory, the caller holds its lock.
        callback: Function that is called after each epoch.
        trackers: Trackers that receive the numbers.
        resume: Whether to start from the newest checkpoint.
        display: Settings of the display of progress.

    Returns:
        The result. In a run with a directory, scores.json is the last file written.

    Raises:
        KeyboardInterrupt: After Ctrl-C in a run with a directory, when the epoch has been saved.
        SystemExit: The same after SIGTERM or SIGHUP, with the code 143 or 129.
    """
    with tracking.tracked(run, trackers) as tracked:
        # Without a directory nothing could be saved, so there signals have their usual effect.
        with interrupts.deferred(run.path is not None) as pending, run_progress.shown(run, display) as show:

            def answer(epoch: EpochResult, saved: bool) -> bool:
                if saved:
                    pending.report_save(f"epoch {epoch.epoch}")
                return pending.stops

            observe = combine([show, tracked.epoch, callback, answer])
            outcome = execution.train(run, observe, resume=resume, save=pending.takes_save)
        if pending.number is not None:
            hint = f"jaxae.resume({str(run.path)!r}) goes on"
            raise interrupts.stopped(
                pending.number, f"stopped after epoch {len(outcome.history)}, saved; {hint}"
            )
        # Scored after the interrupt is checked: scores take a while, and `resume` computes them anyway.
        with interrupts.saves_ignored(run.path is not None):
            result = score_run(run, outcome)
            if run.path:
                write_scores(result)
        tracked.scores(result.scores)
    return result


def score_run(run: Run, outcome: Outcome, num_samples: int | None = None) -> Result:
    """Return the result of a trained run, with the scores of its best state.

    Args:
        run: The run.
        outcome: Its states and history.
        num_samples: Importance samples for each row; None for the default.

    Returns:
        The result.
    """
    return Result(run, outcome, execution.scores(run, outcome, num_samples))


def write_scores(result: Result) -> None:
    """Write scores.json: the run is finished, or `stopped_by` says that a callback stopped it."""
    with directory.disk_errors(result.run.folder):
        directory.write_json(result.run.folder / directory.SCORES, result.scores)
