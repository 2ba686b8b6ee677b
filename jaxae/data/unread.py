"""A data set whose rows are read, and checked, when they are first asked for."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.facts import Facts, display_range
from jaxae.data.loading import Dataset
from jaxae.types import Examples


@dataclass(frozen=True, eq=False)
class Unread:
    """What a record knows of a data set; it has everything that `Dataset` has.

    facts, hash, description: as recorded; read: reads the rows and checks their hash, or raises JaxaeError;
    tokenizer: as in `Dataset`; recorded_location: where the data were last found.
    """

    facts: Facts
    hash: str
    description: str
    read: Callable[[], Dataset]
    tokenizer: Any = None
    recorded_location: DataSpec | None = None

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The data set with its rows. Raises: JaxaeError where it is missing, or has other content."""
        return self.read()

    @property
    def train(self) -> Examples:
        """The training rows, read now."""
        return self.dataset.train

    @property
    def validation(self) -> Examples:
        """The validation rows, read now."""
        return self.dataset.validation

    @property
    def test(self) -> Examples:
        """The test rows, read now."""
        return self.dataset.test

    @property
    def location(self) -> DataSpec | None:
        """Where the rows were read, or else where they were last found."""
        return self.dataset.location if self.is_read else self.recorded_location

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return self.facts.shape

    @property
    def dtype(self) -> str:
        """Type of the training rows as stored."""
        return self.facts.dtype

    @property
    def scale(self) -> float:
        """What the rows as found are divided by."""
        return self.facts.scale

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value, divided by the scale."""
        return self.facts.span

    @property
    def labels(self) -> tuple[str, tuple[int, ...]] | None:
        """Type and shape of one row's label; None for data without labels."""
        return self.facts.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of labels 0, 1, ...; () for data without."""
        return self.facts.classes

    @property
    def num_rows(self) -> dict[str, int]:
        """Number of rows of each split."""
        return self.facts.num_rows

    @property
    def display_range(self) -> tuple[float, float]:
        """Black and white of figures."""
        return display_range(self.scale, self.span)

    @property
    def values(self) -> np.ndarray | None:
        """As in `Dataset`; the rows are read now."""
        return self.dataset.values

    @property
    def is_read(self) -> bool:
        """Whether the rows have been read."""
        return "dataset" in self.__dict__


AnyDataset = Dataset | Unread
