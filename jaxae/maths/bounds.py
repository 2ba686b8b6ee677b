"""From log-weights log w = log p(x, z) - log q(z|x), z ~ q(z|x), to bounds of log p(x).

S samples, B examples; nats. Always the bound itself, never its negative. A weight may be 0 (log w = -inf):
where all S of an example are, its bounds are -inf. NaN stays NaN.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxae.errors import JaxaeError


def log_weight(log_likelihood: Array, log_prior: Array, log_posterior: Array) -> Array:
    """log w = log p(x|z) + log p(z) - log q(z|x); f32[S, B] each -> f32[S, B], nats."""
    return log_likelihood + log_prior - log_posterior


def elbo(log_weights: Array) -> Array:
    """1/S sum_s log w_s, an unbiased estimate of the ELBO; f32[S, B] -> f32[B], nats.

    Kingma & Welling, 2014 (arXiv 1312.6114).
    """
    return log_weights.mean(axis=0)


def iwelbo(log_weights: Array) -> Array:
    """log(1/S sum_s w_s), the importance weighted bound with k = S; f32[S, B] -> f32[B], nats.

    Of bounds over equal parts of the samples it gives the bound over all of them, so S may be met in chunks.
    Burda, Grosse & Salakhutdinov, 2015 (arXiv 1509.00519).
    """
    return jax.nn.logsumexp(log_weights, axis=0) - jnp.log(log_weights.shape[0])


def iwelbo_of_groups(log_weights: Array, k: int) -> Array:
    """The mean over S/k disjoint groups of the bound of k samples; f32[S, B] -> f32[B], nats.

    Unbiased for the bound with k samples, so one draw of S gives the curve over k. k = 1 is the ELBO, k = S
    the bound of all; between them MIWAE(S/k, k) of Rainforth et al., 2018 (arXiv 1802.04537).
    JaxaeError unless k divides S.
    """
    num_samples = log_weights.shape[0]
    if k < 1 or num_samples % k:
        raise JaxaeError(f"k = {k} must divide the number of samples, {num_samples}")
    groups = log_weights.reshape(num_samples // k, k, *log_weights.shape[1:])
    return jax.vmap(iwelbo)(groups).mean(axis=0)


def effective_sample_size(log_weights: Array) -> Array:
    """(sum_s w_s)^2 / sum_s w_s^2, from 1 to S samples; f32[S, B] -> f32[B].

    0 where every weight is 0. Kong, 1992.
    """
    log_sum = jax.nn.logsumexp(log_weights, axis=0)
    log_sum_of_squares = jax.nn.logsumexp(2.0 * log_weights, axis=0)
    size = jnp.exp(2.0 * log_sum - log_sum_of_squares)
    return jnp.where(log_weights.max(axis=0) == -jnp.inf, 0.0, size)


def bits_per_dim(nats: ArrayLike, num_dims: int) -> Array:
    """nats / (D log 2), sign as given; [...] -> [...], bits per dimension."""
    return jnp.asarray(nats) / (num_dims * jnp.log(2.0))
