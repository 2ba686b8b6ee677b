"""Distances of two samples by closed forms, another library and loops."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import linalg

from jaxae.errors import JaxaeError
from jaxae.metrics import two_sample
from jaxae.metrics.two_sample import frechet_distance, kernel_distance

RANDOM = np.random.RandomState(0)
ROTATION = np.linalg.qr(RANDOM.randn(4, 4))[0]
MEASURES = [frechet_distance, kernel_distance]
A, B = RANDOM.randn(60, 4) @ RANDOM.randn(4, 4), RANDOM.randn(45, 4) @ RANDOM.randn(4, 4) + 0.5


def sample(num: int, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Rows whose mean and covariance are these, and not only on the average."""
    rows = RANDOM.randn(num, len(mean))
    white = (rows - rows.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def test_gaussians_of_commuting_covariances_are_apart_by_means_and_deviations() -> None:
    """|mu_a - mu_b|^2 + sum (sd_a - sd_b)^2 along the common axes."""
    mean_a, mean_b = RANDOM.randn(2, 4)
    sd_a, sd_b = np.array([1.0, 2, 3, 0.1]), np.array([2.0, 2, 0.5, 1])
    a = sample(50, mean_a, ROTATION @ np.diag(sd_a**2) @ ROTATION.T)
    b = sample(70, mean_b, ROTATION @ np.diag(sd_b**2) @ ROTATION.T)
    expected = ((mean_a - mean_b) ** 2).sum() + ((sd_a - sd_b) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_any_covariances_are_apart_as_by_the_matrix_square_root() -> None:
    cov_a, cov_b = np.cov(A.T), np.cov(B.T)
    assert np.abs(cov_a @ cov_b - cov_b @ cov_a).max() > 0.1, "they do not commute"
    difference = A.mean(axis=0) - B.mean(axis=0)
    trace = np.trace(cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(A, B) == pytest.approx(difference @ difference + trace, rel=1e-9)


def test_equal_samples_are_no_distance_apart_even_of_singular_covariance() -> None:
    flat = 100 * RANDOM.randn(30, 3) @ RANDOM.randn(3, 8)
    assert frechet_distance(A, A[::-1]) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(flat[:4], flat[:4]) == pytest.approx(0, abs=1e-9), "fewer rows than features"
    assert 0 <= frechet_distance(flat, flat + 1e-3) == pytest.approx(8e-6, rel=1e-3)


@pytest.mark.parametrize("measure", MEASURES)
def test_it_is_symmetric_and_blind_to_the_order_of_rows_and_to_rotations(measure: Callable) -> None:
    found = measure(A, B)
    assert found > 0.1
    assert measure(B, A) == pytest.approx(found, rel=1e-9)
    assert measure(A[RANDOM.permutation(60)], B[::-1]) == pytest.approx(found, rel=1e-9)
    assert measure(A @ ROTATION, B @ ROTATION) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("at_once", [7, 1000])
def test_the_kernel_distance_is_the_double_loop(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample, "ROWS_AT_ONCE", at_once)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (sum(i * j for i, j in zip(x, y, strict=True)) / 4 + 1) ** 3

    within = [
        np.mean([kernel(rows[i], rows[j]) for i in range(len(rows)) for j in range(len(rows)) if i != j])
        for rows in (A, B)
    ]
    between = np.mean([kernel(a, b) for a in A for b in B])
    assert kernel_distance(A, B) == pytest.approx(sum(within) - 2 * between, rel=1e-9)


def test_the_kernel_distance_of_one_distribution_is_zero_on_the_average_and_negative_now_and_then() -> None:
    found = np.array([kernel_distance(*RANDOM.randn(2, 12, 3)) for _ in range(2000)])
    error = found.std() / np.sqrt(len(found))
    # Were the diagonal not left out: 2 (E k(x, x) - E k(x, x')) / 12 = (12.9 - 2) / 6 = 1.8.
    assert abs(found.mean()) < 4 * error < 0.2
    assert 0.2 < (found < 0).mean() < 0.9


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("b", [np.zeros((1, 4)), np.zeros((9, 3)), np.zeros((9, 2, 2))])
def test_samples_that_cannot_be_compared_are_refused(measure: Callable, b: np.ndarray) -> None:
    with pytest.raises(JaxaeError, match=r"got shapes \(60, 4\) and"):
        measure(A, b)
