"""Compute one train step, which is the same for all models: present the rows, loss, gradient, update.

A model may have two more methods. Both speak of groups of parameters by name, the first level of
`Variables.params`:

- `optimizers()` returns a separate optimiser for some groups, such as a discriminator.
- `trained(step)` returns bool[] for each group that is frozen at some steps. When the set of trained groups
  changes, the state of the optimiser is reset, as at the start of a separate run.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxae import schedules
from jaxae.maths import precision
from jaxae.protocols.capabilities import Model, Phased, SeparateOptimizers
from jaxae.training.evaluated import evaluated_parameters
from jaxae.types import Batch, Key, Params, Terms, Variables


class TrainState(NamedTuple):
    """State of training: arrays only, so that it can be mapped over runs, donated and saved unchanged."""

    step: Array  # i32[], number of steps taken
    variables: Variables
    opt_state: optax.OptState
    average: Params  # moving average of the parameters; () if `ema_decay` is None


class StepInfo(NamedTuple):
    """Values of a step: the mean of each term over the batch, the weighted loss, the norm of the gradient."""

    terms: Terms
    loss: Array
    gradient_norm: Array


def create(experiment: Any, key: Key, batch: Batch) -> TrainState:
    """Initialise the state before the first step.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: Key of the initialisation.
        batch: Batch with the shapes and dtypes of the data.

    Returns:
        The state at step 0.
    """
    # In float64, linen still creates some parameters as float32: raise them to the precision of the run.
    return start_from(experiment, precision.raised(experiment.model.init(key, batch)))


def start_from(experiment: Any, variables: Variables) -> TrainState:
    """Return the state before the first step that starts from given variables.

    Args:
        experiment: The experiment, with arrays as leaves.
        variables: The variables, in the precision of the run.

    Returns:
        The state at step 0.
    """
    # The average starts at the first parameters. A copy: the state is donated, and two leaves must not share
    # one buffer.
    average = jax.tree.map(jnp.copy, variables.params) if experiment.ema_decay is not None else ()
    opt_state = optimizer(experiment).init(variables.params)
    return TrainState(jnp.zeros((), jnp.int32), variables, opt_state, average)


def optimizer(experiment: Any) -> optax.GradientTransformationExtraArgs:
    """Return the experiment's optimiser, after clipping by the global norm of the gradient."""
    # Clipping is outside of the partition by groups: the norm is that of all parameters.
    clip = (
        optax.identity() if experiment.clip_norm is None else optax.clip_by_global_norm(experiment.clip_norm)
    )
    return optax.with_extra_args_support(optax.chain(clip, _by_group(experiment)))


def _by_group(experiment: Any) -> optax.GradientTransformation:
    """Return the experiment's optimiser, with the model's separate optimisers for their groups."""
    default = experiment.optimizer.build()
    model = experiment.model
    separate = model.optimizers() if isinstance(model, SeparateOptimizers) else {}
    if not separate:
        return default

    def labels(params: Params) -> Params:
        return {
            name: jax.tree.map(lambda _, name=name: name if name in separate else "", part)
            for name, part in params.items()
        }

    return optax.partition({"": default, **{name: spec.build() for name, spec in separate.items()}}, labels)


def train_step(
    experiment: Any, key: Key, state: TrainState, rows: Batch, scale: Array
) -> tuple[TrainState, StepInfo]:
    """Take one step: update the parameters on one batch.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: Key of the noise of the run.
        state: State before the step.
        rows: The batch [B, ...] in the type in which it is stored.
        scale: f32[], stored values are divided by it.

    Returns:
        (state after the step, values of the step). Loss and gradient are those before the update.
    """
    # The noise depends on the number of the step and not on history: a resumed run repeats it exactly.
    present_key, terms_key = jax.random.split(jax.random.fold_in(key, state.step))
    batch = present(rows, scale, experiment.data.binarize, present_key)
    gradient = jax.grad(loss, has_aux=True)
    params, extra = state.variables
    grads, (total, means, extra) = gradient(params, extra, experiment, batch, terms_key, state.step)
    opt_state, update = state.opt_state, optimizer(experiment)
    model = experiment.model
    trained = model.trained(state.step) if isinstance(model, Phased) else None
    if trained is not None:
        # The groups are recomputed for the step before: no state has to remember them.
        before = model.trained(state.step - 1)
        opt_state = _reset_if_changed(opt_state, update.init(params), trained, before)
    # The loss as a function of the parameters, on the same batch with the same noise.
    at = functools.partial(loss, extra=state.variables.extra, experiment=experiment, batch=batch)
    extra_args = extra_arguments(functools.partial(at, key=terms_key, step=state.step), total, grads)
    updates, opt_state = update.update(grads, opt_state, params, **extra_args)
    new = optax.apply_updates(params, updates)
    params = new if trained is None else _keep_frozen(params, new, trained)
    average = _update_average(state.average, params, experiment.ema_decay)
    # The barrier keeps XLA from fusing the norm into the gradients, which cost 8 % of an epoch on CPU.
    info = StepInfo(means, total, optax.tree.norm(jax.lax.optimization_barrier(grads)))
    return TrainState(state.step + 1, Variables(params, extra), opt_state, average), info


