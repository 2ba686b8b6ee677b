"""Paths through codes, to be decoded: interpolations, traversals, analogies. L latent dimensions.

Every function takes and returns NumPy arrays, or takes and returns JAX arrays. With JAX arrays it works under
`jit`, `vmap` and `grad`. Results have the dtype of the given codes.

Codes may have leading axes [..., L]. Each of them has a separate path, and the axis of the path is inserted
before L. A path has `num` codes at equal steps from one end to the other, or one code for each entry of `t`:
0 is the start, 1 is the end, and other numbers lie beyond them.
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
    """Interpolate codes on straight lines: (1 - t) start + t end; both ends are exact.

    Args:
        start: Codes at t = 0, [..., L].
        end: Codes at t = 1, [..., L].
        num: Number of codes at equal steps, both ends included. Give either `num` or `t`.
        t: Positions of the codes, a number or an array of any shape [*T].

    Returns:
        [..., num, L], or [..., *T, L] for t.

    Raises:
        JaxaeError: If the codes differ in shape, `num` is below 2, or both or neither of `num` and `t` are
            given.

    Example:
        >>> from jaxae.metrics.paths import linear
        >>> linear([0.0, 0.0], [2.0, 4.0], num=3).tolist()
        [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]
    """
    _, (start, end), times, dtype = _prepare((start, end), num, t)
    return _blend(start, end, 1.0 - times, times).astype(dtype)


def spherical(start: Any, end: Any, num: int | None = None, *, t: ArrayLike | None = None) -> Any:
    """Interpolate codes on arcs: (sin((1 - t) angle) start + sin(t angle) end) / sin(angle).

    White, 2016 (arXiv 1609.04468). Codes of the prior have a typical length. An arc between two of them stays
    near that length, while a straight line passes through short codes, which are not typical. If the ends
    have two lengths, the path is an arc of an ellipse; for `polar` the length changes in equal steps.
    Parallel ends are joined by a line.

    Args:
        start: Codes at t = 0, [..., L].
        end: Codes at t = 1, [..., L].
        num: Number of codes at equal steps, both ends included. Give either `num` or `t`.
        t: Positions of the codes, a number or an array of any shape [*T].

    Returns:
        [..., num, L], or [..., *T, L] for t.

    Raises:
        JaxaeError: As in `linear`; or if a code has length 0, so that it has no direction; or if the ends are
            opposite, so that the arc is not unique. Under `jit` and `vmap`, where values are not known, such
            ends are joined by a line.

    Example:
        >>> from jaxae.metrics.paths import spherical
        >>> spherical([1.0, 0.0], [0.0, 1.0], num=3).round(4).tolist()  # a quarter of the unit circle
        [[1.0, 0.0], [0.7071, 0.7071], [0.0, 1.0]]
    """
    xp, (start, end), times, dtype = _prepare((start, end), num, t)
    start_weight, end_weight, _ = arcs.weights(xp, start, end, times, dtype, "spherical")
    return _blend(start, end, start_weight, end_weight).astype(dtype)


def polar(start: Any, end: Any, num: int | None = None, *, t: ArrayLike | None = None) -> Any:
    """Interpolate codes whose direction turns by equal angles and whose length changes in equal steps.

    For ends of the same length it equals `spherical`.

    Args:
        start: Codes at t = 0, [..., L].
        end: Codes at t = 1, [..., L].
        num: Number of codes at equal steps, both ends included. Give either `num` or `t`.
        t: Positions of the codes, a number or an array of any shape [*T].

    Returns:
        [..., num, L], or [..., *T, L] for t.

    Raises:
        JaxaeError: As in `spherical`.

    Example:
        >>> from jaxae.metrics.paths import polar
        >>> polar([1.0, 0.0], [0.0, 3.0], t=[0.0, 1.0]).round(4).tolist()
        [[1.0, 0.0], [0.0, 3.0]]
    """
    xp, (start, end), times, dtype = _prepare((start, end), num, t)
    start_weight, end_weight, ratio = arcs.weights(xp, start, end, times, dtype, "polar")
    # The length at t, divided by the length of the start, and by the length of the end.
    relative_to_start, relative_to_end = 1.0 - times + times * ratio, (1.0 - times) / ratio + times
    return _blend(start, end, relative_to_start * start_weight, relative_to_end * end_weight).astype(dtype)


def traversal(z: Any, unit: Any, values: ArrayLike) -> Any:
    """Return each code with one dimension set to each of the values.

    Args:
        z: Codes, [..., L].
        unit: Index of the latent dimension that is set, from 0 to L - 1.
        values: Values to which it is set, of any shape [*T].

    Returns:
        [..., *T, L] in the dtype of z.

    Raises:
        JaxaeError: If `unit` is not between 0 and L - 1.

    Example:
        >>> from jaxae.metrics.paths import traversal
        >>> traversal([5.0, 5.0], unit=1, values=[-1.0, 1.0]).tolist()
        [[5.0, -1.0], [5.0, 1.0]]
    """
    xp = _find_namespace(z, unit, values)
    (z,), dtype = _convert(xp, z)
    size = z.shape[-1]
    if not isinstance(unit, Tracer) and not 0 <= unit < size:
        raise JaxaeError(f"traversal: got unit {unit}, expected 0 to {size - 1}")
    new_values = xp.asarray(values).astype(z.dtype)
    # A mask, not an indexed assignment, because `unit` may be traced and NumPy arrays have no `.at`.
    is_set = (xp.arange(size) == unit).reshape((1,) * (z.ndim - 1 + new_values.ndim) + (size,))
    replacement = new_values.reshape((1,) * (z.ndim - 1) + (*new_values.shape, 1))
    return xp.where(is_set, replacement, _insert_axes(z, new_values.ndim)).astype(dtype)


def spread(codes: Any, unit: Any, num: int, share: Any = 0.9) -> Any:
    """Return `num` equal steps over the range of one latent dimension that the data use; [num].

    The range lies between the two quantiles that enclose `share` of the codes. So a traversal shows each
    dimension over its range in the data, whatever its scale.

    Args:
        codes: [N, L].
        unit: Index of the latent dimension.
        num: Number of steps.
        share: Share of the codes inside the range.

    Returns:
        [num], in ascending order.
    """
    xp = _find_namespace(codes, unit, share)
    (codes,), dtype = _convert(xp, codes)
    tail = 0.5 * (1.0 - share)
    low, high = (xp.quantile(codes[:, unit], quantile) for quantile in (tail, 1.0 - tail))
    return xp.linspace(low, high, num).astype(dtype)


def manifold(num: int, dtype: Any = np.float32) -> np.ndarray:
    """Return num x num codes of the plane at the quantiles 1/2num, 3/2num, ... of N(0, 1); [num * num, 2].

    The codes are ordered like the tiles of an image: rows from the top, with the second latent dimension
    falling from row to row (Kingma & Welling, 2014, figure 4).

    Args:
        num: Codes along each side.
        dtype: Type of the result.

    Returns:
        [num * num, 2].
    """
    quantiles = stats.norm.ppf((np.arange(num) + 0.5) / num)
    first, second = np.meshgrid(quantiles, quantiles[::-1])
    return np.stack([first.ravel(), second.ravel()], axis=1).astype(dtype)


def attribute_vector(codes: Any, attribute: Any, others: Any = ()) -> Any:
    """Return the mean code with an attribute minus the mean code without it, [L].

    Args:
        codes: [N, L].
        attribute: bool[N].
        others: int[N, K] of attributes that are correlated with it in the data. The difference is then
            computed within each combination of their values that has rows with and without the attribute. The
            mean over combinations is weighted by their rows. So the other attributes do not leak in (White,
            2016, section 3.3).

    Returns:
        [L].

    Raises:
        JaxaeError: If no combination has rows both with and without the attribute. Under `jit`, where values
            cannot raise, the result is nan.

    Example:
        >>> from jaxae.metrics.paths import attribute_vector
        >>> attribute_vector([[0.0, 1.0], [3.0, 1.0]], attribute=[False, True]).tolist()
        [3.0, 0.0]
    """
    xp = _find_namespace(codes, attribute, others)
    (codes,), dtype = _convert(xp, codes)
    groups, num_groups = _find_groups(others, len(codes))
    attribute = xp.asarray(attribute).astype(bool)
    counts, means = [], []
    for mask in (attribute, ~attribute):
        mask = mask.astype(codes.dtype)
        counts.append(_sum_groups(xp, mask, groups, num_groups))
        sums = _sum_groups(xp, mask[:, None] * codes, groups, num_groups)
        # At least 1, so that an empty group gives 0 and not nan; its weight `rows` is 0.
        means.append(sums / xp.maximum(counts[-1], 1.0)[:, None])
    rows = xp.where((counts[0] > 0) & (counts[1] > 0), counts[0] + counts[1], 0.0)
    if not isinstance(rows, Tracer) and not rows.any():
        raise JaxaeError(
            "attribute_vector: no group of rows has examples both with and without the attribute"
        )
    return ((rows[:, None] * (means[0] - means[1])).sum(axis=0) / rows.sum()).astype(dtype)


def analogies(a: Any, b: Any, c: Any, num: int | None = None, *, t: ArrayLike | None = None) -> Any:
    """Return the J-diagram of a : b = c : ?, from a to b along rows and from a to c down columns.

    Corner [0, 0] is a, [0, -1] is b, [-1, 0] is c and [-1, -1] is the fourth code, c + b - a (White, 2016,
    section 3.2).

    Args:
        a: Codes, [..., L].
        b: Codes, [..., L].
        c: Codes, [..., L].
        num: Number of codes along each side, both ends included. Give either `num` or `t`.
        t: Positions along each side, [T] or a number.

    Returns:
        [..., num, num, L], or [..., T, T, L] for t.

    Raises:
        JaxaeError: As in `linear`.

    Example:
        >>> from jaxae.metrics.paths import analogies
        >>> analogies([0.0], [1.0], [10.0], num=2)[..., 0].tolist()
        [[0.0, 1.0], [10.0, 11.0]]
    """
    # A single number becomes a side of one code, so that the result always has both sides.
    positions = None if t is None else _find_namespace(t).atleast_1d(t)
    _, (a, b, c), times, dtype = _prepare((a, b, c), num, positions)
    along, down = times[..., None, :, None], times[..., :, None, None]
    a, b, c = (_insert_axes(code, 2) for code in (a, b, c))
    return (a + along * (b - a) + down * (c - a)).astype(dtype)


def _find_namespace(*values: Any) -> Any:
    """Return jax.numpy if a value holds a JAX array, else NumPy."""
    return jnp if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(values)) else np


def _convert(xp: Any, *codes: Any) -> tuple[list[Any], Any]:
    """Return the codes in the precision to compute in (float64 for NumPy), and the dtype of the result."""
    arrays = [xp.asarray(code) for code in codes]
    dtype = xp.result_type(*arrays)
    # bfloat16 has the kind "V" in NumPy, so only `jnp.issubdtype` recognises it as a float.
    if dtype.kind not in "fiub" and not jnp.issubdtype(dtype, np.floating):
        raise JaxaeError(f"codes: got dtype {dtype}, expected real numbers")
    if not jnp.issubdtype(dtype, np.floating):
        dtype = xp.result_type(float)
    wide = np.float64 if xp is np else jnp.promote_types(dtype, jnp.float32)
    return [array.astype(wide) for array in arrays], dtype


def _prepare(codes: tuple[Any, ...], num: int | None, t: Any) -> tuple[Any, list[Any], Any, Any]:
    """Return the namespace, the codes [..., L], t with the leading axes of the codes, and the dtype."""
    xp = _find_namespace(codes, t)
    arrays, dtype = _convert(xp, *codes)
    shapes = [array.shape for array in arrays]
    if not shapes[0] or len(set(shapes)) > 1:
        raise JaxaeError(
            f"codes: got shapes {' and '.join(map(str, shapes))}, expected the same shape (..., L)"
        )
    if (num is None) == (t is None):
        raise JaxaeError(f"num, t: got {'neither' if t is None else 'both'}, expected one of them")
    times = xp.linspace(0.0, 1.0, _check_num(num)) if t is None else xp.asarray(t)
    times = times.astype(arrays[0].dtype)
    return xp, arrays, times.reshape((1,) * (arrays[0].ndim - 1) + times.shape), dtype


def _check_num(num: Any) -> int:
    """Return `num` as an int. Raises a JaxaeError unless it is a whole number of 2 or more."""
    try:
        number = operator.index(num)  # accepts NumPy integers, and refuses 3.0 and "3"
    except TypeError:
        number = 0
    if number < 2:
        raise JaxaeError(
            f"num: got {num}, expected a whole number of 2 or more, since both ends are included"
        )
    return number


def _insert_axes(code: Any, num: int) -> Any:
    """Reshape [..., L] to [..., 1, .., 1, L] with `num` new axes."""
    return code.reshape(*code.shape[:-1], *(1,) * num, code.shape[-1])


def _blend(start: Any, end: Any, start_weight: Any, end_weight: Any) -> Any:
    """Compute of_start start + of_end end; [..., L] twice, [..., *T] twice -> [..., *T, L]."""
    num = start_weight.ndim - (start.ndim - 1)
    return start_weight[..., None] * _insert_axes(start, num) + end_weight[..., None] * _insert_axes(end, num)


def _find_groups(others: Any, num_rows: int) -> tuple[Any, int]:
    """Return the group of each row (its combination of attributes), int[N], and a limit of their number."""
    if np.size(others) == 0:
        return np.zeros(num_rows, np.int32), 1
    if isinstance(others, Tracer):  # `unique` needs a static size under jit; N groups are always enough
        columns = others.reshape(num_rows, -1)
        return jnp.unique(columns, axis=0, return_inverse=True, size=num_rows)[1].reshape(-1), num_rows
    _, groups = np.unique(np.asarray(others).reshape(num_rows, -1), axis=0, return_inverse=True)
    return groups.ravel(), int(groups.max()) + 1


def _sum_groups(xp: Any, values: Any, groups: Any, num_groups: int) -> Any:
    """Sum the values [N, ...] of each group, [num_groups, ...]."""
    zeros = xp.zeros((num_groups, *values.shape[1:]), values.dtype)
    if xp is np:
        # Unlike `zeros[groups] += values`, which adds only once for a repeated index.
        np.add.at(zeros, groups, values)
        return zeros
    return zeros.at[groups].add(values)
