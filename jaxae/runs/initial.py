"""Initial variables that a run took from another one, its copy of them, and their entry in record.json."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxae.errors import JaxaeError
from jaxae.training import checkpoint
from jaxae.types import Variables

KEY, FOLDER = "init_from", "initial"  # entry of record.json; folder of the copy in the run's directory
SHOWN = 4  # names of arrays in a message


@dataclasses.dataclass(frozen=True, repr=False)
class Initial:
    """Arrays that replace initial variables of a run, and where they come from."""

    record: dict[str, Any]
    """The entry of record.json: run, epoch, commit, digest of the arrays, and the arrays that were left."""
    arrays: dict[str, np.ndarray] | None = None
    """Dotted name -> array; None if they are on the disk."""
    folder: Path | None = None
    """The run's directory with the copy of the arrays."""

    def __repr__(self) -> str:
        # The repr of a dataclass would print all arrays.
        return f"Initial({'; '.join(self.lines)})"

    @property
    def lines(self) -> list[str]:
        """One line about the arrays that were taken, and one about those that were left, if any."""
        taken, left, source = self.record["taken"], self.record["left"], self.record["run"] or "a result"
        first = f"{KEY} {source}, epoch {self.record['epoch']}: {taken} of {taken + len(left)} arrays taken"
        if not left:
            return [first]
        parts = [
            f"{name} ({'missing there' if shape is None else f'{shape} there'})"
            for name, shape in list(left.items())[:SHOWN]
        ]
        more = f", and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        return [first, f"{KEY}: initialised as usual: {', '.join(parts)}{more}"]

    def read(self, variables: Variables) -> dict[str, np.ndarray]:
        """Return the arrays by name, from the run's directory if they are on the disk.

        Args:
            variables: Variables of the run, or their shapes.

        Returns:
            Dotted name -> array.

        Raises:
            JaxaeError: If the copy is missing or damaged.
        """
        if self.arrays is not None:
            return self.arrays
        assert self.folder is not None
        shapes = named(variables)
        names = sorted(set(shapes) - set(self.record["left"]))
        restored = checkpoint.restore(
            self.folder / FOLDER, [shapes[name] for name in names], self.record["hash"]
        )
        if restored is None:
            raise JaxaeError(f"{self.folder / FOLDER}: is missing; it holds the initial variables of the run")
        return dict(zip(names, restored.state, strict=True))

    def apply(self, variables: Variables) -> Variables:
        """Return the variables with those arrays that were taken from the other run."""
        arrays = self.read(variables)
        return jax.tree_util.tree_map_with_path(lambda path, leaf: arrays.get(_name(path), leaf), variables)

    def save(self, folder: Path, variables: Variables) -> None:
        """Write a copy of the arrays into a run's directory: the other run is not needed any more.

        Args:
            folder: The directory.
            variables: Variables of the run, or their shapes.
        """
        arrays = self.read(variables)
        checkpoint.save(folder / FOLDER, 1, [arrays[name] for name in sorted(arrays)], self.record["hash"])


def of_record(record: Mapping[str, Any], folder: Path) -> Initial | None:
    """Return the initial variables that a record names; None if the run started as usual.

    Args:
        record: The run's record.
        folder: The run's directory.

    Returns:
        The arrays, which are read when they are needed.
    """
    return Initial(record[KEY], folder=folder) if KEY in record else None


def check_record(record: Mapping[str, Any]) -> None:
    """Raise JaxaeError if a record's entry about initial variables is not in the form that jaxae writes."""
    entry = record.get(KEY, {"hash": "", "left": {}, "taken": 0, "epoch": 0, "run": None})
    if not isinstance(entry, dict) or not isinstance(entry.get("left"), dict):
        raise JaxaeError(f"{KEY}: got {entry!r}, expected an object as jaxae writes it")
    types = {"hash": str, "taken": int, "epoch": int, "run": str | None}
    for name, expected in types.items():
        if name not in entry or not isinstance(entry[name], expected):
            raise JaxaeError(f"{KEY}.{name}: got {entry.get(name)!r}, expected a value as jaxae writes it")


def digest(record: Mapping[str, Any]) -> str | None:
    """Return the digest of the initial variables in a record; None if the run started as usual."""
    return record[KEY]["hash"] if KEY in record else None


def named(variables: Variables) -> dict[str, Any]:
    """Return dotted name -> array of variables: `params.encoder.Dense_0.kernel`."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(variables)}


def match(variables: Variables, source: Mapping[str, Any], origin: Mapping[str, Any]) -> Initial:
    """Take the arrays of `source` that have the name and the shape of a variable.

    Args:
        variables: Variables of the new run, or their shapes.
        source: Dotted name -> array of the other run.
        origin: Entries of the record about the other run.

    Returns:
        The arrays that were taken, in the dtype of the new run, and a record of those that were not.
    """
    wanted = named(variables)
    taken = {
        name: np.asarray(source[name], leaf.dtype)
        for name, leaf in wanted.items()
        if name in source and _fits(source[name], leaf)
    }
    left = {
        name: list(np.shape(source[name])) if name in source else None for name in wanted if name not in taken
    }
    text = json.dumps(checkpoint.digests(taken), sort_keys=True)
    record = {**origin, "hash": hashlib.sha256(text.encode()).hexdigest()}
    return Initial({**record, "taken": len(taken), "left": left}, taken)


def _fits(array: Any, leaf: Any) -> bool:
    """Return whether an array has the shape of a variable, and also holds floats, or also integers."""
    return np.shape(array) == leaf.shape and np.dtype(array.dtype).kind == np.dtype(leaf.dtype).kind


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
