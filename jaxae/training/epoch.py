"""An epoch as one program: order, steps, validation, the choice of the best; nothing leaves the device.

Everything that the next epoch needs is in `Carry`, arrays only: it is donated, saved as it is, and
could be one lane of many. Order and noise come from (key, epoch) and (key, step), so an epoch
replayed after an interruption is the epoch itself.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys, schedules
from jaxae.estimators.terms import mean_terms
from jaxae.maths import precision
from jaxae.protocols.capabilities import Model
from jaxae.training import parallel
from jaxae.training.step import StepInfo, TrainState, create, evaluation_variables, train_step, weighted
from jaxae.types import Batch, Examples, Key, Terms

NEVER = -1  # first_bad_step of a run whose numbers are all finite


class Carry(NamedTuple):
    """A run between two epochs."""

    state: TrainState
    best: TrainState  # after the epoch with the best validation score, with its own optimiser state
    best_score: Array  # f32[], validation loss under the final weights; inf before the first validation
    best_epoch: Array  # i32[], 0 before the first validation
    patience_score: Array  # f32[], the score that early stopping waits to see improved
    since_improved: Array  # i32[], validations
    first_bad_step: Array  # i32[], the step whose loss or gradient was not finite, or NEVER


class Report(NamedTuple):
    """What an epoch tells: means over its good steps, and over the validation rows."""

    train: Terms
    train_loss: Array
    gradient_norm: Array
    validation: Terms  # 0 where this epoch does not validate: JAX_DEBUG_NANS must not meet a planned nan
    validation_loss: Array
    bad: StepInfo  # the first bad step's own values; of use only where first_bad_step says so


def begin(experiment: Any, key: Key, batch: Batch) -> Carry:
    """The carry before the first epoch, for batches shaped like `batch`."""
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), batch)
    state = create(experiment, keys.named(key, "init"), zeros)
    worst, none = jnp.full((), jnp.inf, precision.real()), jnp.zeros((), jnp.int32)
    best = jax.tree.map(jnp.copy, state)
    return Carry(state, best, worst, none, worst, none, jnp.full((), NEVER, jnp.int32))


def order(key: Key, epoch: Array, num_rows: int, batch_size: int) -> Array:
    """The rows of each batch of an epoch, i32[num_steps, B], from (key, epoch) alone."""
    # Sorting random bits is cheaper than jax.random.permutation, which sorts several times.
    bits = jax.random.bits(jax.random.fold_in(keys.named(key, "order"), epoch), (num_rows,), jnp.uint32)
    steps = num_rows // batch_size
    return jnp.argsort(bits)[: steps * batch_size].reshape(steps, batch_size)


def run_epoch(
    experiment: Any, key: Key, carry: Carry, train: Examples, validation: Examples, epoch: Array
) -> tuple[Carry, Report]:
    """One epoch over rows that lie on the device; `epoch` i32[] counts from 1."""

    def batch(rows: Array) -> Batch:
        return jax.tree.map(lambda leaf: leaf[rows], Batch(train.x, train.y))

    batches = order(key, epoch, len(train.x), experiment.batch_size)
    carry, infos = run_steps(experiment, key, carry, batches, batch, train.scale)
    return finish(experiment, key, carry, infos, validation, epoch)


def run_chunk(
    experiment: Any, key: Key, carry: Carry, batches: Batch, scale: Array
) -> tuple[Carry, StepInfo]:
    """The steps over streamed batches, x [steps, B, ...]: a part of an epoch that `finish` completes."""
    return run_steps(experiment, key, carry, batches, lambda rows: rows, scale)


def run_steps(
    experiment: Any, key: Key, carry: Carry, batches: Any, batch: Any, scale: Array
) -> tuple[Carry, StepInfo]:
    """Scans the train step over `batches`; `batch(item)` gives a step's rows. Freezes at a bad step.

    Under a mesh each step's rows are divided over its devices, and the state is whole on each.
    """
    noise_key = keys.named(key, "noise")

    def body(loop: tuple[TrainState, Array], item: Any) -> tuple[tuple[TrainState, Array], StepInfo]:
        state, first_bad_step = loop
        rows = parallel.divided(batch(item))
        new, info = parallel.replicated(train_step(experiment, noise_key, state, rows, scale))
        finite = jnp.isfinite(info.loss) & jnp.isfinite(info.gradient_norm)
        good = finite & (first_bad_step == NEVER)
        first_bad_step = jnp.where((first_bad_step == NEVER) & ~finite, state.step, first_bad_step)
        return (jax.tree.map(functools.partial(jnp.where, good), new, state), first_bad_step), info

    (state, first_bad_step), infos = jax.lax.scan(body, (carry.state, carry.first_bad_step), batches)
    return carry._replace(state=state, first_bad_step=first_bad_step), infos


def finish(
    experiment: Any, key: Key, carry: Carry, infos: StepInfo, validation: Examples, epoch: Array
) -> tuple[Carry, Report]:
    """Means over the steps [num_steps], validation where it is due, and the best so far."""
    steps = len(infos.loss)
    good_steps = steps - _bad_steps(carry, steps, epoch)
    good = jnp.arange(steps) < good_steps
    mean = jax.tree.map(lambda value: jnp.where(good, value, 0.0).sum() / good_steps, infos)
    bad = jax.tree.map(lambda value: value[jnp.minimum(good_steps, steps - 1)], infos)
    final = jnp.asarray(experiment.epochs * steps, jnp.int32)
    autoencoder = schedules.at(experiment.model, final)
    due = _validates(experiment, validation, epoch)
    terms = _validate(experiment, autoencoder, key, carry.state, validation, due)
    score = weighted(autoencoder, terms, final)
    carry = _choose(experiment, carry, score, epoch, due)
    report = Report(mean.terms, mean.loss, mean.gradient_norm, terms, score, bad)
    return parallel.replicated((carry, report))


def _bad_steps(carry: Carry, steps: int, epoch: Array) -> Array:
    """How many steps of this epoch were not taken, i32[]: from the first bad step to the epoch's end."""
    return jnp.where(carry.first_bad_step == NEVER, 0, epoch * steps - carry.first_bad_step)


