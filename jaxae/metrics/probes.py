"""Tests of codes for other tasks, by scikit-learn: probes, retrieval, clusters, neighbourhoods.

All functions take plain arrays, so baselines (PCA, random projections, pixels) are measured by the same code.
Shapes: N training examples, M test examples, L latent dimensions.
"""

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.stats import entropy

from jaxae.errors import JaxaeError
from jaxae.metrics.neighbours import nearest
from jaxae.metrics.uncertainty import mean_and_error


class Retrieval(NamedTuple):
    """Nearest training examples of each query."""

    precisions: np.ndarray  # float64[M], the share of them with the query's label
    neighbours: np.ndarray  # i64[M, k], nearest first


class Clusters(NamedTuple):
    """Agreement of clusters with labels."""

    nmi: float  # normalised mutual information, in [0, 1]
    ari: float  # adjusted Rand index; 0 for chance


class Baselines(NamedTuple):
    """Codes of the same size without learning, of training and test examples."""

    pca: tuple[np.ndarray, np.ndarray]
    random: tuple[np.ndarray, np.ndarray]


def linear_probe(
    codes: Any,
    labels: Any,
    test_codes: Any,
    test_labels: Any,
    inverse_strength: float = 1.0,
    max_iter: int = 5000,
    tolerance: float = 1e-4,
) -> float:
    """Compute the test error of multinomial logistic regression from codes to labels, in [0, 1].

    Codes are divided by one number, the standard deviation of all entries of the training codes. So the L2
    penalty has the same effect whatever the scale of the codes.

    Args:
        codes: Training codes, [N, L].
        labels: Training labels, [N].
        test_codes: Test codes, [M, L].
        test_labels: Test labels, [M].
        inverse_strength: Inverse of the weight of the L2 penalty, scikit-learn's C.
        max_iter: Most iterations of the optimiser. scikit-learn warns if it stops there.
        tolerance: The optimiser stops if the largest entry of the gradient is below this value.

    Returns:
        The share of test labels that are predicted wrongly, in [0, 1].
    """
    from sklearn.linear_model import LogisticRegression

    codes, test_codes = scaled(codes, test_codes)
    model = LogisticRegression(C=inverse_strength, max_iter=max_iter, tol=tolerance).fit(codes, labels)
    return float((model.predict(test_codes) != np.asarray(test_labels)).mean())


