"""How the codes of a table are used over a whole split. N examples, P positions, K codes."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.evaluation.terms import map_examples
from jaxae.types import Examples, Variables


def has_tokens(autoencoder: Any) -> bool:
    """Whether an example is tokens to it, which it makes codes of."""
    return hasattr(autoencoder, "tokens") and hasattr(autoencoder, "embed")


def all_tokens(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """The tokens of every example of a split, i32[N, P]."""
    return map_examples(lambda batch, _: autoencoder.tokens(variables, batch), examples, keys.root(0))


def token_counts(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """How often each code is chosen over a whole split, at any position; i32[K]."""
    tokens = all_tokens(autoencoder, variables, examples).reshape(-1)
    return jnp.zeros(autoencoder.num_codes, jnp.int32).at[tokens].add(1)
