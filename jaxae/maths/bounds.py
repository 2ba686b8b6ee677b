"""Bounds of log p(x) from log-weights log w = log p(x, z) - log q(z|x) with z ~ q(z|x).

Shapes: S samples, B examples. All values are in nats. Every function returns the bound itself, never its
negative. A weight may be 0 (log w = -inf). If all S weights of an example are 0, its bounds are -inf. NaN
stays NaN.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxae.errors import JaxaeError


def log_weight(log_likelihood: Array, log_prior: Array, log_posterior: Array) -> Array:
    """Compute log w = log p(x|z) + log p(z) - log q(z|x); f32[S, B] each -> f32[S, B], nats.

    Args:
        log_likelihood: log p(x|z), f32[S, B], nats.
        log_prior: log p(z), f32[S, B], nats.
        log_posterior: log q(z|x), f32[S, B], nats.

    Returns:
        f32[S, B], nats.
    """
    return log_likelihood + log_prior - log_posterior


def elbo(log_weights: Array) -> Array:
    """Compute 1/S sum_s log w_s, an unbiased estimate of the ELBO; f32[S, B] -> f32[B], nats.

    Kingma & Welling, 2014 (arXiv 1312.6114).

    Example:
        Two weights, 1 and 3, of one example. The ELBO is below the log of their mean, log 2 = 0.6931.

        >>> import jax.numpy as jnp
        >>> from jaxae.maths.bounds import elbo
        >>> round(float(elbo(jnp.log(jnp.array([[1.0], [3.0]])))[0]), 4)  # (log 1 + log 3) / 2
        0.5493
    """
    return log_weights.mean(axis=0)


def iwelbo(log_weights: Array) -> Array:
    """Compute log(1/S sum_s w_s), the importance weighted bound with k = S; f32[S, B] -> f32[B], nats.

    The S samples may be processed in chunks of equal size: applied to the bounds of the chunks, this function
    returns the bound of all samples. Burda, Grosse & Salakhutdinov, 2015 (arXiv 1509.00519).

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.bounds import iwelbo
        >>> round(float(iwelbo(jnp.log(jnp.array([[1.0], [3.0]])))[0]), 4)  # log((1 + 3) / 2)
        0.6931
    """
    return jax.nn.logsumexp(log_weights, axis=0) - jnp.log(log_weights.shape[0])


def iwelbo_of_groups(log_weights: Array, k: int) -> Array:
    """Compute the mean of the k-sample bound over S/k disjoint groups; f32[S, B] -> f32[B], nats.

    The mean is an unbiased estimate of the bound with k samples. So one draw of S samples gives the curve
    over k: k = 1 is the ELBO, and k = S is the bound of all samples. Values in between are MIWAE(S/k, k) of
    Rainforth et al., 2018 (arXiv 1802.04537).

    Args:
        log_weights: f32[S, B], nats.
        k: Samples in a group. It must divide S.

    Returns:
        f32[B], nats.

    Raises:
        JaxaeError: If k does not divide S.
    """
    num_samples = log_weights.shape[0]
    if k < 1 or num_samples % k:
        raise JaxaeError(f"k: got {k}, expected a divisor of the number of samples, {num_samples}")
    groups = log_weights.reshape(num_samples // k, k, *log_weights.shape[1:])  # [S/k, k, B]
    return jax.vmap(iwelbo)(groups).mean(axis=0)


def effective_sample_size(log_weights: Array) -> Array:
    """Compute (sum_s w_s)^2 / sum_s w_s^2, from 1 to S samples; f32[S, B] -> f32[B].

    It is 0 if every weight of an example is 0. Kong, 1992.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.bounds import effective_sample_size
        >>> round(float(effective_sample_size(jnp.log(jnp.array([[1.0], [3.0]])))[0]), 4)  # 4^2 / (1 + 9)
        1.6
    """
    log_sum = jax.nn.logsumexp(log_weights, axis=0)
    log_sum_of_squares = jax.nn.logsumexp(2.0 * log_weights, axis=0)
    size = jnp.exp(2.0 * log_sum - log_sum_of_squares)
    # If all weights are 0, both sums are -inf, and their difference is nan instead of 0.
    return jnp.where(log_weights.max(axis=0) == -jnp.inf, 0.0, size)


def bits_per_dim(nats: ArrayLike, num_dims: int) -> Array:
    """Compute nats / (D log 2) and keep the sign; [...] -> [...], bits per dimension.

    Args:
        nats: Values in nats, [...], such as a negative log-likelihood.
        num_dims: D, the number of dimensions of an example (pixels times channels).

    Returns:
        [...], bits per dimension.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.bounds import bits_per_dim
        >>> float(bits_per_dim(784 * jnp.log(2.0), 784))
        1.0
    """
    return jnp.asarray(nats) / (num_dims * jnp.log(2.0))
