"""Loading of data sets: `DataSpec` or arrays to three splits, with checks, content hash and binarisation.

N is the number of examples.
"""

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
from jaxae.data.location import absolute, with_counts
from jaxae.data.original import Original, check, held
from jaxae.data.own import reading
from jaxae.data.own.given_rows import GivenRows
from jaxae.data.row_source import in_memory
from jaxae.data.sources import catalog
from jaxae.data.splits import split
from jaxae.display.html import card, table
from jaxae.errors import JaxaeError, nearest
from jaxae.types import Examples


@dataclass(frozen=True, repr=False)
class Dataset:
    """Data set of three splits; a streamed `train.x` is a `Source`, everything else is a NumPy array.

    Attributes:
        train: Training rows as stored: x, y and scale.
        validation: Validation rows.
        test: Test rows.
        hash: SHA-256 of the rows as found, before splits and binarisation.
        shape: The shape of one example.
        scale: The number by which the rows of every split are divided.
        span: The lowest and highest value that a model sees; (0, 1) for binarised rows.
        description: One line for people.
        classes: The names of labels 0, 1, ... (of classes, or whole captions); () if they have none.
        tokenizer: For data that are tokens, the `TrainedTokenizer` that made them from images; else None.
        location: The `DataSpec` that was loaded, with absolute paths; None for rows given from Python.
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

    def __repr__(self) -> str:
        return f"Dataset({self.description})"

    def _repr_html_(self) -> str:
        splits = [(name, f"{num:,}") for name, num in self.num_rows.items()]
        values = f"{self.dtype}, divided by {self.scale:g}" if self.scale != 1 else self.dtype
        facts = [("shape", "x".join(map(str, self.shape))), ("values", values)]
        names = ", ".join(self.classes[:20]) + (", ..." if len(self.classes) > 20 else "")
        classes = [("classes", names)] if names else []
        return card(self.description, table([*splits, *facts, *classes]))

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
        """Facts of the data set, as a run's record holds them."""
        weights = self.tokenizer.weights_hash if self.tokenizer else None
        description = self.shape, self.dtype, self.scale, self.span, self.labels, self.classes
        return Facts(*description, self.num_rows, weights)

    @functools.cached_property
    def values(self) -> np.ndarray | None:
        """Distinct values of all splits as a model sees them, f64[V], rising; None for too many.

        Every row is read, once. With dynamic binarisation these are the grey values, not the draws of a step.
        """
        return levels.distinct((self.train, self.validation, self.test))

    @property
    def display_range(self) -> tuple[float, float]:
        """Values that figures show as black and white."""
        return display_range(self.scale, self.span)

    @property
    def is_read(self) -> bool:
        """True: the rows are available. `Unread` has the same property."""
        return True


def load(data: DataSpec) -> Dataset:
    """Load the data set that `data` names, and split, check and binarise it.

    Raises:
        JaxaeError: If the data cannot be found, read or used. The message is one line.

    Example:
        >>> load(DataSpec(name="digits")).description
        'digits: 1,297 train, 200 validation, 300 test, 8x8x1 uint8, 10 classes'
    """
    _check_options(data)
    data = with_counts(data)
    dataset = _assemble(catalog.read(data), data, data.name)
    return dataclasses.replace(dataset, location=absolute(data))


