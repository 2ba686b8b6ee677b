"""How well an autoencoder with a head names the labels."""

import jax.numpy as jnp
from jax import Array

from jaxae.evaluation.score_facts import Score
from jaxae.protocols.capabilities import Classifier, Model
from jaxae.types import Batch, Variables

ERROR_RATE = Score("error_rate", "share", False, "rows whose label is not the head's most probable one")


def has_head(model: Model) -> bool:
    """Return whether the model is an autoencoder that predicts labels."""
    return isinstance(model, Classifier) and model.num_classes > 0


def is_wrong(autoencoder: Classifier, variables: Variables, batch: Batch) -> Array:
    """Return 1 for each example whose label is not the head's most probable one, else 0; f32[B]."""
    wrong = jnp.argmax(autoencoder.logits(variables, batch), axis=-1) != batch.y
    return wrong.astype(jnp.float32)
