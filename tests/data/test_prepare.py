import os
from pathlib import Path

import numpy as np
import pytest

from jaxae.data import DataSpec, load
from jaxae.data.prepare import prepare, prepared_at
from tests.data.files import bytes_of, complaint, write_amat, write_classes, write_mnist

FEW = {"num_validation": 3, "num_test": 3}


def entries(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_dir())


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "binarized_mnist"])
def test_a_prepared_set_is_its_source_to_the_hash(tmp_path: Path, name: str) -> None:
    (write_amat if name == "binarized_mnist" else write_mnist)(tmp_path / name)
    place = prepare(name, tmp_path, tmp_path / "out")
    assert place.parent == tmp_path / "out" / name and entries(tmp_path / "out") == [
        name,
        f"{name}/{place.name}",
    ]
    original = load(DataSpec(name=name, folder=str(tmp_path), **FEW))
    prepared = load(DataSpec(name=f"tfds:{name}", folder=str(tmp_path / "out"), **FEW))
    assert prepared.hash == original.hash and prepared.description == f"tfds:{original.description}"
    assert (prepared.test.x == original.test.x).all() and prepared.test.scale == original.test.scale


def test_tfds_reads_it_by_its_plain_name(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    _, _, test_x, test_y = write_mnist(tmp_path)
    place = prepare("mnist", tmp_path, tmp_path / "out")
    assert place.name == str(tfds.builder_cls("mnist").VERSION)
    rows = tfds.data_source("mnist", data_dir=tmp_path / "out", split="test")
    assert (np.stack([row["image"] for row in rows])[..., 0] == test_x).all()
    assert [row["label"] for row in rows] == test_y.tolist()


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_a_folder_of_images_and_its_class_names(tmp_path: Path, shape: tuple[int, ...]) -> None:
    import tensorflow_datasets as tfds

    write_classes(tmp_path / "images", shape=shape)
    prepare("insects", tmp_path / "images", tmp_path / "out")
    builder = tfds.builder("insects", data_dir=tmp_path / "out")
    assert builder.is_prepared() and builder.info.features["label"].names == ["ant", "bee"]
    prepared = load(DataSpec(name="tfds:insects", folder=str(tmp_path / "out"), **FEW))
    assert prepared.hash == load(DataSpec(name=str(tmp_path / "images"), **FEW)).hash


@pytest.mark.parametrize(
    "x", [bytes_of((20, 4, 4, 2)), bytes_of((20, 4, 4)) / 255.0, bytes_of((20, 4, 4), 2)]
)
@pytest.mark.parametrize("official", [False, True])
def test_arrays_of_any_channels_and_floats(tmp_path: Path, x: np.ndarray, official: bool) -> None:
    more = {"x_test": x[:5], "y_test": np.arange(5)} if official else {}
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20), **more)
    prepare("mine", tmp_path / "x.npz", tmp_path / "out")
    prepared = load(DataSpec(name="tfds:mine", folder=str(tmp_path / "out"), **FEW))
    original = load(DataSpec(name=str(tmp_path / "x.npz"), **FEW))
    assert prepared.hash == original.hash and prepared.train.scale == original.train.scale


def test_what_is_prepared_is_left_alone(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    assert prepared_at("mnist", tmp_path / "out") is None
    place = prepare("mnist", tmp_path, tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert (
        prepare("mnist", tmp_path / "nowhere", tmp_path / "out")
        == place
        == prepared_at("mnist", tmp_path / "out")
    )
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == times


def test_by_default_it_goes_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    monkeypatch.delenv("JAXAE_DATA", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "default"))
    assert prepare("mnist", tmp_path).parent == tmp_path / "default" / "mnist"
    assert load(DataSpec(name="tfds:mnist", **FEW)).shape == (28, 28, 1)


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        assert "No space left on device" in complaint(prepare, "mnist", tmp_path, tmp_path / "out")
    assert prepared_at("mnist", tmp_path / "out") is None and "incomplete" not in str(
        entries(tmp_path / "out")
    )
    assert not list((tmp_path / "out").glob(".preparing-*"))
    prepare("mnist", tmp_path, tmp_path / "out")
    assert load(DataSpec(name="tfds:mnist", folder=str(tmp_path / "out"), **FEW)).shape == (28, 28, 1)


@pytest.mark.parametrize("name", ["", "Mnist", "a b", "../x", "a/b", "1x", "tfds:x"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    assert "not a name for a TFDS data set" in complaint(prepare, name, tmp_path, tmp_path / "out")


def test_sources_that_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", bytes_of((9, 4)))
    assert "choose another" in complaint(prepare, "cifar10", tmp_path, tmp_path / "out")
    assert "expected images" in complaint(prepare, "mine", tmp_path / "table.npy", tmp_path / "out")
    assert "no such file or folder" in complaint(prepare, "mine", tmp_path / "nowhere", tmp_path / "out")
    assert "are not in" in complaint(prepare, "mnist", tmp_path / "nowhere", tmp_path / "out")
    write_mnist(tmp_path)
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written" in complaint(prepare, "mnist", tmp_path, tmp_path / "file")
    assert not (tmp_path / "out").exists()
