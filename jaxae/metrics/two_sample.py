"""How far two samples are from one distribution, by features of them. N and M rows, F features.

Named after what they are: FID and KID are the same formulas on the features of one Inception network.
"""

from typing import Any

import numpy as np

from jaxae.errors import JaxaeError

ROWS_AT_ONCE = 1000  # rows of one sample compared with all of the other at once


def frechet_distance(a: Any, b: Any) -> float:
    """|mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) of features [N, F], [M, F]; squared feature units.

    The squared 2-Wasserstein distance of two Gaussians with the samples' means and covariances (divided by
    N - 1): Frechet distance, Dowson & Landau, 1982. With S = R'R the eigenvalues of S_a S_b are the squared
    singular values of R_a R_b', and R comes from the rows by QR: no matrix is squared, so that equal samples
    are 0 apart but for rounding, though their covariance be singular. It is biased upwards, the more the
    fewer rows: compare samples of one size. Raises: JaxaeError for fewer than two rows, or unequal features.
    """
    a, b = _samples(a, b)
    root_a, root_b = _root(a), _root(b)
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spreads = (root_a**2).sum() + (root_b**2).sum() - 2.0 * overlap
    return float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + max(0.0, spreads))


def kernel_distance(a: Any, b: Any) -> float:
    """The unbiased MMD^2 of features [N, F], [M, F] under the kernel (x.y / F + 1)^3; it may be negative.

    mean over i != j of k(a_i, a_j), plus that of b, minus twice the mean of k(a_i, b_j): its mean over
    samples of one distribution is 0. Binkowski, Sutherland, Arbel & Gretton, 2018 (arXiv 1801.01401).
    Raises: JaxaeError for fewer than two rows, or unequal features.
    """
    a, b = _samples(a, b)
    return _mean_within(a) + _mean_within(b) - 2.0 * _total(a, b) / (len(a) * len(b))


def _samples(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise JaxaeError(
            f"samples: got shapes {a.shape} and {b.shape}, expected (N, F) and (M, F), N, M >= 2"
        )
    return a, b


def _root(rows: np.ndarray) -> np.ndarray:
    """R with R'R the covariance of the rows; float64[min(N, F), F]."""
    return np.asarray(np.linalg.qr((rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1), mode="r"))


def _mean_within(rows: np.ndarray) -> float:
    own = _kernel((rows**2).sum(axis=1) / rows.shape[1]).sum()
    return (_total(rows, rows) - float(own)) / (len(rows) * (len(rows) - 1))


def _total(a: np.ndarray, b: np.ndarray) -> float:
    """The sum of k over all pairs, in memory that does not grow with N."""
    starts = range(0, len(a), ROWS_AT_ONCE)
    return float(sum(_kernel(a[start : start + ROWS_AT_ONCE] @ b.T / a.shape[1]).sum() for start in starts))


def _kernel(products: np.ndarray) -> np.ndarray:
    shifted = products + 1.0
    return shifted * shifted * shifted  # a power is ten times slower
