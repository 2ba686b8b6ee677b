"""Features of images by which samples are compared, learned from training rows. N examples, F features.

Small and fitted in a minute on a CPU, with no downloaded network: what they tell of depends on the data that
they were fitted to, so that numbers are to be compared on one data set only, and `name` stands beside them.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np

from jaxae.errors import JaxaeError
from jaxae.metrics.probes import flat

NUM_FEATURES = 64
ROWS_SEEN = 600_000  # by the classifier's training, over all epochs: eleven of MNIST's 55,000 rows
MIN_EPOCHS, MAX_EPOCHS = 5, 100


class HiddenLayer(NamedTuple):
    """Activations of the last hidden layer of a classifier of the labels."""

    classifier: Any  # scikit-learn's MLPClassifier
    name: str

    def __call__(self, x: Any) -> np.ndarray:
        """[N, ...] -> float64[N, F]."""
        values = flat(x)
        hidden = zip(self.classifier.coefs_[:-1], self.classifier.intercepts_[:-1], strict=True)
        for weights, bias in hidden:
            values = np.maximum(values @ weights + bias, 0.0)
        return values

    def accuracy(self, x: Any, y: Any) -> float:
        """The share of labels [N] of examples [N, ...] that the classifier names, in [0, 1]."""
        return float((self.classifier.predict(flat(x)) == np.asarray(y)).mean())


class Components(NamedTuple):
    """Principal components of the pixels."""

    pca: Any  # scikit-learn's PCA
    name: str

    def __call__(self, x: Any) -> np.ndarray:
        """[N, ...] -> float64[N, F]."""
        return self.pca.transform(flat(x))


def fit_features(x: Any, y: Any = None, seed: int = 0) -> HiddenLayer | Components:
    """Features fitted to training examples x [N, ...]: a function [N, ...] -> float64[N, F].

    With labels y [N] those of a classifier's hidden layer, without (None or ()) principal components.
    Raises: JaxaeError for labels of one class, or of another number than the examples.
    """
    x = flat(x)
    if y is None or isinstance(y, tuple):
        return _components(x, seed)
    y = np.asarray(y)
    if len(y) != len(x) or len(np.unique(y)) < 2:
        raise JaxaeError(
            f"labels: got {len(y)} of {len(np.unique(y))} classes for {len(x)} examples, expected"
            " one each, of 2 classes or more"
        )
    return _hidden_layer(x, y, seed)


def _hidden_layer(x: np.ndarray, y: np.ndarray, seed: int) -> HiddenLayer:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    epochs = min(max(MIN_EPOCHS, -(-ROWS_SEEN // len(x))), MAX_EPOCHS)
    classifier = MLPClassifier((NUM_FEATURES,), activation="relu", max_iter=epochs, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many rows are meant, not all it can learn
        classifier.fit(x.astype(np.float32), y)
    name = f"{NUM_FEATURES} hidden units of a classifier of the labels, fitted to {len(x)} training rows"
    return HiddenLayer(classifier, name)


def _components(x: np.ndarray, seed: int) -> Components:
    from sklearn.decomposition import PCA

    number = min(NUM_FEATURES, *x.shape)
    name = f"{number} principal components of the pixels of {len(x)} training rows"
    with np.errstate(invalid="ignore"):  # the explained share of no variance, where all rows are the same
        return Components(PCA(number, random_state=seed).fit(x), name)
