"""What a model may read of its data before training: the argument of `DataDependent.fitted`."""

from typing import Protocol, runtime_checkable

from jaxae.protocols.parts import Condition
from jaxae.types import Examples


@runtime_checkable
class TokenSource(Protocol):
    """The tokenizer whose tokens are the data."""

    @property
    def num_codes(self) -> int:
        """K, a token is one of 0, ..., K - 1."""

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape of an example's tokens."""

    @property
    def text(self) -> Condition | None:
        """The words of captions, if they are the condition; None for labels."""


@runtime_checkable
class TrainingData(Protocol):
    """The data of a run, in three splits, as `DataDependent.fitted` gets them."""

    @property
    def train(self) -> Examples:
        """The training rows as they are stored: x, y and scale; a model sees x / scale."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of labels 0, 1, ...; () if they have none."""

    @property
    def tokenizer(self) -> TokenSource | None:
        """The tokenizer, for data that are tokens; else None."""
