"""Extend a run: train more epochs or steps than planned, to the bits of a run of that length from the start.

The new record is the switch: one file, which is replaced as a whole. It holds the earlier length, and up to
which epoch the checkpoints made under it belong to the longer run as well. So a kill at any moment leaves
either the old run or the extended one.
"""

import dataclasses
import datetime
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxae import schedules
from jaxae.errors import JaxaeError
from jaxae.maths import precision
from jaxae.runs import directory, execution, length, references, run_record, seals
from jaxae.runs.experiment import Experiment, as_arrays, fill, total_steps
from jaxae.runs.run_types import Run
from jaxae.specs.pytree import replace
from jaxae.specs.records import to_record
from jaxae.training import checkpoint, loop, processes
from jaxae.training.epoch import NEVER, Carry


def extend(run: Run, epochs: int | None, steps: int | None, command: list[str]) -> Run:
    """Change the length of a run that is held, in its record; nothing is trained yet.

    Args:
        run: The run, with its data; the caller holds its lock.
        epochs: New number of epochs; None if `steps` is given, or for no change.
        steps: New number of steps, or None.
        command: The command that extends the run, for the record.

    Returns:
        The run with its new experiment.

    Raises:
        JaxaeError: If the run cannot have the new length, or has numbers that a run of this length from the
            start would not have. The message names the field that depends on the length.
    """
    new = _with_length(run, epochs, steps)
    if new == run.experiment:
        return run
    if run.path and references.is_extracted(run.path):
        raise JaxaeError(
            f"{run.path}: is a run of a sweep, of which only the best epoch is kept; train a new run by"
            f" `jaxae train {run.path} --epochs {new.epochs}`"
        )
    # Only the first process has the directory, but all processes have to stop if it refuses.
    processes.call_in_all(run.mesh, lambda: _write(run, new, command) if run.path else None)
    return dataclasses.replace(run, experiment=new)


def _with_length(run: Run, epochs: int | None, steps: int | None) -> Experiment:
    """Return the resolved experiment with the new length."""
    given = {name: value for name, value in (("epochs", epochs), ("steps", steps)) if value is not None}
    experiment = run.experiment
    for name, value in given.items():
        experiment = replace(experiment, name, value)
    return fill(length.choose(experiment, given), run.dataset) if given else experiment


class _Plan(NamedTuple):
    """Length of a run."""

    epochs: int
    total: int  # steps of the whole run
    pass_steps: int  # steps of a pass over the training rows

    def end(self, epoch: int) -> int:
        """Return the number of steps after an epoch."""
        return min(epoch * self.pass_steps, self.total)


def _plan(run: Run, experiment: Experiment) -> _Plan:
    num_rows = run.dataset.num_rows["train"]
    pass_steps = num_rows // experiment.batch_size
    return _Plan(experiment.epochs, total_steps(experiment, num_rows), pass_steps)


def _write(run: Run, new: Experiment, command: list[str]) -> None:
    """Check that the run can be extended, and write its new record."""
    trained = directory.last_epoch(run.folder)
    _check_not_shorter(run, new, trained)
    restored = _last_common_state(run, new, trained)
    if restored is not None:
        _check_goes_on(run, restored)
        _check_model(run, new)
    _report_schedules(run, new)
    start = restored.epoch if restored else 0
    folder = run.folder
    if start < max(checkpoint.epochs(folder / execution.CHECKPOINTS), default=0):
        _report_restart(run, start, trained)
    record = seals.read(folder / directory.RECORD)
    change = {
        "epochs": run.experiment.epochs,
        "steps": run.experiment.steps,
        "trained": trained,
        "from_epoch": start,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "fingerprint": run_record.digest(record),
        "scores": directory.digest_of(folder / directory.SCORES),
    }
    record["experiment"] = to_record(new)
    record[directory.EXTENDED] = [*record.get(directory.EXTENDED, []), change]
    directory.write_json(folder / directory.RECORD, record)
    # From here on the run is the longer one. What follows is repeated by `resume` if a kill comes first.
    directory.rename_old_scores(folder)
    checkpoint.delete(folder / execution.CHECKPOINTS, after=start)


def _check_not_shorter(run: Run, new: Experiment, trained: int) -> None:
    """Raise JaxaeError if the run has trained more than the new length already."""
    done = _plan(run, run.experiment).end(trained)
    if done <= _plan(run, new).total:
        return
    name, got, has = ("steps", new.steps, done) if new.steps else ("epochs", new.epochs, trained)
    raise JaxaeError(f"{name}: got {got}, but {run.folder} has trained {has} already; it cannot be shortened")


