"""How the codes of a table are used over a whole split. N examples, P positions, K codes."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxae import keys, quantisation
from jaxae.evaluation.score_facts import NATS, Score
from jaxae.evaluation.terms import Stream, over_rows
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


def has_tokens(autoencoder: Any) -> bool:
    """Return whether the model is a tokenizer (has `tokens` and `embed`)."""
    return hasattr(autoencoder, "tokens") and hasattr(autoencoder, "embed")


def has_density(model: Any) -> bool:
    """Return whether the model is a tokenizer whose reconstruction is a density of x."""
    return has_tokens(model) and getattr(getattr(model, "reconstruction", None), "is_density", False)


def distortion(model: Any, variables: Variables, batch: Batch) -> Array:
    """Return -log p(x | the encoder's tokens), f32[B], nats."""
    parameters = model.decode(variables, model.encode(variables, batch), batch.y)
    return model.reconstruction.distortion(parameters, batch.x, batch.x.ndim - 1)


def all_tokens(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """The tokens of every example of a split, i32[N, P]."""
    return over_rows(_tokens, (autoencoder, variables), examples, keys.root(0))


def token_counts(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """How often each code is chosen over a whole split, at any position; i32[K]."""
    return counts_of(autoencoder, all_tokens(autoencoder, variables, examples))


def counts_of(autoencoder: Any, tokens: Array) -> Array:
    """How often each code is chosen among tokens i32[N, P]; i32[K]."""
    return jnp.zeros(autoencoder.num_codes, jnp.int32).at[tokens.reshape(-1)].add(1)


def usage_and_perplexity(counts: Any) -> tuple[float, float]:
    """Return the share of codes that are chosen at all, and the perplexity of their shares; i32[K]."""
    counts = jnp.asarray(np.asarray(counts))
    return float(quantisation.usage(counts)), float(quantisation.perplexity(counts))


def tokens_of(model: Any, variables: Variables, batch: Batch) -> Array:
    """Return the tokens of each example, i32[B, P]."""
    return model.tokens(variables, batch)


def _tokens(autoencoder: Any, variables: Variables, batch: Batch, stream: Stream, draws: int) -> Array:
    return autoencoder.tokens(variables, batch)[0]
