"""Annealed importance sampling against the exact evidence of a linear Gaussian model, from both sides."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxae
from jaxae import keys
from jaxae.estimators.annealing import annealed, reversed_annealed, temperatures
from jaxae.types import Batch
from tests.linear_gaussian import BIAS, COVARIANCE, EVIDENCE, GAIN, STD, B, D, L, W, X, model

VAE, VARIABLES = model(jaxae.DiagonalGaussian(), 0.7 * GAIN, np.diag([0.6, 0.5]))
BATCH = Batch(jnp.asarray(X, jnp.float32))


def shares(log_weights: Any, log_evidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error over chains of w / p(x), of each example."""
    ratios = np.exp(np.asarray(log_weights, np.float64) - log_evidence)
    return ratios.mean(axis=0), ratios.std(axis=0) / np.sqrt(len(ratios))


@pytest.mark.parametrize("start", ["prior", "posterior"])
def test_weights_are_unbiased_even_over_few_temperatures(start: Any) -> None:
    """E[exp log w] = p(x) for any number of steps: at 5 standard errors of 4,000 chains."""
    found = jax.jit(
        lambda key: annealed(
            VAE, VARIABLES, BATCH, key, num_chains=4000, num_temperatures=10, num_leapfrog=3, start=start
        )
    )(keys.root(0))
    mean, error = shares(found.log_weights, EVIDENCE)
    assert (np.abs(mean - 1) < 5 * error).all()
    assert (error < 0.2).all(), "the test can tell"
    assert (found.log_weights.mean(axis=0) < EVIDENCE).all()


def test_many_temperatures_have_weights_that_hardly_vary_and_chains_that_end_in_the_posterior() -> None:
    arguments = {"num_chains": 500, "num_temperatures": 200, "num_leapfrog": 5}
    found = jax.jit(lambda key: annealed(VAE, VARIABLES, BATCH, key, **arguments))(keys.root(1))
    mean, error = shares(found.log_weights, EVIDENCE)
    assert (np.abs(mean - 1) < 5 * error).all() and error.max() < 0.05
    assert ((found.acceptance > 0.4) & (found.acceptance < 0.95)).all()
    centred = np.asarray(found.z) - (X - BIAS) @ GAIN.T
    assert (np.abs(centred.mean(axis=0)) < 5 * np.sqrt(np.diag(COVARIANCE) / 500)).all()
    centred = centred.reshape(-1, L)
    np.testing.assert_allclose(centred.T @ centred / len(centred), COVARIANCE, atol=0.02)


def test_forward_and_backward_chains_hold_the_evidence_between_them() -> None:
    random = np.random.RandomState(5)
    z = random.randn(B, L)
    x = z @ W.T + BIAS + STD * random.randn(B, D)
    exact = stats.multivariate_normal(BIAS, W @ W.T + STD**2 * np.eye(D)).logpdf(x)
    simulated, z = Batch(jnp.asarray(x, jnp.float32)), jnp.asarray(z, jnp.float32)
    arguments = {"num_chains": 200, "num_temperatures": 50, "num_leapfrog": 5}
    lower = jax.jit(lambda key: annealed(VAE, VARIABLES, simulated, key, **arguments))(keys.root(2))
    upper = jax.jit(lambda key: reversed_annealed(VAE, VARIABLES, simulated, z, key, **arguments))(
        keys.root(3)
    )
    assert lower.log_weights.mean() < exact.mean() < upper.log_weights.mean()
    mean, error = shares(lower.log_weights, exact)
    assert (np.abs(mean - 1) < 5 * error).all() and error.max() < 0.2


def test_backward_weights_are_unbiased_for_the_inverse_evidence() -> None:
    """Over z ~ p(z|x): E[exp -log w] p(x) = 1, at 5 standard errors of 4,000 exact draws of it."""
    random = np.random.RandomState(6)
    exact = (X[:1] - BIAS) @ GAIN.T + random.randn(4000, L) @ np.linalg.cholesky(COVARIANCE).T
    batch = Batch(jnp.tile(BATCH.x[:1], (4000, 1)))
    arguments = {"num_chains": 1, "num_temperatures": 40, "num_leapfrog": 5}
    z = jnp.asarray(exact, jnp.float32)
    found = jax.jit(lambda key: reversed_annealed(VAE, VARIABLES, batch, z, key, **arguments))(keys.root(4))
    mean, error = shares(-found.log_weights.T, -EVIDENCE[:1])
    assert np.abs(mean - 1) < 5 * error and error < 0.1


def test_chains_that_are_decoded_one_after_another_are_the_same_chains() -> None:
    """In chunks of 2 of 5 chains, the last of them filled up, forward and back."""
    arguments = {"num_chains": 5, "num_temperatures": 3, "num_leapfrog": 2}

    def both(at_once: int | None) -> Any:
        def run(key: jax.Array) -> Any:
            there, back = jax.random.split(key)
            found = annealed(VAE, VARIABLES, BATCH, there, **arguments, chains_at_once=at_once)
            z = found.z[0]
            return found, reversed_annealed(
                VAE, VARIABLES, BATCH, z, back, **arguments, chains_at_once=at_once
            )

        return jax.jit(run)(keys.root(0))

    for found, expected in zip(jax.tree.leaves(both(2)), jax.tree.leaves(both(None)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_temperatures_go_from_0_to_1_and_never_back() -> None:
    path = np.asarray(temperatures(50))
    assert path[0] == 0 and path[-1] == 1 and (np.diff(path) > 0).all()
    assert np.diff(path)[0] < np.diff(path)[25] / 5
