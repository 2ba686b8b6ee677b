"""From `DataSpec` to three splits: read, check, hash, split, binarise. N examples."""

import dataclasses
import functools
import typing
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxae.data import accepted, levels
from jaxae.data.binarize import binarize, check_unit_range
from jaxae.data.data_spec import DataSpec
from jaxae.data.facts import SPLITS, Facts, display_range
from jaxae.data.location import absolute
from jaxae.data.original import Original, check, held
from jaxae.data.row_source import in_memory
from jaxae.data.sources import arrays, catalog
from jaxae.data.splits import split
from jaxae.errors import JaxaeError, nearest
from jaxae.types import Examples


@dataclass(frozen=True)
class Dataset:
    """Three splits; `train.x` is a `Source` where it is streamed, everything else a NumPy array.

    hash: sha256 of the rows as found, before splits and binarisation; shape: of one example;
    scale: what the rows of every split are divided by; span: the lowest and highest value that the model
    sees, (0, 1) for binarised rows;
    description: one line for people; classes: names of labels 0, 1, ... (of classes, or whole captions), ()
    where there are none; tokenizer: of tokens, the `TrainedTokenizer` that made them of images;
    location: the data as asked for, with absolute paths; None for rows given from Python.
    """

    train: Examples
    validation: Examples
    test: Examples
    hash: str
    shape: tuple[int, ...]
    scale: float
    span: tuple[float, float]
    description: str
    classes: tuple[str, ...] = ()
    tokenizer: Any = None
    location: DataSpec | None = None

    @property
    def num_rows(self) -> dict[str, int]:
        """Number of rows of each split."""
        return {name: len(getattr(self, name).x) for name in SPLITS}

    @property
    def dtype(self) -> str:
        """Type of the training rows as stored."""
        return str(self.train.x.dtype)

    @property
    def labels(self) -> tuple[str, tuple[int, ...]] | None:
        """Type and shape of one row's label; None for data without labels."""
        y = self.train.y
        return None if isinstance(y, tuple) else (str(y.dtype), tuple(y.shape[1:]))

    @property
    def facts(self) -> Facts:
        """What a record holds of the data set."""
        weights = self.tokenizer.weights_hash if self.tokenizer else None
        known = self.shape, self.dtype, self.scale, self.span, self.labels, self.classes
        return Facts(*known, self.num_rows, weights)

    @functools.cached_property
    def values(self) -> np.ndarray | None:
        """The different values of all splits, in the unit that a model sees, in rising order; None for many.

        Every row is read, once. Dynamic binarisation, which a step draws, is not in them.
        """
        return levels.distinct((self.train, self.validation, self.test))

    @property
    def display_range(self) -> tuple[float, float]:
        """Black and white of figures."""
        return display_range(self.scale, self.span)

    @property
    def is_read(self) -> bool:
        """Whether the rows are at hand; see `Unread`."""
        return True


def load(data: DataSpec) -> Dataset:
    """The data that `data` names; JaxaeError of one line for every mistake in it."""
    _check_options(data)
    found = _assemble(catalog.read(data.name, data.folder), data, data.name)
    return dataclasses.replace(found, location=absolute(data))


def from_arrays(x: Any, y: Any = None, data: DataSpec | None = None) -> Dataset:
    """The user's own x [N, D], [N, H, W] or [N, H, W, C] and labels y [N], treated as `data` says.

    uint8 images are bytes and divided by 255, all else is taken as it is. Both may be lists, tensors or
    parts of data frames, without missing values. Labels are integers (or floats that are whole), or texts,
    which become their numbers in `classes`. `data.name` and `data.folder` are not read.
    """
    data = data or DataSpec()
    _check_options(data)
    return _assemble(arrays.given(x, y), data, "arrays")


def _assemble(original: Original, data: DataSpec, name: str) -> Dataset:
    checked = check(original if data.stream else held(original))
    accepted.warn_of_channels(original.tables["train"].x.shape, original.tables["train"].where)
    if data.binarize != "none":
        check_unit_range(checked, name)
    parts = split(checked.splits, data)
    streamed = {"train"} if data.stream else set()
    parts = {
        key: part if key in streamed else part._replace(x=in_memory(part.x)) for key, part in parts.items()
    }
    parts = binarize(parts, data)
    scale = float(checked.splits["train"].scale)
    return Dataset(
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        hash=checked.hash,
        shape=tuple(parts["train"].x.shape[1:]),
        scale=scale,
        span=(checked.low / scale, checked.high / scale) if data.binarize == "none" else (0.0, 1.0),
        description=_describe(name, parts, checked.splits, data),
        classes=checked.classes,
    )


def _describe(name: str, parts: dict[str, Examples], originals: dict[str, Examples], data: DataSpec) -> str:
    """`digits: 1,297 train, 200 validation, 300 test, 8x8x1 uint8, 10 classes`."""
    counts = ", ".join(f"{len(parts[key].x):,} {key}" for key in ("train", "validation", "test"))
    x = parts["train"].x
    pixels = f"{'x'.join(map(str, x.shape[1:]))} {x.dtype}"
    found = [np.unique(part.y) for part in originals.values() if not isinstance(part.y, tuple)]
    classes = f"{len(np.unique(np.concatenate(found)))} classes" if found else "no labels"
    binary = f", binarised ({data.binarize})" if data.binarize != "none" else ""
    return f"{name}: {counts}, {pixels}, {classes}{binary}{', streamed' if data.stream else ''}"


def _check_options(data: DataSpec) -> None:
    """JaxaeError for values out of range: a `DataSpec` made in Python is checked by nobody else."""
    modes = typing.get_args(typing.get_type_hints(DataSpec)["binarize"])
    if data.binarize not in modes:
        raise JaxaeError(f"data.binarize {data.binarize!r}: {nearest(str(data.binarize), modes)}")
    for field, most in (("num_validation", None), ("num_test", None), ("split_seed", 2**32 - 1)):
        value = getattr(data, field)
        if not isinstance(value, int) or value < 0 or (most is not None and value > most):
            upper = f" to {most}" if most else " or more"
            raise JaxaeError(f"data.{field} {value!r}: expected an integer, 0{upper}")
    if data.stream and data.binarize == "static":
        raise JaxaeError(
            "data.stream with data.binarize 'static': draws need the rows in memory; use 'dynamic'"
        )
