"""Two stochastic layers: linear and Gaussian throughout, log p(x) is known."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxae
from jaxae import keys
from jaxae.maths import bounds
from jaxae.types import Batch, Variables

LAYER = jaxae.MLP(widths=())


def dense(kernel: Any, bias: Any) -> Any:
    return {"Dense_0": {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}}


def made() -> tuple[Any, Variables]:
    """z2 ~ N(0, 1), z1 | z2 ~ N(0.8 z2 + 0.1, 0.5^2), x | z1 ~ N(1.5 z1 - 0.3, 0.7^2)."""
    nets = dict.fromkeys(("encoder", "decoder", "top_encoder", "top_decoder"), LAYER)
    autoencoder = jaxae.TwoLayerVAE(
        latent_dim=1, top_latent_dim=1, data_shape=(1,), likelihood=jaxae.Gaussian(std=0.7), **nets
    )
    params = {
        "encoder": dense([[0.5, 0.0]], [0.1, np.log(0.4**2)]),
        "top_encoder": dense([[0.7, 0.0]], [0.0, np.log(0.6**2)]),
        "top_decoder": dense([[0.8, 0.0]], [0.1, np.log(0.5**2)]),
        "decoder": dense([[1.5]], [-0.3]),
    }
    return autoencoder, Variables(params)


def test_bounds_rise_from_the_elbo_to_the_evidence() -> None:
    autoencoder, variables = made()
    x = np.array([[-1.0], [0.4], [2.0]])
    evidence = stats.norm(1.5 * 0.1 - 0.3, np.sqrt(1.5**2 * (0.8**2 + 0.5**2) + 0.7**2)).logpdf(x[:, 0])
    log_weights = autoencoder.log_weights(variables, Batch(jnp.asarray(x, jnp.float32)), keys.root(0), 40_000)
    found = [np.asarray(bounds.iwelbo_of_groups(log_weights, k)) for k in (1, 5, 50, 40_000)]
    for lower, higher in itertools.pairwise(found):
        assert (lower < higher + 0.01).all()
    np.testing.assert_allclose(found[-1], evidence, atol=0.03)
    np.testing.assert_allclose(np.exp(log_weights).mean(axis=1 - 1), np.exp(evidence), rtol=0.05)


def test_distortion_and_rate_are_minus_the_elbo_of_the_same_draws() -> None:
    autoencoder, variables = made()
    batch = Batch(jnp.asarray([[0.5], [1.5]]))
    terms, _ = autoencoder.terms(variables, batch, keys.root(1))
    elbo = autoencoder.elbo(variables, batch, keys.root(1), 1)
    np.testing.assert_allclose(-(terms["distortion"] + terms["rate"]), elbo, rtol=1e-5)


def test_the_prior_is_that_of_the_two_layers() -> None:
    autoencoder, variables = made()
    z = np.asarray(autoencoder.prior_sample(variables, keys.root(2), 50_000))
    std = np.sqrt(0.8**2 + 0.5**2)
    assert abs(z.mean() - 0.1) < 5 * std / 50_000**0.5 and z.std() == pytest.approx(std, rel=0.02)
