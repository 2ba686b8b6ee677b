"""Sweeps without their data, and away from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae import data
from jaxae.errors import JaxaeError
from jaxae.runs import seals
from jaxae.sweeps.groups import worker
from jaxae.sweeps.store import Store
from tests import small

X = small.images()
BASE = small.experiment(
    jaxae.AE(**small.NETS, latent_dim=3),
    data=jaxae.DataSpec(name="rows/x.npy", num_validation=20, num_test=20),
    epochs=1,
)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of one run, whose rows lie in ../rows; not to be written to."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("rows").mkdir()
        np.save("rows/x.npy", X)
        jaxae.sweep(BASE, seeds=1, run_dir="runs/sweep", layout="map", progress=False)
    return folder / "runs" / "sweep"


def test_a_run_of_a_sweep_needs_its_rows_only_where_they_are_used(
    swept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = jaxae.load_sweep(swept)
    run = results.rows[0]["run"]
    with monkeypatch.context() as patch:
        patch.setattr(data, "load", None)
        loaded = results.load(run)
        assert loaded.reconstruct(X[:3]).shape == (3, 4, 4, 1) and len(results.history(run)) == 1
        assert [line["step"] for line in loaded.history] == [5]
    assert len(loaded.run.dataset.train.x) == 50
    assert loaded.run.dataset.location.name == str(swept.parent.parent / "rows/x.npy")


def test_a_sweep_goes_on_from_another_folder(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = seals.read(swept / "sweep.json")
    monkeypatch.setattr(worker, "train_group", None)  # nothing is left to train
    results = jaxae.sweep(BASE, seeds=1, run_dir=swept, layout="map", progress=False)
    assert len(results) == 1 and seals.read(swept / "sweep.json")["groups"] == before["groups"]


def test_other_rows_are_refused(swept: Path) -> None:
    np.save("other.npy", X[::-1])
    run = jaxae.load_sweep(swept).rows[0]["run"]
    dataset = jaxae.load_sweep(swept, data_name="other.npy").load(run).run.dataset
    with pytest.raises(JaxaeError, match=r"the data has changed: its hash is \w+, but the run was made with"):
        dataset.train  # noqa: B018 (rows are read when they are asked for)
    np.save("same.npy", X)
    assert len(jaxae.load_sweep(swept, data_name="same.npy").load(run).run.dataset.test.x) == 20


def test_a_sweep_of_an_older_version_needs_its_data(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Store.read
    monkeypatch.setattr(Store, "read", lambda store: {**read(store), "data": []})
    results = jaxae.load_sweep(swept)
    with pytest.raises(JaxaeError, match="data 'rows/x.npy': no such file or folder"):
        results.load(results.rows[0]["run"])
    monkeypatch.chdir(swept.parent.parent)
    assert results.load(results.rows[0]["run"]).decode(np.zeros((2, 3))).shape == (2, 4, 4, 1)


def test_rows_from_python_are_given_again_where_they_are_used(tmp_path: Path) -> None:
    results = jaxae.sweep(BASE, seeds=1, x=X, run_dir=tmp_path / "s", layout="map", progress=False)
    run = results.rows[0]["run"]
    assert len(results.load(run).run.dataset.train.x) == 50
    without: Any = jaxae.load_sweep(tmp_path / "s").load(run)
    assert without.decode(np.zeros((2, 3))).shape == (2, 4, 4, 1)
    with pytest.raises(JaxaeError, match="was trained on rows given from Python; give them again"):
        jaxae.measure(without, "reconstruction")
    with pytest.raises(JaxaeError, match="the data has changed"):
        jaxae.load_sweep(tmp_path / "s", X[::-1]).load(run).run.dataset.train  # noqa: B018
