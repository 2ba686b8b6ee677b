"""Codes in the plane, to be looked at. N examples, L units."""

import warnings
from typing import Any, Literal, get_args

import numpy as np

from jaxae.errors import JaxaeError, nearest

Method = Literal["pca", "tsne", "umap"]
MIN_ROWS = 5


def project(codes: Any, method: Method, seed: int = 0) -> np.ndarray:
    """Codes [N, L] in the plane, float64[N, 2]; the same for a seed.

    pca: the leading principal components. tsne: van der Maaten & Hinton, 2008, perplexity 30, or a third of
    the other rows where they are fewer, from the components. umap: McInnes, Healy & Melville, 2018 (arXiv
    1802.03426), 15 neighbours. Distances between clusters mean something in the first only, and another seed
    changes little but umap. Raises: JaxaeError for another method, fewer than 5 codes, codes that are
    all the same, or umap where it is not installed.
    """
    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or len(codes) < MIN_ROWS:
        raise JaxaeError(f"codes: got shape {codes.shape}, expected (N, L) with N >= {MIN_ROWS}")
    if not (codes != codes[0]).any():  # t-SNE divides by their spread, and then crashes the process
        raise JaxaeError("codes: all are the same, and have no projection")
    if codes.shape[1] == 1:
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
    with threadpool_limits(1, user_api="openmp"):  # threads add up in any order: rounding differs, and grows
        return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(codes)


def _umap(codes: np.ndarray, seed: int) -> Any:
    try:
        with warnings.catch_warnings():  # of what else could be installed beside it
            warnings.simplefilter("ignore", ImportWarning)
            import umap
    except ImportError as error:
        raise JaxaeError(
            f"projection: {error.name} is not installed; pip install 'jaxae[umap]' brings it"
        ) from None
    neighbours = min(15, len(codes) - 1)
    # One job: with a seed umap takes no more, and warns of it.
    return umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(codes)
