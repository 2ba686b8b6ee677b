"""Weights of two codes on the arc between them, for arrays of NumPy and JAX. L latent dimensions."""

from typing import Any

import jax.numpy as jnp
from jax.core import Tracer

from jaxae.errors import JaxaeError

SMALL = 0.01  # smaller squared angles use a series, since derivatives of the closed form cancel there
LEAST = 1e-12  # unit vectors a, b with |a + b|^2 below this are opposite in every precision


def weights(xp: Any, start: Any, end: Any, t: Any, dtype: Any, name: str) -> tuple[Any, Any, Any]:
    """Compute sin((1 - t) angle) / sin(angle), sin(t angle) / sin(angle) and |end| / |start|; [..., *T] each.

    If no arc is defined, the values are 1 - t, t and 1. All branches are finite, so all derivatives are
    finite.

    Args:
        xp: The module `numpy` or `jax.numpy`.
        start: Codes at t = 0, [..., L].
        end: Codes at t = 1, [..., L].
        t: Positions on the arc, [..., *T], with the same number of leading axes as the codes.
        dtype: Type of the codes that the user passed. Its precision decides which ends count as opposite.
        name: Name of the calling function, for error messages.

    Returns:
        The weight of `start`, the weight of `end` and the ratio of the lengths, each [..., *T].

    Raises:
        JaxaeError: If a code has length 0 or two ends are opposite. Under `jit` the values are not known, so
            nothing is raised.
    """
    squares = [(code**2).sum(axis=-1) for code in (start, end)]
    has_direction = (squares[0] > 0) & (squares[1] > 0)
    # The inner `where` replaces 0 before the root: the gradient of sqrt at 0 is infinite, and an outer
    # `where` would turn it into nan.
    lengths = [xp.sqrt(xp.where(has_direction, square, 1.0)) for square in squares]
    unit_start, unit_end = start / lengths[0][..., None], end / lengths[1][..., None]
    squared_difference = ((unit_start - unit_end) ** 2).sum(axis=-1)
    squared_sum = ((unit_start + unit_end) ** 2).sum(axis=-1)
    is_opposite = has_direction & (squared_sum <= max(float(jnp.finfo(dtype).eps), LEAST))
    _check(name, has_direction, is_opposite)
    is_defined = has_direction & ~is_opposite
    # Undefined arcs get the angle 0 (|a - b|^2 = 0, |a + b|^2 = 4), for which the weights are 1 - t and t.
    squared = _squared_angle(
        xp, xp.where(is_defined, squared_difference, 0.0), xp.where(is_defined, squared_sum, 4.0)
    )
    ratio = xp.where(is_defined, lengths[1] / lengths[0], 1.0)
    shape = is_defined.shape + (1,) * (t.ndim - is_defined.ndim)
    squared, ratio = squared.reshape(shape), ratio.reshape(shape)
    # sin(t a) / sin(a) = t sinc(t a) / sinc(a), which is finite at a = 0.
    start_weight, end_weight = (
        share * _sinc(xp, share**2 * squared) / _sinc(xp, squared) for share in (1.0 - t, t)
    )
    return start_weight, end_weight, ratio


def _check(name: str, has_direction: Any, is_opposite: Any) -> None:
    """Raise a JaxaeError if an arc is not defined, unless the values are traced."""
    if isinstance(has_direction, Tracer) or isinstance(is_opposite, Tracer):
        return
    if not has_direction.all():
        raise JaxaeError(f"{name}: got a code of length 0, which has no direction; use linear")
    if is_opposite.any():
        raise JaxaeError(
            f"{name}: the codes are opposite to each other, so the arc is not unique; use linear"
        )


def _squared_angle(xp: Any, squared_difference: Any, squared_sum: Any) -> Any:
    """Return the squared angle between unit vectors a and b from |a - b|^2 and |a + b|^2; smooth at 0."""
    is_small = squared_difference < SMALL
    q = xp.where(is_small, squared_difference, 0.0)
    # 4 arcsin^2(sqrt(q) / 2) = 2 sum_n q^n / (n^2 binom(2n, n)). The series needs no root, whose derivative
    # at 0 is infinite.
    series = q * (1 + q * (1 / 12 + q * (1 / 90 + q * (1 / 560 + q * (1 / 3150 + q / 16632)))))
    lengths = (
        xp.sqrt(xp.where(is_small, 1.0, squared_difference)),
        xp.sqrt(xp.where(is_small, 1.0, squared_sum)),
    )
    # arctan2 of both lengths is accurate for every angle; arccos loses half of the digits near 0 and pi.
    return xp.where(is_small, series, (2.0 * xp.arctan2(*lengths)) ** 2)


def _sinc(xp: Any, squared: Any) -> Any:
    """Return sin(x) / x from x^2; smooth at 0."""
    is_small = squared < SMALL
    u = xp.where(is_small, squared, 0.0)
    series = 1 - u / 6 * (1 - u / 20 * (1 - u / 42 * (1 - u / 72)))
    x = xp.sqrt(xp.where(is_small, 1.0, squared))
    return xp.where(is_small, series, xp.sin(x) / x)
