"""Omniglot and CelebA from their .zip archives, which are read without unpacking them.

The papers are Lake et al., 2015, and Liu et al., 2015. N is the number of images.
"""

import functools
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from jaxae.data.data_spec import number_of
from jaxae.data.files import find, one_line
from jaxae.data.original import Original, Table
from jaxae.errors import JaxaeError

DRAWING = 105  # pixels across a drawing of Omniglot
FACE = (178, 218)  # width and height of an aligned face of CelebA
CROP = 148  # pixels across the middle of a face, as is usual in papers on autoencoders
SIZE_DEFAULT = 64
SIZES_VALID = range(8, CROP + 1)
SPLITS = {"0": "train", "1": "validation", "2": "test"}


@dataclass(frozen=True, eq=False)
class ZipSource:
    """Source of the images of an archive, decoded on demand.

    Attributes:
        path: The archive.
        members: The names of the N images in it.
        convert: The function from an image of Pillow to pixels uint8[H, W, C].
        size: H, W, C.
    """

    path: Path
    members: tuple[str, ...]
    convert: Callable[[Any], np.ndarray]
    size: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, H, W, C)."""
        return (len(self.members), *self.size)

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the pixels, uint8."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        """Return the number of images, N."""
        return len(self.members)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return pixels [n, H, W, C]."""
        rows = [self._decode(self.members[index]) for index in indices]
        return np.stack(rows) if rows else np.empty((0, *self.size), np.uint8)

    def _decode(self, member: str) -> np.ndarray:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(_open_archive(self.path).read(member))) as image:
                return self.convert(image)
        except JaxaeError as error:
            raise JaxaeError(f"{self.path}: {member}: {error}") from error
        # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
        except Exception as error:
            raise JaxaeError(f"{self.path}: {member}: not a readable image: {one_line(error)}") from error


def read_omniglot(name: str, folder: str | None) -> Original:
    """Read black drawings on white, uint8[N, 105, 105, 1]; the label is ALPHABET/character.

    The background alphabets are the train split, the evaluation alphabets the test split.

    Args:
        name: The name of the data set, for paths and messages.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If an archive is missing or not valid.
    """
    paths = dict(zip(("train", "test"), find(name, folder), strict=True))
    return Original({split: _make_drawings(path) for split, path in paths.items()}, scale=255.0)


def read_celeba(name: str, folder: str | None) -> Original:
    """Read `celeba` or `celeba:SIZE`: the middle of each face, uint8[N, SIZE, SIZE, 3], without labels.

    The middle 148x148 of 178x218 pixels are resized with Pillow's bilinear filter.

    Args:
        name: The name, with SIZE from 8 to 148 or without.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found, with its official splits.

    Raises:
        JaxaeError: If a file is missing or not valid, or if SIZE is.
    """
    size = number_of(name, SIZE_DEFAULT, SIZES_VALID, "SIZE")
    path, partition = find(name.partition(":")[0], folder)
    members = {PurePosixPath(member).name: member for member in _list_images(path, ".jpg")}
    groups: dict[str, list[str]] = {split: [] for split in SPLITS.values()}
    for image, split in _read_partition(partition):
        if image not in members:
            raise JaxaeError(f"{path}: holds no {image}, which {partition.name} names")
        groups[split].append(members[image])
    convert = functools.partial(_crop_face, size=size)
    tables = {
        split: Table(ZipSource(path, tuple(names), convert, (size, size, 3)), (), f"{path}: {split}")
        for split, names in groups.items()
    }
    return Original(tables, scale=255.0)


def _make_drawings(path: Path) -> Table:
    members = _list_images(path, ".png")
    # images_background/Greek/character01/0394_01.png: the last folders are the alphabet and the character.
    labels = np.array(["/".join(PurePosixPath(member).parts[-3:-1]) for member in members])
    return Table(
        ZipSource(path, members, _convert_drawing, (DRAWING, DRAWING, 1)),
        labels,
        str(path),
        f"{path}: labels",
    )


def _convert_drawing(image: Any) -> np.ndarray:
    if image.size != (DRAWING, DRAWING):
        raise JaxaeError(f"{image.size[0]}x{image.size[1]} pixels, expected {DRAWING}x{DRAWING}")
    return np.asarray(image.convert("L"))[..., None]


def _crop_face(image: Any, size: int) -> np.ndarray:
    from PIL import Image

    if image.size != FACE:
        raise JaxaeError(f"{image.size[0]}x{image.size[1]} pixels, expected {FACE[0]}x{FACE[1]}")
    left, top = (FACE[0] - CROP) // 2, (FACE[1] - CROP) // 2
    middle = image.convert("RGB").crop((left, top, left + CROP, top + CROP))
    return np.asarray(middle.resize((size, size), Image.Resampling.BILINEAR))


def _read_partition(path: Path) -> list[tuple[str, str]]:
    """Return (file name, split) of each line, such as `000001.jpg 0`."""
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise JaxaeError(f"{path}: cannot be read: {one_line(error)}") from error
    for number, line in enumerate(lines, 1):
        if len(line) != 2 or line[1] not in SPLITS:
            raise JaxaeError(
                f"{path}: line {number} is {' '.join(line)[:60]!r}, expected NAME.jpg and 0, 1 or 2"
            )
    if not lines:
        raise JaxaeError(f"{path}: no lines, expected NAME.jpg and 0, 1 or 2")
    return [(name, SPLITS[split]) for name, split in lines]


def _list_images(path: Path, suffix: str) -> tuple[str, ...]:
    """Return the names of the images in an archive, sorted; raise JaxaeError if there is none."""
    # Archives made on macOS hold a second, unreadable file `__MACOSX/._NAME` for each file.
    names = sorted(
        name
        for name in _open_archive(path).namelist()
        if name.lower().endswith(suffix) and not PurePosixPath(name).name.startswith("._")
    )
    if not names:
        raise JaxaeError(f"{path}: holds no {suffix} images")
    return tuple(names)


@functools.lru_cache(maxsize=4)
def _open_archive(path: Path) -> zipfile.ZipFile:
    """Open an archive and keep it open: reading the list of 200,000 files takes seconds."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise JaxaeError(f"{path}: cannot be read as a .zip archive: {one_line(error)}") from error
