import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxae.data import DataSpec, load
from jaxae.data.sources import image_folder
from tests.data.files import bytes_of, complaint, write_classes, write_image


def ask(folder: Path, **changes: object) -> DataSpec:
    return DataSpec(name=str(folder), **{"num_validation": 0, "num_test": 0} | changes)  # type: ignore[arg-type]


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
    dataset = load(DataSpec(name=str(tmp_path), num_validation=2))
    assert [len(part.x) for part in (dataset.train, dataset.validation, dataset.test)] == [10, 2, 1]
    assert (dataset.test.x[0, ..., 0] == x[0]).all() and dataset.test.y == [1]


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff", "avif", "ppm"])
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
    assert complaint(load, ask(tmp_path)) == f"{expected}, or data.resize"


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_of_grey_are_kept(tmp_path: Path, suffix: str) -> None:
    """k / 65535 to the last bit; Pillow's own conversion to 8 bits would clip all above 255."""
    deep = np.random.RandomState(0).randint(0, 65536, (6, 5)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{suffix}")
    write_image(tmp_path / "b.png", bytes_of((6, 5)))
    for stream in (False, True):
        dataset = load(ask(tmp_path, stream=stream))
        x = dataset.train.x.take(np.arange(2)) if stream else dataset.train.x
        assert x.dtype == np.float32 and dataset.scale == 1 and dataset.shape == (6, 5, 1)
        np.testing.assert_allclose(x[0, ..., 0], deep / 65535, rtol=1e-6)
        np.testing.assert_allclose(x[1, ..., 0], bytes_of((6, 5)) / 255, rtol=1e-6)


def test_sixteen_bits_of_grey_among_colour(tmp_path: Path) -> None:
    deep = bytes_of((6, 5)).astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "a.png")
    write_image(tmp_path / "b.png", bytes_of((6, 5, 3)))
    x = load(ask(tmp_path)).train.x
    np.testing.assert_allclose(x[0], np.repeat(deep[..., None], 3, axis=-1) / 65535, rtol=1e-6)
    np.testing.assert_allclose(x[1], bytes_of((6, 5, 3)) / 255, rtol=1e-6)


def test_what_has_more_than_sixteen_bits_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((6, 5), np.float32)).save(tmp_path / "a.tif")
    assert f"{tmp_path}/a.tif: pixels of mode F, expected 8 or 16 bits" in complaint(load, ask(tmp_path))


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val", "VALIDATION"])
def test_a_validation_folder_by_any_of_its_names(tmp_path: Path, name: str) -> None:
    x, _ = write_classes(tmp_path / "train")
    write_image(tmp_path / name / "bee" / "1.png", x[0])
    write_image(tmp_path / "test" / "ant" / "1.png", x[1])
    dataset = load(DataSpec(name=str(tmp_path)))
    assert [len(part.x) for part in (dataset.train, dataset.validation, dataset.test)] == [12, 1, 1]
    assert (dataset.validation.x[0, ..., 0] == x[0]).all() and dataset.validation.y == [1]


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        write_image(tmp_path / name / "1.png", bytes_of((6, 5)))
    assert complaint(load, ask(tmp_path)) == (
        f"{tmp_path}: has val and valid, which both mean validation; expected one of them"
    )


def warnings_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("jaxae: warning: ") for line in lines)
    return [line.removeprefix("jaxae: warning: ") for line in lines]


def test_skipped_files_are_counted_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, _ = write_classes(tmp_path / "train")
    load(ask(tmp_path))
    assert warnings_of(capsys) == []
    for number in range(3):
        write_image(tmp_path / "extra" / "ant" / f"{number}.png", x[0])
    (tmp_path / "train" / "labels.csv").write_text("a,b")
    (tmp_path / ".hidden.csv").write_text("a,b")
    load(ask(tmp_path))
    (line,) = warnings_of(capsys)
    assert line.startswith(
        f"{tmp_path}: 4 files are skipped (3 .png, 1 .csv), the first extra/ant/0.png; splits are the folders"
        " train, validation (or valid, val) and test; images end in .png"
    )


def test_folders_that_are_links_are_read_and_a_loop_ends(tmp_path: Path) -> None:
    x, y = write_classes(tmp_path / "far")
    (tmp_path / "set").mkdir()
    for name in ("ant", "bee"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "far" / name)
    (tmp_path / "far" / "ant" / "loop").symlink_to(tmp_path / "far")
    dataset = load(ask(tmp_path / "set"))
    assert (dataset.train.x[..., 0] == x).all() and (dataset.train.y == y).all()


def test_what_pixels_leave_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [Image.fromarray(bytes_of((6, 5), seed=seed)) for seed in range(2)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    write_image(tmp_path / "b.png", bytes_of((6, 5, 4)))
    (tmp_path / "c.ppm").write_bytes(b"P6 5 6 65535\n" + bytes_of((6, 5, 6)).tobytes())
    x = load(ask(tmp_path)).train.x
    assert (x[0, ..., 0] == bytes_of((6, 5))).all() and (x[1] == bytes_of((6, 5, 4))[..., :3]).all()
    assert warnings_of(capsys) == [
        f"{tmp_path}: 1 of 3 images have an alpha channel or transparency, which is dropped",
        f"{tmp_path}: 1 of 3 images have several frames, of which only the first is read",
        f"{tmp_path}: 1 of 3 images have colours of 16 bits a channel, of which the upper 8 bits are read",
    ]


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
    source = image_folder.read(tmp_path, DataSpec()).tables["train"].x
    for path in sorted(tmp_path.rglob("*.png"))[1:]:
        path.unlink()
    assert source.shape == (12, 6, 5, 1) and (source.take(np.array([0]))[0, ..., 0] == x[0]).all()
    assert source.take(np.zeros(0, int)).shape == (0, 6, 5, 1)