def extra_arguments(
    loss_at: Callable[[Params], tuple[Array, Any]], value: Array, grad: Params
) -> dict[str, Any]:
    """Return what some optax transformations need in addition to the gradient; the others ignore it.

    Args:
        loss_at: Function from parameters to the loss and more results.
        value: The loss f32[] at the present parameters.
        grad: Its gradient.

    Returns:
        `value` for reduce_on_plateau, polyak_sgd and momo; `grad` and `value_fn` for line searches; `grad_fn`
        for SAM; `obj_fn` for sophia.
    """

    # optax's line searches pass every extra argument that they do not know on to `value_fn`, by its name.
    def value_fn(params: Params, grad_fn: Any = None, obj_fn: Any = None) -> Array:
        return loss_at(params)[0]

    def grad_fn(params: Params, _: int) -> Params:
        return jax.grad(value_fn)(params)

    return {"value": value, "grad": grad, "value_fn": value_fn, "grad_fn": grad_fn, "obj_fn": value_fn}


def loss(
    params: Params, extra: Any, experiment: Any, batch: Batch, key: Key, step: Array
) -> tuple[Array, tuple[Array, Terms, Any]]:
    """Compute the loss, sum_k weights[k] * mean_B(terms[k]).

    Args:
        params: The parameters, with respect to which the gradient is taken.
        extra: Variables of the model that are not learned, such as an EMA codebook.
        experiment: The experiment, with arrays as leaves.
        batch: The batch as the model sees it.
        key: Key of the noise of this step.
        step: i32[], number of steps taken, at which schedules are resolved.

    Returns:
        (loss f32[], (the loss again, the mean of each term, the new extra)). jax.grad returns only the second
        part, so the loss is in both.
    """
    variables = Variables(cast(params, experiment.compute_dtype), extra)
    autoencoder = schedules.at(experiment.model, step)
    terms, extra = autoencoder.terms(variables, batch, key)
    means = {name: term.mean() for name, term in terms.items()}
    total = weighted(autoencoder, means, step)
    return total, (total, means, extra)


def weighted(autoencoder: Model, means: Terms, step: Array) -> Array:
    """Compute the weighted sum of the means of the terms.

    Args:
        autoencoder: The model, which has the weights.
        means: Mean of each term over some examples, f32[].
        step: i32[], the step at which the weights are taken.

    Returns:
        f32[], in nats if the terms are.
    """
    weights = autoencoder.weights(step)
    return sum((weights[name] * mean for name, mean in means.items()), start=jnp.zeros(()))


def present(rows: Batch, scale: Array, binarize: str, key: Key) -> Batch:
    """Convert rows as they are stored to the values that the model sees.

    Args:
        rows: The batch [B, ...] in the type in which it is stored.
        scale: f32[], stored values are divided by it, for example 255 for bytes.
        binarize: With "dynamic" each pixel is a new draw from Bernoulli(x).
        key: Key of the draw.

    Returns:
        The batch with x in floating point; the labels are unchanged.
    """
    x = rows.x.astype(precision.real()) / scale
    if binarize == "dynamic":
        # Reshape to [B, D], which gives the same draws faster: XLA's loops on CPU are slow if the last axis
        # is as short as 1 or 3 channels.
        x = jax.random.bernoulli(key, x.reshape(len(x), -1)).astype(x.dtype).reshape(x.shape)
    return Batch(x, rows.y)


def cast(params: Params, dtype: str) -> Params:
    """Cast float32 parameters to the precision in which the nets compute.

    Args:
        params: Pytree of parameters.
        dtype: The experiment's `compute_dtype`.

    Returns:
        The pytree; leaves of other types than float32 are unchanged.
    """
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == jnp.float32 else leaf, params)


def evaluation_variables(state: TrainState) -> Variables:
    """Return the variables to evaluate.

    They are the moving average of the parameters if one is kept, else what the optimiser evaluates (the
    average of a schedule-free one, the slow parameters of lookahead), else the parameters.
    """
    params = state.average if jax.tree.leaves(state.average) else state.variables.params
    if params is state.variables.params:
        params = evaluated_parameters(state.opt_state, params)
    return Variables(params, state.variables.extra)


def _reset_if_changed(
    opt_state: Any, fresh: Any, now: Mapping[str, Array], before: Mapping[str, Array]
) -> Any:
    """Return a fresh state of the optimiser if the trained groups changed since the last step."""
    # The condition is traced, so both states are computed and one of them is chosen.
    has_changed = functools.reduce(jnp.logical_or, (now[name] != before[name] for name in now))
    return jax.tree.map(functools.partial(jnp.where, has_changed), fresh, opt_state)


def _keep_frozen(old: Params, new: Params, trained: Mapping[str, Array]) -> Params:
    """Return the new parameters of the trained groups and the old ones of the frozen groups."""
    # Zero gradients would not freeze a group: momentum and weight decay still move it.
    return {
        name: jax.tree.map(functools.partial(jnp.where, trained.get(name, True)), new[name], old[name])
        for name in new
    }


def _update_average(average: Params, params: Params, decay: Array | None) -> Params:
    """Update the moving average of the parameters: decay * old + (1 - decay) * new."""
    if decay is None:
        return average
    return jax.tree.map(lambda old, new: decay * old + (1.0 - decay) * new, average, params)
