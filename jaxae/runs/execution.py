"""A run from its beginning or its last checkpoint to its scores: data -> fit -> evaluate -> report."""

import contextlib
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae import keys, schedules
from jaxae.errors import Diverged
from jaxae.estimators.score_facts import as_columns
from jaxae.estimators.scores import facts_of_scores, score
from jaxae.maths import precision
from jaxae.protocols.capabilities import Model
from jaxae.runs import directory
from jaxae.runs.experiment import Experiment, as_arrays, example_batch, num_steps
from jaxae.runs.run_record import fingerprint
from jaxae.runs.run_types import Observer, Outcome, Run
from jaxae.specs import renamed
from jaxae.training import checkpoint, loop, parallel, processes
from jaxae.training.epoch import NEVER, Carry
from jaxae.training.loop import EpochResult

CHECKPOINTS = "checkpoints"


_in_its_precision = precision.within(lambda run: run.experiment)


def train(run: Run, observe: Observer = lambda result, saved: False, *, resume: bool = False) -> Outcome:
    """Trains to the end, saving at every `checkpoint_every` epochs where the run has a directory.

    With `resume` it goes on from the newest whole checkpoint, and ends bitwise as if never interrupted.
    `observe` sees each epoch, and stops the run (after a save) by returning True: the outcome so far is
    returned, with `stopped_by`.
    Raises: Diverged (the last good state is kept), JaxaeError.
    """
    with directory.disk_errors(run.path) if run.path else contextlib.nullcontext():
        return _train(run, precision.as_here(observe), resume)


@_in_its_precision
def _train(run: Run, observe: Observer, resume: bool) -> Outcome:
    experiment = as_arrays(run.experiment)
    first, carry, history = _agreed_start(run, experiment, resume)
    train, validation = (
        loop.to_device(rows, run.mesh) for rows in (run.dataset.train, run.dataset.validation)
    )
    arguments = experiment, run.key, carry, train, validation, first, _reader(run), run.mesh
    stopped_by = None
    try:
        for result in loop.epochs(*arguments):
            carry = result.carry
            if _record(run, experiment, result, history, observe):
                stopped_by = "observe"
                break
    except Diverged:
        if len(history) >= first:  # a run that is found diverged already is saved as it is
            _save(run, len(history), carry, only_if_finite=True)
        raise
    return Outcome(parallel.gather(carry, run.mesh), history, stopped_by)


@_in_its_precision
def abstract(run: Run) -> Carry:
    """The shapes and types of what is saved."""
    return jax.eval_shape(loop.begin, as_arrays(run.experiment), run.key, example_batch(run.dataset))


def check_fits(run: Run, folder: Path) -> None:
    """Raises JaxaeError where `folder` has no room for the run's checkpoints."""
    directory.preflight(
        folder, sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(abstract(run)))
    )


def _reader(run: Run) -> loop.Reader | None:
    """How streamed rows are read; grain is imported only where it is used."""
    if not run.experiment.data.stream:
        return None
    from jaxae.data.stream import batches

    return batches


def _agreed_start(run: Run, experiment: Experiment, resume: bool) -> tuple[int, Carry, list[dict[str, Any]]]:
    """The first process's starting point in every process: it alone has the files."""

    def find() -> tuple[int, Carry, list[dict[str, Any]]]:
        if run.path:
            check_fits(run, run.path)
        return _starting_point(run, experiment, resume)

    first, carry, history = processes.together(run.mesh, find)
    first, history = processes.told(run.mesh, lambda: [first, history])
    return first, processes.shared(run.mesh, carry), history


def _starting_point(
    run: Run, experiment: Experiment, resume: bool
) -> tuple[int, Carry, list[dict[str, Any]]]:
    """(first epoch, carry, history so far): fresh, or from the newest whole checkpoint."""
    folder = run.path / CHECKPOINTS if resume and run.path else None
    if folder and not directory.is_finished(run.folder):
        (run.folder / directory.SCORES).unlink(
            missing_ok=True
        )  # of an epoch where an observer stopped the run
    restored = None
    if folder:
        warn = functools.partial(directory.warn, run.folder)
        restored = checkpoint.resume(folder, abstract(run), fingerprint(run.folder), warn)
    if restored is None:
        history = directory.keep_history(run.folder, 0) if folder else []
        batch = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), example_batch(run.dataset))
        return 1, loop.begin(experiment, run.key, batch), history
    history = named_as_today(directory.keep_history(run.folder, restored.epoch), run.experiment)
    return restored.epoch + 1, restored.state, history


