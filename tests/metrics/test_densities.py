"""A density of codes recovers the mixture that they came from."""

import numpy as np
import pytest
from scipy import stats

from jaxae.errors import JaxaeError
from jaxae.metrics.densities import fit_density

RANDOM = np.random.RandomState(0)
CENTRES = np.array([[-3.0, 0.0], [3.0, 1.0]])
CODES = CENTRES[RANDOM.randint(2, size=4000)] + 0.5 * RANDOM.randn(4000, 2)


def test_it_is_the_mixture_that_the_codes_came_from() -> None:
    density = fit_density(CODES, num_components=2)
    points = RANDOM.randn(50, 2) * 3
    truth = [
        np.log(
            0.5 * sum(stats.multivariate_normal(centre, 0.25 * np.eye(2)).pdf(point) for centre in CENTRES)
        )
        for point in points
    ]
    near = np.array(truth) > -8  # where codes are
    np.testing.assert_allclose(density.log_prob(points)[near], np.array(truth)[near], atol=0.5)
    assert density.log_prob(CODES).mean() == pytest.approx(
        np.log(0.5) - np.log(2 * np.pi * 0.25) - 1, abs=0.05
    )


def test_its_samples_are_like_the_codes_and_the_same_for_a_seed() -> None:
    density = fit_density(CODES, num_components=2)
    first, again, other = density.sample(2000, 1), density.sample(2000, 1), density.sample(2000, 2)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and first.dtype == np.float32
    for unit in range(2):
        assert stats.ks_2samp(first[:, unit], CODES[:, unit]).pvalue > 1e-3
    assert abs(np.corrcoef(np.arange(2000), first[:, 0])[0, 1]) < 0.1, "components come in a random order"


def test_too_few_codes_are_refused() -> None:
    with pytest.raises(JaxaeError, match="N >= 10 components"):
        fit_density(CODES[:5])
