"""Oracles: scipy.stats, the bootstrap distribution enumerated, coverage by simulation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jaxae.errors import JaxaeError
from jaxae.sweeps.tables.statistics import (
    INTERVALS,
    bootstrap_interval,
    mean,
    paired_differences,
    standard_deviation,
    student_interval,
)

VALUES = [-101.3, -99.8, -100.4, -103.9, -100.1]
SKEWED = np.random.default_rng(3).gamma(0.7, size=25)

intervals = pytest.mark.parametrize("interval", INTERVALS.values(), ids=INTERVALS)


def bca_by_scipy(values, confidence=0.95):
    """scipy's BCa interval, from resamples of its own."""
    options = {"method": "BCa", "confidence_level": confidence, "n_resamples": 40_000}
    return stats.bootstrap((values,), np.mean, rng=np.random.default_rng(99), **options).confidence_interval


def test_the_student_interval_of_three_values_by_hand():
    # mean 2, s = 1, t = 4.302653 with 2 degrees of freedom: 2 -+ 4.302653 / sqrt(3)
    np.testing.assert_allclose(student_interval([1.0, 2.0, 3.0]), (2.0, -0.484138, 4.484138), rtol=1e-5)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("num", [2, 3, 5, 40])
def test_the_student_interval_is_that_of_scipy(num, confidence):
    values = np.random.default_rng(num).normal(-100.0, 3.0, num)
    centre, low, high = student_interval(values, confidence)
    expected = stats.t.interval(confidence, num - 1, loc=np.mean(values), scale=stats.sem(values))
    np.testing.assert_allclose((low, high), expected, rtol=1e-9)
    np.testing.assert_allclose(centre, np.mean(values), rtol=1e-12)


def test_the_student_interval_of_five_normal_values_covers_their_mean_as_often_as_it_says():
    rng, repeats = np.random.default_rng(0), 4000
    for confidence in (0.8, 0.95):
        found = np.array([student_interval(rng.normal(7.0, 2.0, 5), confidence) for _ in range(repeats)])
        share = np.mean((found[:, 1] < 7.0) & (found[:, 2] > 7.0))
        assert abs(share - confidence) < 4 * np.sqrt(confidence * (1 - confidence) / repeats)


def test_the_bootstrap_interval_of_five_normal_values_is_too_narrow_as_its_docstring_says():
    rng = np.random.default_rng(0)
    found = np.array([bootstrap_interval(rng.normal(size=5), num_resamples=1000) for _ in range(2000)])
    share = np.mean((found[:, 1] < 0.0) & (found[:, 2] > 0.0))
    assert 0.82 < share < 0.88


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("values", [VALUES, SKEWED, -SKEWED], ids=["five", "skewed", "skewed left"])
def test_the_bootstrap_interval_is_the_bca_interval_of_scipy(values, confidence):
    expected = bca_by_scipy(values, confidence)
    centre, low, high = bootstrap_interval(values, confidence, num_resamples=40_000)
    atol = 0.03 * (expected.high - expected.low)
    np.testing.assert_allclose((low, high), (expected.low, expected.high), atol=atol)
    np.testing.assert_allclose(centre, np.mean(values), rtol=1e-12)


def test_the_bootstrap_interval_is_that_of_every_possible_resample():
    values = np.array([0.0, 1.0, 2.5, 9.0])
    means = np.array([np.mean(chosen) for chosen in itertools.product(values, repeat=4)])  # all 256
    bias = stats.norm.ppf(stats.percentileofscore(means, np.mean(values), kind="mean") / 100)
    without = np.array([np.mean(np.delete(values, each)) for each in range(4)])  # the jackknife
    spread = without.mean() - without
    acceleration = np.sum(spread**3) / (6 * np.sum(spread**2) ** 1.5)
    shifted = bias + stats.norm.ppf([0.1, 0.9])
    levels = stats.norm.cdf(bias + shifted / (1 - acceleration * shifted))
    _, low, high = bootstrap_interval(values, 0.8, num_resamples=200_000)
    np.testing.assert_allclose((low, high), np.quantile(means, levels, method="inverted_cdf"), atol=1e-9)


