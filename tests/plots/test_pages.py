"""Every kind of result gets its figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA

import jaxae
from jaxae.data import from_arrays
from jaxae.evaluation import measure_figures
from jaxae.evaluation.attempts import Measured
from jaxae.evaluation.subject import Settings, Subject
from jaxae.plots import figures
from jaxae.plots.pages import draw, planes
from tests import small
from tests.cli.calling import call

FIGURES = {"curves.png", "codes.png", "reconstructions.png"}


@pytest.mark.parametrize(
    "name", ["AE", pytest.param("VAE", marks=pytest.mark.slow), "VAE, conditional", "Stacked"]
)
def test_figures_of(name: str, tmp_path: Path) -> None:
    experiment = small.experiment(small.member(name), epochs=1)
    result = jaxae.fit(experiment, small.images(), small.labels(90))
    drawn = {path.name for path in draw(result, tmp_path / "figures")}
    assert drawn == FIGURES | ({"samples.png"} if name.startswith("VAE") else set())
    assert all((tmp_path / "figures" / figure).read_bytes().startswith(b"\x89PNG") for figure in drawn)


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        (small.images().reshape(len(small.images()), -1) / 255, ""),
        (np.random.default_rng(0).random((90, 64)), "; if they are images, give rows of shape 8x8"),
    ],
)
def test_rows_of_a_table_are_heat_maps(
    rows: np.ndarray, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, tuple[Any, ...]] = {}
    monkeypatch.setattr(figures, "table_rows", lambda path, *rest: given.update({path.name: rest}))
    experiment = small.experiment(jaxae.VAE(**small.NETS, latent_dim=2), epochs=1)
    result = jaxae.fit(experiment, rows, small.labels(len(rows)))
    assert {path.name for path in draw(result, tmp_path)} == FIGURES | {"samples.png"}
    panels, title, signed = given["reconstructions.png"]
    expected = result.reconstruct(result.test.x[:36])
    errors = ((result.test.x[:36] - expected) ** 2).sum(axis=1)
    order = np.argsort(errors)
    np.testing.assert_allclose(panels["inputs"], result.test.x[:36][order], rtol=1e-6)
    np.testing.assert_allclose(panels["difference"], (expected - result.test.x[:36])[order], atol=1e-6)
    low, high = f"{errors.min():.3g}", f"{errors.max():.3g}"
    assert title == f"test rows, best to worst: squared error {low} to {high}{hint}" and signed == [
        "difference"
    ]
    assert given["samples.png"][0]["samples"].shape == (60, rows.shape[1])


@pytest.mark.parametrize("shape", [(300, 8), (50, 100), (3, 3), (2, 5)])
def test_the_plane_of_codes_is_that_of_scikit_learn(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    codes = (random.normal(size=shape) @ random.normal(size=(shape[1], shape[1])) + 3).astype(np.float32)
    points = planes(codes)[0].points
    expected = PCA(2, svd_solver="full").fit_transform(codes.astype(np.float64))
    np.testing.assert_allclose(points, expected, atol=1e-5 * np.abs(expected).max())
    assert points.dtype == np.float32


def test_codes_that_are_all_the_same_are_one_point() -> None:
    np.testing.assert_array_equal(planes(np.ones((5, 4), np.float32))[0].points, np.zeros((5, 2)))


def share_of_grey(path: Path, grey: float) -> float:
    """The share of a figure's pixels that have this grey."""
    with Image.open(path) as image:
        return float((np.abs(np.asarray(image.convert("L")) / 255 - grey) < 0.01).mean())


def test_figures_are_drawn_in_the_datas_own_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image is of one grey: 0.4 of the way from black to white, but for some that are black or white."""
    grey = np.full((90, 4, 4), 0.4)
    grey[::9], grey[1::9] = 0.0, 1.0
    x = 255 * grey
    vae = jaxae.VAE(**small.NETS, latent_dim=2, likelihood=jaxae.Gaussian(std=100.0))
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    result = jaxae.fit(small.experiment(vae, data=data, epochs=1), x, run_dir="run")
    assert result.run.dataset.display_range == (0, 255)
    monkeypatch.setattr(jaxae.Result, "sample", lambda self, num, *_, **__: x[2:3].repeat(num, 0)[..., None])
    monkeypatch.setattr(jaxae.Result, "decode", lambda self, z, y=None: x[2:3].repeat(len(z), 0)[..., None])
    figures = draw(result, tmp_path / "figures")[2:]
    figures += measure_figures.draw(
        Subject(result, Settings()), ["codes", "generation"], tmp_path / "figures", Measured()
    )
    names = {path.stem for path in figures}
    assert {"reconstructions", "samples", "retrieval", "draws", "interpolations", "traversals"} < names
    for path in figures:
        # Half of the images are inputs, in the figure of reconstructions with white strips for their errors.
        least = 0.1 if path.stem == "reconstructions" else 0.25
        assert path.stem == "spectrum" or share_of_grey(path, 0.4) > least, path
    assert jaxae.load  # which is looked up once, before it is replaced
    monkeypatch.setattr("jaxae.runs.opening.load", lambda path, **how: result)
    assert call("sample", "run", "--count", "3", "--output", "three").code == 0
    assert share_of_grey(Path("three.png"), 0.4) > 0.25
    np.testing.assert_array_equal(np.load("three.npz")["x"], x[[2, 2, 2]][..., None])


def test_images_of_bytes_are_drawn_from_0_to_1() -> None:
    dark = small.images() // 4
    dataset = from_arrays(dark, None, jaxae.DataSpec(num_validation=20, num_test=20))
    assert dataset.span[1] < 0.3 and dataset.display_range == (0.0, 1.0)
