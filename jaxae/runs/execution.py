"""Run an experiment from its start or its last checkpoint to its scores."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxae import keys, memory, schedules
from jaxae.errors import Diverged
from jaxae.estimators.score_facts import as_columns
from jaxae.estimators.scores import facts_of_scores, score
from jaxae.maths import precision
from jaxae.protocols.capabilities import Model
from jaxae.runs import directory, status
from jaxae.runs.callbacks import Callback
from jaxae.runs.code import traces
from jaxae.runs.experiment import Experiment, as_arrays, example_batch, total_steps
from jaxae.runs.run_record import earlier_fingerprints, fingerprint
from jaxae.runs.run_types import Outcome, Run
from jaxae.specs import renamed
from jaxae.training import ahead as compile_ahead
from jaxae.training import checkpoint, loop, parallel, processes
from jaxae.training.epoch import NEVER, Carry
from jaxae.training.loop import EpochResult

CHECKPOINTS = "checkpoints"
_compiled: set[int] = set()  # hashes of the structures whose programs were compiled ahead

_in_its_precision = precision.within(lambda run: run.experiment)


def train(
    run: Run,
    callback: Callback = lambda epoch, saved: None,
    *,
    resume: bool = False,
    later: Sequence[Callable[[], Any]] = (),
    save: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train to the end, saving every `checkpoint_every` epochs if the run has a directory.

    Args:
        run: The run.
        callback: Function that is called after each epoch. If it returns True, the epoch is saved and the
            run stops.
        resume: Whether to start from the newest whole checkpoint. The run then ends bitwise as if it had
            never been interrupted.
        later: Calls that compile what is needed after training and the scores. They run in a thread while
            the run trains.
        save: Function that is called after each epoch and returns whether to save it although no checkpoint
            is due. A checkpoint changes no number of the run.

    Returns:
        The outcome so far, with `stopped_by` if the callback stopped the run.

    Raises:
        Diverged: If a number is not finite; the last good state is kept.
        JaxaeError: If no checkpoint is whole, or the disk has no room.
    """
    # The run sets its own x64 mode; the callback is a user's and runs in that of the caller.
    observe = precision.as_here(callback)
    with (
        directory.disk_errors(run.path) if run.path else contextlib.nullcontext(),
        _compiled_ahead(run, later) as note_epoch,
    ):
        return _train(run, lambda epoch, saved: note_epoch() or observe(epoch, saved), resume, save)


@_in_its_precision
def _train(run: Run, callback: Callback, resume: bool, save: Callable[[], bool]) -> Outcome:
    # f32[] leaves: the program of a single run is then that of a sweep's run, and no float is compiled in.
    experiment = as_arrays(run.experiment)
    first, carry, history = _agreed_start(run, experiment, resume)
    train, validation = (
        loop.to_device(rows, run.mesh) for rows in (run.dataset.train, run.dataset.validation)
    )
    arguments = experiment, run.key, carry, train, validation, first, _stream_reader(run), run.mesh
    stopped_by = None
    try:
        for result in loop.epochs(*arguments):
            # The epoch donated the carry before it to XLA: only the newest one still has its buffers.
            carry = result.carry
            if _finish_epoch(run, experiment, result, history, callback, save):
                stopped_by = "callback"
                break
    except Diverged:
        if len(history) >= first:  # a resumed run that had diverged before is not saved again
            _save(run, len(history), carry, only_if_finite=True)
        raise
    return Outcome(parallel.gather(carry, run.mesh), history, stopped_by)


def _compiled_ahead(
    run: Run, later: Sequence[Callable[[], Any]]
) -> contextlib.AbstractContextManager[Callable[[], None]]:
    """Return the context in which threads compile the programs of an epoch and of what follows training."""
    data = run.dataset.shape, run.dataset.dtype, *run.dataset.num_rows.values()
    # The hash alone: a structure would keep its classes alive.
    key = hash((traces.generation(), jax.tree.structure(run.experiment), data, len(later)))
    # A second run of the same structure would only look up what this process has compiled.
    if key in _compiled or not compile_ahead.is_useful(run.mesh):
        return contextlib.nullcontext(lambda: None)
    _compiled.add(key)
    # A streamed epoch is several programs, of which only the reader knows the shapes.
    epoch = None if run.experiment.data.stream else functools.partial(_lower_epoch, run)
    return compile_ahead.compiled(epoch, [functools.partial(_rehearse_scores, run), *later])


