"""Examples that a model makes, of which the code is known."""

import functools
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys, memory
from jaxae.protocols.capabilities import DataShaped, Generative, LikelihoodModel
from jaxae.protocols.parts import SampledLikelihood
from jaxae.types import Examples, Key, Variables


@runtime_checkable
class Simulated(Generative, LikelihoodModel, DataShaped, Protocol):
    """What `simulate` needs of a model, whose likelihood can be drawn from."""


def simulate(autoencoder: Simulated, variables: Variables, key: Key, num: int) -> tuple[Array, Examples]:
    """z ~ p(z), f32[num, L], and x ~ p(x|z): each z is an exact draw from p(z|x) of its x.

    For members without a condition. The noise of each x depends on its number, not on how many there are.
    """
    z = _codes(autoencoder, variables, keys.named(key, "z"), num)
    at_once = memory.first_guess(autoencoder.data_shape)
    fixed = autoencoder, variables, keys.named(key, "x")
    x = memory.by_rows(_examples, fixed, (jnp.arange(num), z), at_once)
    return z, Examples(jnp.asarray(x), (), jnp.float32(1.0))


@functools.partial(jax.jit, static_argnames="num")
def _codes(autoencoder: Simulated, variables: Variables, key: Key, num: int) -> Array:
    return autoencoder.prior_sample(variables, key, num)


@jax.jit
def _examples(autoencoder: Simulated, variables: Variables, key: Key, numbers: Array, z: Array) -> Array:
    def one(number: Array, z: Array) -> Array:
        assert isinstance(autoencoder.likelihood, SampledLikelihood)  # the caller has checked it
        parameters = autoencoder.decode(variables, z[None])
        return autoencoder.likelihood.sample(parameters, jax.random.fold_in(key, number))[0]

    return jax.vmap(one)(numbers, z)
