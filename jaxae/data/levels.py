"""The different values of a data set, and the levels k / (L - 1), k = 0, ..., L - 1, that hold them all."""

from collections.abc import Iterable

import numpy as np

from jaxae.data.row_source import ArraySource, chunks
from jaxae.types import Examples

MOST = 65_536  # levels of 16 bits; more different values are continuous
# Of the distance between two levels. float32 keeps k / 65535 to 0.002 of it; float16 keeps k / 255 to 0.06,
# which would be seen in the numbers: the mass of a level is taken around x itself.
TOLERANCE = 0.01


def distinct(parts: Iterable[Examples]) -> np.ndarray | None:
    """Return the different values that a model sees in some splits, f64[V] in rising order.

    None for more than `MOST`. Every row is read, chunk by chunk, until there are so many.
    """
    found = np.empty(0)
    for part in parts:
        source = ArraySource(part.x) if isinstance(part.x, np.ndarray) else part.x
        for _, rows in chunks(source):
            seen = np.unique(rows).astype(np.float32) / np.float32(part.scale)
            found = np.union1d(found, seen)
            if len(found) > MOST:
                return None
    return found


def off_levels(values: np.ndarray, num_levels: int) -> np.ndarray:
    """Return those of some values that are on none of `num_levels` levels from 0 to 1."""
    steps = values.astype(np.float64) * (num_levels - 1)
    is_near = np.abs(steps - np.round(steps)) <= TOLERANCE
    return values[~(is_near & (np.round(steps) >= 0) & (np.round(steps) <= num_levels - 1))]


def fewest_levels(values: np.ndarray) -> int | None:
    """Return the least L with all values on levels k / (L - 1), up to `MOST`; None for continuous ones."""
    if values.min() < 0 or values.max() > 1:
        return None
    candidates = np.arange(1, MOST)
    for value in values.astype(np.float64):
        steps = value * candidates
        candidates = candidates[np.abs(steps - np.round(steps)) <= TOLERANCE]
        if not len(candidates):
            return None
    # Any two values are near levels of some large L: levels of which few are in use are a coincidence.
    fewest = int(candidates[0]) + 1
    return fewest if fewest <= 16 * len(values) or fewest in (256, MOST) else None


def is_rounded(values: np.ndarray, num_levels: int) -> bool:
    """Return whether all values are levels as float16 holds them."""
    levels = np.round(values * (num_levels - 1)) / (num_levels - 1)
    return bool((values == levels.astype(np.float16)).all())
