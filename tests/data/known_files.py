"""Small files in the format of each data set that can be downloaded, with the rows that they hold."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from jaxae.data.downloads.known_data import KNOWN
from tests.data.files import write_amat, write_mnist


class Rows(NamedTuple):
    """What the reader must give for a split: pixels as a model's data has them, and labels or names."""

    x: np.ndarray
    y: np.ndarray | None = None


def random(*shape: int, high: int = 256) -> np.ndarray:
    """Always the same bytes."""
    return np.random.RandomState(sum(shape)).randint(0, high, shape).astype(np.uint8)


def write_known(name: str, folder: Path) -> dict[str, Rows]:
    """Writes the files of a data set and returns its splits."""
    folder.mkdir(parents=True, exist_ok=True)
    writers = {
        "binarized_mnist": _write_binarized,
        "omniglot": _write_omniglot,
        "omniglot_28": _write_omniglot_28,
        "cifar10": write_cifar,
        "svhn": write_svhn,
        "dsprites": write_dsprites,
        "shapes3d": write_shapes3d,
        "celeba": write_celeba,
    }
    return writers.get(name, _write_idx)(folder)


def describe(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the sizes and checksums of the small files of a folder into the table, for one test."""
    files = tuple(
        replace(
            file,
            size=(folder / file.name).stat().st_size,
            checksum=f"sha256:{hashlib.sha256((folder / file.name).read_bytes()).hexdigest()}",
        )
        for file in KNOWN[name].files
    )
    monkeypatch.setitem(KNOWN, name, replace(KNOWN[name], files=files))


def _write_idx(folder: Path) -> dict[str, Rows]:
    train_x, train_y, test_x, test_y = write_mnist(folder)
    return {"train": Rows(train_x[..., None], train_y), "test": Rows(test_x[..., None], test_y)}


def _write_binarized(folder: Path) -> dict[str, Rows]:
    names = {"train": "train", "valid": "validation", "test": "test"}
    return {names[part]: Rows(x[..., None]) for part, x in write_amat(folder, suffix="").items()}


def write_cifar(folder: Path, batches: int = 5, label: int = 0) -> dict[str, Rows]:
    """Batches of 8 rows; the first label is `label`."""
    parts = {}
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for number in range(batches + 1):
            x = np.random.RandomState(number).randint(0, 256, (8, 3, 32, 32)).astype(np.uint8)
            y = np.arange(8, dtype=np.uint8)
            y[0] = label
            content = np.concatenate([y[:, None], x.reshape(8, -1)], axis=1).tobytes()
            file = "test_batch.bin" if number == batches else f"data_batch_{number + 1}.bin"
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
            parts[file] = Rows(x.transpose(0, 2, 3, 1), y)
    test = parts.pop("test_batch.bin")
    train = Rows(*(np.concatenate([getattr(rows, key) for rows in parts.values()]) for key in ("x", "y")))
    return {"train": train, "test": test}


def write_svhn(folder: Path) -> dict[str, Rows]:
    """Forty and six rows, of which some have the label 10 of the digit 0."""
    splits = {}
    for split, num in (("train", 40), ("test", 6)):
        x, y = random(num, 32, 32, 3), np.arange(num) % 10
        labels = np.where(y == 0, 10, y).astype(np.uint8)[:, None]
        scipy.io.savemat(
            folder / f"{split}_32x32.mat", {"X": x.transpose(1, 2, 3, 0), "y": labels}, do_compression=True
        )
        splits[split] = Rows(x, y)
    return splits


def _write_omniglot_28(folder: Path) -> dict[str, Rows]:
    splits, arrays = {}, {}
    for split, prefix, num in (("train", "", 40), ("test", "test", 6)):
        x, y = random(num, 28, 28) / 255, np.arange(num) % 50
        columns = np.stack([image.ravel(order="F") for image in x], axis=1)
        arrays |= {f"{prefix}data": columns, f"{prefix}target": np.eye(50)[y].T}
        splits[split] = Rows(x.astype(np.float32)[..., None], y)
    scipy.io.savemat(folder / "chardata.mat", arrays)
    return splits


def _write_omniglot(folder: Path) -> dict[str, Rows]:
    splits = {}
    for split, stem, alphabets in (
        ("train", "images_background", ("Greek", "Latin")),
        ("test", "images_evaluation", ("Oriya",)),
    ):
        x, y = [], []
        with zipfile.ZipFile(folder / f"{stem}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"__MACOSX/{stem}/Greek/character01/._0001_01.png", b"no image")
            for alphabet in alphabets:
                for number in range(1, 13):
                    pixels = random(105, 105 + number, high=2)[:, :105] * 255
                    stream = io.BytesIO()
                    Image.fromarray(pixels).convert("1").save(stream, "PNG")
                    character = f"{alphabet}/character{number:02}"
                    archive.writestr(f"{stem}/{character}/{number:04}_01.png", stream.getvalue())
                    x.append(pixels[..., None])
                    y.append(character)
        splits[split] = Rows(np.stack(x), np.array(y))
    return splits


def write_dsprites(folder: Path, num: int = 60) -> dict[str, Rows]:
    """Rows 0, 1, ... of a grid of 3 shapes, 2 scales and 10 orientations; chunks hold several rows."""
    images = random(num, 64, 64, high=2)
    classes = np.zeros((num, 6), np.int64)
    classes[:, 1:4] = np.stack(np.unravel_index(np.arange(num), (3, 2, 10)), axis=1)
    with h5py.File(folder / KNOWN["dsprites"].files[0].name, "w") as file:
        file.create_dataset("imgs", data=images, chunks=(7, 16, 64), compression="gzip")
        file.create_dataset("latents/classes", data=classes)
    return {"train": Rows(images[..., None], classes[:, 1])}


def write_shapes3d(folder: Path) -> dict[str, Rows]:
    """Rows with the factors as real numbers, as in the original file."""
    images = random(60, 64, 64, 3)
    values = np.stack([np.tile(np.linspace(0, 1, n), 60 // n) for n in (10, 10, 10, 5, 4, 15)], axis=1)
    values[:, 4] = np.arange(60) % 4
    values[:, 5] = values[:, 5] * 60 - 30
    with h5py.File(folder / "3dshapes.h5", "w") as file:
        file.create_dataset("images", data=images)
        file.create_dataset("labels", data=values)
    return {"train": Rows(images, np.arange(60) % 4)}


def write_celeba(folder: Path) -> dict[str, Rows]:
    """Faces of one colour each, with a border that the crop removes."""
    splits: dict[str, list[np.ndarray]]
    lines, splits = [], {"train": [], "validation": [], "test": []}
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for number in range(1, 47):
            split = "train" if number <= 36 else "validation" if number <= 40 else "test"
            lines.append(f"{number:06}.jpg {list(splits).index(split)}")
            pixels = np.zeros((218, 178, 3), np.uint8)
            pixels[27:191, 7:171] = 5 * number
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=95)
            archive.writestr(f"img_align_celeba/{number:06}.jpg", stream.getvalue())
            splits[split].append(np.full((64, 64, 3), 5 * number, np.uint8))
    (folder / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    return {split: Rows(np.stack(rows)) for split, rows in splits.items()}
