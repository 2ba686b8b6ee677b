import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxae.data import DataSpec, load
from jaxae.data.prepare import prepare
from jaxae.data.sources import tfds
from tests.data.files import bytes_of, complaint, tensor, write_classes, write_tfds

WHOLE = {"num_validation": 0, "num_test": 0}


def ask(root: Path, name: str = "made", **changes: Any) -> DataSpec:
    return DataSpec(name=f"tfds:{name}", folder=str(root), **WHOLE | changes)


X = bytes_of((12, 4, 5, 1))


def sorted_rows(x: np.ndarray) -> list[bytes]:
    return sorted(map(bytes, x))  # TFDS shuffles what it writes


@pytest.mark.parametrize(
    "names", [("train", "validation", "test"), ("train", "valid", "test"), ("train", "dev", "extra")]
)
def test_splits_under_their_many_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    rows = {name: [{"image": image} for image in X[4 * i : 4 * i + 4]] for i, name in enumerate(names)}
    write_tfds(tmp_path, {"image": tensor()}, rows)
    dataset = load(ask(tmp_path, num_validation=1, num_test=1))
    expected = [4, 4, 4] if "test" in names else [3, 4, 1]
    assert [len(part.x) for part in (dataset.train, dataset.validation, dataset.test)] == expected
    assert sorted_rows(dataset.validation.x) == sorted_rows(X[4:8])


@pytest.mark.parametrize(
    ("more", "has_labels"),
    [
        ({"label": "class"}, True),
        ({"kind": "class"}, True),
        ({"a": "class", "b": "class"}, False),
        ({"label": "float"}, False),
    ],
)
def test_the_image_and_the_label_are_found(tmp_path: Path, more: dict[str, str], has_labels: bool) -> None:
    import tensorflow_datasets as real

    kinds = {"class": real.features.ClassLabel(num_classes=12), "float": tensor((), np.float32)}
    features = {"picture": tensor(), "size": tensor((2,), np.float32)} | {
        name: kinds[kind] for name, kind in more.items()
    }
    rows = [{"picture": x, "size": np.zeros(2, np.float32)} | dict.fromkeys(more, i) for i, x in enumerate(X)]
    write_tfds(tmp_path, features, {"train": rows})
    train = load(ask(tmp_path)).train
    assert sorted_rows(train.x) == sorted_rows(X)
    assert (train.x == X[train.y]).all() if has_labels else train.y == ()


def test_float_images_are_read(tmp_path: Path) -> None:
    write_tfds(
        tmp_path,
        {"image": tensor((3, 2, 1), np.float32)},
        {"train": [{"image": np.full((3, 2, 1), 0.5, np.float32)}] * 3},
    )
    train = load(ask(tmp_path)).train
    assert train.x.dtype == np.float32 and (train.x == 0.5).all() and train.scale == 1


def test_no_image_to_be_found(tmp_path: Path) -> None:
    write_tfds(tmp_path, {"a": tensor(), "b": tensor()}, {"train": [{"a": X[0], "b": X[0]}]})
    said = complaint(load, ask(tmp_path))
    assert "got the features a (4, 5, 1), b (4, 5, 1)" in said and "expected 'image'" in said


def test_no_training_split(tmp_path: Path) -> None:
    write_tfds(tmp_path, {"image": tensor()}, {"test": [{"image": X[0]}], "extra": [{"image": X[0]}]})
    assert "no split 'train'; valid: extra, test" in complaint(load, ask(tmp_path)).replace(
        "test, extra", "extra, test"
    )


def test_images_of_many_sizes(tmp_path: Path) -> None:
    import tensorflow_datasets as real
    from PIL import Image

    rows = [{"image": Image.fromarray(bytes_of((4, width)))} for width in (5, 5, 6, 5)]
    write_tfds(tmp_path, {"image": real.features.Image(shape=(None, None, 1))}, {"train": rows})
    said = complaint(load, ask(tmp_path))
    assert "has shape (4, " in said and "images of one size" in said


