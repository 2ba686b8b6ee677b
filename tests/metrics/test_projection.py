"""Projections of codes: components by another route, clusters kept, seeds honoured."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from jaxae.errors import JaxaeError
from jaxae.metrics.projection import project

RANDOM = np.random.RandomState(0)
LABELS = np.repeat(np.arange(3), 25)
CODES = 20 * np.eye(3, 6)[LABELS] + RANDOM.randn(75, 6)


def test_components_are_the_singular_value_decomposition() -> None:
    centred = CODES - CODES.mean(axis=0)
    u, s, _ = np.linalg.svd(centred)
    found = project(CODES, "pca")
    np.testing.assert_allclose(np.abs(found), np.abs(u[:, :2] * s[:2]), atol=1e-9)


def test_tsne_keeps_clusters_apart_and_is_the_same_for_a_seed() -> None:
    found = project(CODES, "tsne", seed=3)
    _, rows = NearestNeighbors(n_neighbors=11).fit(found).kneighbors(found)
    assert found.shape == (75, 2) and (LABELS[rows] == LABELS[:, None]).all()
    np.testing.assert_array_equal(project(CODES, "tsne", seed=3), found)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_one_unit_and_few_codes_have_a_plane_too(method: Any) -> None:
    found = project(RANDOM.randn(5, 1), method)
    assert found.shape == (5, 2) and np.isfinite(found).all()


@pytest.mark.parametrize(
    "method, number, expected",
    [
        ("tsne", 75, {"perplexity": 74 / 3, "init": "pca", "random_state": 4}),
        ("tsne", 200, {"perplexity": 30, "init": "pca", "random_state": 4}),
        ("umap", 75, {"n_neighbors": 15, "random_state": 4}),
        ("umap", 10, {"n_neighbors": 9, "random_state": 4}),
    ],
)
def test_methods_are_asked_with_the_seed_and_no_more_neighbours_than_there_are(
    method: Any, number: int, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    class Recorder:
        def __init__(self, num_components: int = 2, **settings: Any) -> None:
            assert num_components == 2
            asked.update(settings)

        def fit_transform(self, codes: np.ndarray) -> np.ndarray:
            return codes[:, :2].astype(np.float32)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Recorder))
    monkeypatch.setattr("sklearn.manifold.TSNE", Recorder)
    codes = RANDOM.randn(number, 6)
    found = project(codes, method, seed=4)
    np.testing.assert_allclose(found, codes[:, :2], rtol=1e-6)
    assert {name: asked[name] for name in expected} == expected and found.dtype == np.float64


def test_without_umap_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(
        JaxaeError, match=r"^projection: umap is not installed; pip install 'jaxae\[umap\]' brings it$"
    ):
        project(CODES, "umap")


def test_what_cannot_be_projected_is_refused() -> None:
    with pytest.raises(JaxaeError, match="got 'tnse'; did you mean 'tsne'"):
        project(CODES, "tnse")  # type: ignore[arg-type]
    for method in ("pca", "tsne"):  # of a dead encoder: t-SNE would crash the process
        with pytest.raises(JaxaeError, match="codes: all are the same"):
            project(np.full((20, 3), 0.3), method)
    with pytest.raises(JaxaeError, match=r"got shape \(4, 6\), expected \(N, L\) with N >= 5"):
        project(CODES[:4], "pca")


@pytest.mark.slow
def test_umap_itself_keeps_clusters_apart_and_is_the_same_for_a_seed() -> None:
    codes = np.concatenate([np.random.RandomState(0).randn(40, 5) + 30 * cluster for cluster in range(3)])
    points = project(codes, "umap", seed=1)
    np.testing.assert_array_equal(points, project(codes, "umap", seed=1))
    centres = points.reshape(3, 40, 2).mean(axis=1)
    nearest = np.linalg.norm(points[:, None] - centres[None], axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, np.repeat(np.arange(3), 40))
