"""Nearest training examples, which show whether samples are new or copied. D pixels."""

from typing import Any

import numpy as np

from jaxae.errors import JaxaeError


def nearest(x_train: Any, queries: Any, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest training rows of each query by the Euclidean distance over pixels.

    Args:
        x_train: Training examples, [N, ...].
        queries: Examples of the same size, [M, ...].
        k: Number of neighbours.

    Returns:
        Distances float64[M, k] and rows i64[M, k], nearest first.

    Raises:
        JaxaeError: If the examples differ in size, or `k` is not between 1 and N.

    Example:
        >>> from jaxae.metrics.neighbours import nearest
        >>> distances, rows = nearest([[0.0, 0.0], [3.0, 4.0]], [[0.0, 1.0]], k=1)
        >>> distances.tolist(), rows.tolist()
        ([[1.0]], [[0]])
    """
    from sklearn.neighbors import NearestNeighbors

    x_train, queries = _flatten_pairs(x_train, queries)
    if not 1 <= k <= len(x_train):
        raise JaxaeError(f"nearest: got k = {k}, expected 1 to {len(x_train)}, the number of training rows")
    _, rows = NearestNeighbors(n_neighbors=k).fit(x_train).kneighbors(queries)
    # The search uses |x|^2 - 2 x.y + |y|^2, whose rounding error is larger than the distance of a copy. So
    # the distances are computed again from differences, and sorted again.
    columns = [np.linalg.norm(x_train[column].astype(np.float64) - queries, axis=1) for column in rows.T]
    distances = np.stack(columns, axis=1)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)


def memorisation(real: Any, made: Any) -> float:
    """Compute the mean distance of samples to their nearest training row, relative to that of test rows.

    About 1: samples are as far from the training data as other real images. About 0: samples are copies.
    Samples that are more blurred than the data may be below 1 without copying anything, so look at the
    nearest images too.

    Args:
        real: Distances of test rows to their nearest training row, f64[M].
        made: Distances of samples to their nearest training row, f64[K].

    Returns:
        The ratio of the means.

    Raises:
        JaxaeError: If every test row is a training row.

    Example:
        >>> from jaxae.metrics.neighbours import memorisation
        >>> memorisation(real=[2.0, 4.0], made=[3.0])
        1.0
    """
    mean = float(np.mean(real))
    if mean == 0:
        raise JaxaeError(
            "memorisation: each test row is a training row, so the distance to compare with is 0"
        )
    return float(np.mean(made)) / mean


def _flatten_pairs(x_train: Any, queries: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both as f32[..., D], half of the memory of the float64 that scikit-learn would make."""
    x_train, queries = np.asarray(x_train, np.float32), np.asarray(queries, np.float32)
    if x_train.shape[1:] != queries.shape[1:]:
        raise JaxaeError(
            f"nearest: got shapes {x_train.shape} and {queries.shape}, expected examples of one size"
        )
    return x_train.reshape(len(x_train), -1), queries.reshape(len(queries), -1)
