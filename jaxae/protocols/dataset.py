"""Protocols of the data that a model may read before training: the argument of `DataDependent.fitted`."""

from typing import Protocol, runtime_checkable

from jaxae.protocols.parts import Condition
from jaxae.types import Examples


@runtime_checkable
class TokenSource(Protocol):
    """Tokenizer whose tokens are the data."""

    @property
    def num_codes(self) -> int:
        """Number of codes, K; tokens are 0, ..., K - 1."""

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of an example's tokens."""

    @property
    def text(self) -> Condition | None:
        """Condition with the words of the captions; None if the condition is labels."""


@runtime_checkable
class TrainingData(Protocol):
    """Data of a run, as `DataDependent.fitted` gets them."""

    @property
    def train(self) -> Examples:
        """Training rows as they are stored: x, y and scale. A model sees x / scale."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1, ...; () if they have none."""

    @property
    def tokenizer(self) -> TokenSource | None:
        """Tokenizer, if the data are tokens; else None."""
