"""The one train step of the whole family: presentation, loss, gradient, update.

Two more methods an autoencoder may have, by the names of its parameters' groups (the first level of
`Variables.params`): `optimizers()`, those that have an optimiser of their own, such as a discriminator;
and `trained(step)`, bool[] for each that is frozen at some steps. When another set of them begins to
learn, the optimiser begins anew, as if that were a run of its own.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxae import schedules
from jaxae.maths import precision
from jaxae.protocols.capabilities import Model, Phased, SeparateOptimizers
from jaxae.types import Batch, Key, Params, Terms, Variables


class TrainState(NamedTuple):
    """Arrays only, so it can be mapped over runs, donated and saved as it is."""

    step: Array  # i32[], steps taken
    variables: Variables
    opt_state: optax.OptState
    average: Params  # moving average of the parameters, () where none is kept


class StepInfo(NamedTuple):
    """What a step tells: means over the batch of each term, the weighted loss, the gradient's norm."""

    terms: Terms
    loss: Array
    gradient_norm: Array


def create(experiment: Any, key: Key, batch: Batch) -> TrainState:
    """The state before the first step, for batches shaped like `batch`."""
    variables = precision.raised(experiment.model.init(key, batch))
    # The average starts at the first parameters; a copy, since the state is donated to the step.
    average = jax.tree.map(jnp.copy, variables.params) if experiment.ema_decay is not None else ()
    opt_state = optimizer(experiment).init(variables.params)
    return TrainState(jnp.zeros((), jnp.int32), variables, opt_state, average)


def optimizer(experiment: Any) -> optax.GradientTransformation:
    """The experiment's optimiser behind its clipping."""
    clip = (
        optax.identity() if experiment.clip_norm is None else optax.clip_by_global_norm(experiment.clip_norm)
    )
    return optax.chain(clip, _by_group(experiment))


def _by_group(experiment: Any) -> optax.GradientTransformation:
    """The experiment's optimiser, but for the groups of parameters that have one of their own."""
    shared = experiment.optimizer.build()
    model = experiment.model
    own = model.optimizers() if isinstance(model, SeparateOptimizers) else {}
    if not own:
        return shared

    def labels(params: Params) -> Params:
        return {
            name: jax.tree.map(lambda _, name=name: name if name in own else "", part)
            for name, part in params.items()
        }

    return optax.partition({"": shared, **{name: each.build() for name, each in own.items()}}, labels)


def train_step(
    experiment: Any, key: Key, state: TrainState, rows: Batch, scale: Array
) -> tuple[TrainState, StepInfo]:
    """One update on `rows` as stored; the noise depends on the step's number, not on history."""
    present_key, terms_key = jax.random.split(jax.random.fold_in(key, state.step))
    batch = present(rows, scale, experiment.data.binarize, present_key)
    gradient = jax.grad(loss, has_aux=True)
    params, extra = state.variables
    grads, (total, means, extra) = gradient(params, extra, experiment, batch, terms_key, state.step)
    opt_state, update = state.opt_state, optimizer(experiment)
    model = experiment.model
    trained = model.trained(state.step) if isinstance(model, Phased) else None
    if trained is not None:
        before = model.trained(state.step - 1)
        opt_state = _begun_anew(opt_state, update.init(params), trained, before)
    updates, opt_state = update.update(grads, opt_state, params)
    new = optax.apply_updates(params, updates)
    params = new if trained is None else _frozen(params, new, trained)
    average = _move(state.average, params, experiment.ema_decay)
    # With the barrier the norm is not fused into the gradients: measured, 8 % of an epoch on CPU.
    info = StepInfo(means, total, optax.tree.norm(jax.lax.optimization_barrier(grads)))
    return TrainState(state.step + 1, Variables(params, extra), opt_state, average), info


def loss(
    params: Params, extra: Any, experiment: Any, batch: Batch, key: Key, step: Array
) -> tuple[Array, tuple[Array, Terms, Any]]:
    """sum_k weights[k] * mean_B(terms[k]), f32[]; and beside it the same again, the means, the new extra."""
    variables = Variables(cast(params, experiment.compute_dtype), extra)
    autoencoder = schedules.at(experiment.model, step)
    terms, extra = autoencoder.terms(variables, batch, key)
    means = {name: term.mean() for name, term in terms.items()}
    total = weighted(autoencoder, means, step)
    return total, (total, means, extra)


def weighted(autoencoder: Model, means: Terms, step: Array) -> Array:
    """The weighted sum of the terms' means at `step`, f32[]."""
    weights = autoencoder.weights(step)
    return sum((weights[name] * mean for name, mean in means.items()), start=jnp.zeros(()))


def present(rows: Batch, scale: Array, binarize: str, key: Key) -> Batch:
    """Rows as stored -> what the autoencoder sees; dynamic binarisation is drawn anew at each call."""
    x = rows.x.astype(precision.real()) / scale
    if binarize == "dynamic":
        # The same draws, faster: XLA's loops on CPU want one long axis, not one of 1 or 3 channels.
        x = jax.random.bernoulli(key, x.reshape(len(x), -1)).astype(x.dtype).reshape(x.shape)
    return Batch(x, rows.y)


def cast(params: Params, dtype: str) -> Params:
    """The parameters in the precision of the nets' products."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == jnp.float32 else leaf, params)


def evaluation_variables(state: TrainState) -> Variables:
    """What is evaluated: the moving average of the parameters where one is kept."""
    averaged = jax.tree.leaves(state.average)
    return Variables(state.average, state.variables.extra) if averaged else state.variables


def _begun_anew(opt_state: Any, fresh: Any, now: Mapping[str, Array], before: Mapping[str, Array]) -> Any:
    """The optimiser's state, fresh where another set of groups learns than at the step before."""
    changed = functools.reduce(jnp.logical_or, (now[name] != before[name] for name in now))
    return jax.tree.map(functools.partial(jnp.where, changed), fresh, opt_state)


def _frozen(old: Params, new: Params, learns: Mapping[str, Array]) -> Params:
    """The new parameters of the groups that learn, the old ones of the others."""
    return {
        name: jax.tree.map(functools.partial(jnp.where, learns.get(name, True)), new[name], old[name])
        for name in new
    }


def _move(average: Params, params: Params, decay: Array | None) -> Params:
    if decay is None:
        return average
    return jax.tree.map(lambda old, new: decay * old + (1.0 - decay) * new, average, params)
