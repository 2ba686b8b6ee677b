"""Compute an epoch as one program: data order, steps, validation and the choice of the best state.

Nothing leaves the device during an epoch. `Carry` holds everything that the next epoch needs, as arrays only.
So it can be donated and saved unchanged, and mapped over the lanes of a sweep. The data order depends on
(key, epoch) and the noise on (key, step) alone, so an epoch that is repeated after an interruption gives the
same bits.

Memory: the carry holds the state twice, the current and the best one. On CPU an epoch keeps the state at its
start as well.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys, schedules
from jaxae.estimators.terms import mean_terms
from jaxae.maths import precision, threefry
from jaxae.protocols.capabilities import Model
from jaxae.training import finite_steps, parallel
from jaxae.training.finite_steps import NEVER as NEVER
from jaxae.training.step import (
    StepInfo,
    TrainState,
    create,
    evaluation_variables,
    start_from,
    train_step,
    weighted,
)
from jaxae.types import Batch, Examples, Key, Terms, Variables


class Carry(NamedTuple):
    """State of a run between two epochs."""

    state: TrainState
    best: TrainState  # state after the epoch with the best validation score, with its optimiser state
    best_score: Array  # f32[], validation loss under the final weights; inf before the first validation
    best_epoch: Array  # i32[], 0 before the first validation
    patience_score: Array  # f32[], the score that the next validation must improve for early stopping
    since_improved: Array  # i32[], number of validations since patience_score improved
    first_bad_step: Array  # i32[], first step whose loss or gradient was not finite, or NEVER


class Report(NamedTuple):
    """Results of an epoch: means over its finite steps, and over the validation rows."""

    train: Terms
    train_loss: Array
    gradient_norm: Array
    validation: Terms  # zeros in an epoch that does not validate; nan would trigger JAX_DEBUG_NANS
    validation_loss: Array
    bad: StepInfo  # values of the first bad step; meaningless if first_bad_step is NEVER


def begin(experiment: Any, key: Key, batch: Batch) -> Carry:
    """Initialise the carry before the first epoch.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: The key of the run.
        batch: Batch of any size, whose shapes and dtypes are those of the data; its values are not used.

    Returns:
        The carry, with step and epoch 0.
    """
    # Zeros and not the first rows: the initial parameters must not depend on the data.
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), batch)
    state = create(experiment, keys.named(key, "init"), zeros)
    worst, zero = jnp.full((), jnp.inf, precision.real()), jnp.zeros((), jnp.int32)
    # A copy: the carry is donated, and two leaves must not share one buffer.
    best = jax.tree.map(jnp.copy, state)
    return Carry(state, best, worst, zero, worst, zero, jnp.full((), NEVER, jnp.int32))


def begin_from(experiment: Any, carry: Carry, variables: Variables) -> Carry:
    """Return a carry before the first epoch that starts from given variables, with a fresh optimiser.

    Args:
        experiment: The experiment, with arrays as leaves.
        carry: The carry that `begin` returned.
        variables: Variables to start from, of the same shapes.

    Returns:
        The carry, with step and epoch 0.
    """
    state = start_from(experiment, variables)
    return carry._replace(state=state, best=jax.tree.map(jnp.copy, state))


def order(key: Key, epoch: Array, num_rows: int, batch_size: int) -> Array:
    """Draw the order of the rows in an epoch, which depends on (key, epoch) alone.

    Args:
        key: The key of the run.
        epoch: i32[], the number of the epoch, from 1.
        num_rows: Number of training rows.
        batch_size: Rows in a batch, B. Rows that do not fill a batch are left out, other ones in each epoch.

    Returns:
        i32[num_steps, B], the row numbers of each batch.
    """
    # Sorting random bits is cheaper than jax.random.permutation, which sorts several times. For tiny models
    # the permutation took a third of the time.
    bits = jax.random.bits(jax.random.fold_in(keys.named(key, "order"), epoch), (num_rows,), jnp.uint32)
    steps = num_rows // batch_size
    return jnp.argsort(bits)[: steps * batch_size].reshape(steps, batch_size)


def run_epoch(
    experiment: Any,
    key: Key,
    carry: Carry,
    train: Examples,
    validation: Examples,
    epoch: Array,
    *,
    side_by_side: bool = False,
) -> tuple[Carry, Report]:
    """Run one epoch over rows that are on the device.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: The key of the run.
        carry: State of the run before the epoch.
        train: Training rows [N, ...], in the type in which they are stored.
        validation: Validation rows; may be empty.
        epoch: i32[], the number of the epoch, from 1.
        side_by_side: Whether the run is vmapped with others.

    Returns:
        (carry, report) after the epoch.
    """
    # [N, D]: XLA's loops on CPU are slow if the last axis is as short as 1 or 3 channels.
    flat = train.x.reshape(len(train.x), -1)

    def batch(rows: Array) -> Batch:
        x = flat[rows].reshape(-1, *train.x.shape[1:])
        return Batch(x, jax.tree.map(lambda leaf: leaf[rows], train.y))

    batches = order(key, epoch, len(train.x), experiment.batch_size)[: experiment.steps]
    carry, infos = run_steps(experiment, key, carry, batches, batch, train.scale, side_by_side)
    return finish(experiment, key, carry, infos, validation, epoch)


def total_steps(experiment: Any, steps_per_epoch: int) -> int:
    """Return the number of steps of a whole run: `steps`, or all steps of `epochs`.

    Args:
        experiment: The experiment.
        steps_per_epoch: Steps of an epoch.

    Returns:
        The number of updates.
    """
    return experiment.steps or experiment.epochs * steps_per_epoch


def run_chunk(
    experiment: Any, key: Key, carry: Carry, batches: Batch, scale: Array
) -> tuple[Carry, StepInfo]:
    """Run some steps of an epoch over streamed batches; `finish` completes the epoch.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: The key of the run.
        carry: State of the run before these steps.
        batches: The rows of all steps, x [num_steps, B, ...].
        scale: f32[], stored values are divided by it.

    Returns:
        (carry, values of each step [num_steps]).
    """
    return run_steps(experiment, key, carry, batches, lambda rows: rows, scale)


def run_steps(
    experiment: Any,
    key: Key,
    carry: Carry,
    batches: Any,
    batch: Any,
    scale: Array,
    side_by_side: bool = False,
) -> tuple[Carry, StepInfo]:
    """Take the train step over batches, until a loss or a gradient is not finite: then the state is frozen.

    It is frozen as well after the last step of `experiment.steps`, which may lie inside the last epoch.
    Under a mesh the rows of each step are sharded over its devices, and the state is replicated.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: The key of the run.
        carry: State of the run before these steps.
        batches: Pytree whose leaves have a first axis of num_steps: row numbers, or the rows themselves.
        batch: Function that returns the rows of a step from one item of `batches`.
        scale: f32[], stored values are divided by it.
        side_by_side: Whether the run is vmapped with others.

    Returns:
        (carry, values of each step [num_steps]).
    """
    noise_key = keys.named(key, "noise")
    if not parallel.is_shared():
        # Over a mesh the loop of its bits would be divided, and gathered again in every step.
        noise_key = threefry.quick(noise_key)

    def step(state: TrainState, item: Any) -> tuple[TrainState, StepInfo]:
        rows = parallel.divided(batch(item))
        return parallel.replicated(train_step(experiment, noise_key, state, rows, scale))

    run = finite_steps.restart if finite_steps.restarts(side_by_side) else finite_steps.select
    state, first_bad_step, infos = run(step, carry.state, carry.first_bad_step, batches, experiment.steps)
    return carry._replace(state=state, first_bad_step=first_bad_step), infos


def finish(
    experiment: Any, key: Key, carry: Carry, infos: StepInfo, validation: Examples, epoch: Array
) -> tuple[Carry, Report]:
    """Complete an epoch: average its steps, validate if it is due, and update the best state.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: The key of the run.
        carry: State of the run after the last step of the epoch.
        infos: Values of each step [num_steps].
        validation: Validation rows; may be empty.
        epoch: i32[], the number of the epoch, from 1.

    Returns:
        (carry, report) after the epoch.
    """
    steps = len(infos.loss)
    # Means over the good steps only: one nan would hide the numbers of a whole epoch. 0 / 0 if none was good.
    good_steps = steps - _count_bad_steps(experiment, carry, steps, epoch)
    good = jnp.arange(steps) < good_steps
    mean = jax.tree.map(lambda value: jnp.where(good, value, 0.0).sum() / good_steps, infos)
    bad = jax.tree.map(lambda value: value[jnp.minimum(good_steps, steps - 1)], infos)
    # Scores of all epochs are compared under the final weights: under a warm-up the loss itself changes.
    final = jnp.asarray(total_steps(experiment, steps), jnp.int32)
    autoencoder = schedules.at(experiment.model, final)
    is_due = _is_validation_due(experiment, validation, epoch)
    terms = _validate(experiment, autoencoder, key, carry.state, validation, is_due)
    score = weighted(autoencoder, terms, final)
    carry = _update_best(experiment, carry, score, epoch, is_due)
    report = Report(mean.terms, mean.loss, mean.gradient_norm, terms, score, bad)
    return parallel.replicated((carry, report))


def _count_bad_steps(experiment: Any, carry: Carry, steps: int, epoch: Array) -> Array:
    """Count the steps at the end of this epoch that changed nothing, i32[]: bad, or after the last step."""
    left_out: Any = 0
    if experiment.steps is not None:
        left_out = jnp.maximum(epoch * steps - experiment.steps, 0)
    return jnp.where(carry.first_bad_step == NEVER, left_out, epoch * steps - carry.first_bad_step)


def _is_validation_due(experiment: Any, validation: Examples, epoch: Array) -> Array:
    """Return whether this epoch validates, bool[]; the last epoch always does."""
    is_due = (epoch % experiment.validate_every == 0) | (epoch == experiment.epochs)
    return is_due & (len(validation.x) > 0)


def _validate(
    experiment: Any, autoencoder: Model, key: Key, state: TrainState, validation: Examples, is_due: Array
) -> Terms:
    """Return the mean of each term over the validation rows if `is_due`, else zeros."""
    if len(validation.x) == 0:
        return {name: jnp.zeros(()) for name in autoencoder.weights(state.step)}
    variables, eval_key = evaluation_variables(state), keys.named(key, "validation")
    # The batch size of training: terms that depend on the batch keep their meaning, and memory suffices.
    measure = functools.partial(
        mean_terms, autoencoder, variables, validation, eval_key, experiment.batch_size
    )
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(measure))
    return jax.lax.cond(is_due, measure, lambda: zeros)


def _update_best(experiment: Any, carry: Carry, score: Array, epoch: Array, is_due: Array) -> Carry:
    """Update the best state and the counter of early stopping after a validation."""
    # Comparisons with nan are False, so a score of nan is never the best and never an improvement.
    stopping = experiment.early_stopping
    is_better = is_due & (score < carry.best_score)
    min_delta, warm_up = (stopping.min_delta, stopping.warm_up) if stopping else (0.0, 0)
    has_improved = (score < carry.patience_score - min_delta) | (epoch <= warm_up)
    # fmin ignores nan. In the warm-up a worse score counts as improved too, and fmin keeps the lower one.
    lower = jnp.fmin(score, carry.patience_score)
    since_improved = jnp.where(has_improved, 0, carry.since_improved + 1)
    return carry._replace(
        best=jax.tree.map(functools.partial(jnp.where, is_better), carry.state, carry.best),
        best_score=jnp.where(is_better, score, carry.best_score),
        best_epoch=jnp.where(is_better, epoch, carry.best_epoch),
        patience_score=jnp.where(is_due & has_improved, lower, carry.patience_score),
        since_improved=jnp.where(is_due, since_improved, carry.since_improved),
    )
