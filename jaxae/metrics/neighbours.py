"""Whether samples are new: their nearest training examples. D pixels."""

from typing import Any

import numpy as np

from jaxae.errors import JaxaeError


def nearest(x_train: Any, queries: Any, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest training rows of each query: distances float64[M, k] and rows i64[M, k], nearest first.

    Euclidean over the pixels of x_train [N, ...] and queries [M, ...]. The search (scikit-learn) finds
    |x|^2 - 2 x.y + |y|^2, whose rounding would tell a copy from its original; the distances are those of
    the differences. Raises: JaxaeError for images of two sizes, or fewer rows than k.
    """
    from sklearn.neighbors import NearestNeighbors

    x_train, queries = _pixels(x_train, queries)
    if not 1 <= k <= len(x_train):
        raise JaxaeError(f"nearest: got k = {k}, expected 1 to {len(x_train)}, the number of training rows")
    _, rows = NearestNeighbors(n_neighbors=k).fit(x_train).kneighbors(queries)
    columns = [np.linalg.norm(x_train[column].astype(np.float64) - queries, axis=1) for column in rows.T]
    distances = np.stack(columns, axis=1)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)


def memorisation(real: Any, made: Any) -> float:
    """The mean distance of samples f64[K] to their nearest training row, over that of test rows f64[M].

    About 1: as far from the training data as other real images are; about 0: copies. Samples more blurred
    than data may be below 1 and copy nothing: look at the nearest images too. Raises: JaxaeError where each
    test row is a training row.
    """
    mean = float(np.mean(real))
    if mean == 0:
        raise JaxaeError(
            "memorisation: each test row is a training row, so there is no distance to compare to"
        )
    return float(np.mean(made)) / mean


def _pixels(x_train: Any, queries: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as f32[..., D], half of the memory of what scikit-learn would make."""
    x_train, queries = np.asarray(x_train, np.float32), np.asarray(queries, np.float32)
    if x_train.shape[1:] != queries.shape[1:]:
        raise JaxaeError(f"nearest: got examples {x_train.shape} and {queries.shape}, expected of one size")
    return x_train.reshape(len(x_train), -1), queries.reshape(len(queries), -1)
