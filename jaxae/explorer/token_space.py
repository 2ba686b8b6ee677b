"""Tokens of an image that the explorer lets a person change, and a prior that completes them.

P positions of a grid, K codes.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from jaxae.errors import JaxaeError
from jaxae.runs.result import Result
from jaxae.runs.tokenizer import TrainedTokenizer


@dataclasses.dataclass(frozen=True, eq=False)
class TokenSpace:
    """A run whose code is a grid of tokens, and optionally a prior over these tokens."""

    tokenizer: TrainedTokenizer
    """The run of the autoencoder."""
    prior: Result | None = None
    """A run of a prior over its tokens."""

    @functools.cached_property
    def grid(self) -> tuple[int, int]:
        """Height and width of the grid."""
        grid = self.tokenizer.grid
        return (grid[0], grid[1]) if len(grid) == 2 else (1, int(np.prod(grid)))

    @property
    def num_codes(self) -> int:
        """Number of codes, K."""
        return self.tokenizer.num_codes

    @functools.cached_property
    def labels(self) -> list[str]:
        """Names of the conditions of the prior; empty without conditions."""
        if self.prior is None or self.prior.experiment.model.condition is None:  # type: ignore[attr-defined]
            return []
        return list(self.prior.run.dataset.classes)

    @property
    def takes_text(self) -> bool:
        """Whether the condition of the prior is a text of the user's."""
        return bool(self.labels) and self.tokenizer.text is not None

    def tokens(self, row: int) -> np.ndarray:
        """Return the tokens of a test row, i32[P].

        Args:
            row: Number of the row.
        """
        examples = self.tokenizer.result.test
        return (
            self.tokenizer.tokens(examples._replace(x=examples.x[row : row + 1], y=()))
            .reshape(-1)
            .astype(np.int32)
        )

    def image(self, tokens: np.ndarray) -> np.ndarray:
        """Return the image of tokens [P], [H, W, C]."""
        return self.tokenizer.images(tokens[None])[0]

    def complete(self, tokens: np.ndarray, is_free: np.ndarray, seed: int, y: Any = None) -> np.ndarray:
        """Return tokens in which the prior has drawn the free ones, given all tokens before each of them.

        Args:
            tokens: Tokens i32[P].
            is_free: Whether each of them is drawn again, bool[P].
            seed: Seed of the draws.
            y: Condition: a name, or None.

        Returns:
            i32[P].

        Raises:
            JaxaeError: If there is no prior.
        """
        if self.prior is None:
            raise JaxaeError(
                "complete: no prior; start the explorer with the run of a prior over these tokens"
            )
        # A prior draws in the order of the grid, so that a free token ignores the tokens after it.
        given = np.where(is_free, -1, tokens)[None]
        return self.prior.sample_tokens(1, seed, y, given=given)[0]


def space_of_tokens(result: Result) -> TokenSpace:
    """Return the tokens of a run: of an autoencoder with tokens, or of a prior over them.

    Args:
        result: The result of the run.

    Returns:
        The space.

    Raises:
        JaxaeError: If the rows of the autoencoder are no images.
    """
    tokenizer = result.run.dataset.tokenizer
    found = TokenSpace(tokenizer, result) if tokenizer else TokenSpace(TrainedTokenizer(result, None))
    shape = found.tokenizer.dataset.shape
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise JaxaeError(f"explore: the rows have shape {shape}, expected images [H, W, 1] or [H, W, 3]")
    return found
