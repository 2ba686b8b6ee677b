import hashlib
from pathlib import Path

import numpy as np
import pytest

from jaxae.data import DataSpec, available, load
from jaxae.data.sources import photographs
from jaxae.data.sources.photographs import STRIPS, corners
from tests.data.files import complaint

COUNTS = {"train": 10_000, "validation": 500, "test": 1_000}


def covered(split: str, size: int) -> np.ndarray:
    """bool[2, 427, 640]: the pixels of both photographs that are in some patch of a split."""
    pixels = np.zeros((2, 427, 640), bool)
    for photograph, row, column in corners(split, size):
        patch = pixels[photograph, row : row + size, column : column + size]
        assert patch.shape == (size, size)
        patch[:] = True
    return pixels


@pytest.mark.parametrize("size", [8, 32, 128])
def test_no_pixel_is_in_two_splits_and_no_patch_twice_in_one(size: int) -> None:
    assert sum(covered(split, size).astype(int) for split in STRIPS).max() == 1
    for split, count in COUNTS.items():
        assert len(np.unique(corners(split, size), axis=0)) == len(corners(split, size)) == count


def test_no_block_of_the_jpeg_files_is_in_two_splits_and_test_is_the_right_quarter() -> None:
    """Colour is kept in blocks of 16 pixels."""
    blocks = [{column // 16 for column in range(*strip)} for strip in STRIPS.values()]
    assert len(set.union(*blocks)) == sum(map(len, blocks)) == 640 / 16
    assert STRIPS["test"] == (480, 640)


def test_patches_are_of_all_parts_of_their_strip() -> None:
    """Of its first and last columns too; 500 patches of 32 leave a tenth of theirs out."""
    for split, (first, last) in STRIPS.items():
        pixels = covered(split, 32)[:, :, first:last]
        assert pixels.mean() > 0.85 and pixels[:, :, [0, -1]].any(axis=(0, 1)).all()


def test_patches_are_crops_of_the_files_and_labels_say_of_which() -> None:
    import sklearn.datasets
    from PIL import Image

    folder = Path(sklearn.datasets.__file__).parent / "images"
    files = {name: np.asarray(Image.open(folder / f"{name}.jpg")) for name in ("china", "flower")}
    dataset = load(DataSpec(name="photographs:20", num_validation=7, num_test=7))
    assert dataset.description == (
        "photographs:20: 10,000 train, 500 validation, 1,000 test, 20x20x3 uint8, 2 classes"
    )
    assert dataset.classes == ("china", "flower") and dataset.scale == 255
    for split in COUNTS:
        part = getattr(dataset, split)
        for row in range(0, len(part.x), 50):
            number, top, left = corners(split, 20)[row]
            crop = files[dataset.classes[part.y[row]]][top : top + 20, left : left + 20]
            assert part.y[row] == number and (part.x[row] == crop).all()
        assert 0.45 < part.y.mean() < 0.55


def test_official_splits_are_left_out_by_zero_and_patches_are_32_wide_by_default() -> None:
    dataset = load(DataSpec(name="photographs", num_validation=0, num_test=0, stream=True))
    assert [len(part.x) for part in (dataset.train, dataset.validation, dataset.test)] == [10_000, 0, 0]
    assert dataset.shape == (32, 32, 3)
    assert dataset.hash == load(DataSpec(name="photographs:32")).hash


def test_places_are_the_same_in_every_version() -> None:
    places = np.concatenate([corners(split, 32) for split in STRIPS]).astype("<i8")
    assert (
        hashlib.sha256(places.tobytes()).hexdigest()
        == "baecb6717bdfe772c9c82b58565dc0dbdc390f810b6d3a565ec80c311cecb113"
    )


@pytest.mark.parametrize("size", ["0", "4", "30", "132", "256", "", "big"])
def test_sizes_that_are_none(size: str) -> None:
    said = complaint(load, DataSpec(name=f"photographs:{size}"))
    expected = "expected photographs or photographs:SIZE, SIZE from 8 to 128 in steps of 4"
    assert said == f"data 'photographs:{size}': {expected}"
    assert "photographs:SIZE" in dict(available())["photographs"]


def test_the_largest_patches_find_room_in_every_strip() -> None:
    parts = photographs.read("photographs:128").tables
    assert {split: part.x.shape for split, part in parts.items()} == {
        split: (count, 128, 128, 3) for split, count in COUNTS.items()
    }
