"""Linear probe: how well a linear classifier reads the label from the code."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import jaxae
from jaxae.metrics.probes import linear_probe


def probe_error(result: jaxae.Result) -> float:
    """Return the test error in % of multinomial logistic regression on the training codes.

    The probe is `linear_probe`. Raises an error if its search does not converge.
    """
    train, test = result.train, result.test
    codes, test_codes = result.encode(train), result.encode(test)
    return classified(codes, train.y, test_codes, test.y)


def classified(
    codes: np.ndarray,
    labels: np.ndarray,
    test_codes: np.ndarray,
    test_labels: np.ndarray,
    inverse_strength: float = 1.0,  # scikit-learn's C
    max_iter: int = 3000,
    tolerance: float = 1e-4,
) -> float:
    """Return the probe's test error in % from arrays of shapes [N, L], [N], [M, L] and [M].

    The search ends at `tolerance`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # an unconverged probe means nothing
        return 100.0 * linear_probe(
            codes, labels, test_codes, test_labels, inverse_strength, max_iter, tolerance
        )