def test_the_bootstrap_interval_leans_to_the_long_tail_and_student_does_not():
    centre, low, high = bootstrap_interval(SKEWED)
    assert high - centre > 1.2 * (centre - low)
    centre, low, high = student_interval(SKEWED)
    np.testing.assert_allclose(high - centre, centre - low, rtol=1e-12)


def test_the_bootstrap_gives_the_same_numbers_for_the_same_seed_and_others_for_another():
    assert bootstrap_interval(VALUES) == bootstrap_interval(VALUES, seed=0)
    assert bootstrap_interval(SKEWED)[1:] != bootstrap_interval(SKEWED, seed=1)[1:]


@intervals
def test_one_value_has_a_mean_but_no_interval(interval):
    np.testing.assert_equal(interval([3.5]), (3.5, np.nan, np.nan))


@intervals
def test_no_value_has_nothing(interval):
    np.testing.assert_equal(interval([]), (np.nan, np.nan, np.nan))


@intervals
def test_equal_values_have_an_interval_without_width(interval):
    np.testing.assert_allclose(interval([0.1, 0.1, 0.1]), (0.1, 0.1, 0.1), rtol=1e-12)


@intervals
def test_a_value_that_is_not_finite_leaves_no_interval(interval):
    np.testing.assert_equal(interval([1.0, np.nan]), (np.nan, np.nan, np.nan))
    np.testing.assert_equal(interval([1.0, np.inf]), (np.inf, np.nan, np.nan))


@intervals
@pytest.mark.parametrize("confidence", [0.0, 1.0, 95, -0.1, float("nan")])
def test_a_confidence_is_between_0_and_1(interval, confidence):
    with pytest.raises(JaxaeError, match=f"confidence: got {confidence}, expected a number between 0 and 1"):
        interval(VALUES, confidence)


@intervals
@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=8), st.floats(-100, 100, width=32))
def test_the_mean_lies_inside_and_a_shift_shifts_all_three(interval, values, shift):
    centre, low, high = interval(values)
    assert low - 1e-9 <= centre <= high + 1e-9
    shifted = interval([value + shift for value in values])
    np.testing.assert_allclose(shifted, np.array([centre, low, high]) + shift, atol=1e-6)


@intervals
def test_more_confidence_is_a_wider_interval(interval):
    widths = [np.diff(interval(VALUES, confidence)[1:])[0] for confidence in (0.5, 0.8, 0.95, 0.99)]
    assert np.all(np.diff(widths) > 0)


def test_the_mean_is_the_same_in_any_order():
    assert len({mean(order) for order in itertools.permutations([0.1, 0.2, 0.3, 1e8, -7.7])}) == 1


def test_the_standard_deviation_divides_by_n_minus_1():
    np.testing.assert_allclose(standard_deviation([1.0, 2.0, 6.0]), np.sqrt((4 + 1 + 9) / 2), rtol=1e-12)
    np.testing.assert_equal([standard_deviation([1.0]), standard_deviation([])], [np.nan, np.nan])


def test_differences_are_taken_seed_by_seed_over_the_shared_ones_in_order():
    values = {10: 1.0, 2: 5.0, 0: 3.0, 7: 100.0}
    baseline = {0: 1.0, 10: 4.0, 2: 2.5, 3: -100.0}
    np.testing.assert_array_equal(paired_differences(values, baseline), [2.0, 2.5, -3.0])


def test_without_a_shared_seed_there_is_no_difference():
    differences = paired_differences({0: 1.0}, {1: 1.0})
    assert differences.shape == (0,)
    np.testing.assert_equal(student_interval(differences), (np.nan, np.nan, np.nan))


def test_the_interval_of_paired_differences_is_that_of_scipy_and_narrower_than_the_unpaired_one():
    rng = np.random.default_rng(5)
    shared = rng.normal(-100.0, 3.0, 8)  # what a seed does to both settings
    values, baseline = shared + rng.normal(1.0, 0.3, 8), shared + rng.normal(0.0, 0.3, 8)
    _, low, high = student_interval(paired_differences(dict(enumerate(values)), dict(enumerate(baseline))))
    paired = stats.ttest_rel(values, baseline).confidence_interval()
    np.testing.assert_allclose((low, high), (paired.low, paired.high), rtol=1e-9)
    unpaired = stats.ttest_ind(values, baseline).confidence_interval()
    assert high - low < 0.25 * (unpaired.high - unpaired.low)
    assert low > 0 > unpaired.low
