"""The jump against its definition, and its gradient in the threshold against the normal density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from jaxae import keys
from jaxae.autoencoders.jump import above, jump
from jaxae.types import Batch
from tests import small

FEATURES = keys.normal(keys.root(0), (1_000_000, 1))
THRESHOLD, BANDWIDTH = jnp.asarray([[0.7]]), jnp.float32(0.05)


def test_codes_are_the_features_above_the_threshold() -> None:
    autoencoder = small.member("JumpReLUAE")
    batch = Batch(jnp.asarray(small.images(50) / 255, jnp.float32))
    variables = autoencoder.init(keys.root(0), batch)
    features = np.asarray(autoencoder.code(variables.params, batch.x))
    expected = np.where(features > np.float32(0.65), features, 0.0)
    np.testing.assert_array_equal(autoencoder.encode(variables, batch), expected)
    terms, _ = autoencoder.terms(variables, batch, keys.root(1))
    np.testing.assert_array_equal(terms["sparsity"], (expected != 0).sum(axis=1))
    assert (expected == 0).any() and (expected != 0).any()


def test_the_counts_gradient_is_minus_the_density_at_the_threshold() -> None:
    """d/dtheta E[1(f > theta)] = -p(theta), for f ~ N(0, 1), at 5 standard errors."""
    gradients = jax.grad(lambda theta: above(FEATURES, theta, BANDWIDTH).mean())(THRESHOLD)
    density = stats.norm.pdf(0.7)
    error = np.sqrt(density / 0.05 / len(FEATURES))
    assert float(gradients[0, 0]) == pytest.approx(-density, abs=5 * error)


def test_the_errors_gradient_is_that_of_its_expectation() -> None:
    """d/dtheta E[(jump(f) - 2)^2] by central differences of the integral, for f ~ N(0, 1)."""

    def expected(theta: float) -> float:
        def integrand(feature: float) -> float:
            return (feature * (feature > theta) - 2.0) ** 2 * stats.norm.pdf(feature)

        return float(integrate.quad(integrand, -8, 8, points=[theta], limit=200)[0])

    slope = (expected(0.71) - expected(0.69)) / 0.02
    found = jax.grad(lambda theta: ((jump(FEATURES, theta, BANDWIDTH) - 2.0) ** 2).mean())(THRESHOLD)
    assert float(found[0, 0]) == pytest.approx(slope, rel=0.05)


def test_features_below_the_threshold_have_no_gradient() -> None:
    features = jnp.asarray([[0.5, 0.69, 0.71, 2.0]])
    gradient = jax.grad(lambda features: jump(features, THRESHOLD, BANDWIDTH).sum())(features)
    np.testing.assert_array_equal(gradient, [[0, 0, 1, 1]])
