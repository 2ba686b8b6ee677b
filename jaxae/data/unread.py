"""Data set of a recorded run whose rows are read and checked at their first use."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.facts import Facts, display_range
from jaxae.data.loading import Dataset
from jaxae.types import Examples


@dataclass(frozen=True, eq=False, repr=False)
class Unread:
    """Data set as a record describes it; it has the same properties as `Dataset`.

    A model can be loaded, decoded and sampled without its data. The rows are read when `train`, `validation`,
    `test`, `values` or `dataset` is used for the first time.

    Attributes:
        facts: The recorded facts: shape, scale, classes and so on.
        hash: The recorded content hash.
        description: The recorded description.
        read: The function that reads the rows and checks their hash; it raises JaxaeError if this fails.
        tokenizer: As in `Dataset`.
        recorded_location: Where the data was last found.
    """

    facts: Facts
    hash: str
    description: str
    read: Callable[[], Dataset]
    tokenizer: Any = None
    recorded_location: DataSpec | None = None

    def __repr__(self) -> str:
        return f"Unread({self.description})"

    @functools.cached_property
    def dataset(self) -> Dataset:
        """Data set with its rows. Raises JaxaeError if it is missing or has other content."""
        return self.read()

    @property
    def train(self) -> Examples:
        """Training rows; reads them at the first use."""
        return self.dataset.train

    @property
    def validation(self) -> Examples:
        """Validation rows; reads them at the first use."""
        return self.dataset.validation

    @property
    def test(self) -> Examples:
        """Test rows; reads them at the first use."""
        return self.dataset.test

    @property
    def location(self) -> DataSpec | None:
        """Location from which the rows were read; before that, the location where they were last found."""
        return self.dataset.location if self.is_read else self.recorded_location

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.facts.shape

    @property
    def dtype(self) -> str:
        """Type of the training rows as stored."""
        return self.facts.dtype

    @property
    def scale(self) -> float:
        """Number by which the rows as found are divided."""
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
        """Names of labels 0, 1, ...; () for data without names."""
        return self.facts.classes

    @property
    def num_rows(self) -> dict[str, int]:
        """Number of rows of each split."""
        return self.facts.num_rows

    @property
    def display_range(self) -> tuple[float, float]:
        """Values that figures show as black and white."""
        return display_range(self.scale, self.span)

    @property
    def values(self) -> np.ndarray | None:
        """Distinct values, as in `Dataset`; reads the rows at the first use."""
        return self.dataset.values

    @property
    def is_read(self) -> bool:
        """Whether the rows have been read."""
        # `cached_property` stores its value in __dict__; looking there does not trigger the read.
        return "dataset" in self.__dict__


AnyDataset = Dataset | Unread
