"""Nearest training examples by hand, and copies told from new samples."""

from typing import Any

import numpy as np
import pytest

from jaxae.errors import JaxaeError
from jaxae.metrics.neighbours import memorisation, nearest

RANDOM = np.random.RandomState(0)
TRAIN = np.array([[[0.0, 0.0]], [[3.0, 4.0]], [[10.0, 0.0]]])  # three images of 1 x 2 pixels


def test_neighbours_by_hand() -> None:
    distances, rows = nearest(TRAIN, [[[3.0, 0.0]], [[10.0, 1.0]]], k=2)
    np.testing.assert_array_equal(rows, [[0, 1], [2, 1]])
    np.testing.assert_allclose(distances, [[3, 4], [1, np.sqrt(49 + 9)]], rtol=1e-12)


def test_neighbours_are_those_of_all_distances() -> None:
    train, queries = RANDOM.rand(80, 5, 5, 1), RANDOM.rand(30, 5, 5, 1)
    exact = np.sqrt(((queries[:, None] - train[None]) ** 2).sum(axis=(2, 3, 4)))
    distances, rows = nearest(train, queries, k=4)
    np.testing.assert_array_equal(rows, np.argsort(exact, axis=1)[:, :4])
    np.testing.assert_allclose(distances, np.sort(exact, axis=1)[:, :4], rtol=1e-5)


def test_copies_are_at_distance_zero_though_pixels_are_large() -> None:
    train = 1000 + RANDOM.rand(50, 30)
    distances, rows = nearest(train, train[:20])
    assert (distances == 0).all() and (rows[:, 0] == np.arange(20)).all()


def of(train: Any, real: Any, samples: Any) -> float:
    """Of rows and not of distances."""
    return memorisation(nearest(train, real)[0], nearest(train, samples)[0])


def test_memorisation_by_hand() -> None:
    """Test rows are 1 and 3 away, samples 1 and 0: 0.5 / 2."""
    real, samples = [[[0.0, 1.0]], [[13.0, 0.0]]], [[[3.0, 5.0]], [[10.0, 0.0]]]
    assert of(TRAIN, real, samples) == pytest.approx(0.25, rel=1e-12)


def test_copies_score_nothing_and_rows_of_the_data_score_one() -> None:
    train, test, fresh = RANDOM.randn(3, 400, 6)
    assert of(train, test, train[::3]) == 0
    assert of(train, test, fresh) == pytest.approx(1, abs=0.1)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(JaxaeError, match=r"\(3, 1, 2\) and \(1, 2\), expected examples of one size"):
        nearest(TRAIN, [[1.0, 2.0]])
    with pytest.raises(JaxaeError, match="k = 4, expected 1 to 3"):
        nearest(TRAIN, TRAIN, k=4)
    with pytest.raises(JaxaeError, match="each test row is a training row"):
        of(TRAIN, TRAIN[:2], TRAIN + 1)
