"""Paths through codes, to be decoded: interpolations, traversals, analogies. L latent."""

from typing import Any

import numpy as np
from scipy import stats

from jaxae.errors import JaxaeError


def linear(start: Any, end: Any, num: int) -> np.ndarray:
    """`num` codes on the straight line from `start` [L] to `end` [L], both included; f32[num, L]."""
    start, end = _ends(start, end)
    shares = _shares(num)[:, None]
    return ((1.0 - shares) * start + shares * end).astype(np.float32)


def spherical(start: Any, end: Any, num: int) -> np.ndarray:
    """`num` codes on the arc from `start` [L] to `end` [L], both included; f32[num, L].

    The direction turns by equal angles and the length goes in equal steps, so that between codes as long as
    those of the prior no short, untypical ones are passed (White, 2016, arXiv 1609.04468). Nearly parallel
    ends are joined by a line. Raises: JaxaeError for a code of length 0, or opposite ends, between which
    there is no one arc.
    """
    start, end = _ends(start, end)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) == 0:
        raise JaxaeError("spherical: a code of length 0 has no direction; use linear")
    first, last = start / lengths[0], end / lengths[1]
    angle = 2.0 * np.arctan2(
        np.linalg.norm(first - last), np.linalg.norm(first + last)
    )  # exact for small ones too
    if np.pi - angle < 1e-6:
        raise JaxaeError(
            "spherical: the codes are opposite to each other, so there is no one arc between them"
        )
    shares = _shares(num)[:, None]
    if angle < 1e-6:
        return linear(start, end, num)
    directions = (np.sin((1.0 - shares) * angle) * first + np.sin(shares * angle) * last) / np.sin(angle)
    return (((1.0 - shares) * lengths[0] + shares * lengths[1]) * directions).astype(np.float32)


def traversal(z: Any, unit: int, values: Any) -> np.ndarray:
    """The code z [L] with one unit set to each of `values` [num]; f32[num, L]."""
    z, values = np.asarray(z, np.float64), np.asarray(values, np.float64)
    if not 0 <= unit < len(z):
        raise JaxaeError(f"traversal: got unit {unit}, expected 0 to {len(z) - 1}")
    codes = np.tile(z, (len(values), 1))
    codes[:, unit] = values
    return codes.astype(np.float32)


def spread(codes: Any, unit: int, num: int, share: float = 0.9) -> np.ndarray:
    """`num` equal steps between the quantiles of a unit that hold `share` of the codes [N, L]; float64[num].

    So a traversal shows each unit over the range that the data use, whatever its scale.
    """
    tail = 0.5 * (1.0 - share)
    low, high = np.quantile(np.asarray(codes, np.float64)[:, unit], [tail, 1.0 - tail])
    return np.linspace(low, high, num)


def manifold(num: int) -> np.ndarray:
    """num x num codes of the plane at the Gaussian's quantiles 1/2num, 3/2num, ...; f32[num * num, 2].

    Rows from the top, the second unit falling, as an image of them is laid out (Kingma & Welling, 2014,
    figure 4).
    """
    quantiles = stats.norm.ppf((np.arange(num) + 0.5) / num)
    first, second = np.meshgrid(quantiles, quantiles[::-1])
    return np.stack([first.ravel(), second.ravel()], axis=1).astype(np.float32)


def attribute_vector(codes: Any, attribute: Any, others: Any = ()) -> np.ndarray:
    """The mean code with an attribute minus that without it, f32[L]; codes [N, L], attribute bool[N].

    `others`: i32[N, K] of attributes that go with it in the data. The means are then taken in each of their
    combinations that has both, and weighed by the number of rows, so that they do not leak in (White, 2016,
    section 3.3). Raises: JaxaeError where no combination has both.
    """
    codes, attribute = np.asarray(codes, np.float64), np.asarray(attribute, bool)
    columns = (
        np.asarray(others).reshape(len(codes), -1) if np.size(others) else np.zeros((len(codes), 1), int)
    )
    _, groups = np.unique(columns, axis=0, return_inverse=True)
    differences, counts = [], []
    for group in range(groups.max() + 1):
        rows = groups.ravel() == group
        with_it, without = codes[rows & attribute], codes[rows & ~attribute]
        if len(with_it) and len(without):
            differences.append(with_it.mean(axis=0) - without.mean(axis=0))
            counts.append(rows.sum())
    if not differences:
        raise JaxaeError(
            "attribute_vector: no group of rows has examples both with and without the attribute"
        )
    return np.average(differences, axis=0, weights=counts).astype(np.float32)


def analogies(a: Any, b: Any, c: Any, num: int) -> np.ndarray:
    """The J-diagram of a : b = c : ?, f32[num, num, L]: a to b along rows, the same step from c down columns.

    Corner [0, 0] is a, [0, -1] b, [-1, 0] c and [-1, -1] the fourth, c + b - a (White, 2016, section 3.2).
    """
    a, b = _ends(a, b)
    a, c = _ends(a, c)
    shares = _shares(num)
    along, down = shares[None, :, None] * (b - a), shares[:, None, None] * (c - a)
    return (a + along + down).astype(np.float32)


def _ends(start: Any, end: Any) -> tuple[np.ndarray, np.ndarray]:
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    if start.ndim != 1 or start.shape != end.shape:
        raise JaxaeError(f"codes: got shapes {start.shape} and {end.shape}, expected (L,) twice")
    return start, end


def _shares(num: int) -> np.ndarray:
    if num < 2:
        raise JaxaeError(f"num: got {num}, expected 2 or more: both ends are included")
    return np.linspace(0.0, 1.0, num)
