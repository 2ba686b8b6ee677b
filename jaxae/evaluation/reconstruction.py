"""How well x comes back from its code."""

import jax.numpy as jnp
from jax import Array
from typing_extensions import TypeIs

from jaxae.evaluation.score_facts import Score
from jaxae.protocols.capabilities import Autoencoder, Model
from jaxae.types import Batch, Variables

# In the data's unit, not divided by the number of pixels: Hinton and Salakhutdinov's (2006) convention, in
# which PCA-30 on MNIST's test images gives 13.87.
SQUARED_ERROR = Score(
    "squared_error",
    "data unit squared, summed over an example",
    False,
    "(x - reconstruction)^2 summed over an example, x reconstructed from its deterministic code",
    in_summary=True,
)


def has_codes(model: Model) -> TypeIs[Autoencoder]:
    """Return whether the model is an autoencoder, and no model of tokens."""
    return isinstance(model, Autoencoder)


def squared_error(autoencoder: Autoencoder, variables: Variables, batch: Batch) -> Array:
    """Return the sum over pixels of (x - image(decode(encode(x))))^2 for each example, f32[B]."""
    difference = batch.x - reconstruct(autoencoder, variables, batch)
    return jnp.sum(difference**2, axis=tuple(range(1, difference.ndim)))


def reconstruct(autoencoder: Autoencoder, variables: Variables, batch: Batch) -> Array:
    """The mean of p(x | encode(x)), f32[B, ...] -> f32[B, ...]."""
    return autoencoder.image(autoencoder.decode(variables, autoencoder.encode(variables, batch), batch.y))
