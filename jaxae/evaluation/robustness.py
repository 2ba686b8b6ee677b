"""How well the clean x comes back from a corrupted one. N examples."""

import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.evaluation.reconstruction import reconstruct
from jaxae.evaluation.terms import Stream, over_rows
from jaxae.protocols.capabilities import Autoencoder
from jaxae.protocols.parts import Corruption
from jaxae.types import Batch, Examples, Key, Variables


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
