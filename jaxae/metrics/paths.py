"""Paths through codes, to be decoded: interpolations, traversals, analogies. L latent.

Every function takes NumPy's arrays and gives NumPy's, or takes jax's and gives jax's; then it works under
`jit`, `vmap` and `grad`. Results have the dtype of the codes that are given. Codes may have leading axes
[..., L]: each of them has a separate path, and the path's axis stands before L. A path has `num` codes at
equal steps from one end to the other, or one for each entry of `t`: 0 is the start, 1 the end, and other
numbers lie beyond them.
"""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from scipy import stats

from jaxae.errors import JaxaeError
from jaxae.metrics import arcs


def linear(start: Any, end: Any, num: int | None = None, *, t: ArrayLike | None = None) -> Any:
    """Return codes on straight lines: (1 - t) start + t end, both ends exactly.

    Args:
        start: the codes at t = 0, [..., L].
        end: the codes at t = 1, [..., L].
        num: the number of codes at equal steps, both ends included; or
        t: where codes are wanted, a number or an array of any shape [*T].

    Returns:
        [..., num, L], or [..., *T, L] for t.

    Raises:
        JaxaeError: for codes of two shapes, a `num` below 2, both or neither of `num` and `t`.
    """
    _, (start, end), times, dtype = _prepared((start, end), num, t)
    return _blended(start, end, 1.0 - times, times).astype(dtype)


def spherical(start: Any, end: Any, num: int | None = None, *, t: ArrayLike | None = None) -> Any:
    """Return codes on arcs: (sin((1 - t) angle) start + sin(t angle) end) / sin(angle).

    White, 2016 (arXiv 1609.04468). Between codes as long as those of the prior no short, untypical ones are
    passed. For ends of two lengths it is an ellipse's arc; `polar` is the curve whose length goes in equal
    steps. Parallel ends are joined by a line.

    Args:
        start: the codes at t = 0, [..., L].
        end: the codes at t = 1, [..., L].
        num: the number of codes at equal steps, both ends included; or
        t: where codes are wanted, a number or an array of any shape [*T].

    Returns:
        [..., num, L], or [..., *T, L] for t.

    Raises:
        JaxaeError: as `linear` does; for a code of length 0, which has no direction, and for opposite ends,
            between which there is no one arc. Under `jit` and `vmap`, where values are not known, such ends
            are joined by a line.
    """
    xp, (start, end), times, dtype = _prepared((start, end), num, t)
    of_start, of_end, _ = arcs.weights(xp, start, end, times, dtype, "spherical")
    return _blended(start, end, of_start, of_end).astype(dtype)


def polar(start: Any, end: Any, num: int | None = None, *, t: ArrayLike | None = None) -> Any:
    """Return codes whose direction turns by equal angles and whose length goes in equal steps.

    It is `spherical` for ends of one length. Arguments, results and errors are those of `spherical`.
    """
    xp, (start, end), times, dtype = _prepared((start, end), num, t)
    of_start, of_end, ratio = arcs.weights(xp, start, end, times, dtype, "polar")
    # The length over that of the start, and over that of the end.
    longer, shorter = 1.0 - times + times * ratio, (1.0 - times) / ratio + times
    return _blended(start, end, longer * of_start, shorter * of_end).astype(dtype)


def traversal(z: Any, unit: Any, values: ArrayLike) -> Any:
    """Return each code with one unit set to each of the values.

    Args:
        z: codes [..., L].
        unit: which of the L units is set.
        values: what it is set to, of any shape [*T].

    Returns:
        [..., *T, L] in the dtype of z.

    Raises:
        JaxaeError: for a unit that there is not.
    """
    xp = _namespace(z, unit, values)
    (z,), dtype = _arrays(xp, z)
    size = z.shape[-1]
    if not isinstance(unit, Tracer) and not 0 <= unit < size:
        raise JaxaeError(f"traversal: got unit {unit}, expected 0 to {size - 1}")
    numbers = xp.asarray(values).astype(z.dtype)
    is_set = (xp.arange(size) == unit).reshape((1,) * (z.ndim - 1 + numbers.ndim) + (size,))
    moved = numbers.reshape((1,) * (z.ndim - 1) + (*numbers.shape, 1))
    return xp.where(is_set, moved, _with_axes(z, numbers.ndim)).astype(dtype)


