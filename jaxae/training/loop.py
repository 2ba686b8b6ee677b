"""Run the epochs of a run from the host: compiled programs, and one synchronisation per epoch."""

import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxae import memory
from jaxae.errors import Diverged
from jaxae.maths import precision
from jaxae.training import debugging, parallel
from jaxae.training import epoch as programs
from jaxae.training.epoch import NEVER, Carry, Report
from jaxae.training.step import StepInfo
from jaxae.types import Batch, Examples, Key, Variables

# donate_argnames: the old carry is overwritten by the new one, which halves the memory of the state.
begin_program = jax.jit(programs.begin)
begin_from_program = jax.jit(programs.begin_from)
run_epoch = jax.jit(programs.run_epoch, donate_argnames="carry")
run_chunk = jax.jit(programs.run_chunk, donate_argnames="carry")
finish = jax.jit(programs.finish, donate_argnames="carry")
order = jax.jit(programs.order, static_argnames=("num_rows", "batch_size"))


Reader = Callable[..., Iterable[tuple[Any, Any]]]
has_started = threading.Event()  # set when this process first computes an epoch, after it was compiled
CHUNK_BYTES = 32 * 2**20  # bytes of streamed rows that are copied to the device at once


class EpochResult(NamedTuple):
    """Numbers of an epoch for files and the screen, and the carry to save before the next epoch starts."""

    epoch: int
    step: int
    train: dict[str, float]
    validation: dict[str, float] | None  # None if the epoch does not validate
    best_epoch: int
    seconds: float
    stopped_early: bool  # whether early stopping ends the run here, before its last epoch
    carry: Carry

    def __repr__(self) -> str:
        # Without the carry, whose repr would print all parameters.
        numbers = ", ".join(f"{name}={value}" for name, value in self._asdict().items() if name != "carry")
        return f"EpochResult({numbers})"


def begin(experiment: Any, key: Key, batch: Batch) -> Carry:
    """Initialise the carry before the first epoch, in the precision of the experiment.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: The key of the run.
        batch: Batch of any size, whose shapes and dtypes are those of the data.

    Returns:
        The carry, with step and epoch 0.
    """
    with precision.of(experiment), debugging.unchecked():
        return begin_program(experiment, key, batch)


def begin_from(experiment: Any, carry: Carry, variables: Variables) -> Carry:
    """Initialise the carry before the first epoch with given variables, in the experiment's precision.

    Args:
        experiment: The experiment, with arrays as leaves.
        carry: The carry that `begin` returned.
        variables: Variables to start from, of the same shapes.

    Returns:
        The carry, with step and epoch 0.
    """
    with precision.of(experiment), debugging.unchecked():
        return begin_from_program(experiment, carry, variables)


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
    """Train epoch by epoch, from `first` to the last epoch or to early stopping.

    Args:
        experiment: The experiment, with f32[] arrays as leaves.
        key: The key of the run.
        carry: State of the run before epoch `first`. It is donated: do not use it afterwards.
        train: Training rows, on the device (see `to_device`) unless `read` streams them.
        validation: Validation rows on the device; may be empty.
        first: Number of the first epoch to train.
        read: Streams rows: `read(train, order, chunk=steps)` iterates over (x [steps, B, ...], y) in the
            order i32[num_steps, B]. None if the rows are on the device.
        mesh: Devices that share each batch; the rows are replicated on all of them. None for one device.

    Yields:
        The result of each epoch. Its carry is donated when the next epoch starts, so save it before.

    Raises:
        Diverged: At the end of an epoch in which a loss or a gradient was not finite. The last good state
            was yielded before.
        FloatingPointError: Under JAX_DEBUG_NANS or JAX_DEBUG_INFS, if only the state or the validation has a
            number that is not finite.
    """
    train_epoch = functools.partial(_streamed_epoch, read, mesh) if read else run_epoch
    with precision.of(experiment):
        carry = parallel.replicate(carry, mesh)
    # A run that diverged was saved as such; to resume it would only freeze at the same step again.
    if int(carry.first_bad_step) != NEVER:
        raise Diverged(f"diverged at step {int(carry.first_bad_step) + 1}: the run cannot be trained further")
    since_improved = int(carry.since_improved)
    for number in range(first, experiment.epochs + 1):
        if has_stopped(experiment, since_improved):
            return
        start = time.perf_counter()
        with precision.of(experiment), parallel.over(mesh), debugging.unchecked():
            epoch: Any = np.int32(number)  # jnp.asarray of an int would compile a program
            if read or mesh:  # these calls may return after the epoch, not when it is compiled
                has_started.set()
            carry, report = train_epoch(experiment, key, carry, train, validation, epoch)
        has_started.set()
        # The only synchronisation of an epoch: one transfer of all its small results.
        summary = jax.device_get(
            (report, carry.state.step, carry.first_bad_step, carry.since_improved, carry.best_epoch)
        )
        seconds = time.perf_counter() - start
        result = _make_result(experiment, number, carry, summary, seconds, len(validation.x) > 0)
        since_improved = int(summary[3])
        if summary[2] == NEVER:
            debugging.check((carry.state, report), f"epoch {number}")
        # Yield before raising, so that the caller can save the last good state and the history.
        yield result
        if summary[2] != NEVER:
            message = describe_divergence(summary[0].bad, int(summary[2]), number)
            # The search for the operation needs the rows on one device.
            on_device = mesh is None and read is None and debugging.is_on()
            cause = debugging.cause(experiment, key, carry.state, train, number) if on_device else None
            raise Diverged(f"{message}; {cause}" if cause else message) from cause


