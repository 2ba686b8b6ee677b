"""Features are what they say: a classifier's hidden layer, or principal components."""

import numpy as np
import pytest

from jaxae.errors import JaxaeError
from jaxae.metrics import features as learned
from jaxae.metrics.features import Components, HiddenLayer, fit_features

RANDOM = np.random.RandomState(0)
CENTRES = RANDOM.rand(3, 5, 4, 1)
Y = RANDOM.randint(3, size=300)
X = CENTRES[Y] + 0.2 * RANDOM.randn(300, 5, 4, 1)


@pytest.fixture(autouse=True)
def _few_rows_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "ROWS_SEEN", 9000)


def test_a_linear_read_out_of_the_features_is_the_classifier() -> None:
    features = fit_features(X[:200], Y[:200])
    assert isinstance(features, HiddenLayer)
    found = features(X[200:])
    assert found.shape == (100, 64) and found.dtype == np.float64 and found.min() == 0
    logits = found @ features.classifier.coefs_[-1] + features.classifier.intercepts_[-1]
    predicted = features.classifier.predict(X[200:].reshape(100, -1))
    np.testing.assert_array_equal(logits.argmax(axis=1), predicted)
    assert features.accuracy(X[200:], Y[200:]) == (predicted == Y[200:]).mean() > 0.95
    assert features.name == "64 hidden units of a classifier of the labels, fitted to 200 training rows"


def test_features_are_the_same_for_a_seed() -> None:
    first, again, other = (fit_features(X, Y, seed)(X) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


@pytest.mark.parametrize("labels", [None, ()])
def test_without_labels_they_are_the_singular_value_decomposition(labels: object) -> None:
    features = fit_features(X[:200], labels)
    flat, mean = X.reshape(300, 20), X[:200].reshape(200, 20).mean(axis=0)
    directions = np.linalg.svd(flat[:200] - mean)[2]
    expected = (flat[200:] - mean) @ directions.T
    assert isinstance(features, Components)
    np.testing.assert_allclose(np.abs(features(X[200:])), np.abs(expected), atol=1e-8)
    assert features.name == "20 principal components of the pixels of 200 training rows"


def test_no_more_than_64_components_are_kept_the_leading_ones() -> None:
    x = RANDOM.randn(100, 70) * np.linspace(3, 0.1, 70)
    found = fit_features(x)(x)
    variances = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[:64] ** 2 / 100
    np.testing.assert_allclose(found.var(axis=0), variances, rtol=1e-8)


@pytest.mark.parametrize("labels", [np.zeros(300, int), Y[:10]])
def test_labels_that_teach_nothing_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(JaxaeError, match=f"labels: got {len(labels)} labels of .* classes for 300 examples"):
        fit_features(X, labels)