def few_shot_probe(
    codes: Any,
    labels: Any,
    test_codes: Any,
    test_labels: Any,
    per_class: int,
    repeats: int = 20,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute the linear probe's error from `per_class` training examples of each class.

    Args:
        codes: Training codes, [N, L].
        labels: Training labels, [N].
        test_codes: Test codes, [M, L].
        test_labels: Test labels, [M].
        per_class: Training examples of each class.
        repeats: Number of random choices of the training examples.
        seed: Seed of the choices.

    Returns:
        The mean error over the repeats, and its standard error.

    Raises:
        JaxaeError: If a class has fewer examples.
    """
    codes, labels = np.asarray(codes), np.asarray(labels)
    rows_of_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    fewest = min(map(len, rows_of_class))
    if fewest < per_class:
        raise JaxaeError(
            f"per_class: got {per_class}, expected at most {fewest}, the size of the smallest class"
        )
    random, errors = np.random.RandomState(seed), []
    for _ in range(repeats):
        rows = np.concatenate(
            [random.choice(class_rows, per_class, replace=False) for class_rows in rows_of_class]
        )
        errors.append(linear_probe(codes[rows], labels[rows], test_codes, test_labels))
    return mean_and_error(errors)


def retrieval(codes: Any, labels: Any, queries: Any, query_labels: Any, k: int = 10) -> Retrieval:
    """Compute precision at k: the share of the k nearest training codes (Euclidean) with the query's label.

    Args:
        codes: Training codes, [N, L].
        labels: Training labels, [N].
        queries: Test codes, [M, L].
        query_labels: Test labels, [M].
        k: Number of neighbours.

    Returns:
        The precision of each query and its neighbours.

    Raises:
        JaxaeError: If the codes differ in size, or `k` is not between 1 and N.

    Example:
        >>> from jaxae.metrics.probes import retrieval
        >>> retrieval([[0.0], [1.0], [9.0]], [0, 1, 1], [[0.2]], [0], k=2).precisions.tolist()
        [0.5]
    """
    _, neighbours = nearest(codes, queries, k)
    hits = np.asarray(labels)[neighbours] == np.asarray(query_labels)[:, None]
    return Retrieval(hits.mean(axis=1), neighbours)


def clusters(
    codes: Any, labels: Any, method: Literal["k-means", "mixture"] = "k-means", seed: int = 0
) -> Clusters:
    """Cluster codes by k-means or a mixture of full Gaussians, and compare the clusters with the labels.

    The number of clusters is the number of different labels. k-means corresponds to the autoencoder as the
    mixture corresponds to the VAE.

    Args:
        codes: [N, L].
        labels: [N].
        method: "k-means" or "mixture".
        seed: Seed of the initial clusters.

    Returns:
        The agreement with the labels.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.mixture import GaussianMixture

    codes, labels = np.asarray(codes, np.float64), np.asarray(labels)
    # The initial clusters are drawn by row number. Sorted rows make them independent of the rows' order.
    order = np.lexsort(codes.T)
    codes, labels, num_clusters = codes[order], labels[order], len(np.unique(labels))
    if method == "k-means":
        assignments = KMeans(num_clusters, n_init=10, random_state=seed).fit_predict(codes)
    else:
        assignments = GaussianMixture(
            num_clusters, n_init=10, init_params="k-means++", random_state=seed, reg_covar=1e-4
        ).fit_predict(codes)
    return Clusters(
        float(normalized_mutual_info_score(labels, assignments)),
        float(adjusted_rand_score(labels, assignments)),
    )


def trustworthiness(x: Any, codes: Any, num_neighbours: int = 10) -> float:
    """Compute the trustworthiness of codes: 1 if all neighbours of a code are neighbours in the data.

    Venna & Kaski, 2001.

    Args:
        x: Data, [N, ...].
        codes: Codes, [N, ...].
        num_neighbours: Neighbours of each example.

    Returns:
        The trustworthiness, in [0, 1].
    """
    from sklearn.manifold import trustworthiness as measure

    x, codes = flat(x), flat(codes)
    # Pixels with few levels have many equal distances, whose ranks follow the order of the rows. Sorted rows
    # make the result independent of that order.
    order = np.lexsort(x.T)
    return float(measure(x[order], codes[order], n_neighbors=num_neighbours))


def continuity(x: Any, codes: Any, num_neighbours: int = 10) -> float:
    """Compute the continuity of codes: 1 if all neighbours in the data are neighbours of the code.

    It is the trustworthiness with data and codes exchanged.

    Args:
        x: Data, [N, ...].
        codes: Codes, [N, ...].
        num_neighbours: Neighbours of each example.

    Returns:
        The continuity, in [0, 1].
    """
    return trustworthiness(codes, x, num_neighbours)


def baselines(x: Any, test_x: Any, latent_dim: int, seed: int = 0) -> Baselines:
    """Compute principal components and random projections of `latent_dim` numbers.

    Args:
        x: Training examples, [N, ...], to which both are fitted.
        test_x: Test examples, [M, ...].
        latent_dim: Numbers in a code. PCA has fewer if the data have fewer pixels or rows.
        seed: Seed of the random projection.

    Returns:
        The codes of training and test examples by both methods.
    """
    from sklearn.decomposition import PCA
    from sklearn.exceptions import DataDimensionalityWarning
    from sklearn.random_projection import GaussianRandomProjection

    x, test_x = flat(x), flat(test_x)
    # If all rows are equal, scikit-learn divides 0 by 0 for the explained share of variance.
    with np.errstate(invalid="ignore"):
        pca = PCA(min(latent_dim, *x.shape), svd_solver="full").fit(x)
    with warnings.catch_warnings():  # scikit-learn warns if the projection has more numbers than pixels
        warnings.simplefilter("ignore", DataDimensionalityWarning)
        random = GaussianRandomProjection(latent_dim, random_state=seed).fit(x)
    return Baselines(
        (pca.transform(x), pca.transform(test_x)), (random.transform(x), random.transform(test_x))
    )


def pca_errors(x: Any, test_x: Any, num_components: int) -> np.ndarray:
    """Compute the squared error, summed over pixels, of each test example's PCA reconstruction; float64[M].

    Components and mean are fitted to the training examples. Hinton & Salakhutdinov, 2006, report 13.87 on
    MNIST with 30 components.

    Args:
        x: Training examples, [N, ...].
        test_x: Test examples, [M, ...].
        num_components: Number of principal components.

    Returns:
        float64[M], data unit squared.
    """
    from sklearn.decomposition import PCA

    x, test_x = flat(x), flat(test_x)
    with np.errstate(invalid="ignore"):  # as in `baselines`
        pca = PCA(num_components, svd_solver="full").fit(x)
    return ((test_x - pca.inverse_transform(pca.transform(test_x))) ** 2).sum(axis=1)


def quantised(codes: Any, bits: int) -> tuple[np.ndarray, float]:
    """Round codes to 2^bits equal steps of the range of each dimension, and compute their cost.

    The cost is the sum over dimensions of the empirical entropy of their levels. An ideal coder of each
    dimension alone needs this number of bits.

    Args:
        codes: [N, L].
        bits: Bits of a level, so that each dimension has 2^bits levels.

    Returns:
        The codes at the middle of their steps, f32[N, L], and the cost in bits per example.

    Example:
        >>> from jaxae.metrics.probes import quantised
        >>> codes, cost = quantised([[0.0], [1.0]], bits=1)  # two levels, equally often: 1 bit
        >>> codes.tolist(), cost
        ([[0.25], [0.75]], 1.0)
    """
    codes = np.asarray(codes, np.float64)
    low, high = codes.min(axis=0), codes.max(axis=0)
    step = np.where(high > low, high - low, 1.0) / 2**bits
    # The largest value falls on the upper edge of the last step, so its level is reduced by one.
    levels = np.minimum(np.floor((codes - low) / step), 2**bits - 1)
    cost = float(sum(entropy(np.unique(column, return_counts=True)[1], base=2) for column in levels.T))
    midpoints = np.where(high > low, low + (levels + 0.5) * step, codes)
    return midpoints.astype(np.float32), cost


def scaled(codes: Any, test_codes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Divide both by the standard deviation of all entries of the training codes.

    Args:
        codes: Training codes, [N, L].
        test_codes: Test codes, [M, L].

    Returns:
        Both, as float64[N, L] and float64[M, L].
    """
    codes, test_codes = np.asarray(codes, np.float64), np.asarray(test_codes, np.float64)
    # One scale for all dimensions: scaling each of them alone would change which of them vary most.
    scale = max(float(codes.std()), 1e-12)
    return codes / scale, test_codes / scale


def flat(x: Any) -> np.ndarray:
    """Reshape examples [N, ...] to rows, float64[N, D]."""
    x = np.asarray(x, np.float64)
    return x.reshape(len(x), -1)
