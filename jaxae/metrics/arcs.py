"""The weights of two codes on the arc between them, for NumPy's arrays and for jax's. L latent."""

from typing import Any

import jax.numpy as jnp
from jax.core import Tracer

from jaxae.errors import JaxaeError

SMALL = 0.01  # squared angles below have a series, whose derivatives do not cancel
LEAST = 1e-12  # of |a + b|^2, below which unit vectors are opposite in any precision


def weights(xp: Any, start: Any, end: Any, t: Any, dtype: Any, name: str) -> tuple[Any, Any, Any]:
    """Return sin((1 - t) angle) / sin(angle), sin(t angle) / sin(angle), and |end| / |start|; [..., *T] each.

    Where no arc is defined: 1 - t, t and 1. Every branch is finite, so that every derivative is.

    Args:
        xp: NumPy or jax.numpy.
        start: the codes at t = 0, [..., L].
        end: the codes at t = 1, [..., L].
        t: [..., *T] with as many leading axes as the codes.
        dtype: that of the codes as given, whose precision says which ends are opposite.
        name: the function that an error names.

    Raises:
        JaxaeError: for a code of length 0 and for opposite ends, as far as values are known.
    """
    squares = [(code**2).sum(axis=-1) for code in (start, end)]
    has_direction = (squares[0] > 0) & (squares[1] > 0)
    lengths = [xp.sqrt(xp.where(has_direction, square, 1.0)) for square in squares]
    first, last = (code / length[..., None] for code, length in zip((start, end), lengths, strict=True))
    apart, together = ((first - last) ** 2).sum(axis=-1), ((first + last) ** 2).sum(axis=-1)
    is_opposite = has_direction & (together <= max(float(jnp.finfo(dtype).eps), LEAST))
    _check(name, has_direction, is_opposite)
    is_defined = has_direction & ~is_opposite
    squared = _squared_angle(xp, xp.where(is_defined, apart, 0.0), xp.where(is_defined, together, 4.0))
    ratio = xp.where(is_defined, lengths[1] / lengths[0], 1.0)
    shape = is_defined.shape + (1,) * (t.ndim - is_defined.ndim)
    squared, ratio = squared.reshape(shape), ratio.reshape(shape)
    first, last = (times * _sinc(xp, times**2 * squared) / _sinc(xp, squared) for times in (1.0 - t, t))
    return first, last, ratio


def _check(name: str, has_direction: Any, is_opposite: Any) -> None:
    """Raise JaxaeError where an arc is not defined, as far as values are known."""
    if isinstance(has_direction, Tracer) or isinstance(is_opposite, Tracer):
        return
    if not has_direction.all():
        raise JaxaeError(f"{name}: a code of length 0 has no direction; use linear")
    if is_opposite.any():
        raise JaxaeError(f"{name}: the codes are opposite to each other, so there is no one arc between them")


def _squared_angle(xp: Any, apart: Any, together: Any) -> Any:
    """Return the squared angle between unit vectors, from |a - b|^2 and |a + b|^2; smooth at 0."""
    is_small = apart < SMALL
    q = xp.where(is_small, apart, 0.0)
    # 4 arcsin^2(sqrt(q) / 2) = 2 sum_n q^n / (n^2 binom(2n, n)): no root, whose derivative at 0 is infinite.
    series = q * (1 + q * (1 / 12 + q * (1 / 90 + q * (1 / 560 + q * (1 / 3150 + q / 16632)))))
    halves = xp.sqrt(xp.where(is_small, 1.0, apart)), xp.sqrt(xp.where(is_small, 1.0, together))
    return xp.where(is_small, series, (2.0 * xp.arctan2(*halves)) ** 2)


def _sinc(xp: Any, squared: Any) -> Any:
    """Return sin(x) / x from x^2; smooth at 0."""
    is_small = squared < SMALL
    u = xp.where(is_small, squared, 0.0)
    series = 1 - u / 6 * (1 - u / 20 * (1 - u / 42 * (1 - u / 72)))
    x = xp.sqrt(xp.where(is_small, 1.0, squared))
    return xp.where(is_small, series, xp.sin(x) / x)
