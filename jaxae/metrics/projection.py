"""Projections of codes to the plane, for figures. N examples, L latent dimensions."""

import warnings
from typing import Any, Literal, get_args

import numpy as np

from jaxae.errors import JaxaeError, nearest

Method = Literal["pca", "tsne", "umap"]
MIN_ROWS = 5


def project(codes: Any, method: Method, seed: int = 0) -> np.ndarray:
    """Project codes [N, L] to the plane, float64[N, 2]; the same seed gives the same points.

    Methods:
        pca: The two leading principal components. Only here do distances between clusters have a meaning.
        tsne: van der Maaten & Hinton, 2008, started at the components. The perplexity is 30, or a third of
            the other rows if that is less.
        umap: McInnes, Healy & Melville, 2018 (arXiv 1802.03426), with 15 neighbours. It changes with the seed
            more than the others.

    Args:
        codes: [N, L] with N >= 5.
        method: "pca", "tsne" or "umap".
        seed: Seed of the projection.

    Returns:
        float64[N, 2].

    Raises:
        JaxaeError: If the method is unknown, there are fewer than 5 codes, all codes are equal, or umap is
            not installed.
    """
    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or len(codes) < MIN_ROWS:
        raise JaxaeError(f"codes: got shape {codes.shape}, expected (N, L) with N >= {MIN_ROWS}")
    if not (codes != codes[0]).any():  # t-SNE would divide by their spread of 0 and crash the process
        raise JaxaeError("codes: all are the same, expected at least two different codes")
    if codes.shape[1] == 1:  # PCA needs two columns for two components
        codes = np.column_stack([codes, np.zeros(len(codes))])
    methods = dict(zip(get_args(Method), (_pca, _tsne, _umap), strict=True))
    if method not in methods:
        raise JaxaeError(f"projection: got {method!r}; {nearest(str(method), methods)}")
    return np.asarray(methods[method](codes, seed), np.float64)


def _pca(codes: np.ndarray, _: int) -> Any:
    from sklearn.decomposition import PCA

    return PCA(2, svd_solver="full").fit_transform(codes)


def _tsne(codes: np.ndarray, seed: int) -> Any:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(codes) - 1) / 3)
    # Several threads add numbers in any order. The rounding differs and grows, so a seed would not be enough.
    with threadpool_limits(1, user_api="openmp"):
        return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(codes)


def _umap(codes: np.ndarray, seed: int) -> Any:
    try:
        with warnings.catch_warnings():  # umap warns of optional packages that are not installed
            warnings.simplefilter("ignore", ImportWarning)
            import umap
    except ImportError as error:
        raise JaxaeError(
            f"projection: {error.name} is not installed; pip install 'jaxae[umap]' brings it"
        ) from None
    neighbours = min(15, len(codes) - 1)
    # With a seed umap runs one job anyway, and warns if more are set.
    return umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(codes)
