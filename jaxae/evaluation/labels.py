"""How well an autoencoder with a head names the labels."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.evaluation.terms import Stream, over_rows
from jaxae.types import Batch, Examples, Variables


def label_errors(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """1 for each example whose label is not the head's most probable one, else 0; f32[N]."""
    return over_rows(_is_wrong, (autoencoder, variables), examples, keys.root(0))


def is_wrong(autoencoder: Any, variables: Variables, batch: Batch) -> Array:
    """The same for a batch, f32[B]."""
    wrong = jnp.argmax(autoencoder.logits(variables, batch), axis=-1) != batch.y
    return wrong.astype(jnp.float32)


def _is_wrong(autoencoder: Any, variables: Variables, batch: Batch, stream: Stream, draws: int) -> Array:
    return is_wrong(autoencoder, variables, batch)[0]