def spread(codes: Any, unit: Any, num: int, share: Any = 0.9) -> Any:
    """Return `num` equal steps between the quantiles of a unit that hold `share` of the codes [N, L]; [num].

    So a traversal shows each unit over the range that the data use, whatever its scale.
    """
    xp = _namespace(codes, unit, share)
    (codes,), dtype = _arrays(xp, codes)
    tail = 0.5 * (1.0 - share)
    low, high = (xp.quantile(codes[:, unit], quantile) for quantile in (tail, 1.0 - tail))
    return xp.linspace(low, high, num).astype(dtype)


def manifold(num: int, dtype: Any = np.float32) -> np.ndarray:
    """Return num x num codes of the plane at the Gaussian's quantiles 1/2num, 3/2num, ...; [num * num, 2].

    Rows from the top, the second unit falling, as an image of them is laid out (Kingma & Welling, 2014,
    figure 4).
    """
    quantiles = stats.norm.ppf((np.arange(num) + 0.5) / num)
    first, second = np.meshgrid(quantiles, quantiles[::-1])
    return np.stack([first.ravel(), second.ravel()], axis=1).astype(dtype)


def attribute_vector(codes: Any, attribute: Any, others: Any = ()) -> Any:
    """Return the mean code with an attribute minus the mean code without it, [L].

    Args:
        codes: [N, L].
        attribute: bool[N].
        others: int[N, K] of attributes that go with it in the data. The means are then taken in each of their
            combinations that has both, and weighed by the number of rows, so that they do not leak in (White,
            2016, section 3.3).

    Raises:
        JaxaeError: where no combination has both; under `jit`, where values cannot raise, it is nan.
    """
    xp = _namespace(codes, attribute, others)
    (codes,), dtype = _arrays(xp, codes)
    groups, num_groups = _groups(others, len(codes))
    attribute = xp.asarray(attribute).astype(bool)
    counts, means = [], []
    for chosen in (attribute, ~attribute):
        chosen = chosen.astype(codes.dtype)
        counts.append(_sums(xp, chosen, groups, num_groups))
        sums = _sums(xp, chosen[:, None] * codes, groups, num_groups)
        means.append(sums / xp.maximum(counts[-1], 1.0)[:, None])
    rows = xp.where((counts[0] > 0) & (counts[1] > 0), counts[0] + counts[1], 0.0)
    if not isinstance(rows, Tracer) and not rows.any():
        raise JaxaeError(
            "attribute_vector: no group of rows has examples both with and without the attribute"
        )
    return ((rows[:, None] * (means[0] - means[1])).sum(axis=0) / rows.sum()).astype(dtype)


def analogies(a: Any, b: Any, c: Any, num: int | None = None, *, t: ArrayLike | None = None) -> Any:
    """Return the J-diagram of a : b = c : ?, a to b along rows, the same step from c down columns.

    Corner [0, 0] is a, [0, -1] b, [-1, 0] c and [-1, -1] the fourth, c + b - a (White, 2016, section 3.2).

    Args:
        a: codes [..., L].
        b: codes [..., L].
        c: codes [..., L].
        num: the number of codes along each side, both ends included; or
        t: where codes are wanted along each side, [T] or a number.

    Returns:
        [..., num, num, L], or [..., T, T, L] for t.

    Raises:
        JaxaeError: as `linear` does.
    """
    given = None if t is None else _namespace(t).atleast_1d(t)
    _, (a, b, c), times, dtype = _prepared((a, b, c), num, given)
    along, down = times[..., None, :, None], times[..., :, None, None]
    a, b, c = (_with_axes(code, 2) for code in (a, b, c))
    return (a + along * (b - a) + down * (c - a)).astype(dtype)


