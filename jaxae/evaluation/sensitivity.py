"""How codes answer to small changes of x: the singular values of the encoder's Jacobian."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.evaluation.terms import map_examples
from jaxae.types import Batch, Examples, Key, Variables


def jacobian_spectrum(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    """Singular values of each example's d code / d x, descending; f32[N, min(L, D)], code / data unit.

    Few large ones: the code follows the data's few directions and is still in all others (Rifai et al.,
    2011, figure 4).
    """
    return _spectrum(autoencoder, variables, examples)


@jax.jit
def _spectrum(autoencoder: Any, variables: Variables, examples: Examples) -> Array:
    def of_one(x: Array, y: Any) -> Array:
        def code(x: Array) -> Array:
            batch = Batch(x[None], jax.tree.map(lambda leaf: leaf[None], y))
            return autoencoder.encode(variables, batch)[0]

        jacobian = jax.jacrev(code)(x)
        return jnp.linalg.svd(jacobian.reshape(len(jacobian), -1), compute_uv=False)

    def measure(batch: Batch, _: Key) -> Array:
        return jax.vmap(of_one)(batch.x, batch.y)

    return map_examples(measure, examples, keys.root(0), batch_size=20)
