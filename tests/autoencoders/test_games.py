"""Discriminators: whose gradient is whose, what the best one tells, and their own optimiser."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys, nets
from jaxae.autoencoders import adversarial
from jaxae.autoencoders.factor import shuffled
from jaxae.specs.pytree import replace
from jaxae.training import step
from jaxae.types import Batch, Variables
from tests import small

BATCH = Batch(jnp.asarray(small.images(10) / 255, jnp.float32))
SIDES = {"AdversarialAE": "generator", "FactorVAE": "total_correlation"}


def gradient(name: str, term: str) -> Any:
    autoencoder = small.member(name)
    variables = autoencoder.init(keys.root(0), BATCH)

    def loss(params: Any) -> jax.Array:
        return autoencoder.terms(Variables(params, variables.extra), BATCH, keys.root(1))[0][term].mean()

    return jax.grad(loss)(variables.params)


def size(tree: Any) -> float:
    return max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", SIDES)
def test_each_side_of_the_game_moves_its_own_parameters_only(name: str) -> None:
    of_discriminator, of_encoder = gradient(name, "discriminator"), gradient(name, SIDES[name])
    assert size(of_discriminator["discriminator"]) > 0 and size(of_discriminator["encoder"]) == 0
    assert size(of_encoder["discriminator"]) == 0 and size(of_encoder["encoder"]) > 0
    assert size(of_encoder["decoder"]) == size(of_discriminator["decoder"]) == 0


@pytest.mark.parametrize("name", SIDES)
def test_the_discriminator_learns_by_its_own_optimizer(name: str) -> None:
    """Rate 0 leaves it where it is while the rest moves, and the other way round."""

    def moved(own: float, shared: float) -> tuple[float, float]:
        autoencoder = replace(small.member(name), "discriminator_optimizer", jaxae.SGD(learning_rate=own))
        experiment = small.experiment(autoencoder, optimizer=jaxae.SGD(learning_rate=shared))
        state = step.create(experiment, keys.root(0), BATCH)
        before = jax.tree.map(jnp.copy, state.variables.params)
        state, _ = step.train_step(experiment, keys.root(1), state, BATCH, jnp.float32(1))
        change = jax.tree.map(jnp.subtract, state.variables.params, before)
        return size(change["discriminator"]), size(change["encoder"])

    own, rest = moved(0.0, 0.1)
    assert own == 0 and rest > 0
    own, rest = moved(0.1, 0.0)
    assert own > 0 and rest == 0
    assert moved(0.2, 0.0)[0] == pytest.approx(2 * own, rel=1e-3)


def test_shuffling_keeps_each_dimensions_values_and_breaks_what_ties_them() -> None:
    x = jax.random.normal(keys.root(2), (4000, 1))
    z = jnp.concatenate([x, x], axis=1)
    mixed = np.asarray(shuffled(z, keys.root(3)))
    for column in range(2):
        np.testing.assert_array_equal(np.sort(mixed[:, column]), np.sort(np.asarray(x[:, 0])))
    assert abs(np.corrcoef(mixed.T)[0, 1]) < 5 / 4000**0.5


def test_the_best_discriminators_logit_is_the_total_correlation() -> None:
    """Two Gaussian dimensions with correlation r: TC = -1/2 log(1 - r^2)."""
    correlation = 0.8
    root = jnp.asarray(np.linalg.cholesky([[1, correlation], [correlation, 1]]), jnp.float32)
    net = jaxae.MLP(widths=(32,), activation="tanh")
    params = nets.init(net, keys.root(4), jnp.zeros((1, 2)), (1,))
    optimizer = jaxae.Adam(learning_rate=0.01).build()

    def loss(params: Any, key: jax.Array) -> jax.Array:
        z_key, shuffle_key = jax.random.split(key)
        z = jax.random.normal(z_key, (1000, 2)) @ root.T
        return adversarial.cross_entropy(net, params, z, shuffled(z, shuffle_key)).mean()

    def learn(carry: Any, number: jax.Array) -> tuple[Any, None]:
        params, state = carry
        gradient = jax.grad(loss)(params, jax.random.fold_in(keys.root(5), number))
        updates, state = optimizer.update(gradient, state)
        return (jax.tree.map(jnp.add, params, updates), state), None

    begin = params, optimizer.init(params)
    (params, _), _ = jax.jit(lambda carry: jax.lax.scan(learn, carry, jnp.arange(800)))(begin)
    z = jax.random.normal(keys.root(6), (20_000, 2)) @ root.T
    found = float(adversarial.logit(net, params, z).mean())
    assert found == pytest.approx(-0.5 * np.log(1 - correlation**2), abs=0.06)
