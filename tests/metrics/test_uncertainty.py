"""Standard errors by the jackknife: where the usual one is known, and by repetition where it is not."""

from typing import Any

import numpy as np
import pytest

from jaxae.errors import JaxaeError
from jaxae.metrics.two_sample import frechet_distance
from jaxae.metrics.uncertainty import jackknife

RANDOM = np.random.RandomState(0)


def test_the_error_of_a_mean_is_the_usual_one_where_each_row_is_a_group() -> None:
    x = RANDOM.randn(37)
    assert jackknife(np.mean, x, groups=37) == pytest.approx(x.std(ddof=1) / np.sqrt(37), rel=1e-10)


def test_groups_are_the_rows_of_equal_remainder() -> None:
    """Of means of groups of equal size: their deviation over the square root of their number."""
    x = RANDOM.randn(40)
    groups = [x[i::4].mean() for i in range(4)]
    assert jackknife(np.mean, x, groups=4) == pytest.approx(np.std(groups, ddof=1) / 2, rel=1e-10)


def test_arrays_of_one_length_are_cut_alike() -> None:
    x = RANDOM.randn(50)

    def difference(x: Any, y: Any) -> float:
        assert len(x) == len(y) == 45
        return float((x - y).mean())

    assert jackknife(difference, x, x + 1) == pytest.approx(0, abs=1e-12)


def test_samples_of_their_own_add_their_variances() -> None:
    a, b = RANDOM.randn(60), 3 * RANDOM.randn(90)

    def difference(a: Any, b: Any) -> float:
        assert (len(a), len(b)) == (54, 81)
        return float(a.mean() - b.mean())

    exact = np.sqrt(a.var(ddof=1) / 60 + b.var(ddof=1) / 90)
    found = [
        jackknife(difference, *draw)
        for draw in [(RANDOM.permutation(a), RANDOM.permutation(b)) for _ in range(200)]
    ]
    assert np.mean(np.square(found)) == pytest.approx(exact**2, rel=0.15)


def ratio(x: Any, y: Any) -> float:
    return float(x.mean() / y.mean())


def variance(x: Any) -> float:
    return float(np.var(x, ddof=1))


@pytest.mark.parametrize("groups", [10, 20])
def test_two_errors_hold_the_truth_as_often_as_they_should(groups: int) -> None:
    """Student's t with `groups` - 1 degrees of freedom: 95 % of 600 samples; by chance 93 to 97 %."""
    from scipy import stats

    reach = stats.t(groups - 1).ppf(0.975)
    hits = {"ratio": 0, "variance": 0}
    for _ in range(600):
        x = RANDOM.gamma(2.0, size=(200, 2))
        error = jackknife(ratio, x[:, 0], x[:, 1], groups=groups)
        hits["ratio"] += abs(ratio(x[:, 0], x[:, 1]) - 1) < reach * error
        normal = RANDOM.randn(200)
        hits["variance"] += abs(variance(normal) - 1) < reach * jackknife(variance, normal, groups=groups)
    assert all(0.92 < number / 600 < 0.98 for number in hits.values()), hits


def test_the_error_of_a_frechet_distance_is_its_deviation_over_samples() -> None:
    draws = [(RANDOM.randn(150, 3), RANDOM.randn(200, 3) + 1) for _ in range(100)]
    spread = np.std([frechet_distance(*draw) for draw in draws], ddof=1)
    errors = [jackknife(frechet_distance, *draw) for draw in draws]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize("groups", [1, 6])
def test_groups_that_leave_nothing_out_are_refused(groups: int) -> None:
    with pytest.raises(JaxaeError, match=f"got {groups} groups, expected 2 to 5"):
        jackknife(lambda a, b: 0.0, np.zeros(9), np.zeros(5), groups=groups)