def _last_common_state(run: Run, new: Experiment, trained: int) -> checkpoint.Restored | None:
    """Return the newest checkpoint that a run of the new length would have too; None for the start."""
    folder = run.folder
    before, after = _plan(run, run.experiment), _plan(run, new)

    def is_common(epoch: int) -> bool:
        # The last epoch may end early (`steps`), and validates even if `validate_every` does not say so.
        validated = [epoch % new.validate_every == 0 or epoch == plan.epochs for plan in (before, after)]
        return before.end(epoch) == after.end(epoch) and validated[0] == validated[1]

    newest = next((epoch for epoch in range(trained, 0, -1) if is_common(epoch)), 0)
    identity, earlier = run_record.fingerprint(folder), run_record.earlier_fingerprints(folder)
    warn = functools.partial(directory.warn, folder)
    shapes, checkpoints = execution.abstract(run), folder / execution.CHECKPOINTS
    return checkpoint.restore(checkpoints, shapes, identity, warn, earlier, up_to=newest)


def _check_goes_on(run: Run, restored: checkpoint.Restored) -> None:
    """Raise JaxaeError if the run has diverged or stopped early: no length changes that."""
    carry: Carry = restored.state
    if int(carry.first_bad_step) != NEVER:
        raise JaxaeError(
            f"{run.folder}: diverged at step {int(carry.first_bad_step) + 1} and cannot be trained further"
        )
    if int(carry.state.step) != _plan(run, run.experiment).end(restored.epoch):
        raise JaxaeError(f"{run.folder}: was saved from a sweep with its best epoch only; it cannot go on")
    if loop.has_stopped(run.experiment, int(carry.since_improved)):
        raise JaxaeError(
            f"early_stopping: {run.folder} stopped early, and would with any length; start another run: "
            f"jaxae train {run.folder / directory.RECORD} --early-stopping None"
        )


def _check_model(run: Run, new: Experiment) -> None:
    """Raise JaxaeError if the model at the end of the run, by which epochs are compared, becomes another."""
    if run.dataset.num_rows["validation"] == 0:
        return  # no epoch was compared
    old_end, new_end = (_plan(run, experiment).total for experiment in (run.experiment, new))
    for (name, before), (_, after) in zip(
        _model_at(run.experiment, old_end), _model_at(run.experiment, new_end), strict=True
    ):
        if not np.array_equal(before, after):
            command = f"jaxae train {run.folder / directory.RECORD} {_option(new)}"
            raise JaxaeError(
                f"{name}: depends on the length: {before:g} at step {old_end}, the end so far, and {after:g} "
                f"at step {new_end}; epochs are compared by the last value; start another run: {command}"
            )


def _option(experiment: Experiment) -> str:
    return f"--steps {experiment.steps}" if experiment.steps else f"--epochs {experiment.epochs}"


def _model_at(experiment: Experiment, step: int) -> list[tuple[str, np.ndarray]]:
    """Return (name, value) of the model's schedules and of the weights of its terms at a step."""
    with precision.of(experiment):
        experiment = as_arrays(experiment)
        values = [(name, schedule(step)) for name, schedule in _schedules(experiment) if _is_models(name)]
        weights = schedules.at(experiment.model, step).weights(jnp.asarray(step, jnp.int32))
        values += [(f"model: the weight of {name}", weight) for name, weight in weights.items()]
        return [(name, np.asarray(jax.device_get(value))) for name, value in values]


def _schedules(experiment: Any) -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, schedule) of all schedules of an experiment."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(experiment, is_leaf=callable):
        if callable(leaf):
            yield jax.tree_util.keystr(path, simple=True, separator="."), leaf


def _is_models(name: str) -> bool:
    return name.partition(".")[0] == "model"


def _report_schedules(run: Run, new: Experiment) -> None:
    """Report the schedules of the optimiser: they go on, and are not stretched to the new length."""
    ends = [_plan(run, experiment).total for experiment in (run.experiment, new)]
    with precision.of(new):
        for name, schedule in _schedules(new):
            if not _is_models(name):
                before, after = (float(schedule(end)) for end in ends)
                kind = type(schedule).__name__
                values = f"{before:g} at step {ends[0]}, the end so far, and {after:g} at step {ends[1]}"
                directory.warn(run.folder, f"{name}: {kind} is not stretched to the new length: {values}")


def _report_restart(run: Run, start: int, trained: int) -> None:
    """Report that epochs are trained again, because only a shorter run has their last one."""
    restart = f"goes on from epoch {start}" if start else "starts again from epoch 1"
    reason = "the run of the new length cuts or validates the last epoch differently"
    directory.warn(run.folder, f"the run has {trained} epochs and {restart}: {reason}")
