"""A linear Gaussian model, whose log p(x) and p(z|x) are known: every bound against them, in float64."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxae
from jaxae import bounds, keys
from jaxae.types import Batch, Variables

B, D, L, STD = 6, 5, 2, 0.6
RANDOM = np.random.RandomState(0)
W, BIAS, X = RANDOM.randn(D, L), RANDOM.randn(D), RANDOM.randn(B, D)
COVARIANCE = np.linalg.inv(np.eye(L) + W.T @ W / STD**2)  # of p(z|x), whatever x is
GAIN = COVARIANCE @ W.T / STD**2  # E[z|x] = GAIN (x - BIAS)
EVIDENCE = stats.multivariate_normal(BIAS, W @ W.T + STD**2 * np.eye(D)).logpdf(X)
LAYER = jaxae.MLP(widths=())
POSTERIORS = {"diagonal": jaxae.DiagonalGaussian(), "full": jaxae.FullGaussian()}


def model(posterior: Any, gain: np.ndarray, spread: np.ndarray) -> tuple[jaxae.VAE, Variables]:
    """The VAE with q(z|x) = N(gain (x - BIAS), spread spread'), spread lower triangular."""
    vae = jaxae.VAE(
        encoder=LAYER,
        decoder=LAYER,
        latent_dim=L,
        likelihood=jaxae.Gaussian(std=STD),
        posterior=posterior,
        data_shape=(D,),
    )
    if isinstance(posterior, jaxae.DiagonalGaussian):
        entries = 2 * np.log(np.diag(spread))
    else:
        entries = np.array([np.log(spread[0, 0]), spread[1, 0], np.log(spread[1, 1])])
    kernel = np.concatenate([gain.T, np.zeros((D, len(entries)))], axis=1)
    encoder = {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(np.append(-gain @ BIAS, entries))}
    decoder = {"kernel": jnp.asarray(W.T), "bias": jnp.asarray(BIAS)}
    return vae, Variables({"encoder": {"Dense_0": encoder}, "decoder": {"Dense_0": decoder}})


def kl_to_the_posterior(gain: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """KL(q(z|x) || p(z|x)) of each example, by the formula for two Gaussians."""
    difference = (X - BIAS) @ (gain - GAIN).T
    precision, own = np.linalg.inv(COVARIANCE), spread @ spread.T
    trace = np.trace(precision @ own) - L + np.linalg.slogdet(COVARIANCE)[1] - np.linalg.slogdet(own)[1]
    return 0.5 * (trace + np.einsum("bi,ij,bj->b", difference, precision, difference))


@pytest.mark.parametrize("name", POSTERIORS)
def test_the_elbo_lacks_exactly_the_kl_to_the_posterior(name: str) -> None:
    """log w is quadratic in z: over 2 L points with the moments of q its mean is the ELBO itself."""
    gain = 0.7 * GAIN + 0.1
    spread = np.array([[0.5, 0.0], [0.3 * (name == "full"), 0.4]])
    with jax.enable_x64():
        vae, variables = model(POSTERIORS[name], gain, spread)
        batch = Batch(jnp.asarray(X))
        outputs = vae.infer(variables, batch)
        arms = np.sqrt(L) * np.concatenate([spread.T, -spread.T])  # [2 L, L]
        z = jnp.asarray((X - BIAS) @ gain.T)[None] + arms[:, None]
        parts = vae.log_likelihood(variables, batch, z), vae.log_prior(variables, z)
        elbo = bounds.elbo(bounds.log_weight(*parts, vae.posterior.log_prob(outputs, z)))
        np.testing.assert_allclose(EVIDENCE - elbo, kl_to_the_posterior(gain, spread), rtol=1e-8)
        closed = parts[0].mean(axis=0) - vae.posterior.kl(outputs)
        np.testing.assert_allclose(elbo, closed, rtol=1e-8)


def test_at_the_posterior_every_log_weight_is_the_evidence() -> None:
    with jax.enable_x64():
        vae, variables = model(jaxae.FullGaussian(), GAIN, np.linalg.cholesky(COVARIANCE))
        log_weights = vae.log_weights(variables, Batch(jnp.asarray(X)), keys.root(0), 7)
        np.testing.assert_allclose(log_weights, np.tile(EVIDENCE, (7, 1)), rtol=1e-8)


def test_bounds_rise_with_k_from_the_elbo_to_the_evidence() -> None:
    """At 5 standard errors; 60,000 draws for each of the examples, cut into groups of k."""
    gain, spread, num = 0.7 * GAIN + 0.1, np.diag([0.4, 0.3]), 60_000
    with jax.enable_x64():
        vae, variables = model(jaxae.DiagonalGaussian(), gain, spread)
        log_weights = vae.log_weights(variables, Batch(jnp.asarray(X)), keys.root(0), num)
        previous, elbo = -np.inf, EVIDENCE - kl_to_the_posterior(gain, spread)
        for k in (1, 2, 5, 20, 100):
            groups = jax.vmap(bounds.iwelbo)(log_weights.reshape(num // k, k, B)).mean(axis=1)
            mean, error = float(groups.mean()), float(groups.std() / np.sqrt(num // k))
            assert previous < mean < EVIDENCE.mean() + 5 * error
            if k == 1:
                assert abs(mean - elbo.mean()) < 5 * error
            previous = mean
        assert EVIDENCE.mean() - previous < 0.2 * (EVIDENCE - elbo).mean(), "the bounds came near"
