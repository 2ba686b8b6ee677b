import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxae.data import Data, images, load
from tests.data.files import bytes_of, complaint, write_classes, write_image


def ask(folder: Path, **changes: object) -> Data:
    return Data(name=str(folder), **{"num_validation": 0, "num_test": 0} | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_sub_folders_are_classes_and_the_order_is_sorted(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x, y = write_classes(tmp_path / "set", shape=shape)
    write_image(tmp_path / "set" / ".hidden" / "a.png", x[0])
    (tmp_path / "set" / "ant" / "notes.txt").write_text("not an image")
    dataset = load(ask(tmp_path / "set"))
    assert (dataset.train.x.reshape(x.shape) == x).all() and (dataset.train.y == y).all()
    assert dataset.shape == (6, 5, 3 if len(shape) == 3 else 1) and dataset.train.scale == 255
    assert dataset.description.endswith(
        "12 train, 0 validation, 0 test, 6x5x" + f"{dataset.shape[2]} uint8, 2 classes"
    )


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    x, _ = write_classes(tmp_path / "set")
    write_image(tmp_path / "set" / "aaa.PNG", x[3])
    dataset = load(ask(tmp_path / "set"))
    assert dataset.train.y == () and (dataset.train.x[0, ..., 0] == x[3]).all()


def test_official_splits_and_their_common_classes(tmp_path: Path) -> None:
    x, _ = write_classes(tmp_path / "train")
    write_image(tmp_path / "test" / "bee" / "1.png", x[0])
    dataset = load(Data(name=str(tmp_path), num_validation=2))
    assert [len(part.x) for part in (dataset.train, dataset.validation, dataset.test)] == [10, 2, 1]
    assert (dataset.test.x[0, ..., 0] == x[0]).all() and dataset.test.y == [1]


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "gif"])
def test_suffixes(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"a.{suffix}", np.full((6, 5), 255, np.uint8))
    assert load(ask(tmp_path)).train.x.min() > 250


def test_grey_among_colour_becomes_rgb(tmp_path: Path) -> None:
    grey, colour = bytes_of((6, 5)), bytes_of((6, 5, 3))
    write_image(tmp_path / "a.png", grey)
    write_image(tmp_path / "b.png", colour)
    x = load(ask(tmp_path)).train.x
    assert (x[0] == grey[..., None]).all() and (x[1] == colour).all()


def test_transparency_palettes_and_bits_are_read_without_a_warning(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", bytes_of((6, 5, 4)))
    write_image(tmp_path / "b.png", bytes_of((6, 5)), "1")
    palette = Image.fromarray(bytes_of((6, 5, 3))).convert("P")
    palette.save(tmp_path / "c.png", transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(ask(tmp_path)).train.x.shape == (3, 6, 5, 3)
    (tmp_path / "a.png").unlink()
    (tmp_path / "c.png").unlink()
    assert set(np.unique(load(ask(tmp_path)).train.x)) == {0, 255}


def test_images_of_two_sizes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", bytes_of((6, 5)))
    write_image(tmp_path / "b.png", bytes_of((5, 6)))
    expected = f"{tmp_path}/b.png: 5x6 pixels, but {tmp_path}/a.png has 6x5; expected images of one size"
    assert complaint(load, ask(tmp_path)) == expected


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(bytes_of((6, 5)).astype(np.uint16) * 256).save(tmp_path / "a.png")
    assert f"{tmp_path}/a.png: pixels of mode I;16, expected 8 bits" in complaint(load, ask(tmp_path))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("damage", ["header", "body", "empty"])
def test_a_corrupt_image_is_named(tmp_path: Path, damage: str, stream: bool) -> None:
    write_classes(tmp_path, shape=(60, 50))
    path = tmp_path / "bee" / "008.png"
    content = path.read_bytes()
    path.write_bytes(
        {"header": b"GIF?" + content, "body": content[: len(content) // 2], "empty": b""}[damage]
    )
    said = complaint(load, ask(tmp_path, stream=stream))
    assert said.startswith(f"{path}: not a readable image: ") and str(tmp_path / "ant") not in said


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no images here")
    assert f"{tmp_path}: no images in this folder; expected files ending in .png" in complaint(
        load, ask(tmp_path)
    )
    write_classes(tmp_path / "train")
    (tmp_path / "test").mkdir()
    assert f"{tmp_path}/test: no images" in complaint(load, ask(tmp_path))


def test_nothing_is_decoded_before_it_is_taken(tmp_path: Path) -> None:
    x, _ = write_classes(tmp_path)
    source = images.read(tmp_path).tables["train"].x
    for path in sorted(tmp_path.rglob("*.png"))[1:]:
        path.unlink()
    assert source.shape == (12, 6, 5, 1) and (source.take(np.array([0]))[0, ..., 0] == x[0]).all()
    assert source.take(np.zeros(0, int)).shape == (0, 6, 5, 1)
