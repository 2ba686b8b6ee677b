"""Folders of images of one size, decoded on demand, with labels from the names of sub-folders.

N is the number of images, H W C an image.
"""

import collections
import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.original import Original, Table
from jaxae.data.sources.image_files import SUFFIXES, pictures_of, sources
from jaxae.errors import JaxaeError, warn

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}


def read(folder: Path, data: DataSpec) -> Original:
    """Read all images below a folder, in sorted order; its sub-folders are the classes.

    If the folder has a sub-folder `train`, then `train`, `validation` (or `valid`, `val`) and `test` are the
    official splits, in upper or lower case. Files that are skipped, and parts of images that are dropped, are
    reported as warnings.

    Args:
        folder: The folder.
        data: The spec with `resize` and `grey`.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If there are no images, or if they differ in size and are not resized.
    """
    roots = split_folders(folder)
    paths = {name: find(root) for name, root in roots.items()}
    all_paths = [path for group in paths.values() for path in group]
    _warn_of_skipped(folder, all_paths)
    images = sources({name: pictures_of(group) for name, group in paths.items()}, data, str(folder))
    names = {name: _find_classes(group, roots[name]) for name, group in paths.items()}
    # Class numbers are common to all splits, in sorted order, so that they do not depend on the file system.
    classes = sorted({label for group in names.values() for label in group or ()})
    tables = {
        name: Table(images[name], _number_labels(names[name], classes), str(roots[name])) for name in paths
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
    paths = [path for path in list_files(root) if path.suffix.lower() in SUFFIXES and path.exists()]
    if not paths:
        raise JaxaeError(f"{root}: no images in this folder; expected files ending in {', '.join(SUFFIXES)}")
    return paths


def list_files(root: Path) -> list[Path]:
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
    skipped = sorted(set(list_files(folder)) - set(images))
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


def _find_classes(paths: list[Path], root: Path) -> list[str] | None:
    """Return the first folder below `root` of each image, or None if an image lies in `root` itself."""
    paths_below_root = [path.relative_to(root).parts for path in paths]
    # All or none: labels for some rows only would not be a column of labels.
    has_classes = all(len(parts) > 1 for parts in paths_below_root)
    return [parts[0] for parts in paths_below_root] if has_classes else None


def _number_labels(names: list[str] | None, classes: list[str]) -> Any:
    return () if names is None else np.array([classes.index(name) for name in names], np.int32)
