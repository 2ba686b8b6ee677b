"""log p(x) and p(z|x) on a grid against a linear Gaussian model, where both are known."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import memory
from jaxae.errors import JaxaeError
from jaxae.estimators.quadrature import log_evidence, posterior_on_grid
from jaxae.types import Batch, Examples, Variables
from tests import small
from tests.linear_gaussian import BIAS, COVARIANCE, EVIDENCE, GAIN, STD, D, W, X, model

ROWS = Examples(jnp.asarray(X, jnp.float32), (), jnp.float32(1))
VAE, VARIABLES = model(jaxae.DiagonalGaussian(), GAIN, np.diag([0.5, 0.5]))


def test_log_evidence_is_the_gaussians_in_two_dimensions() -> None:
    found = log_evidence(VAE, VARIABLES, ROWS, num_points=161)
    np.testing.assert_allclose(found.log_evidence, EVIDENCE, rtol=1e-5)
    assert np.asarray(found.error).max() < 1e-4


def test_codes_of_the_grid_are_decoded_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = log_evidence(VAE, VARIABLES, ROWS, num_points=161)
    shares = posterior_on_grid(VAE, VARIABLES, Batch(ROWS.x), 6.0, 21)
    monkeypatch.setattr(memory, "BOUND", 10_000)  # bytes: a few rows of the grid
    monkeypatch.setattr(memory, "_chosen", {})
    cut = log_evidence(VAE, VARIABLES, ROWS, num_points=161)
    assert min(memory._chosen.values()) <= 6 * 161 // 2, "codes paired with rows"
    np.testing.assert_allclose(cut.log_evidence, whole.log_evidence, rtol=1e-6)
    again = posterior_on_grid(VAE, VARIABLES, Batch(ROWS.x), 6.0, 21)
    np.testing.assert_allclose(again, shares, rtol=1e-5, atol=1e-9)  # some are 1e-40, of -90 nats


def test_and_in_one() -> None:
    one = VAE.__class__(
        encoder=VAE.encoder, decoder=VAE.decoder, latent_dim=1, likelihood=VAE.likelihood, data_shape=(D,)
    )
    decoder = {"kernel": jnp.asarray(W[:, :1].T), "bias": jnp.asarray(BIAS)}
    variables = Variables({"decoder": {"Dense_0": decoder}})
    covariance = W[:, :1] @ W[:, :1].T + STD**2 * np.eye(D)
    residual = X - BIAS
    exact = -0.5 * (
        np.einsum("bi,ij,bj->b", residual, np.linalg.inv(covariance), residual)
        + np.linalg.slogdet(2 * np.pi * covariance)[1]
    )
    found = log_evidence(one, variables, ROWS, num_points=161)
    np.testing.assert_allclose(found.log_evidence, exact, rtol=1e-5)


def test_a_grid_that_is_too_coarse_says_so() -> None:
    found = log_evidence(VAE, VARIABLES, ROWS, num_points=9)
    assert np.asarray(found.error).max() > 0.1


def test_the_posterior_has_the_gaussians_mean_and_covariance() -> None:
    batch, axis = Batch(ROWS.x), np.linspace(-6, 6, 161)
    shares = posterior_on_grid(VAE, VARIABLES, batch, 6.0, 161).astype(np.float64)
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1, rtol=1e-4)
    mean = np.stack([shares.sum(axis=2) @ axis, shares.sum(axis=1) @ axis], axis=1)
    np.testing.assert_allclose(mean, (X - BIAS) @ GAIN.T, atol=1e-3)
    both = np.einsum("bij,i,j->b", shares, axis, axis) - mean.prod(axis=1)
    np.testing.assert_allclose(both, COVARIANCE[0, 1], atol=1e-3)


def test_what_has_no_grid_is_refused() -> None:
    for name, reason in (("VAE", "a code of 3 dimensions"), ("VAE, conditional", "a condition")):
        with pytest.raises(JaxaeError, match=reason):
            log_evidence(small.member(name), VARIABLES, ROWS)
    with pytest.raises(JaxaeError, match="odd number"):
        log_evidence(VAE, VARIABLES, ROWS, num_points=100)