def test_versions_and_configs(tmp_path: Path) -> None:
    for i, version in enumerate(("1.0.0", "1.10.0", "1.9.0")):
        write_tfds(tmp_path, {"image": tensor()}, {"train": [{"image": X[i]}]}, version=version)
    write_tfds(tmp_path, {"image": tensor()}, {"train": [{"image": X[3]}]}, name="many", config="small")
    assert (load(ask(tmp_path)).train.x == X[1]).all()
    assert (load(ask(tmp_path, "made:1.9.0")).train.x == X[2]).all()
    assert (load(ask(tmp_path, "many/small")).train.x == X[3]).all()
    assert tfds.prepared(tmp_path) == ["made", "many/small"]
    assert "many/small" in complaint(load, ask(tmp_path, "many"))
    assert "not prepared in" in complaint(load, ask(tmp_path, "made:7.0.0"))


def test_unprepared_and_unknown_names_answer_at_once(tmp_path: Path) -> None:
    write_tfds(tmp_path, {"image": tensor()}, {"train": [{"image": X[0]}]})
    said = complaint(load, ask(tmp_path, "cifar10"))
    assert (
        f"tfds:cifar10: not prepared in {tmp_path} (prepared there: made)" in said
        and "downloads nothing" in said
    )
    assert "did you mean 'tfds:mnist'?" in complaint(load, ask(tmp_path, "mnits"))
    assert "did you mean 'tfds:made'?" in complaint(load, ask(tmp_path, "mades"))
    assert "(prepared there: none)" in complaint(load, ask(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["", "huggingface:mnist", "../made", "a b", "made/../x/y", "kubric:x/y"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    assert "not a valid name; expected tfds:NAME" in complaint(load, ask(tmp_path, name))


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    place = write_tfds(tmp_path, {"image": tensor()}, {"train": [{"image": x} for x in X]})
    record = next(place.glob("*.array_record*"))
    content = record.read_bytes()
    record.write_bytes(content[: len(content) // 2])
    assert complaint(load, ask(tmp_path)) == f"{place}: train: row 0 is empty: the file is truncated"
    record.write_bytes(bytes(len(content)))
    assert str(place) in complaint(load, ask(tmp_path))
    record.unlink()
    assert str(place) in complaint(load, ask(tmp_path))
    (place / "dataset_info.json").write_text("{")
    assert str(place) in complaint(load, ask(tmp_path))


def test_tfrecord_files_are_refused(tmp_path: Path) -> None:
    place = write_tfds(tmp_path, {"image": tensor()}, {"train": [{"image": x} for x in X]})
    info = place / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord", 1))
    assert "holds tfrecord files, expected array_record" in complaint(load, ask(tmp_path))


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i, place in enumerate((tmp_path / "ours" / "tfds", tmp_path / "theirs")):
        write_tfds(place, {"image": tensor()}, {"train": [{"image": X[i]}]})
    data = DataSpec(name="tfds:made", **WHOLE)  # type: ignore[arg-type]
    monkeypatch.delenv("JAXAE_DATA", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "theirs"))
    assert (load(data).train.x == X[1]).all()
    monkeypatch.setenv("JAXAE_DATA", str(tmp_path / "ours"))
    assert (load(data).train.x == X[0]).all() and (load(ask(tmp_path / "ours")).train.x == X[0]).all()
    monkeypatch.setenv("JAXAE_DATA", str(tmp_path))
    assert (load(data).train.x == X[1]).all()


QUIET = """
import logging, numpy as np
level, handlers = logging.getLogger("absl").level, list(logging.root.handlers)
from jaxae.data import DataSpec, batches, load
from jaxae.data.prepare import prepare
if {prepares}:
    prepare("insects", "images", "tfds")
dataset = load(DataSpec(name="tfds:insects", folder="tfds", num_validation=2, num_test=2, stream=True))
assert len(list(batches(dataset.train, np.zeros((3, 2), int), chunk=2, num_threads=2))) == 2
assert (logging.getLogger("absl").level, logging.root.handlers) == (level, handlers)
"""


@pytest.mark.parametrize("prepares", [True, False])
def test_nothing_is_said_on_the_screen_nor_changed_in_logging(tmp_path: Path, prepares: bool) -> None:
    """In a process of its own, since TFDS advises once in each."""
    write_classes(tmp_path / "images")
    if not prepares:
        prepare("insects", tmp_path / "images", tmp_path / "tfds")
    command = [sys.executable, "-c", QUIET.format(prepares=prepares)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
