"""The linear probe: how well a linear classifier reads the label from the code."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import jaxae
from jaxae.metrics.probes import linear_probe


def probe_error(result: jaxae.Result) -> float:
    """Share of the test split that multinomial logistic regression on the training codes gets wrong, in %.

    As `linear_probe` has it; a search that does not converge is an error.
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
    """The same of arrays: [N, L], [N], [M, L], [M]; `tolerance` ends the search."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # a probe that has not converged is no measure
        return 100.0 * linear_probe(
            codes, labels, test_codes, test_labels, inverse_strength, max_iter, tolerance
        )
