"""A run, epoch by epoch, from the host's side: compiled programs, one synchronisation an epoch."""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxae.errors import Diverged
from jaxae.maths import precision
from jaxae.training import debugging, parallel
from jaxae.training import epoch as programs
from jaxae.training.epoch import NEVER, Carry, Report
from jaxae.training.step import StepInfo
from jaxae.types import Batch, Examples, Key

begin_program = jax.jit(programs.begin)
run_epoch = jax.jit(programs.run_epoch, donate_argnames="carry")
run_chunk = jax.jit(programs.run_chunk, donate_argnames="carry")
finish = jax.jit(programs.finish, donate_argnames="carry")
order = jax.jit(programs.order, static_argnames=("num_rows", "batch_size"))


Reader = Callable[..., Iterable[tuple[Any, Any]]]
CHUNK_BYTES = 32 * 2**20  # of streamed rows that go to the device at once


class EpochResult(NamedTuple):
    """An epoch for people and files: plain numbers, and the carry to be saved before the next one begins."""

    epoch: int
    step: int
    train: dict[str, float]
    validation: dict[str, float] | None  # None where the epoch does not validate
    best_epoch: int
    seconds: float
    stopped_early: bool  # early stopping ends the run here, before its last epoch
    carry: Carry


def begin(experiment: Any, key: Key, batch: Batch) -> Carry:
    """Return the carry before the first epoch, for batches shaped like `batch`."""
    with precision.of(experiment), debugging.unchecked():
        return begin_program(experiment, key, batch)


def epochs(
    experiment: Any,
    key: Key,
    carry: Carry,
    train: Examples,
    validation: Examples,
    first: int = 1,
    read: Reader | None = None,
    mesh: Mesh | None = None,
) -> Iterator[EpochResult]:
    """The epochs from `first` to the last, or to early stopping; `experiment` has f32[] leaves.

    Rows lie on the device, or are streamed by `read(train, order, chunk=steps)`, an iterator over
    (x [steps, B, ...], y) in the given order i32[num_steps, B]. With a mesh each batch is divided over
    its devices; the rows lie on all of them, as `to_device` puts them.
    Each result's carry is given up (donated) when the next is asked for.
    Raises: Diverged at the end of the epoch that met a number which is not finite. FloatingPointError under
    JAX_DEBUG_NANS or JAX_DEBUG_INFS, if such a number is in the state or in the validation alone.
    """
    one_epoch = functools.partial(_streamed_epoch, read, mesh) if read else run_epoch
    with precision.of(experiment):
        carry = parallel.replicate(carry, mesh)
    if int(carry.first_bad_step) != NEVER:
        raise Diverged(f"diverged at step {int(carry.first_bad_step) + 1}: nothing is left to train")
    since_improved = int(carry.since_improved)
    for number in range(first, experiment.epochs + 1):
        if has_stopped(experiment, since_improved):
            return
        start = time.perf_counter()
        with precision.of(experiment), parallel.over(mesh), debugging.unchecked():
            carry, report = one_epoch(
                experiment, key, carry, train, validation, jnp.asarray(number, jnp.int32)
            )
        summary = jax.device_get(
            (report, carry.state.step, carry.first_bad_step, carry.since_improved, carry.best_epoch)
        )
        seconds = time.perf_counter() - start
        result = _result(experiment, number, carry, summary, seconds, len(validation.x) > 0)
        since_improved = int(summary[3])
        if summary[2] == NEVER:
            debugging.check((carry.state, report), f"epoch {number}")
        yield result
        if summary[2] != NEVER:
            message = describe_divergence(summary[0].bad, int(summary[2]), number)
            on_device = mesh is None and read is None and debugging.is_on()
            cause = debugging.cause(experiment, key, carry.state, train, number) if on_device else None
            raise Diverged(f"{message}; {cause}" if cause else message) from cause


def to_device(examples: Examples, mesh: Mesh | None = None) -> Examples:
    """A split on the device, or on each of the mesh, in the type in which it is stored.

    A streamed one stays where it is.
    """
    return parallel.replicate(examples, mesh) if isinstance(examples.x, np.ndarray) else examples


def _result(
    experiment: Any, number: int, carry: Carry, summary: Any, seconds: float, has_validation: bool
) -> EpochResult:
    report, step, _, since_improved, best_epoch = summary
    train, validation = numbers(experiment, number, report, has_validation)
    return EpochResult(
        epoch=number,
        step=int(step),
        train=train,
        validation=validation,
        best_epoch=int(best_epoch),
        seconds=seconds,
        stopped_early=number < experiment.epochs and has_stopped(experiment, int(since_improved)),
        carry=carry,
    )


def numbers(
    experiment: Any, number: int, report: Report, has_validation: bool
) -> tuple[dict[str, float], dict[str, float] | None]:
    """An epoch's means over training and over validation rows, None where it does not validate."""
    train = {"loss": report.train_loss, **report.train, "gradient_norm": report.gradient_norm}
    validation = {"loss": report.validation_loss, **report.validation}
    # An epoch that does not validate is told apart by the plan, not by nan: a nan that was measured stays.
    due = number % experiment.validate_every == 0 or number == experiment.epochs
    return _floats(train), _floats(validation) if due and has_validation else None


def has_stopped(experiment: Any, since_improved: int) -> bool:
    """Return whether so many validations without improvement exhaust the patience of early stopping."""
    return experiment.early_stopping is not None and since_improved >= experiment.early_stopping.patience


def _floats(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def describe_divergence(bad: StepInfo, step: int, epoch: int) -> str:
    """`diverged at step 12 (epoch 1): rate is inf`, from the step's own values; `step` counts from 0."""
    values = {**bad.terms, "loss": bad.loss, "the gradient's norm": bad.gradient_norm}
    name, value = next((name, value) for name, value in values.items() if not np.isfinite(value))
    return f"diverged at step {step + 1} (epoch {epoch}): {name} is {float(value)}"


def _streamed_epoch(
    read: Reader,
    mesh: Mesh | None,
    experiment: Any,
    key: Key,
    carry: Carry,
    train: Examples,
    validation: Examples,
    epoch: jax.Array,
) -> tuple[Carry, Report]:
    """The same epoch over rows that do not fit the device, some steps' batches at a time."""
    size = experiment.batch_size
    rows = np.asarray(order(key, epoch, num_rows=len(train.x), batch_size=size))
    scale = jnp.asarray(train.scale)
    infos: list[StepInfo] = []
    for x, y in read(train, rows, chunk=_chunk_steps(train, size)):
        carry, info = run_chunk(experiment, key, carry, parallel.divide_steps(Batch(x, y), mesh), scale)
        infos.append(info)
    joined = jax.tree.map(lambda *parts: jnp.concatenate(parts), *infos)
    return finish(experiment, key, carry, joined, validation, epoch)


def _chunk_steps(train: Examples, batch_size: int) -> int:
    row_bytes = int(np.prod(train.x.shape[1:], dtype=np.int64)) * np.dtype(train.x.dtype).itemsize
    return max(1, CHUNK_BYTES // (row_bytes * batch_size))
