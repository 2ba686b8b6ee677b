"""What codes are good for, by scikit-learn: probes, retrieval, clusters, neighbourhoods. L units.

All of them take plain arrays, so that baselines (PCA, random projections, pixels) are measured by the same
lines.
"""

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.stats import entropy

from jaxae.errors import JaxaeError
from jaxae.metrics.neighbours import nearest
from jaxae.metrics.uncertainty import mean_and_error


class Retrieval(NamedTuple):
    """The nearest training examples of each query."""

    precisions: np.ndarray  # float64[M], the share of them with the query's label
    neighbours: np.ndarray  # i64[M, k], nearest first


class Clusters(NamedTuple):
    """How clusters agree with labels."""

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
    """The share of test labels that multinomial logistic regression on codes gets wrong, in [0, 1].

    Codes are divided by one number, the standard deviation of all training entries, so that the L2 penalty
    (`inverse_strength`: scikit-learn's C) means the same whatever the scale of a code. `tolerance` ends the
    search; scikit-learn warns where `max_iter` did.
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
    """The linear probe's error from `per_class` training examples of each class: mean, standard error.

    Raises: JaxaeError for a class with fewer examples.
    """
    codes, labels = np.asarray(codes), np.asarray(labels)
    of_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if min(map(len, of_class)) < per_class:
        raise JaxaeError(
            f"few_shot_probe: got {per_class} a class, but one has {min(map(len, of_class))} examples"
        )
    random, errors = np.random.RandomState(seed), []
    for _ in range(repeats):
        rows = np.concatenate([random.choice(each, per_class, replace=False) for each in of_class])
        errors.append(linear_probe(codes[rows], labels[rows], test_codes, test_labels))
    return mean_and_error(errors)


def retrieval(codes: Any, labels: Any, queries: Any, query_labels: Any, k: int = 10) -> Retrieval:
    """Precision at k: the share of the k nearest training codes (Euclidean) that have the query's label."""
    _, neighbours = nearest(codes, queries, k)
    hits = np.asarray(labels)[neighbours] == np.asarray(query_labels)[:, None]
    return Retrieval(hits.mean(axis=1), neighbours)


def clusters(
    codes: Any, labels: Any, method: Literal["k-means", "mixture"] = "k-means", seed: int = 0
) -> Clusters:
    """As many clusters as labels, by k-means or a mixture of full Gaussians, against the labels.

    The analogy: k-means is to the autoencoder what the mixture is to the VAE. Rows are sorted first, so that
    starts, which are drawn by a row's number, do not depend on the rows' order.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.mixture import GaussianMixture

    codes, labels = np.asarray(codes, np.float64), np.asarray(labels)
    order = np.lexsort(codes.T)
    codes, labels, number = codes[order], labels[order], len(np.unique(labels))
    if method == "k-means":
        found = KMeans(number, n_init=10, random_state=seed).fit_predict(codes)
    else:
        found = GaussianMixture(
            number, n_init=10, init_params="k-means++", random_state=seed, reg_covar=1e-4
        ).fit_predict(codes)
    return Clusters(
        float(normalized_mutual_info_score(labels, found)), float(adjusted_rand_score(labels, found))
    )


def trustworthiness(x: Any, codes: Any, num_neighbours: int = 10) -> float:
    """Whether neighbours of codes are neighbours of x: 1 where all are (Venna & Kaski, 2001).

    Rows are sorted first: pixels of few levels lie at equal distances, whose ranks follow the rows' order.
    """
    from sklearn.manifold import trustworthiness as measure

    x, codes = flat(x), flat(codes)
    order = np.lexsort(x.T)
    return float(measure(x[order], codes[order], n_neighbors=num_neighbours))


def continuity(x: Any, codes: Any, num_neighbours: int = 10) -> float:
    """Whether neighbours of x are neighbours of codes: trustworthiness the other way round."""
    return trustworthiness(codes, x, num_neighbours)


def baselines(x: Any, test_x: Any, latent_dim: int, seed: int = 0) -> Baselines:
    """Principal components and random projections of `latent_dim` numbers; x [N, ...], test_x [M, ...].

    Where the data have fewer pixels than that, as many components as there are.
    """
    from sklearn.decomposition import PCA
    from sklearn.exceptions import DataDimensionalityWarning
    from sklearn.random_projection import GaussianRandomProjection

    x, test_x = flat(x), flat(test_x)
    with np.errstate(invalid="ignore"):  # the explained share of no variance, where all rows are the same
        pca = PCA(min(latent_dim, *x.shape), svd_solver="full").fit(x)
    with warnings.catch_warnings():  # that there are more numbers than pixels, which is what was asked for
        warnings.simplefilter("ignore", DataDimensionalityWarning)
        random = GaussianRandomProjection(latent_dim, random_state=seed).fit(x)
    return Baselines(
        (pca.transform(x), pca.transform(test_x)), (random.transform(x), random.transform(test_x))
    )


def pca_errors(x: Any, test_x: Any, num_components: int) -> np.ndarray:
    """Squared error of each test example's reconstruction from its principal components, summed; float64[M].

    Components and mean are the training examples'. Hinton & Salakhutdinov, 2006: 13.87 on MNIST with 30.
    """
    from sklearn.decomposition import PCA

    x, test_x = flat(x), flat(test_x)
    with np.errstate(invalid="ignore"):  # the explained share of no variance, where all rows are the same
        pca = PCA(num_components, svd_solver="full").fit(x)
    return ((test_x - pca.inverse_transform(pca.transform(test_x))) ** 2).sum(axis=1)


def quantised(codes: Any, bits: int) -> tuple[np.ndarray, float]:
    """Codes in 2^bits equal steps of each unit's range, [N, L], and what they cost: bits an example.

    The cost is the sum over units of the empirical entropy of their levels: what an ideal coder of each unit
    alone would need.
    """
    codes = np.asarray(codes, np.float64)
    low, high = codes.min(axis=0), codes.max(axis=0)
    step = np.where(high > low, high - low, 1.0) / 2**bits
    levels = np.minimum(np.floor((codes - low) / step), 2**bits - 1)
    cost = float(sum(entropy(np.unique(unit, return_counts=True)[1], base=2) for unit in levels.T))
    middle = np.where(high > low, low + (levels + 0.5) * step, codes)
    return middle.astype(np.float32), cost


def scaled(codes: Any, test_codes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both divided by the standard deviation of all training entries; [N, L], [M, L]."""
    codes, test_codes = np.asarray(codes, np.float64), np.asarray(test_codes, np.float64)
    scale = max(float(codes.std()), 1e-12)
    return codes / scale, test_codes / scale


def flat(x: Any) -> np.ndarray:
    """Examples [N, ...] as rows, float64[N, D]."""
    x = np.asarray(x, np.float64)
    return x.reshape(len(x), -1)
