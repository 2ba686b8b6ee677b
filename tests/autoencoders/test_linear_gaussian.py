"""Every bound against a linear Gaussian model's log p(x), in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.maths import bounds
from jaxae.types import Batch
from tests.linear_gaussian import BIAS, COVARIANCE, EVIDENCE, GAIN, B, L, X, kl_to_the_posterior, model

POSTERIORS = {"diagonal": jaxae.DiagonalGaussian(), "full": jaxae.FullGaussian()}


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
