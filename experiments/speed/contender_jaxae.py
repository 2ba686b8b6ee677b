"""Train a work as `jaxae train` does, and the same step in a bare scan.

`train` calls `execution.train` on a run's directory, with all bookkeeping.
"""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from works import Work

import jaxae
from jaxae import keys
from jaxae.data.own.given_rows import GivenRows
from jaxae.runs import execution, opening
from jaxae.training import ahead
from jaxae.training.step import present
from jaxae.types import Batch, Variables

AfterEpoch = Callable[..., None]


def experiment(work: Work, variant: str, epochs: int) -> jaxae.Experiment:
    """Return the experiment on given rows, with none held out.

    It has two epochs more than are run, so that no epoch saves a checkpoint.
    """
    return jaxae.Experiment(
        data=jaxae.DataSpec(binarize="dynamic" if work.binarize else "none", num_validation=0, num_test=0),
        model=work.variants[variant].model(),
        optimizer=jaxae.Adam(learning_rate=1e-3),
        batch_size=work.batch_size,
        epochs=epochs + 2,
        checkpoint_every=epochs + 2,
    )


def train(work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train a whole run in a new directory; `after_epoch` is called with the loss after every epoch."""

    def observe(result: Any, saved: bool) -> bool:
        # The scores are compiled in a thread, which must not disturb the contender whose turn is next.
        ahead.wait()
        after_epoch(result.train["loss"])
        return False

    with tempfile.TemporaryDirectory() as folder:
        prepared = opening.prepare(experiment(work, variant, epochs), seed, GivenRows(x))
        execution.train(opening.start(prepared, Path(folder) / "run", "speed", []), observe)


def bare(work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train jaxae's model in a minimal scan: order, gather, loss, Adam, and nothing else."""
    made = experiment(work, variant, epochs)
    model: Any = jaxae.specs.pytree.replace(made.model, "data_shape", x.shape[1:])
    update, key = optax.adam(1e-3), keys.root(seed)
    rows, scale = jnp.asarray(x), jnp.float32(255 if x.dtype == np.uint8 else 1)
    first = Batch(jnp.zeros((1, *x.shape[1:]), jnp.float32), jnp.zeros(1, jnp.int32))
    variables = jax.jit(model.init)(key, first)

    def loss(params: Any, extra: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        terms, extra = model.terms(Variables(params, extra), batch, key)
        weights = model.weights(jnp.zeros((), jnp.int32))
        return sum((weights[name] * term.mean() for name, term in terms.items()), jnp.zeros(())), extra

    @functools.partial(jax.jit, donate_argnums=0)
    def run_epoch(state: Any, key: Array, rows: Array) -> tuple[Any, Array]:
        bits = jax.random.bits(key, (len(rows),), jnp.uint32)
        steps = len(rows) // work.batch_size
        order = jnp.argsort(bits)[: steps * work.batch_size].reshape(steps, -1)

        def step(state: Any, indices_and_key: tuple[Array, Array]) -> tuple[Any, Array]:
            (params, extra), adam = state
            indices, key = indices_and_key
            present_key, terms_key = jax.random.split(key)
            batch = present(Batch(rows[indices], ()), scale, made.data.binarize, present_key)
            (value, extra), grads = jax.value_and_grad(loss, has_aux=True)(params, extra, batch, terms_key)
            updates, adam = update.update(grads, adam, params)
            return (Variables(optax.apply_updates(params, updates), extra), adam), value

        state, losses = jax.lax.scan(step, state, (order, jax.random.split(key, steps)))
        return state, losses.mean()

    state = variables, jax.jit(update.init)(variables.params)
    for epoch in range(epochs):
        state, value = run_epoch(state, jax.random.fold_in(key, epoch), rows)
        after_epoch(float(value))
