"""Examples that a model makes, of which the code is known."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.types import Examples, Key, Variables


@functools.partial(jax.jit, static_argnames="num")
def simulate(autoencoder: Any, variables: Variables, key: Key, num: int) -> tuple[Array, Examples]:
    """z ~ p(z), f32[num, L], and x ~ p(x|z): each z is an exact draw from p(z|x) of its x.

    For members without a condition.
    """
    z = autoencoder.prior_sample(variables, keys.named(key, "z"), num)
    x = autoencoder.likelihood.sample(autoencoder.decode(variables, z), keys.named(key, "x"))
    return z, Examples(x, (), jnp.float32(1.0))
