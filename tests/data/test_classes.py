"""Names of classes: label i is called `classes[i]`, whatever it was found as."""

from pathlib import Path

import numpy as np
import pytest

from jaxae.data import Dataset, DataSpec, from_arrays, load
from jaxae.data.prepare import prepare
from tests.data.files import bytes_of, complaint, tensor, write_amat, write_classes, write_mnist, write_tfds

WHOLE = {"num_validation": 0, "num_test": 0}
X = bytes_of((6, 4, 5))
CAPTIONS = ["a red dog", "a blue cat", "a red dog", "Ü", "a blue cat and a dog", "a blue cat"]


def names_of_rows(dataset: Dataset) -> dict[bytes, str]:
    """The name of each row's label, by the row's pixels."""
    parts = (dataset.train, dataset.validation, dataset.test)
    return {bytes(x): dataset.classes[y] for part in parts for x, y in zip(part.x, part.y, strict=True)}


def test_digits_and_both_mnists_are_called_by_name_in_the_order_of_labels(tmp_path: Path) -> None:
    numerals = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    write_mnist(tmp_path)
    for data in (DataSpec(), DataSpec(name="mnist", folder=str(tmp_path), num_validation=1)):
        assert load(data).classes == numerals
    garments = load(DataSpec(name="fashion_mnist", folder=str(tmp_path), num_validation=1)).classes
    assert len(garments) == 10 and garments[0] == "t-shirt" and garments[9] == "ankle boot"
    assert load(DataSpec(name="sprites:9", **WHOLE)).classes == ("square", "ellipse", "heart")


def test_the_hash_of_what_has_been_before_is_what_it_was() -> None:
    """So a run on digits that was made before classes had names is read back as before."""
    assert load(DataSpec()).hash == "9c121e54221248c3109f1803390cd42f0612830361ce8c3bb8c6dbddc62b931e"


def test_data_without_labels_or_with_numbers_have_no_names(tmp_path: Path) -> None:
    write_amat(tmp_path)
    assert load(DataSpec(name="binarized_mnist", folder=str(tmp_path))).classes == ()
    assert from_arrays(X, None, DataSpec(**WHOLE)).classes == ()
    assert from_arrays(X, np.arange(6), DataSpec(**WHOLE)).classes == ()


def test_folders_name_their_classes(tmp_path: Path) -> None:
    x, y = write_classes(tmp_path)
    found = names_of_rows(load(DataSpec(name=str(tmp_path), num_validation=2, num_test=2)))
    assert found == {bytes(row): ("ant", "bee")[label] for row, label in zip(x, y, strict=True)}


@pytest.mark.parametrize("stream", [False, True])
def test_texts_given_as_labels_are_numbered_in_sorted_order(stream: bool) -> None:
    dataset = from_arrays(X, CAPTIONS, DataSpec(stream=stream, **WHOLE))
    assert dataset.classes == ("a blue cat", "a blue cat and a dog", "a red dog", "Ü")
    assert dataset.train.y.dtype == np.int32 and dataset.train.y.tolist() == [2, 0, 2, 3, 1, 0]
    assert "4 classes" in dataset.description


def test_texts_of_all_splits_of_a_file_share_one_numbering(tmp_path: Path) -> None:
    arrays = {"x": X[:3], "y": CAPTIONS[:3], "x_test": X[3:], "y_test": CAPTIONS[3:]}
    np.savez(tmp_path / "x.npz", **arrays)
    dataset = load(DataSpec(name=str(tmp_path / "x.npz"), num_validation=1))
    assert names_of_rows(dataset) == {bytes(x): text for x, text in zip(X, CAPTIONS, strict=True)}
    assert [len(part.x) for part in (dataset.train, dataset.validation, dataset.test)] == [2, 1, 3]


def test_the_hash_sees_texts_and_not_only_their_numbers() -> None:
    hashes = [from_arrays(X, list(y), DataSpec(**WHOLE)).hash for y in ("aabbab", "aaccac", "aabbba")]
    assert len({*hashes, from_arrays(X, [0, 0, 1, 1, 0, 1], DataSpec(**WHOLE)).hash}) == 4


def test_texts_in_one_split_and_numbers_in_another_are_refused(tmp_path: Path) -> None:
    for y, other in ((CAPTIONS, np.arange(6)), (np.arange(6), CAPTIONS)):
        np.savez(tmp_path / "x.npz", x=X, y=y, x_test=X, y_test=other)
        said = complaint(load, DataSpec(name=str(tmp_path / "x.npz")))
        assert "labels of dtype int64 and shape (6,), expected texts, as in other splits [6]" in said


def test_names_of_tfds_are_those_that_were_written(tmp_path: Path) -> None:
    import tensorflow_datasets as real

    kinds = {
        "named": (real.features.ClassLabel(names=["b", "a"]), ("b", "a")),
        "numbered": (real.features.ClassLabel(num_classes=2), ()),
        "whole": (tensor((), np.int64), ()),
    }
    for name, (label, expected) in kinds.items():
        rows = [{"image": x[..., None], "label": i % 2} for i, x in enumerate(X)]
        write_tfds(tmp_path, {"image": tensor(), "label": label}, {"train": rows}, name=name)
        assert load(DataSpec(name=f"tfds:{name}", folder=str(tmp_path), **WHOLE)).classes == expected


def test_preparing_keeps_names_and_texts(tmp_path: Path) -> None:
    write_mnist(tmp_path / "fashion_mnist")
    np.savez(tmp_path / "pets.npz", x=X, y=CAPTIONS)
    for name, source in (("fashion_mnist", tmp_path), ("pets", tmp_path / "pets.npz")):
        prepare(name, source, tmp_path / "out")
        original = load(DataSpec(name=name if name != "pets" else str(source), folder=str(tmp_path), **WHOLE))
        prepared = load(DataSpec(name=f"tfds:{name}", folder=str(tmp_path / "out"), **WHOLE))
        assert prepared.classes == original.classes and names_of_rows(prepared) == names_of_rows(original)


@pytest.mark.parametrize("name", ["", " a", "a\nb", "a\r"])
def test_names_that_tfds_would_change_are_not_prepared(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "x.npz", x=X, y=["A", name, "A", "A", "A", "A"])
    said = complaint(prepare, "mine", tmp_path / "x.npz", tmp_path / "out")
    number = [name, "A"].index(name) if name < "A" else 1
    assert said == f"class {number}: got the name {name!r}, expected one line without spaces at its ends"
