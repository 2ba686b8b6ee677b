"""A linear Gaussian model, whose log p(x) and p(z|x) are known."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy import stats

import jaxae
from jaxae.types import Variables

B, D, L, STD = 6, 5, 2, 0.6
RANDOM = np.random.RandomState(0)
# The columns of W are far from orthogonal, so that the posterior is far from a diagonal one.
W = RANDOM.randn(D, L) @ np.array([[1.0, 0.5], [0.0, 0.8]])
BIAS, X = RANDOM.randn(D), RANDOM.randn(B, D)
COVARIANCE = np.linalg.inv(np.eye(L) + W.T @ W / STD**2)  # of p(z|x), whatever x is
GAIN = COVARIANCE @ W.T / STD**2  # E[z|x] = GAIN (x - BIAS)
EVIDENCE = stats.multivariate_normal(BIAS, W @ W.T + STD**2 * np.eye(D)).logpdf(X)
LAYER = jaxae.MLP(widths=())


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
