import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxae.data import DataSpec, load
from jaxae.data.sources import zipped_images
from tests.data.files import complaint
from tests.data.known_files import write_celeba, write_known


@pytest.fixture(autouse=True)
def _archives_are_closed() -> None:
    zipped_images._open_archive.cache_clear()


def test_faces_are_cropped_and_resized(tmp_path: Path) -> None:
    write_celeba(tmp_path)
    dataset = load(DataSpec(name="celeba:16", folder=str(tmp_path)))
    assert dataset.description == "celeba:16: 36 train, 4 validation, 6 test, 16x16x3 uint8, no labels"
    # Another route for one face: a crop by indices, and means over blocks by Pillow's reducing.
    path = tmp_path / "img_align_celeba.zip"
    with Image.open(io.BytesIO(zipfile.ZipFile(path).read("img_align_celeba/000007.jpg"))) as image:
        middle = np.asarray(image)[35 : 35 + 148, 15 : 15 + 148].astype(float).mean(axis=(0, 1))
    assert np.abs(dataset.train.x[6].astype(float) - middle).max() <= 1


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("000001.jpg 3\n", "line 1 is '000001.jpg 3', expected NAME.jpg and 0, 1 or 2"),
        ("000001.jpg\n", "line 1 is '000001.jpg'"),
        ("000099.jpg 0\n", "holds no 000099.jpg, which list_eval_partition.txt names"),
        ("\n", "no lines"),
    ],
)
def test_a_wrong_partition_is_refused(tmp_path: Path, lines: str, expected: str) -> None:
    write_celeba(tmp_path)
    (tmp_path / "list_eval_partition.txt").write_text(lines)
    assert expected in complaint(load, DataSpec(name="celeba", folder=str(tmp_path)))


def test_images_of_another_size_and_damaged_ones_are_named(tmp_path: Path) -> None:
    write_known("omniglot", tmp_path)
    path = tmp_path / "images_evaluation.zip"
    stream = io.BytesIO()
    Image.new("1", (100, 105)).save(stream, "PNG")
    for content, expected in ((stream.getvalue(), "100x105 pixels"), (b"x", "not a readable image")):
        zipped_images._open_archive.cache_clear()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images_evaluation/Oriya/character01/0001_01.png", content)
        said = complaint(load, DataSpec(name="omniglot", folder=str(tmp_path)))
        assert f"{path}: images_evaluation/Oriya/character01/0001_01.png: " in said and expected in said


def test_a_size_outside_of_the_crop_is_refused(tmp_path: Path) -> None:
    write_celeba(tmp_path)
    said = complaint(load, DataSpec(name="celeba:200", folder=str(tmp_path)))
    assert "expected celeba or celeba:SIZE, SIZE from 8 to 148" in said
