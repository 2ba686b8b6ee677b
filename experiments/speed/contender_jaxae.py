"""Train the VAE of the comparison as `jaxae train` does.

It calls `execution.train` on a run's directory, with all bookkeeping.
"""

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import jaxae
from jaxae.data.own.given_rows import GivenRows
from jaxae.runs import execution, opening

AfterEpoch = Callable[[float, Callable[[], dict[str, np.ndarray]]], None]


def experiment(epochs: int) -> jaxae.Experiment:
    """Return the experiment of configs/vae_mnist.py on given rows, with none held out.

    It has two epochs more than are run, so that no epoch saves a checkpoint.
    """
    return jaxae.Experiment(
        data=jaxae.DataSpec(binarize="dynamic", num_validation=0, num_test=0),
        model=jaxae.VAE(latent_dim=20),
        optimizer=jaxae.Adam(learning_rate=1e-3),
        batch_size=100,
        epochs=epochs + 2,
        checkpoint_every=epochs + 2,
    )


def train(x: np.ndarray, y: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train a whole run in a new directory; `after_epoch` is called after every epoch."""

    def observe(result: Any, saved: bool) -> bool:
        after_epoch(result.train["loss"], lambda: _parameters(result.carry.state.variables.params))
        return False

    with tempfile.TemporaryDirectory() as folder:
        prepared = opening.prepare(experiment(epochs), seed, GivenRows(x, y))
        execution.train(opening.start(prepared, Path(folder) / "run", "speed", []), observe)


def products(times: int) -> dict[str, float]:
    """Measure the GFLOP/s of float32 matrix products.

    One is large and square, the other has the shapes of the VAE.
    """
    return {
        name: _rate(*shape, times=times)
        for name, shape in {"1024": (1024,) * 3, "VAE": (100, 784, 400)}.items()
    }


def _parameters(params: Any) -> dict[str, np.ndarray]:
    """Return the kernels [in, out] and biases by layer."""
    layers = {
        "encoder": params["encoder"]["Dense_0"],
        "code": params["encoder"]["Dense_1"],
        "decoder": params["decoder"]["Dense_0"],
        "outputs": params["decoder"]["Dense_1"],
    }
    names = {"w": "kernel", "b": "bias"}
    return {
        f"{name}_{kind}": np.asarray(layer[names[kind]]) for name, layer in layers.items() for kind in names
    }


@functools.partial(jax.jit, static_argnames="repeats")
def _chain(x: Array, there: Array, back: Array, repeats: int) -> Array:
    return jax.lax.fori_loop(0, repeats, lambda _, x: (x @ there) @ back, x)


def _rate(rows: int, inner: int, outer: int, times: int) -> float:
    draws = np.random.default_rng(0)
    x = jnp.asarray(draws.normal(size=(rows, inner)), jnp.float32)
    there = jnp.asarray(draws.normal(size=(inner, outer)) / inner**0.5, jnp.float32)
    back = jnp.asarray(draws.normal(size=(outer, inner)) / outer**0.5, jnp.float32)
    repeats = max(1, int(times * 1e8 / (rows * inner * outer)))
    x = _chain(x, there, back, repeats).block_until_ready()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        x = _chain(x, there, back, repeats).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 4 * repeats * rows * inner * outer / min(seconds) / 1e9