def named_as_today(history: list[dict[str, Any]], experiment: Experiment) -> list[dict[str, Any]]:
    """Return the lines of a history, which an older version may have written, with today's names of terms."""
    cls = type(experiment.model)
    parts = ("train", "validation")
    return [
        {**line, **{part: renamed.with_terms(cls, line[part]) for part in parts if line.get(part)}}
        for line in history
    ]


def _record(
    run: Run, experiment: Experiment, result: EpochResult, history: list[dict[str, Any]], observe: Observer
) -> bool:
    """Writes the epoch down, saves where it is due, tells the observer; returns whether to stop.

    A failure, and the wish to stop, of one process is that of all.
    """
    names = ("epoch", "step", "train", "validation", "best_epoch", "seconds")
    line = {name: getattr(result, name) for name in names}
    if result.stopped_early:
        line["stopped_early"] = True
    history.append(line)
    diverged = int(result.carry.first_bad_step) != NEVER
    last = result.stopped_early or result.epoch == experiment.epochs
    due = (last or result.epoch % experiment.checkpoint_every == 0) and not diverged

    def act() -> bool:
        if run.path:
            directory.append_history(run.path, line)
            if due:
                _save(run, result.epoch, result.carry)
        return bool(observe(result, bool(due and run.path)))

    stop = processes.anyone(run.mesh, act) and not last and not diverged
    if stop and run.path and not due:
        _save(run, result.epoch, result.carry)
    return stop


def _save(run: Run, epoch: int, carry: Carry, *, only_if_finite: bool = False) -> None:
    if run.path is None:
        return
    if only_if_finite and not all(
        np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(carry.state))
    ):
        return  # the checkpoint before it is the last good state
    directory.sync_history(run.path)
    checkpoint.save(run.path / CHECKPOINTS, epoch, carry, fingerprint(run.path))


@_in_its_precision
def scores(run: Run, outcome: Outcome, num_samples: int | None = None) -> dict[str, Any]:
    """The best state's scores on validation and test rows, and what they mean."""
    arguments = {"num_samples": num_samples} if num_samples else {}
    result: dict[str, Any] = {
        "epoch": int(outcome.carry.best_epoch) or len(outcome.history),
        "chosen_by": "validation loss" if int(outcome.carry.best_epoch) else "last epoch",
        "epochs_run": len(outcome.history),
        "stopped_early": _has_stopped_early(run, outcome),
        **({"stopped_by": outcome.stopped_by} if outcome.stopped_by else {}),
        "binarize": run.experiment.data.binarize,
    }
    autoencoder = last_autoencoder(run)
    result |= as_columns(facts_of_scores(autoencoder, **arguments))
    for name in ("validation", "test"):
        examples = loop.to_device(getattr(run.dataset, name))
        if len(examples.x):
            key = keys.named(keys.named(run.key, "eval"), name)
            size = run.experiment.batch_size
            result[name] = score(autoencoder, outcome.variables, examples, key, batch_size=size, **arguments)
    return result


def _has_stopped_early(run: Run, outcome: Outcome) -> bool:
    """Return whether early stopping, and not an observer or a kill, ended the run before its last epoch."""
    exhausted = loop.has_stopped(run.experiment, int(outcome.carry.since_improved))
    return exhausted and len(outcome.history) < run.experiment.epochs


@_in_its_precision
def last_autoencoder(run: Run) -> Model:
    """The autoencoder with its schedules at their last step: what is evaluated."""
    an_epoch = num_steps(run.experiment, run.dataset.num_rows["train"])
    return schedules.at(run.experiment.model, run.experiment.epochs * an_epoch)
