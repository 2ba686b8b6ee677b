"""Formulas of log p(x|z): pure functions of arrays, in nats.

An example has `event_ndim` trailing axes: 1 for [D], 3 for [H, W, C]. Every function sums over exactly these
axes and keeps the axes before them: [..., *event] -> [...]. Both arguments have the same rank, so pass
x[None] for logits f32[S, B, *event].
"""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def flat(values: ArrayLike, event_ndim: int) -> Array:
    """Flatten the axes of an example, [..., *event] -> [..., D].

    Args:
        values: Values f32[..., *event], or one number for all pixels.
        event_ndim: Number of axes of an example.

    Returns:
        f32[..., D]; a single number is returned unchanged.
    """
    # XLA's loops on CPU are up to 50 times slower where the last axis is short: 28x28x1 against 784.
    values = jnp.asarray(values)
    if values.ndim == 0 or event_ndim <= 1:
        return values
    leading = values.ndim - event_ndim
    return values.reshape(*values.shape[:leading], math.prod(values.shape[leading:]))


def total(values: Array, event_ndim: int) -> Array:
    """Sum flattened values over the pixels, [..., D] -> [...].

    Args:
        values: Values from `flat`, f32[..., D].
        event_ndim: Number of axes of an example; 0 means that there are no pixels to sum over.

    Returns:
        f32[...].
    """
    return jnp.sum(values, axis=-1) if event_ndim else values


def bernoulli_log_prob(logits: Array, x: Array, event_ndim: int) -> Array:
    """Compute log prod_i Bernoulli(x_i; sigmoid(logits_i)), [..., *event] -> [...], in nats.

    sum_i x_i log sigmoid(l_i) + (1 - x_i) log sigmoid(-l_i). It is finite and has the gradient x - sigmoid(l)
    at every finite logit. For x in {0, 1} it is a log-probability. For grey x it is minus the cross-entropy,
    which is at most minus the entropy of x and no log-density (Loaiza-Ganem & Cunningham, 2019, arXiv
    1907.06845).

    Args:
        logits: Logits l of the pixels, f32[..., *event].
        x: Pixels in [0, 1], f32[..., *event], of the same rank as `logits`.
        event_ndim: Number of axes of an example.

    Returns:
        f32[...], in nats.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.distributions import bernoulli_log_prob
        >>> bernoulli_log_prob(jnp.zeros((2, 4)), jnp.ones((2, 4)), 1)  # 4 log(1/2)
        Array([-2.7725887, -2.7725887], dtype=float32)
    """
    # log(1 + exp l) = max(l, 0) + log1p(exp(-|l|)) needs one transcendental pair: measured, a VAE's epoch
    # took 0.85 times as long as with optax's formula. One comparison chooses both sides: jnp.maximum and
    # jnp.abs choose differently at l = 0, and the gradient there would be off by 1/2.
    logits, x = flat(logits, event_ndim), flat(x, event_ndim)
    positive = logits >= 0
    maximum, minus_abs = jnp.where(positive, logits, 0), jnp.where(positive, -logits, logits)
    return -total(maximum - logits * x + jnp.log1p(jnp.exp(minus_abs)), event_ndim)


def gaussian_log_prob(mean: ArrayLike, log_var: ArrayLike, x: Array, event_ndim: int) -> Array:
    """Compute log N(x; mean, diag exp log_var), [..., *event] -> [...], in nats.

    -1/2 sum_i (log 2 pi + log_var_i + (x_i - mean_i)^2 / exp(log_var_i)).

    Args:
        mean: Mean, f32[..., *event] or one number for all pixels.
        log_var: Logarithm of the variance, f32[..., *event] or one number for all pixels.
        x: Values, f32[..., *event].
        event_ndim: Number of axes of an example.

    Returns:
        f32[...], in nats; above 0 where the density is above 1.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.distributions import gaussian_log_prob
        >>> gaussian_log_prob(0.0, 0.0, jnp.zeros((2, 2)), 1)  # log N(z; 0, I) at z = 0: -log(2 pi)
        Array([-1.837877, -1.837877], dtype=float32)
    """
    mean, log_var, x = (flat(values, event_ndim) for values in (mean, log_var, x))
    # A product with exp(-log_var), not a quotient: one exponential and no division by a variance of 0.
    values = jnp.log(2 * jnp.pi) + log_var + (x - mean) ** 2 * jnp.exp(-log_var)
    return -0.5 * total(values, event_ndim)


def discretised_logistic_log_prob(
    mean: Array, log_scale: Array, x: Array, event_ndim: int, num_levels: int = 256
) -> Array:
    """Compute the log-mass of a logistic density on the bin around each x, [..., *event] -> [...], in nats.

    P(x) = sigmoid((x + h - mean) / s) - sigmoid((x - h - mean) / s), where s = exp(log_scale), x is one of
    `num_levels` levels from 0 to 1, and h is half the distance of two levels. The outer bins reach to
    infinity, so that the masses of all levels sum to one. Kingma et al., 2016, section 5.2 (arXiv
    1606.04934).

    Args:
        mean: Location of the density, f32[..., *event].
        log_scale: Logarithm of its scale s, f32[..., *event].
        x: Levels from 0 to 1, f32[..., *event].
        event_ndim: Number of axes of an example.
        num_levels: Number of levels, 256 for bytes.

    Returns:
        f32[...], in nats.
    """
    mean, log_scale, x = (flat(values, event_ndim) for values in (mean, log_scale, x))
    half = 0.5 / (num_levels - 1)
    inverse = jnp.exp(-log_scale)
    above, below = (x + half - mean) * inverse, (x - half - mean) * inverse
    # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): the logarithm never sees a difference
    # of two nearly equal numbers.
    log_upper, log_lower = -jax.nn.softplus(-above), -jax.nn.softplus(below)
    inner = log_upper + log_lower + jnp.log(-jnp.expm1(-2.0 * half * inverse))
    # Compared with half a level, not with 0 and 1: pixels that were divided in float32 need not be exact.
    lowest, highest = x < half, x > 1.0 - half
    return total(jnp.where(lowest, log_upper, jnp.where(highest, log_lower, inner)), event_ndim)


def categorical_log_prob(logits: Array, x: Array, event_ndim: int) -> Array:
    """Compute sum_i log softmax(logits_i) at the level of each pixel x_i, [..., *event] -> [...], in nats.

    Args:
        logits: Logits of the K levels, f32[..., *event, K].
        x: Levels k / (K - 1) from 0 to 1, f32[..., *event].
        event_ndim: Number of axes of an example.

    Returns:
        f32[...], in nats.
    """
    num_levels = logits.shape[-1]
    # Rounded before the cast, which truncates: in float32 x (K - 1) may lie just below a whole number.
    levels = jnp.round(x * (num_levels - 1)).astype(jnp.int32)
    # [..., *event, K] at one level each -> [..., *event].
    chosen = jnp.take_along_axis(logits, levels[..., None], axis=-1)[..., 0]
    return total(flat(chosen - jax.nn.logsumexp(logits, axis=-1), event_ndim), event_ndim)