def to_device(examples: Examples, mesh: Mesh | None = None) -> Examples:
    """Copy a split to the device, or to each device of the mesh; a streamed split stays on the disk.

    Rows keep the type in which they are stored: uint8 takes a quarter of the memory of f32.

    Args:
        examples: The rows of one split.
        mesh: Devices of the run; None for one device.

    Returns:
        The split, on the device.
    """
    # A rehearsal needs shapes only: a second copy of the rows would take memory from training.
    if memory.is_rehearsal() or not isinstance(examples.x, np.ndarray):
        return examples
    return parallel.replicate(examples, mesh)


def _make_result(
    experiment: Any, number: int, carry: Carry, summary: Any, seconds: float, has_validation: bool
) -> EpochResult:
    """Collect the result of an epoch from the summary on the host."""
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
    """Convert the report of an epoch to plain numbers.

    Args:
        experiment: The experiment.
        number: Number of the epoch, from 1.
        report: Report of the epoch, on the host.
        has_validation: Whether the data has validation rows.

    Returns:
        (means over the training rows, means over the validation rows). The second is None if the epoch does
        not validate.
    """
    train = {"loss": report.train_loss, **report.train, "gradient_norm": report.gradient_norm}
    validation = {"loss": report.validation_loss, **report.validation}
    # Whether an epoch validates follows from its number and not from nan: a measured nan must be reported.
    is_due = number % experiment.validate_every == 0 or number == experiment.epochs
    return _as_floats(train), _as_floats(validation) if is_due and has_validation else None


def has_stopped(experiment: Any, since_improved: int) -> bool:
    """Return whether early stopping ends the run.

    Args:
        experiment: The experiment; without `early_stopping` it never ends early.
        since_improved: Number of validations without improvement.

    Returns:
        Whether the patience is exhausted.
    """
    return experiment.early_stopping is not None and since_improved >= experiment.early_stopping.patience


def _as_floats(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def describe_divergence(bad: StepInfo, step: int, epoch: int) -> str:
    """Describe the first bad step: `diverged at step 12 (epoch 1): rate is inf`.

    Args:
        bad: Values of the bad step.
        step: Number of the step, from 0.
        epoch: Number of the epoch, from 1.

    Returns:
        The message; it names the first value that is not finite.
    """
    # Terms first: they name the cause, while loss and gradient only follow from them.
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
    """Run an epoch over rows that do not fit on the device, the batches of some steps at a time."""
    size = experiment.batch_size
    rows = np.asarray(order(key, epoch, num_rows=len(train.x), batch_size=size))[: experiment.steps]
    steps = len(rows)
    # Steps after the last one of `experiment.steps` are not read; on the device they are masked instead.
    rows = rows[: programs.total_steps(experiment, steps) - (int(epoch) - 1) * steps]
    scale = jnp.asarray(train.scale)
    infos: list[StepInfo] = []
    # The same order as on the device, and the same noise of each step: the results have the same bits.
    for x, y in read(train, rows, chunk=_chunk_steps(train, size)):
        carry, info = run_chunk(experiment, key, carry, parallel.divide_steps(Batch(x, y), mesh), scale)
        infos.append(info)
    joined = jax.tree.map(lambda *parts: _padded(jnp.concatenate(parts), steps), *infos)
    return finish(experiment, key, carry, joined, validation, epoch)


def _padded(values: jax.Array, steps: int) -> jax.Array:
    """Return the values of an epoch's steps with zeros for those that were not read, which do not count."""
    # All epochs then share one program, and the means are summed in the order of rows on the device.
    missing = steps - len(values)
    return jnp.concatenate([values, jnp.zeros((missing,), values.dtype)]) if missing else values


def _chunk_steps(train: Examples, batch_size: int) -> int:
    """Return the number of steps whose rows fit in CHUNK_BYTES, at least 1."""
    row_bytes = int(np.prod(train.x.shape[1:], dtype=np.int64)) * np.dtype(train.x.dtype).itemsize
    return max(1, CHUNK_BYTES // (row_bytes * batch_size))
