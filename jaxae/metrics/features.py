"""Features of images, learned from training rows, by which samples are compared.

Shapes: N examples, F features. The features are small, need no downloaded network and are fitted in a minute
on a CPU. They depend on the data to which they were fitted, so distances can only be compared on the same
data set. Reports show `name` next to such numbers.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np

from jaxae.errors import JaxaeError
from jaxae.metrics.probes import flat

NUM_FEATURES = 64
ROWS_SEEN = 600_000  # rows in the classifier's training over all epochs: eleven epochs of MNIST's 55,000 rows
MIN_EPOCHS, MAX_EPOCHS = 5, 100


class HiddenLayer(NamedTuple):
    """Activations of the last hidden layer of a classifier of the labels."""

    classifier: Any  # scikit-learn's MLPClassifier
    name: str

    def __call__(self, x: Any) -> np.ndarray:
        """Compute the features; [N, ...] -> float64[N, F]."""
        values = flat(x)
        # MLPClassifier has no public method for hidden activations, so its layers are applied here.
        hidden = zip(self.classifier.coefs_[:-1], self.classifier.intercepts_[:-1], strict=True)
        for weights, bias in hidden:
            values = np.maximum(values @ weights + bias, 0.0)
        return values

    def accuracy(self, x: Any, y: Any) -> float:
        """Compute the share of labels that the classifier predicts correctly, in [0, 1].

        Args:
            x: Examples, [N, ...].
            y: Labels, [N].

        Returns:
            The share, in [0, 1].
        """
        return float((self.classifier.predict(flat(x)) == np.asarray(y)).mean())


class Components(NamedTuple):
    """Principal components of the pixels."""

    pca: Any  # scikit-learn's PCA
    name: str

    def __call__(self, x: Any) -> np.ndarray:
        """Compute the features; [N, ...] -> float64[N, F]."""
        return self.pca.transform(flat(x))


def fit_features(x: Any, y: Any = None, seed: int = 0) -> HiddenLayer | Components:
    """Fit features to training examples: a function [N, ...] -> float64[N, F].

    Args:
        x: Training examples, [N, ...].
        y: Labels, [N]. With labels the features are the hidden layer of a classifier; without labels (None or
            ()) they are principal components.
        seed: Seed of the fit.

    Returns:
        The features, with a `name` that says how they were fitted.

    Raises:
        JaxaeError: If the labels are all of one class, or their number differs from that of the examples.
    """
    x = flat(x)
    if y is None or isinstance(y, tuple):
        return _components(x, seed)
    y = np.asarray(y)
    if len(y) != len(x) or len(np.unique(y)) < 2:
        raise JaxaeError(
            f"labels: got {len(y)} labels of {len(np.unique(y))} classes for {len(x)} examples, expected"
            " one label for each example and at least 2 classes"
        )
    return _hidden_layer(x, y, seed)


def _hidden_layer(x: np.ndarray, y: np.ndarray, seed: int) -> HiddenLayer:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    epochs = min(max(MIN_EPOCHS, -(-ROWS_SEEN // len(x))), MAX_EPOCHS)
    classifier = MLPClassifier((NUM_FEATURES,), activation="relu", max_iter=epochs, random_state=seed)
    with warnings.catch_warnings():
        # The number of epochs is limited on purpose, so the warning that training has not converged is noise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(x.astype(np.float32), y)
    name = f"{NUM_FEATURES} hidden units of a classifier of the labels, fitted to {len(x)} training rows"
    return HiddenLayer(classifier, name)


def _components(x: np.ndarray, seed: int) -> Components:
    from sklearn.decomposition import PCA

    number = min(NUM_FEATURES, *x.shape)
    name = f"{number} principal components of the pixels of {len(x)} training rows"
    # If all rows are equal, scikit-learn divides 0 by 0 for the explained share of variance.
    with np.errstate(invalid="ignore"):
        return Components(PCA(number, random_state=seed).fit(x), name)
