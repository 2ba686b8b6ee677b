import gzip
from pathlib import Path

import numpy as np
import pytest

from jaxae.data import DataSpec, load
from jaxae.data.sources import idx
from tests.data.files import PARTS, bytes_of, complaint, idx_bytes, mnist_arrays, write_idx, write_mnist

HELD_OUT = {"num_validation": 10, "num_test": 1}


def ask(folder: Path, name: str = "mnist") -> DataSpec:
    return DataSpec(name=name, folder=str(folder), **HELD_OUT)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("inside", [True, False])
def test_files_are_read_from_the_folder_or_the_folder_of_that_name(
    tmp_path: Path, name: str, suffix: str, inside: bool
) -> None:
    train_x, _, test_x, test_y = write_mnist(tmp_path / name if inside else tmp_path, suffix)
    dataset = load(ask(tmp_path, name))
    assert dataset.train.x.shape == (30, 28, 28, 1) and dataset.train.x.dtype == np.uint8
    assert (dataset.test.x[..., 0] == test_x).all() and (dataset.test.y == test_y).all()
    assert dataset.test.y.dtype == np.int32 and dataset.train.scale == np.float32(255)
    both = np.concatenate([dataset.train.x, dataset.validation.x])[..., 0]
    assert sorted(map(bytes, both)) == sorted(map(bytes, train_x))


def test_the_environment_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "mnist")
    monkeypatch.setenv("JAXAE_DATA", str(tmp_path))
    by_variable = load(DataSpec(name="mnist", **HELD_OUT))
    assert by_variable.hash == load(ask(tmp_path)).hash
    assert by_variable.description == "mnist: 30 train, 10 validation, 10 test, 28x28x1 uint8, 10 classes"


def test_the_official_test_split_is_left_out_by_zero(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    dataset = load(DataSpec(name="mnist", folder=str(tmp_path), num_validation=0, num_test=0))
    assert [len(part.x) for part in (dataset.train, dataset.validation, dataset.test)] == [40, 0, 0]
    assert dataset.test.x.shape == (0, 28, 28, 1) and dataset.test.y.shape == (0,)


def test_missing_files_are_offered_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAXAE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said = complaint(load, DataSpec(name="mnist"))
    assert said.startswith("data 'mnist': train-images-idx3-ubyte.gz, ")
    assert (
        f"are not in {tmp_path}/jaxae/data/mnist; `jaxae data download mnist` fetches them (11.6 MB)" in said
    )


def test_missing_files_are_named_with_the_folder_looked_in(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    (tmp_path / "mnist" / f"{PARTS[3]}.gz").unlink()
    said = complaint(load, ask(tmp_path))
    assert f"data 'mnist': {PARTS[3]}.gz is not in {tmp_path}/mnist; " in said
    assert f"`jaxae data download mnist --folder {tmp_path}` fetches them" in said
    assert all(part in complaint(load, ask(tmp_path / "nowhere")) for part in PARTS)


def test_the_cache_is_searched_after_the_environment_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("JAXAE_DATA", str(tmp_path / "lab"))
    write_mnist(tmp_path / "jaxae" / "data" / "mnist")
    dataset = load(DataSpec(name="mnist", **HELD_OUT))
    # The recorded place does not depend on the environment.
    assert dataset.location is not None and dataset.location.folder == str(tmp_path / "jaxae" / "data")
    write_mnist(tmp_path / "lab")
    again = load(DataSpec(name="mnist", **HELD_OUT))
    assert again.location is not None and again.location.folder == str(tmp_path / "lab")


def test_files_are_not_gathered_from_two_folders(tmp_path: Path) -> None:
    write_mnist(tmp_path / "fashion_mnist")
    write_mnist(tmp_path)  # some other data set, flat
    (tmp_path / "fashion_mnist" / f"{PARTS[0]}.gz").unlink()
    (tmp_path / f"{PARTS[1]}.gz").unlink()
    assert PARTS[0] in complaint(load, ask(tmp_path, "fashion_mnist"))


def broken(folder: Path, content: bytes, part: int = 0, suffix: str = "") -> str:
    """What is said where one file holds `content`."""
    write_mnist(folder, suffix)
    path = folder / f"{PARTS[part]}{suffix}"
    path.write_bytes(content)
    said = complaint(load, ask(folder))
    assert said.startswith(f"{path}: ")
    return said


IMAGES = idx_bytes(mnist_arrays()[0])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "starts with bytes ''"),
        (IMAGES[:3], "starts with bytes '00 00 08', expected '00 00 08 03'"),
        (IMAGES[:9], "truncated: 9 bytes, shorter than its header of 16"),
        (IMAGES[: 16 + 1234], "truncated: header says 40x28x28 = 31360 bytes, 1234 found"),
        (IMAGES + b"x", "too long: header says 40x28x28 = 31360 bytes, 31361 found"),
        (b"\0\0\x0d\x03" + IMAGES[4:], "starts with bytes '00 00 0d 03', expected '00 00 08 03'"),
        (idx_bytes(np.zeros(5, np.uint8)), "starts with bytes '00 00 08 01', expected '00 00 08 03'"),
        (idx_bytes(np.zeros((40, 28, 27), np.uint8)), "images of 28x27, expected 28x28"),
        (b"<html>Not found</html>", "starts with bytes '3c 68 74 6d'"),
    ],
)
def test_a_broken_image_file(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in broken(tmp_path, content)


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    said = broken(tmp_path, idx_bytes(np.zeros(39, np.uint8)), part=1)
    assert "39 labels, but train-images-idx3-ubyte has 40 images" in said
    labels = np.zeros(40, np.uint8)
    labels[7] = 10
    assert "label 10 in row 7, expected 0 to 9" in broken(tmp_path, idx_bytes(labels), part=1)


def test_a_gzip_file_cut_anywhere_is_an_error(tmp_path: Path) -> None:
    packed = gzip.compress(IMAGES, 1)
    for cut in (len(packed) // 2, len(packed) - 9, len(packed) - 8, len(packed) - 1):
        assert "truncated: " in broken(tmp_path, packed[:cut], suffix=".gz"), cut
    assert "header says 40x28x28 = 31360 bytes, " in broken(
        tmp_path, packed[: len(packed) // 2], suffix=".gz"
    )


def test_a_gzip_file_with_a_flipped_byte_is_an_error(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(IMAGES, 1))
    packed[-6] ^= 1  # in the checksum
    assert "corrupt gzip" in broken(tmp_path, bytes(packed), suffix=".gz")
    assert "corrupt gzip" in broken(tmp_path, IMAGES, suffix=".gz")


def test_gzip_members_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(IMAGES[:100]) + gzip.compress(IMAGES[100:]))
    assert (idx.parse(path, 3) == mnist_arrays()[0]).all()


def test_a_folder_in_the_place_of_a_file_and_no_rows(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    write_idx(tmp_path / f"{PARTS[0]}.gz", bytes_of((0, 28, 28)))
    write_idx(tmp_path / f"{PARTS[1]}.gz", bytes_of((0,)))
    assert "shape (0, 28, 28)" in complaint(load, ask(tmp_path))
    (tmp_path / f"{PARTS[2]}.gz").unlink()
    (tmp_path / f"{PARTS[2]}.gz").mkdir()
    assert f"{PARTS[2]}.gz is not in {tmp_path}" in complaint(load, ask(tmp_path))
