"""How the codes of a table are used over a whole split. N examples, P positions, K codes."""

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

USAGE = Score("codebook_usage", "share", True, "codes that any position of the rows chooses", has_error=False)
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
    """Return -log p(x | the encoder's tokens), f32[B], nats."""
    comparison = comparison_of(model)
    assert comparison is not None  # by `has_density`
    parameters = model.decode(variables, model.encode(variables, batch), batch.y)
    return comparison.distortion(parameters, batch.x, batch.x.ndim - 1)


def all_tokens(autoencoder: Tokenizer, variables: Variables, examples: Examples) -> Array:
    """The tokens of every example of a split, i32[N, P]."""
    return over_rows(_tokens, (autoencoder, variables), examples, keys.root(0))


def token_counts(autoencoder: Tokenizer, variables: Variables, examples: Examples) -> Array:
    """How often each code is chosen over a whole split, at any position; i32[K]."""
    return counts_of(autoencoder, all_tokens(autoencoder, variables, examples))


def counts_of(autoencoder: Tokenizer, tokens: Array) -> Array:
    """How often each code is chosen among tokens i32[N, P]; i32[K]."""
    return jnp.zeros(autoencoder.num_codes, jnp.int32).at[tokens.reshape(-1)].add(1)


def usage_and_perplexity(counts: Any) -> tuple[float, float]:
    """Return the share of codes that are chosen at all, and the perplexity of their shares; i32[K]."""
    counts = jnp.asarray(np.asarray(counts))
    return float(quantisation.usage(counts)), float(quantisation.perplexity(counts))


def grid_of(model: Tokenizer, variables: Variables, batch: Batch) -> tuple[int, ...]:
    """Return the shape of an example's tokens, (P,) if the model has no grid."""
    if isinstance(model, TokenGrid):
        return model.grid
    return jax.eval_shape(model.tokens, variables, batch).shape[1:]


def tokens_of(model: Tokenizer, variables: Variables, batch: Batch) -> Array:
    """Return the tokens of each example, i32[B, P]."""
    return model.tokens(variables, batch)


def _tokens(autoencoder: Tokenizer, variables: Variables, batch: Batch, stream: Stream, draws: int) -> Array:
    return autoencoder.tokens(variables, batch)[0]
