"""How well an autoencoder with a head names the labels."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxae.types import Batch, Variables


def is_wrong(autoencoder: Any, variables: Variables, batch: Batch) -> Array:
    """Return 1 for each example whose label is not the head's most probable one, else 0; f32[B]."""
    wrong = jnp.argmax(autoencoder.logits(variables, batch), axis=-1) != batch.y
    return wrong.astype(jnp.float32)
