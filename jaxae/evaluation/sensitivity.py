"""How codes answer to small changes of x: the singular values of the encoder's Jacobian."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.evaluation.terms import Stream, example_of, in_chunks, over_rows
from jaxae.protocols.capabilities import Autoencoder
from jaxae.types import Batch, Examples, Variables


def jacobian_spectrum(autoencoder: Autoencoder, variables: Variables, examples: Examples) -> Array:
    """Singular values of each example's d code / d x, descending; f32[N, min(L, D)], code / data unit.

    Few large ones: the code follows the data's few directions and is still in all others (Rifai et al.,
    2011, figure 4).
    """
    latent_dim = jax.eval_shape(autoencoder.encode, variables, example_of(examples)).shape[-1]
    return over_rows(_singular_values, (autoencoder, variables), examples, keys.root(0), num_draws=latent_dim)


def _singular_values(
    autoencoder: Autoencoder, variables: Variables, batch: Batch, stream: Stream, rows_at_once: int
) -> Array:
    """Return the singular values of one example's Jacobian, computed `rows_at_once` rows at a time."""

    def code(x: Array) -> Array:
        return autoencoder.encode(variables, batch._replace(x=x[None]))[0]

    z, pullback = jax.vjp(code, batch.x[0])
    jacobian = in_chunks(jax.vmap(lambda row: pullback(row)[0]), jnp.eye(len(z), dtype=z.dtype), rows_at_once)
    return jnp.linalg.svd(jacobian.reshape(len(z), -1), compute_uv=False)
