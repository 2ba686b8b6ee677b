"""How uncertain a measure of a sample is."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxae.errors import JaxaeError


def jackknife(measure: Callable[..., float], *arrays: Any, groups: int = 10) -> float:
    """The standard error of `measure(*arrays)`, by leaving out one group of rows after the other.

    sqrt((G - 1) / G sum_g (m_g - mean m)^2), m_g without the rows i with i % G = g of each array: Quenouille,
    1956; Tukey, 1958. Arrays of one length are cut alike, so columns of one sample stay together; samples of
    their own, of any length, lose a share of 1 / G each. The rows are taken to be independent, in an order
    that means nothing. For smooth measures: it fails for a median or a maximum. Ten groups leave the error
    itself uncertain by a quarter. Raises: JaxaeError for fewer than two groups, or fewer rows than groups.
    """
    rows = [np.asarray(array) for array in arrays]
    fewest = min(map(len, rows))
    if not 2 <= groups <= fewest:
        raise JaxaeError(f"jackknife: got {groups} groups, expected 2 to {fewest}, the number of rows")
    left = [
        measure(*(each[np.arange(len(each)) % groups != group] for each in rows)) for group in range(groups)
    ]
    return math.sqrt((groups - 1) * float(np.var(left)))


def mean_and_error(values: Any) -> tuple[float, float]:
    """The mean over examples f32[N] and its standard error; nan for one, or where one is infinite.

    In float64 on the host: they round alike whatever program the examples were measured by.
    """
    doubles = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf, told as nan
        error = doubles.std(ddof=1) / np.sqrt(len(doubles)) if len(doubles) > 1 else np.nan
        return float(doubles.mean()), float(error)
