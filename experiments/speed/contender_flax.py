"""Train a work as Flax's VAE example does: one jitted step a batch, batches gathered by NumPy."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from works import Work


def train(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: Callable[..., None]
) -> None:
    """Train one model; the rows stay on the host as bytes, and each batch is sent to the device."""
    peer = work.variants[variant].flax
    assert peer is not None
    model, optimizer, draws = peer.build(), optax.adam(1e-3), np.random.default_rng(seed)
    key = jax.random.key(seed)
    params = jax.jit(model.init)(key, jnp.zeros((1, *x.shape[1:])), key)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, batch: Array, key: Array) -> tuple[Any, Any, Array]:
        draw_key, loss_key = jax.random.split(key)
        images = batch.astype(jnp.float32) / 255
        if work.binarize:
            images = jax.random.bernoulli(draw_key, images).astype(jnp.float32)
        loss, grads = jax.value_and_grad(lambda params: model.apply(params, images, loss_key))(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    state, number = jax.jit(optimizer.init)(params), 0
    for _ in range(epochs):
        losses = []
        order = draws.permutation(len(x))
        for first in range(0, len(x) - work.batch_size + 1, work.batch_size):
            batch = x[order[first : first + work.batch_size]]
            params, state, loss = step(params, state, batch, jax.random.fold_in(key, number))
            losses.append(loss)
            number += 1
        after_epoch(float(jnp.stack(losses).mean()))