@_in_its_precision
def _lower_epoch(run: Run) -> Any:
    """Return the lowered program of an epoch, as `loop.epochs` calls it."""
    rows = run.dataset.train, run.dataset.validation
    return loop.run_epoch.lower(as_arrays(run.experiment), run.key, abstract(run), *rows, np.int32(1))


def _rehearse_scores(run: Run) -> None:
    """Compile the programs of `scores`."""
    with memory.rehearsal():
        scores(run, blank_outcome(run))


def blank_outcome(run: Run) -> Outcome:
    """Return an outcome with zeros for all arrays, with which a rehearsal compiles programs of a result."""
    return Outcome(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract(run)), [])


@_in_its_precision
def abstract(run: Run) -> Carry:
    """Return the shapes and types of the state that checkpoints hold, without computing it."""
    return jax.eval_shape(loop.begin, as_arrays(run.experiment), run.key, example_batch(run.dataset))


def check_fits(run: Run, folder: Path) -> None:
    """Raise JaxaeError if `folder` has no room for the run's checkpoints.

    Args:
        run: The run.
        folder: The directory, which need not exist yet.
    """
    directory.preflight(
        folder, sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(abstract(run)))
    )


def _stream_reader(run: Run) -> loop.Reader | None:
    """Return the function that reads streamed rows, or None for rows in memory."""
    if not run.experiment.data.stream:
        return None
    # Imported here: grain is slow to import and only streamed data need it.
    from jaxae.data.stream import batches

    return batches


def _agreed_start(run: Run, experiment: Experiment, resume: bool) -> tuple[int, Carry, list[dict[str, Any]]]:
    """Return the first process's starting point in every process, since it alone has the files."""

    def find_start() -> tuple[int, Carry, list[dict[str, Any]]]:
        if run.path:
            check_fits(run, run.path)
        return _starting_point(run, experiment, resume)

    first, carry, history = processes.call_in_all(run.mesh, find_start)
    # Broadcast: the numbers as JSON, the arrays to the bit.
    first, history = processes.broadcast(run.mesh, lambda: [first, history])
    return first, processes.broadcast_arrays(run.mesh, carry), history


def _starting_point(
    run: Run, experiment: Experiment, resume: bool
) -> tuple[int, Carry, list[dict[str, Any]]]:
    """Return (first epoch, carry, history so far): a new start, or the newest whole checkpoint."""
    folder = run.path / CHECKPOINTS if resume and run.path else None
    if folder:
        directory.rename_old_scores(run.folder)
    if folder and not directory.is_finished(run.folder):
        # These scores are of the epoch where a callback stopped the run; while it trains it has none.
        (run.folder / directory.SCORES).unlink(missing_ok=True)
    restored = None
    if folder:
        warn = functools.partial(directory.warn, run.folder)
        earlier = earlier_fingerprints(run.folder)
        restored = checkpoint.resume(folder, abstract(run), fingerprint(run.folder), warn, earlier)
    if restored is None:
        history = directory.keep_history(run.folder, 0) if folder else []
        # Zeros of the right shape: initial parameters do not depend on the data.
        batch = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), example_batch(run.dataset))
        carry = loop.begin(experiment, run.key, batch)
        # Only the first process has the copy on the disk; its arrays are broadcast to the others.
        if run.initial and processes.is_first(run.mesh):
            carry = loop.begin_from(experiment, carry, run.initial.apply(carry.state.variables))
        return 1, carry, history
    history = named_as_today(directory.keep_history(run.folder, restored.epoch), run.experiment)
    return restored.epoch + 1, restored.state, history


def named_as_today(history: list[dict[str, Any]], experiment: Experiment) -> list[dict[str, Any]]:
    """Return the lines of a history, of any version, with the current names of terms.

    Args:
        history: One dictionary for each epoch.
        experiment: The experiment.

    Returns:
        The lines, renamed.
    """
    cls = type(experiment.model)
    parts = ("train", "validation")
    return [
        {**line, **{part: renamed.with_terms(cls, line[part]) for part in parts if line.get(part)}}
        for line in history
    ]


