"""Grey levels: the distinct values of a data set, and the levels k / (L - 1), k < L, that hold them."""

from collections.abc import Iterable

import numpy as np

from jaxae.data.row_source import ArraySource, chunks
from jaxae.types import Examples

MAX_LEVELS = 65_536  # the levels of 16 bits; data with more distinct values counts as continuous
# Share of the distance between two levels. float32 rounds k / 65535 by at most 0.002 of it, which is
# accepted. float16 rounds k / 255 by up to 0.06, which is refused: the likelihood integrates a level's mass
# around x itself, so such an error would change the numbers.
TOLERANCE = 0.01


def distinct(parts: Iterable[Examples]) -> np.ndarray | None:
    """Return the distinct values that a model sees in some splits, f64[V] in rising order.

    Rows are read chunk by chunk. With more than `MAX_LEVELS` values, reading stops and the result is None.
    """
    values = np.empty(0)
    for part in parts:
        source = ArraySource(part.x) if isinstance(part.x, np.ndarray) else part.x
        for _, rows in chunks(source):
            # Divide in float32, as the training step does, so that the values have a model's exact bits.
            chunk_values = np.unique(rows).astype(np.float32) / np.float32(part.scale)
            values = np.union1d(values, chunk_values)
            if len(values) > MAX_LEVELS:
                return None
    return values


def off_levels(values: np.ndarray, num_levels: int) -> np.ndarray:
    """Return the values that are not on one of the levels k / (num_levels - 1) in [0, 1].

    Args:
        values: The values to check, f64[V].
        num_levels: The number of levels, L.

    Returns:
        The values off the levels, in the order of `values`; empty if there are none.
    """
    steps = values.astype(np.float64) * (num_levels - 1)
    is_near = np.abs(steps - np.round(steps)) <= TOLERANCE
    return values[~(is_near & (np.round(steps) >= 0) & (np.round(steps) <= num_levels - 1))]


def fewest_levels(values: np.ndarray) -> int | None:
    """Return the smallest L <= `MAX_LEVELS` with all values on levels k / (L - 1); None if there is none."""
    if values.min() < 0 or values.max() > 1:
        return None
    candidates = np.arange(1, MAX_LEVELS)
    # Each value removes the grids that do not hold it; continuous data is rejected after a few values.
    for value in values.astype(np.float64):
        steps = value * candidates
        candidates = candidates[np.abs(steps - np.round(steps)) <= TOLERANCE]
        if not len(candidates):
            return None
    # With enough levels any few values are near some level, so a grid that is hardly used is a coincidence.
    # It is accepted only if it has the levels of 8 or 16 bits.
    fewest = int(candidates[0]) + 1
    return fewest if fewest <= 16 * len(values) or fewest in (256, MAX_LEVELS) else None


def is_rounded(values: np.ndarray, num_levels: int) -> bool:
    """Return whether all values are levels that were rounded to float16.

    Args:
        values: The values to check, f64[V].
        num_levels: The number of levels, L.

    Returns:
        True if every value equals the float16 value of its nearest level.
    """
    levels = np.round(values * (num_levels - 1)) / (num_levels - 1)
    return bool((values == levels.astype(np.float16)).all())