def _namespace(*values: Any) -> Any:
    """Return jax.numpy where a value holds an array of jax's, else NumPy."""
    return jnp if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(values)) else np


def _arrays(xp: Any, *codes: Any) -> tuple[list[Any], Any]:
    """Return codes in the precision that is computed in, float64 for NumPy, and the dtype of the result."""
    arrays = [xp.asarray(code) for code in codes]
    dtype = xp.result_type(*arrays)
    if dtype.kind not in "fiub" and not jnp.issubdtype(dtype, np.floating):  # bfloat16 has the kind V
        raise JaxaeError(f"codes: got dtype {dtype}, expected real numbers")
    if not jnp.issubdtype(dtype, np.floating):
        dtype = xp.result_type(float)
    wide = np.float64 if xp is np else jnp.promote_types(dtype, jnp.float32)
    return [array.astype(wide) for array in arrays], dtype


def _prepared(codes: tuple[Any, ...], num: int | None, t: Any) -> tuple[Any, list[Any], Any, Any]:
    """Return the namespace, the codes [..., L], t with as many leading axes as they have, and the dtype."""
    xp = _namespace(codes, t)
    arrays, dtype = _arrays(xp, *codes)
    shapes = [array.shape for array in arrays]
    if not shapes[0] or len(set(shapes)) > 1:
        raise JaxaeError(f"codes: got shapes {' and '.join(map(str, shapes))}, expected one shape (..., L)")
    if (num is None) == (t is None):
        raise JaxaeError(f"num, t: got {'neither' if t is None else 'both'}, expected one of them")
    times = xp.linspace(0.0, 1.0, _checked(num)) if t is None else xp.asarray(t)
    times = times.astype(arrays[0].dtype)
    return xp, arrays, times.reshape((1,) * (arrays[0].ndim - 1) + times.shape), dtype


def _checked(num: Any) -> int:
    """Return a number of codes. Raises: JaxaeError unless it is a whole number of 2 or more."""
    try:
        number = operator.index(num)
    except TypeError:
        number = 0
    if number < 2:
        raise JaxaeError(f"num: got {num}, expected 2 or more: both ends are included")
    return number


def _with_axes(code: Any, num: int) -> Any:
    """Return [..., L] as [..., 1, .., 1, L]."""
    return code.reshape(*code.shape[:-1], *(1,) * num, code.shape[-1])


def _blended(start: Any, end: Any, of_start: Any, of_end: Any) -> Any:
    """Return of_start start + of_end end; [..., L] twice, [..., *T] twice -> [..., *T, L]."""
    num = of_start.ndim - (start.ndim - 1)
    return of_start[..., None] * _with_axes(start, num) + of_end[..., None] * _with_axes(end, num)


def _groups(others: Any, num_rows: int) -> tuple[Any, int]:
    """Return the number of each row's combination of attributes, int[N], and how many there can be."""
    if np.size(others) == 0:
        return np.zeros(num_rows, np.int32), 1
    if isinstance(others, Tracer):
        columns = others.reshape(num_rows, -1)
        return jnp.unique(columns, axis=0, return_inverse=True, size=num_rows)[1].reshape(-1), num_rows
    _, groups = np.unique(np.asarray(others).reshape(num_rows, -1), axis=0, return_inverse=True)
    return groups.ravel(), int(groups.max()) + 1


def _sums(xp: Any, values: Any, groups: Any, num_groups: int) -> Any:
    """Return the sum of the values [N, ...] of each group, [num_groups, ...]."""
    zeros = xp.zeros((num_groups, *values.shape[1:]), values.dtype)
    if xp is np:
        np.add.at(zeros, groups, values)
        return zeros
    return zeros.at[groups].add(values)