def _validates(experiment: Any, validation: Examples, epoch: Array) -> Array:
    """Whether this epoch validates, bool[]."""
    due = (epoch % experiment.validate_every == 0) | (epoch == experiment.epochs)
    return due & (len(validation.x) > 0)


def _validate(
    experiment: Any, autoencoder: Model, key: Key, state: TrainState, validation: Examples, due: Array
) -> Terms:
    """Return the mean terms over the validation rows where `due`, else zeros."""
    if len(validation.x) == 0:
        return {name: jnp.zeros(()) for name in autoencoder.weights(state.step)}
    variables, eval_key = evaluation_variables(state), keys.named(key, "validation")
    # Batches as in training: what depends on a batch means the same, and it fits where a step does.
    measure = functools.partial(
        mean_terms, autoencoder, variables, validation, eval_key, experiment.batch_size
    )
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(measure))
    return jax.lax.cond(due, measure, lambda: nothing)


def _choose(experiment: Any, carry: Carry, score: Array, epoch: Array, due: Array) -> Carry:
    """Update the best state and the patience by the score of an epoch that validates; nan never improves."""
    stopping = experiment.early_stopping
    better = due & (score < carry.best_score)
    min_delta, warm_up = (stopping.min_delta, stopping.warm_up) if stopping else (0.0, 0)
    improved = (score < carry.patience_score - min_delta) | (epoch <= warm_up)
    lower, waited = jnp.fmin(score, carry.patience_score), jnp.where(improved, 0, carry.since_improved + 1)
    return carry._replace(
        best=jax.tree.map(functools.partial(jnp.where, better), carry.state, carry.best),
        best_score=jnp.where(better, score, carry.best_score),
        best_epoch=jnp.where(better, epoch, carry.best_epoch),
        patience_score=jnp.where(due & improved, lower, carry.patience_score),
        since_improved=jnp.where(due, waited, carry.since_improved),
    )
