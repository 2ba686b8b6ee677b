"""Standard errors of measures of a sample."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxae.errors import JaxaeError


def jackknife(measure: Callable[..., float], *arrays: Any, groups: int = 10) -> float:
    """Compute the standard error of `measure(*arrays)` by leaving out one group of rows after the other.

    The formula is sqrt((G - 1) / G sum_g (m_g - mean m)^2). Here m_g is the measure without group g, which
    holds the rows i with i % G = g of each array. Quenouille, 1956; Tukey, 1958.

    The rows must be independent, and their order must have no meaning. The measure must be smooth: the
    jackknife fails for a median or a maximum. With ten groups the standard error itself is uncertain by about
    a quarter.

    Args:
        measure: A function of arrays that returns a number.
        *arrays: The arguments of `measure`. Arrays of the same length lose the same rows, so the columns of
            a sample stay together. Separate samples may have any lengths; each one loses a share of 1 / G.
        groups: G, the number of groups.

    Returns:
        The standard error, in the unit of the measure.

    Raises:
        JaxaeError: If there are fewer than two groups, or fewer rows than groups.

    Example:
        For a mean and groups of one row it is the usual standard error, std / sqrt(N).

        >>> import numpy as np
        >>> from jaxae.metrics.uncertainty import jackknife
        >>> round(jackknife(np.mean, [1.0, 2.0, 3.0], groups=3), 4)  # 1 / sqrt(3)
        0.5774
    """
    rows = [np.asarray(array) for array in arrays]
    fewest = min(map(len, rows))
    if not 2 <= groups <= fewest:
        raise JaxaeError(f"jackknife: got {groups} groups, expected 2 to {fewest}, the number of rows")
    estimates = [
        measure(*(array[np.arange(len(array)) % groups != group] for array in rows))
        for group in range(groups)
    ]
    return math.sqrt((groups - 1) * float(np.var(estimates)))


def mean_and_error(values: Any) -> tuple[float, float]:
    """Compute the mean over examples f32[N] and its standard error.

    The error is nan for a single example, and if a value is infinite.

    Example:
        >>> from jaxae.metrics.uncertainty import mean_and_error
        >>> mean, error = mean_and_error([1.0, 2.0, 3.0])
        >>> mean, round(error, 4)
        (2.0, 0.5774)
    """
    # In float64 on the host, so that the mean is rounded in the same way whichever program computed the
    # values.
    doubles = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf = nan, which is the documented result
        error = doubles.std(ddof=1) / np.sqrt(len(doubles)) if len(doubles) > 1 else np.nan
        return float(doubles.mean()), float(error)
