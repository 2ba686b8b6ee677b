"""How well x comes back from its code, and from the code of a corrupted x. N examples."""

import jax.numpy as jnp
from jax import Array
from typing_extensions import TypeIs

from jaxae import keys
from jaxae.estimators.score_facts import Score
from jaxae.estimators.terms import Stream, over_rows
from jaxae.protocols.capabilities import Autoencoder, Model
from jaxae.protocols.parts import Corruption
from jaxae.types import Batch, Examples, Key, Variables

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


def corrupted_errors(
    autoencoder: Autoencoder, variables: Variables, examples: Examples, corruption: Corruption, key: Key
) -> Array:
    """Sum over pixels of (x - image(decode(encode(corrupted x))))^2 of each example, f32[N].

    `corruption`: a spec of `jaxae.distributions.corruptions`; what it does depends on example and key alone.
    """

    return over_rows(_error, (autoencoder, variables, corruption), examples, key)


def _error(
    autoencoder: Autoencoder,
    variables: Variables,
    corruption: Corruption,
    batch: Batch,
    stream: Stream,
    draws: int,
) -> Array:
    corrupted, _ = corruption.corrupt(batch.x, keys.named(stream.key, "corruption"))
    again = reconstruct(autoencoder, variables, batch._replace(x=corrupted))
    return jnp.sum((batch.x - again) ** 2)
