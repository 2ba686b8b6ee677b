"""How the codes of a table are used over a whole split. N examples, P positions, K codes."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.evaluation.terms import Stream, over_rows
from jaxae.protocols.capabilities import TokenGrid
from jaxae.types import Batch, Examples, Variables


def has_tokens(autoencoder: Any) -> bool:
    """Whether an example is tokens to it, which it makes codes of."""
    return hasattr(autoencoder, "tokens") and hasattr(autoencoder, "embed")


def all_tokens(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """The tokens of every example of a split, i32[N, P]."""
    return over_rows(_tokens, (autoencoder, variables), examples, keys.root(0))


def token_counts(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """How often each code is chosen over a whole split, at any position; i32[K]."""
    return counts_of(autoencoder, all_tokens(autoencoder, variables, examples))


def counts_of(autoencoder: Any, tokens: Array) -> Array:
    """How often each code is chosen among tokens i32[N, P]; i32[K]."""
    return jnp.zeros(autoencoder.num_codes, jnp.int32).at[tokens.reshape(-1)].add(1)


def _tokens(autoencoder: Any, variables: Variables, batch: Batch, stream: Stream, draws: int) -> Array:
    return autoencoder.tokens(variables, batch)[0]


def grid_of(autoencoder: Any, variables: Variables, batch: Batch) -> tuple[int, ...]:
    """Return the shape of an example's tokens, (P,) if the model has no grid."""
    if isinstance(autoencoder, TokenGrid):
        return autoencoder.grid
    return jax.eval_shape(autoencoder.tokens, variables, batch).shape[1:]
