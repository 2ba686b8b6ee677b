"""How well an autoencoder with a head names the labels."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxae.evaluation.reconstruction import has_codes
from jaxae.evaluation.score_facts import Score
from jaxae.types import Batch, Variables

ERROR_RATE = Score("error_rate", "share", False, "rows whose label is not the head's most probable one")


def has_head(model: Any) -> bool:
    """Return whether the model is an autoencoder that predicts labels."""
    return has_codes(model) and hasattr(model, "logits") and model.num_classes > 0


def is_wrong(autoencoder: Any, variables: Variables, batch: Batch) -> Array:
    """Return 1 for each example whose label is not the head's most probable one, else 0; f32[B]."""
    wrong = jnp.argmax(autoencoder.logits(variables, batch), axis=-1) != batch.y
    return wrong.astype(jnp.float32)
