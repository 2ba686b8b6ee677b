"""Use of a codebook over a whole split. N examples, P positions, K codes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from typing_extensions import TypeIs

from jaxae import keys
from jaxae.estimators.score_facts import NATS, Score
from jaxae.estimators.terms import Stream, over_rows
from jaxae.maths import quantisation
from jaxae.protocols.capabilities import Model, TokenGrid, Tokenizer, comparison_of
from jaxae.protocols.parts import Likelihood
from jaxae.types import Batch, Examples, Variables

USAGE = Score("codebook_usage", "share", True, "codes that occur at any position of any row", has_error=False)
PERPLEXITY = Score(
    "codebook_perplexity",
    "codes",
    True,
    "exp of the entropy of the codes' shares, over all positions of the rows",
    has_error=False,
)
DISTORTION = Score("distortion", NATS, False, "-log p(x | the encoder's tokens)")


def has_tokens(autoencoder: Model) -> TypeIs[Tokenizer]:
    """Return whether the model is a tokenizer (has `tokens` and `embed`)."""
    return isinstance(autoencoder, Tokenizer)


def has_density(model: Model) -> bool:
    """Return whether the model is a tokenizer whose reconstruction is a density of x."""
    return has_tokens(model) and isinstance(comparison_of(model), Likelihood)


def distortion(model: Tokenizer, variables: Variables, batch: Batch) -> Array:
    """Compute -log p(x | the encoder's tokens), f32[B], nats."""
    comparison = comparison_of(model)
    assert comparison is not None  # `has_density` has checked it
    parameters = model.decode(variables, model.encode(variables, batch), batch.y)
    return comparison.distortion(parameters, batch.x, batch.x.ndim - 1)


def all_tokens(autoencoder: Tokenizer, variables: Variables, examples: Examples) -> Array:
    """Compute the tokens of every example of a split, i32[N, P].

    Args:
        autoencoder: A tokenizer.
        variables: Its variables.
        examples: The split, of N rows.

    Returns:
        i32[N, P].

    Raises:
        OutOfMemory: If not even one row fits in memory.
    """
    # Nothing is drawn, so the key is not used.
    return over_rows(_tokens, (autoencoder, variables), examples, keys.root(0))


def token_counts(autoencoder: Tokenizer, variables: Variables, examples: Examples) -> Array:
    """Count how often each code is chosen over a whole split, at any position; i32[K].

    Args:
        autoencoder: A tokenizer.
        variables: Its variables.
        examples: The split, of N rows.

    Returns:
        i32[K].

    Raises:
        OutOfMemory: If not even one row fits in memory.
    """
    tokens = all_tokens(autoencoder, variables, examples)
    return counts_of(autoencoder, tokens, jnp.ones(len(tokens), bool))


def counts_of(autoencoder: Tokenizer, tokens: Array, is_row: Array) -> Array:
    """Count how often each code occurs in the tokens; i32[N, P] -> i32[K].

    Args:
        autoencoder: A tokenizer with K codes.
        tokens: i32[N, P].
        is_row: Whether a row counts, bool[N].

    Returns:
        i32[K].
    """
    # Integers: float32 counts would stop growing at 2^24.
    ones = jnp.broadcast_to(is_row[:, None], tokens.reshape(len(tokens), -1).shape).astype(jnp.int32)
    return jnp.zeros(autoencoder.num_codes, jnp.int32).at[tokens.reshape(-1)].add(ones.reshape(-1))


def usage_and_perplexity(counts: Any) -> tuple[float, float]:
    """Return the share of codes that are used at least once, and the perplexity of their shares; i32[K].

    Example:
        >>> from jaxae.estimators.codebook import usage_and_perplexity
        >>> usage, perplexity = usage_and_perplexity([5, 5, 0, 0])  # two of four codes, equally often
        >>> usage, round(perplexity, 4)
        (0.5, 2.0)
    """
    counts = jnp.asarray(np.asarray(counts))
    return float(quantisation.usage(counts)), float(quantisation.perplexity(counts))


def grid_of(model: Tokenizer, variables: Variables, batch: Batch) -> tuple[int, ...]:
    """Return the shape of an example's tokens, (P,) if the model has no grid.

    Args:
        model: A tokenizer.
        variables: Its variables.
        batch: Examples of the shape of the data; their values are not used.

    Returns:
        The shape.
    """
    if isinstance(model, TokenGrid):
        return model.grid
    # Only shapes are computed: nothing is encoded or compiled.
    return jax.eval_shape(model.tokens, variables, batch).shape[1:]


def tokens_of(model: Tokenizer, variables: Variables, batch: Batch) -> Array:
    """Compute the tokens of each example, i32[B, P].

    Args:
        model: A tokenizer.
        variables: Its variables.
        batch: B examples.

    Returns:
        i32[B, P].
    """
    return model.tokens(variables, batch)


def _tokens(autoencoder: Tokenizer, variables: Variables, batch: Batch, stream: Stream, draws: int) -> Array:
    return autoencoder.tokens(variables, batch)[0]
