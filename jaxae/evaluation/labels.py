"""How well an autoencoder with a head names the labels."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.evaluation.terms import map_examples
from jaxae.types import Examples, Variables


def label_errors(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """1 for each example whose label is not the head's most probable one, else 0; f32[N]."""

    def wrong(batch: Any, _: Any) -> Array:
        return jnp.argmax(autoencoder.logits(variables, batch), axis=-1) != batch.y

    return map_examples(wrong, examples, keys.root(0)).astype(jnp.float32)
