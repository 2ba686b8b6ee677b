"""Folders of images of one size, decoded on demand, with labels from the names of sub-folders.

N is the number of images, H W C an image.
"""

import collections
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.original import Original, Table
from jaxae.data.sources.image_files import SUFFIXES, Header, ImageSource, header
from jaxae.errors import JaxaeError, warn

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}


def read(folder: Path) -> Original:
    """Read all images below a folder, in sorted order; its sub-folders are the classes.

    If the folder has a sub-folder `train`, then `train`, `validation` (or `valid`, `val`) and `test` are the
    official splits, in upper or lower case. Files that are skipped, and parts of images that are dropped, are
    reported as warnings.

    Raises:
        JaxaeError: If there are no images, or if they differ in size.
    """
    roots = split_folders(folder)
    paths = {name: find(root) for name, root in roots.items()}
    all_paths = [path for group in paths.values() for path in group]
    headers = [header(path) for path in all_paths]
    # 16 bits are kept for grey images only: of 16-bit colour, Pillow reads the upper 8 bits.
    is_deep = any(image.is_deep and image.is_grey for image in headers)
    size = common_size(all_paths, headers)
    _warn_of_skipped(folder, all_paths)
    _warn_of_headers(folder, headers)
    names = {name: _find_classes(group, roots[name]) for name, group in paths.items()}
    # Class numbers are common to all splits, in sorted order, so that they do not depend on the file system.
    classes = sorted({label for group in names.values() for label in group or ()})
    tables = {
        name: Table(
            ImageSource(tuple(group), size, is_deep), _number_labels(names[name], classes), str(roots[name])
        )
        for name, group in paths.items()
    }
    return Original(tables, classes=tuple(classes))


def split_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each official split; without a folder of that name, the whole folder is `train`.

    Raises:
        JaxaeError: If two folders belong to the same split.
    """
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
    candidates = {
        name: [path for path in subfolders if path.name.lower() in aliases]
        for name, aliases in SPLITS.items()
    }
    if not candidates["train"]:
        return {"train": folder}
    for name, places in candidates.items():
        if len(places) > 1:
            folder_names = " and ".join(place.name for place in places)
            raise JaxaeError(f"{folder}: has {folder_names}, which both mean {name}; expected one of them")
    return {name: places[0] for name, places in candidates.items() if places}


def find(root: Path) -> list[Path]:
    """Return the image files at any depth, sorted by path; hidden files and folders are skipped.

    Raises:
        JaxaeError: If there is no image file.
    """
    # `exists` leaves out broken links.
    paths = [path for path in _list_files(root) if path.suffix.lower() in SUFFIXES and path.exists()]
    if not paths:
        raise JaxaeError(f"{root}: no images in this folder; expected files ending in {', '.join(SUFFIXES)}")
    return paths


def common_size(paths: Sequence[Path], headers: Sequence[Header]) -> tuple[int, int, int]:
    """Return (H, W, C) of all images; C is 1 if every image is grey, else 3.

    Args:
        paths: The image files.
        headers: Their headers.

    Returns:
        Height, width and number of channels.

    Raises:
        JaxaeError: If two images differ in size.
    """
    for path, image_header in zip(paths, headers, strict=True):
        if image_header.size != headers[0].size:
            (width, height), (first_width, first_height) = image_header.size, headers[0].size
            raise JaxaeError(
                f"{path}: {height}x{width} pixels, but {paths[0]} has {first_height}x{first_width};"
                " expected images of one size"
            )
    width, height = headers[0].size
    return height, width, 1 if all(image_header.is_grey for image_header in headers) else 3


def _list_files(root: Path) -> list[Path]:
    """Return all files below `root`, also through links, sorted by path; hidden files are skipped."""
    paths: list[Path] = []
    # os.walk and not Path.rglob, which does not look into folders that are links.
    for name, folders, files in os.walk(root, followlinks=True):
        place = Path(name)
        # The list is changed in place: os.walk visits only the folders that remain in it.
        folders[:] = [folder for folder in folders if not _is_skipped(place / folder)]
        paths += [place / file for file in files if not file.startswith(".")]
    return sorted(paths)


def _is_skipped(folder: Path) -> bool:
    """Return whether a folder is hidden, or is a link to a folder that contains it."""
    # Following a link to a parent folder would never end.
    return folder.name.startswith(".") or (
        folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())
    )


def _warn_of_skipped(folder: Path, images: list[Path]) -> None:
    """Print one warning for all skipped files: images outside the splits, and files that are no images."""
    skipped = sorted(set(_list_files(folder)) - set(images))
    if not skipped:
        return
    suffixes = [path.suffix.lower() for path in skipped]
    # Only the 5 most frequent suffixes are listed, so that the warning stays one line.
    counts = collections.Counter(suffix or "without suffix" for suffix in suffixes).most_common(5)
    kinds = ", ".join(f"{number} {suffix}" for suffix, number in counts)
    expected = []
    if set(suffixes) & set(SUFFIXES):
        expected.append("splits are the folders train, validation (or valid, val) and test")
    if set(suffixes) - set(SUFFIXES):
        expected.append(f"images end in {', '.join(SUFFIXES)}")
    first = skipped[0].relative_to(folder)
    warn(f"{folder}: {len(skipped)} files are skipped ({kinds}), the first {first}; {'; '.join(expected)}")


def _warn_of_headers(folder: Path, headers: list[Header]) -> None:
    """Print a warning for each property of images that is lost in reading."""
    flags_by_message = {
        "have an alpha channel or transparency, which is dropped": [image.has_alpha for image in headers],
        "have several frames, of which only the first is read": [image.has_frames for image in headers],
        "have colours of 16 bits a channel, of which the upper 8 bits are read": [
            image.is_deep and not image.is_grey for image in headers
        ],
    }
    for message, flags in flags_by_message.items():
        if any(flags):
            warn(f"{folder}: {sum(flags)} of {len(headers)} images {message}")


def _find_classes(paths: list[Path], root: Path) -> list[str] | None:
    """Return the first folder below `root` of each image, or None if an image lies in `root` itself."""
    paths_below_root = [path.relative_to(root).parts for path in paths]
    # All or none: labels for some rows only would not be a column of labels.
    has_classes = all(len(parts) > 1 for parts in paths_below_root)
    return [parts[0] for parts in paths_below_root] if has_classes else None


def _number_labels(names: list[str] | None, classes: list[str]) -> Any:
    return () if names is None else np.array([classes.index(name) for name in names], np.int32)
