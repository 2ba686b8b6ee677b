"""Distances between two samples by features of them. N and M rows, F features.

The functions are named after their formulas. FID and KID are the same formulas with features of one
particular Inception network.
"""

from typing import Any

import numpy as np

from jaxae.errors import JaxaeError

ROWS_AT_ONCE = 1000  # rows of one sample that are compared with all rows of the other at once


def frechet_distance(a: Any, b: Any) -> float:
    """Compute |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in squared feature units.

    This is the squared 2-Wasserstein distance of two Gaussians with the means and covariances of the samples
    (divided by N - 1): the Frechet distance of Dowson & Landau, 1982. The estimate is biased upwards, more so
    for fewer rows, so compare samples of the same size only.

    Args:
        a: Features of one sample, [N, F] with N >= 2.
        b: Features of the other sample, [M, F] with M >= 2.

    Returns:
        The distance, at least 0.

    Raises:
        JaxaeError: If a sample has fewer than two rows, or the numbers of features differ.

    Example:
        The samples differ by 3 in the mean of one feature and have the same covariance.

        >>> from jaxae.metrics.two_sample import frechet_distance
        >>> round(frechet_distance([[0.0], [2.0]], [[3.0], [5.0]]), 4)
        9.0
    """
    a, b = _check_samples(a, b)
    # With S = R'R the eigenvalues of S_a S_b are the squared singular values of R_a R_b'. R comes from the
    # rows by QR, so no covariance is formed, which would square the rounding errors. Equal samples have
    # distance 0 up to rounding, even if their covariance is singular.
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spreads = (root_a**2).sum() + (root_b**2).sum() - 2.0 * overlap
    return float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + max(0.0, spreads))


def kernel_distance(a: Any, b: Any) -> float:
    """Compute the unbiased MMD^2 of features under the kernel (x.y / F + 1)^3; it may be negative.

    The formula is the mean over i != j of k(a_i, a_j), plus that of b, minus twice the mean of k(a_i, b_j).
    Its expectation is 0 if both samples have the same distribution. Binkowski, Sutherland, Arbel & Gretton,
    2018 (arXiv 1801.01401).

    Args:
        a: Features of one sample, [N, F] with N >= 2.
        b: Features of the other sample, [M, F] with M >= 2.

    Returns:
        The squared distance, without a unit.

    Raises:
        JaxaeError: If a sample has fewer than two rows, or the numbers of features differ.
    """
    a, b = _check_samples(a, b)
    return _mean_within(a) + _mean_within(b) - 2.0 * _sum_kernel(a, b) / (len(a) * len(b))


def _check_samples(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise JaxaeError(
            f"samples: got shapes {a.shape} and {b.shape}, expected (N, F) and (M, F) with N, M >= 2"
        )
    return a, b


def _covariance_root(rows: np.ndarray) -> np.ndarray:
    """Return R with R'R the covariance of the rows; float64[min(N, F), F]."""
    return np.asarray(np.linalg.qr((rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1), mode="r"))


def _mean_within(rows: np.ndarray) -> float:
    # k(a_i, a_i) compares a row with itself; with it the mean would be biased.
    diagonal = _kernel((rows**2).sum(axis=1) / rows.shape[1]).sum()
    return (_sum_kernel(rows, rows) - float(diagonal)) / (len(rows) * (len(rows) - 1))


def _sum_kernel(a: np.ndarray, b: np.ndarray) -> float:
    """Sum k over all pairs, in memory that does not grow with N."""
    starts = range(0, len(a), ROWS_AT_ONCE)
    return float(sum(_kernel(a[start : start + ROWS_AT_ONCE] @ b.T / a.shape[1]).sum() for start in starts))


def _kernel(products: np.ndarray) -> np.ndarray:
    shifted = products + 1.0
    return shifted * shifted * shifted  # NumPy's power takes ten times as long
