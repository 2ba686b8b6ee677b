"""log p(x|z) as formulas: pure functions of arrays, in nats.

An example has `event_ndim` trailing axes (1 for [D], 3 for [H, W, C]); every function sums over exactly
those and keeps the axes before them: [..., *event] -> [...]. Both arguments have the same rank, so x
meets logits f32[S, B, *event] as x[None].
"""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def flat(values: ArrayLike, event_ndim: int) -> Array:
    """[..., *event] -> [..., D]; a number that stands for all pixels stays one."""
    # XLA's loops on CPU are up to 50 times slower where the last axis is short: 28x28x1 against 784.
    values = jnp.asarray(values)
    if values.ndim == 0 or event_ndim <= 1:
        return values
    leading = values.ndim - event_ndim
    return values.reshape(*values.shape[:leading], math.prod(values.shape[leading:]))


def total(values: Array, event_ndim: int) -> Array:
    """What `flat` gave, summed over its pixels: [..., D] -> [...]."""
    return jnp.sum(values, axis=-1) if event_ndim else values


def bernoulli_log_prob(logits: Array, x: Array, event_ndim: int) -> Array:
    """log prod Bernoulli(x; sigmoid(logits)) over pixels; [..., *event] -> [...], nats.

    sum x log sigmoid(l) + (1 - x) log sigmoid(-l). Finite, with the gradient x - sigmoid(l), at every
    finite logit. For x in {0, 1} a log-probability; grey x gives minus the cross-entropy, which is at most
    minus the entropy of x and no log-density (Loaiza-Ganem & Cunningham, 2019, arXiv 1907.06845).
    """
    # log(1 + exp l) = max(l, 0) + log1p(exp(-|l|)) has one transcendental pair. One comparison chooses both
    # sides: jnp.maximum and jnp.abs choose differently at l = 0, and their gradient there is off by 1/2.
    logits, x = flat(logits, event_ndim), flat(x, event_ndim)
    positive = logits >= 0
    maximum, minus_abs = jnp.where(positive, logits, 0), jnp.where(positive, -logits, logits)
    return -total(maximum - logits * x + jnp.log1p(jnp.exp(minus_abs)), event_ndim)


def gaussian_log_prob(mean: ArrayLike, log_var: ArrayLike, x: Array, event_ndim: int) -> Array:
    """log N(x; mean, diag exp log_var); [..., *event] -> [...], nats.

    -1/2 sum (log 2 pi + log_var + (x - mean)^2 / exp(log_var)), log_var the logarithm of the variance.
    `mean` and `log_var` may be numbers: `gaussian_log_prob(0.0, 0.0, z, 1)` is log N(z; 0, I).
    """
    mean, log_var, x = (flat(values, event_ndim) for values in (mean, log_var, x))
    values = jnp.log(2 * jnp.pi) + log_var + (x - mean) ** 2 * jnp.exp(-log_var)
    return -0.5 * total(values, event_ndim)


def discretised_logistic_log_prob(
    mean: Array, log_scale: Array, x: Array, event_ndim: int, num_levels: int = 256
) -> Array:
    """log of the mass that a logistic density puts on the bin around each x; [..., *event] -> [...], nats.

    P(x) = sigmoid((x + h - mean) / s) - sigmoid((x - h - mean) / s), s = exp log_scale, x one of
    `num_levels` levels from 0 to 1 and h half their distance; the outer bins reach to infinity, so
    that the masses of the levels sum to one. Kingma et al., 2016, section 5.2 (arXiv 1606.04934).
    """
    mean, log_scale, x = (flat(values, event_ndim) for values in (mean, log_scale, x))
    half = 0.5 / (num_levels - 1)
    inverse = jnp.exp(-log_scale)
    above, below = (x + half - mean) * inverse, (x - half - mean) * inverse
    # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): no difference of near numbers.
    log_upper, log_lower = -jax.nn.softplus(-above), -jax.nn.softplus(below)
    inner = log_upper + log_lower + jnp.log(-jnp.expm1(-2.0 * half * inverse))
    lowest, highest = x < half, x > 1.0 - half
    return total(jnp.where(lowest, log_upper, jnp.where(highest, log_lower, inner)), event_ndim)


def categorical_log_prob(logits: Array, x: Array, event_ndim: int) -> Array:
    """log softmax(logits) at the level of each x; logits [..., *event, K], x [..., *event] -> [...], nats.

    x is one of K levels from 0 to 1: k / (K - 1).
    """
    num_levels = logits.shape[-1]
    levels = jnp.round(x * (num_levels - 1)).astype(jnp.int32)
    chosen = jnp.take_along_axis(logits, levels[..., None], axis=-1)[..., 0]
    return total(flat(chosen - jax.nn.logsumexp(logits, axis=-1), event_ndim), event_ndim)
