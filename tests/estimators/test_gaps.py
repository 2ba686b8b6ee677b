"""The gaps of a linear Gaussian model with a diagonal q, whose best one is known."""

import jax.numpy as jnp
import numpy as np

import jaxae
from jaxae import keys
from jaxae.estimators.gaps import gaps
from jaxae.types import Examples
from tests.linear_gaussian import BIAS, COVARIANCE, EVIDENCE, GAIN, L, X, kl_to_the_posterior, model

SPREAD = np.diag([0.6, 0.5])
ROWS = Examples(jnp.asarray(X, jnp.float32), (), jnp.float32(1))


def test_the_gaps_are_those_of_the_encoder_and_of_the_best_diagonal_gaussian() -> None:
    """KL(q || p) over diagonal q is least where q has p's mean and the diagonal of its precision."""
    vae, variables = model(jaxae.DiagonalGaussian(), 0.7 * GAIN, SPREAD)
    found = gaps(vae, variables, ROWS, jnp.asarray(EVIDENCE), keys.root(0), num_scored=5000)
    precision = np.linalg.inv(COVARIANCE)
    best = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
    assert best > 0.1, "a posterior that factorises would test nothing"
    np.testing.assert_allclose(found.approximation, best, atol=0.03)
    whole = kl_to_the_posterior(0.7 * GAIN, SPREAD)
    difference = np.abs(found.approximation + found.amortisation - whole)
    assert (difference < 5 * standard_error_of_the_elbo(0.7 * GAIN, SPREAD, 5000)).all()
    assert (np.asarray(found.amortisation) > 0).all()


def standard_error_of_the_elbo(gain: np.ndarray, spread: np.ndarray, num_draws: int) -> np.ndarray:
    """Of its mean over draws: log p(x, z) - log q(z|x) is a quadratic form of q's noise, f64[B]."""
    precision = np.linalg.inv(COVARIANCE)
    bend = spread.T @ precision @ spread - np.eye(L)
    slope = (X - BIAS) @ (gain - GAIN).T @ precision @ spread
    return np.sqrt((0.5 * (bend**2).sum() + (slope**2).sum(axis=1)) / num_draws)


def test_a_full_covariance_has_no_approximation_gap() -> None:
    vae, variables = model(jaxae.FullGaussian(), 0.7 * GAIN, SPREAD)
    found = gaps(vae, variables, ROWS, jnp.asarray(EVIDENCE), keys.root(0), num_scored=5000)
    assert np.abs(found.approximation).max() < 0.02 < np.asarray(found.amortisation).min()