def from_arrays(
    x: Any,
    y: Any = None,
    data: DataSpec | None = None,
    *,
    x_validation: Any = None,
    y_validation: Any = None,
    x_test: Any = None,
    y_test: Any = None,
) -> Dataset:
    """Make a data set from arrays, lists, tensors or parts of data frames.

    uint8 images are bytes and are divided by 255. All other values are taken as they are.

    Args:
        x: Rows [N, D], [N, H, W] or [N, H, W, C], without missing values.
        y: Labels [N]: integers, floats that are whole numbers, or texts, which become their numbers in
            `classes`. None for data without labels.
        data: Splits and binarisation; its `name` and `folder` are not used. None for the defaults.
        x_validation: Validation rows, all of which are used; None draws them from `x`.
        y_validation: Labels of `x_validation`.
        x_test: Test rows, all of which are used; None draws them from `x`.
        y_test: Labels of `x_test`.

    Returns:
        The data set, with `location` None.

    Raises:
        JaxaeError: If the rows, the labels or the options cannot be used. The message is one line.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 60).reshape(20, 3)
        >>> dataset = from_arrays(x, ["cat", "dog"] * 10, DataSpec(num_validation=4, num_test=6))
        >>> dataset.train.x.shape, dataset.classes
        ((10, 3), ('cat', 'dog'))
    """
    return from_given(GivenRows(x, y, x_validation, y_validation, x_test, y_test), data or DataSpec())


def from_given(given: GivenRows, data: DataSpec) -> Dataset:
    """Make a data set from rows given in Python; see `from_arrays`.

    Args:
        given: The rows and labels of each split.
        data: Splits and binarisation.

    Returns:
        The data set, with `location` None.
    """
    _check_options(data)
    return _assemble(reading.given(given, data), data, "arrays")


def _assemble(original: Original, data: DataSpec, name: str) -> Dataset:
    # Without streaming, load all rows first: otherwise `check` and `in_memory` would decode each file twice.
    checked = check(original if data.stream else held(original))
    accepted.warn_of_channels(original.tables["train"].x.shape, original.tables["train"].where)
    # Before the split, so that a mistake is found before rows are copied and drawn.
    if data.binarize != "none":
        check_unit_range(checked, name)
    parts = split(checked.splits, data)
    # Only training rows are streamed: held-out rows are read whole at every validation, and are usually few.
    streamed = {"train"} if data.stream else set()
    parts = {
        key: part if key in streamed else part._replace(x=in_memory(part.x)) for key, part in parts.items()
    }
    # After the split and the load, since static draws and held-out draws need rows in memory.
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
    """Return one line such as `digits: 1,297 train, 200 validation, 300 test, 8x8x1 uint8, 10 classes`."""
    counts = ", ".join(f"{len(parts[key].x):,} {key}" for key in ("train", "validation", "test"))
    x = parts["train"].x
    pixels = f"{'x'.join(map(str, x.shape[1:]))} {x.dtype}"
    # Labels of all splits are counted: a class may occur in the test split only.
    label_values = [np.unique(part.y) for part in originals.values() if not isinstance(part.y, tuple)]
    classes = f"{len(np.unique(np.concatenate(label_values)))} classes" if label_values else "no labels"
    binarised = f", binarised ({data.binarize})" if data.binarize != "none" else ""
    return f"{name}: {counts}, {pixels}, {classes}{binarised}{', streamed' if data.stream else ''}"


def _check_options(data: DataSpec) -> None:
    """Raise JaxaeError for options out of range: specs made in Python are validated by nothing else."""
    # Specs are not validated in their constructors, because these also run on traced values.
    modes = typing.get_args(typing.get_type_hints(DataSpec)["binarize"])
    if data.binarize not in modes:
        raise JaxaeError(f"data.binarize {data.binarize!r}: {nearest(str(data.binarize), modes)}")
    for field in ("num_validation", "num_test"):
        value = getattr(data, field)
        is_share = isinstance(value, float) and 0 < value < 1
        if value is not None and not is_share and not (isinstance(value, int) and value >= 0):
            raise JaxaeError(
                f"data.{field} {value!r}: expected an integer, 0 or more, or a share such as 0.1"
            )
    if not isinstance(data.split_seed, int) or not 0 <= data.split_seed < 2**32:
        raise JaxaeError(f"data.split_seed {data.split_seed!r}: expected an integer, 0 to {2**32 - 1}")
    if data.stream and data.binarize == "static":
        raise JaxaeError(
            "data.stream with data.binarize 'static': draws need the rows in memory; use 'dynamic'"
        )
