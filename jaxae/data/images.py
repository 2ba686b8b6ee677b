"""A folder of images of one size; labels from sub-folders, decoded on demand. N images, H W C."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.compressed import one_line
from jaxae.data.original import Original, Table
from jaxae.errors import JaxaeError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
GREY_MODES = ("1", "L", "LA")
COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


@dataclass(frozen=True, eq=False)
class ImageSource:
    """uint8[N, H, W, C] from image files; a thread's `take` decodes its own."""

    paths: tuple[Path, ...]
    size: tuple[int, int, int]

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self.paths), *self.size)

    def __len__(self) -> int:
        """N."""
        return len(self.paths)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """uint8[n, H, W, C]."""
        rows = [decode(self.paths[index], self.size[-1]) for index in indices]
        return np.stack(rows) if rows else np.empty((0, *self.size), np.uint8)


def read(folder: Path) -> Original:
    """All images below `folder`, in sorted order; its sub-folders are the classes.

    Where `folder` has a sub-folder `train`, then `train`, `validation` and `test` are official splits.
    """
    roots = {name: folder / name for name in ("train", "validation", "test") if (folder / name).is_dir()}
    roots = roots if "train" in roots else {"train": folder}
    paths = {name: find(root) for name, root in roots.items()}
    size = common_size([path for group in paths.values() for path in group])
    names = {name: _classes(group, roots[name]) for name, group in paths.items()}
    classes = sorted({label for group in names.values() for label in group or ()})
    tables = {
        name: Table(ImageSource(tuple(group), size), _numbered(names[name], classes), str(roots[name]))
        for name, group in paths.items()
    }
    return Original(tables, classes=tuple(classes))


def find(root: Path) -> list[Path]:
    """Image files at any depth, sorted by path; hidden ones are passed over."""
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not paths:
        raise JaxaeError(f"{root}: no images in this folder; expected files ending in {', '.join(SUFFIXES)}")
    return paths


def common_size(paths: list[Path]) -> tuple[int, int, int]:
    """(H, W, C) of all images, from their headers; C is 1 where every one is grey, else 3."""
    headers = [_header(path) for path in paths]
    for path, (_, size) in zip(paths, headers, strict=True):
        if size != headers[0][1]:
            (width, height), (first_width, first_height) = size, headers[0][1]
            raise JaxaeError(
                f"{path}: {height}x{width} pixels, but {paths[0]} has {first_height}x{first_width};"
                " expected images of one size"
            )
    width, height = headers[0][1]
    return height, width, 1 if all(mode in GREY_MODES for mode, _ in headers) else 3


def decode(path: Path, num_channels: int) -> np.ndarray:
    """uint8[H, W, C] of one image; transparency is dropped."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            # By way of RGBA, since Pillow warns about palettes with transparency.
            opaque = image.convert("RGBA") if image.mode == "P" else image
            pixels = np.array(opaque.convert("L" if num_channels == 1 else "RGB"))
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise JaxaeError(f"{path}: not a readable image: {one_line(error)}") from error
    return pixels.reshape(*pixels.shape[:2], num_channels)


def _header(path: Path) -> tuple[str, tuple[int, int]]:
    """(mode, (width, height)), without decoding the pixels."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            mode, size = image.mode, image.size
    except Exception as error:
        raise JaxaeError(f"{path}: not a readable image: {one_line(error)}") from error
    if mode not in GREY_MODES + COLOUR_MODES:
        raise JaxaeError(f"{path}: pixels of mode {mode}, expected 8 bits a channel (grey or colour)")
    return mode, size


def _classes(paths: list[Path], root: Path) -> list[str] | None:
    """The first folder below `root` of each image; None where some image lies in `root` itself."""
    parts = [path.relative_to(root).parts for path in paths]
    return [part[0] for part in parts] if all(len(part) > 1 for part in parts) else None


def _numbered(names: list[str] | None, classes: list[str]) -> Any:
    return () if names is None else np.array([classes.index(name) for name in names], np.int32)
