"""Folders of files that together are one data set: .npy, .npz, .h5, .parquet, .csv and .tsv files.

N is the number of rows.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.original import Original, Table
from jaxae.data.row_source import Source
from jaxae.data.sources import hdf5, tables
from jaxae.data.sources.image_folder import SPLITS, list_files, split_folders
from jaxae.errors import JaxaeError, warn

SUFFIXES = (".npy", ".npz", *hdf5.SUFFIXES, *tables.SUFFIXES)


@dataclass(frozen=True, eq=False)
class Joined:
    """Source over the rows of several sources, one after another."""

    sources: tuple[Source, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, ...)."""
        return (len(self), *self.sources[0].shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the rows."""
        return self.sources[0].dtype

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return sum(map(len, self.sources))

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return rows [n, ...]."""
        indices = np.asarray(indices)
        ends = np.cumsum([len(source) for source in self.sources])
        numbers = np.searchsorted(ends, indices, side="right")
        rows = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for number in np.unique(numbers):
            is_here = numbers == number
            start = ends[number] - len(self.sources[number])
            rows[is_here] = self.sources[number].take(indices[is_here] - start)
        return rows


def find(folder: Path) -> list[Path]:
    """Return the files of a folder that can be shards, at any depth, sorted by path."""
    return [path for path in list_files(folder) if path.name.lower().endswith(SUFFIXES)]


def read(folder: Path, read_file: Callable[[Path], Original]) -> Original:
    """Read all files of a folder as one data set.

    The folders `train`, `validation` and `test`, or names of files such as train-00000.parquet, are the
    splits.

    Args:
        folder: The folder, which has shards.
        read_file: The function that reads one file.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If the files are of several kinds, or their rows differ.
    """
    paths = _divide(folder)
    kinds = sorted({_kind(path) for group in paths.values() for path in group})
    if len(kinds) > 1:
        raise JaxaeError(
            f"{folder}: holds files of several kinds ({', '.join(kinds)}), expected one; move the others"
        )
    parts = {split: [(path, read_file(path)) for path in group] for split, group in paths.items()}
    originals = [original for group in parts.values() for _, original in group]
    joined: dict[str, Table] = {}
    for split in SPLITS:
        # A shard may hold splits itself (x_test in a .npz file).
        pieces = [original.tables["train"] for _, original in parts.get(split, [])]
        if split != "train":
            pieces += [original.tables[split] for original in originals if split in original.tables]
        if pieces:
            joined[split] = _join(pieces, str(folder))
    return Original(joined, classes=originals[0].classes)


def _divide(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each split, by the names of folders or of files; without such names, all train."""
    roots = split_folders(folder)
    if roots != {"train": folder}:
        return {split: found for split, root in roots.items() if (found := find(root))}
    paths, groups = find(folder), {}
    for split, aliases in SPLITS.items():
        pattern = re.compile(rf"({'|'.join(aliases)})([^a-z]|$)")
        groups[split] = [path for path in paths if pattern.match(path.name.lower())]
    if not groups["train"]:
        return {"train": paths}
    unused = set(paths) - {path for group in groups.values() for path in group}
    if unused:
        warn(
            f"{folder}: {len(unused)} files are skipped, the first {min(unused).name}; other files are splits"
        )
    return {split: group for split, group in groups.items() if group}


def _kind(path: Path) -> str:
    """Return the suffix of a shard without compression."""
    return next(
        suffix
        for suffix in (".npy", ".npz", ".csv", ".tsv", ".parquet", ".pq", *hdf5.SUFFIXES)
        if suffix in path.name.lower()
    )


def _join(pieces: Sequence[Table], where: str) -> Table:
    """Return the rows and labels of several tables as one."""
    first = pieces[0]
    for piece in pieces[1:]:
        got, expected = ((f"{table.x.dtype} {list(table.x.shape[1:])}") for table in (piece, first))
        if got != expected:
            raise JaxaeError(f"{piece.where}: got rows of {got}, expected {expected}, as in {first.where}")
        if isinstance(piece.y, tuple) != isinstance(first.y, tuple):
            raise JaxaeError(f"{piece.where}: either all files of a folder have labels, or none")
    if len(pieces) == 1:
        return first
    y: Any = () if isinstance(first.y, tuple) else np.concatenate([np.asarray(piece.y) for piece in pieces])
    return Table(Joined(tuple(piece.x for piece in pieces)), y, where)