def _finish_epoch(
    run: Run,
    experiment: Experiment,
    result: EpochResult,
    history: list[dict[str, Any]],
    callback: Callback,
    save: Callable[[], bool],
) -> bool:
    """Write the epoch to the history, save it if it is due and call the callback; return whether to stop.

    If one process fails or wants to stop, all do.
    """
    names = ("epoch", "step", "train", "validation", "best_epoch", "seconds")
    line = {name: getattr(result, name) for name in names}
    if result.stopped_early:
        line["stopped_early"] = True
    history.append(line)
    has_diverged = int(result.carry.first_bad_step) != NEVER
    is_last = result.stopped_early or result.epoch == experiment.epochs
    # `save` first: a request is answered by the checkpoint of this epoch, also if that was due anyway.
    is_wanted = save() or is_last or result.epoch % experiment.checkpoint_every == 0
    is_due = is_wanted and not has_diverged

    def act() -> bool:
        if run.path:
            # The line first: a checkpoint whose epochs are missing from the history could not be resumed.
            directory.append_history(run.path, line)
            if is_due:
                _save(run, result.epoch, result.carry)
            status.note_epoch(run.path, history)
        return bool(callback(result, bool(is_due and run.path)))

    # A stop at the last epoch is no stop: the run is finished and gets its final scores.
    should_stop = processes.is_true_anywhere(run.mesh, act) and not is_last and not has_diverged
    if should_stop and run.path and not is_due:
        _save(run, result.epoch, result.carry)
    return should_stop


def _save(run: Run, epoch: int, carry: Carry, *, only_if_finite: bool = False) -> None:
    if run.path is None:
        return
    # A diverged state is not saved: the checkpoint before it is the last good one.
    if only_if_finite and not all(
        np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(carry.state))
    ):
        return  # the checkpoint before it is the last good state
    directory.sync_history(run.path)
    checkpoint.save(run.path / CHECKPOINTS, epoch, carry, fingerprint(run.path))


@_in_its_precision
def scores(run: Run, outcome: Outcome, num_samples: int | None = None) -> dict[str, Any]:
    """Score the best state on validation and test rows, or the last one if the outcome shows it.

    Args:
        run: The run.
        outcome: Its states and history.
        num_samples: Importance samples for each row; None for the default.

    Returns:
        The content of scores.json: epoch, units, explanations, and the scores of each split.
    """
    arguments = {"num_samples": num_samples} if num_samples else {}
    result: dict[str, Any] = {
        "epoch": outcome.epoch,
        "chosen_by": outcome.chosen_by,
        "epochs_run": len(outcome.history),
        "stopped_early": _has_stopped_early(run, outcome),
        **({"stopped_by": outcome.stopped_by} if outcome.stopped_by else {}),
        "binarize": run.experiment.data.binarize,
    }
    autoencoder = last_autoencoder(run)
    result |= as_columns(facts_of_scores(autoencoder, **arguments))
    for name in ("validation", "test"):
        examples = getattr(run.dataset, name)
        if len(examples.x):
            # A stream for each split: the scores of the test rows do not
            # depend on whether there are validation rows.
            key = keys.named(keys.named(run.key, "eval"), name)
            size = run.experiment.batch_size
            result[name] = score(autoencoder, outcome.variables, examples, key, batch_size=size, **arguments)
    return result


def _has_stopped_early(run: Run, outcome: Outcome) -> bool:
    """Return whether early stopping, not a callback or a kill, ended the run before its last epoch."""
    exhausted = loop.has_stopped(run.experiment, int(outcome.carry.since_improved))
    return exhausted and len(outcome.history) < run.experiment.epochs


@_in_its_precision
def last_autoencoder(run: Run) -> Model:
    """Return the autoencoder with its schedules at the last step of a full run, as it is evaluated."""
    # Also after an early stop: else runs that stopped at different
    # steps would be scored with different weights.
    final = total_steps(run.experiment, run.dataset.num_rows["train"])
    return schedules.at(run.experiment.model, final)
