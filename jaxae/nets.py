"""Linen modules: parameters, no losses. A net is a linen module called with (x, shape).

`shape` is the shape of one output, given by the autoencoder: (2 L,) for an encoder's mean and
log-variance, (H, W, C) for a decoder. So a net of a user's own is any module
`__call__(x: [B, ...], shape) -> [B, *shape]`, in place of ours, with no base class to inherit from.
"""

import math
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae.errors import JaxaeError
from jaxae.types import Key, Params

Shape = tuple[int, ...]


class MLP(nn.Module):
    """[B, ...] -> [B, *shape]: flatten, one hidden layer for each of `widths`, a linear last layer."""

    widths: tuple[Annotated[int, Gt(0)], ...] = (400,)
    """Units of the hidden layers, first to last; () is a linear map."""
    activation: Literal["relu", "tanh", "sigmoid", "softplus", "gelu", "silu"] = "relu"
    """The nonlinearity after each hidden layer."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape) -> Array:
        """[B, ...] -> [B, *shape]."""
        x = x.reshape(len(x), -1)
        for width in self.widths:
            x = getattr(nn, self.activation)(nn.Dense(width)(x))
        return nn.Dense(math.prod(shape))(x).reshape(len(x), *shape)


def init(net: nn.Module, key: Key, x: Array, shape: Shape) -> Params:
    """The net's fresh parameters for inputs shaped like x [B, ...] and outputs [B, *shape]."""
    collections = net.init(key, x, shape)
    if set(collections) - {"params"}:
        raise JaxaeError(
            f"{type(net).__name__}: has the collections {sorted(collections)}; a net may have parameters only"
        )
    return collections.get("params", {})


def init_pair(
    encoder: nn.Module, decoder: nn.Module, key: Key, x: Array, code: int, latent: int, shape: Shape
) -> Params:
    """Fresh parameters of an encoder x [B, ...] -> [B, code] and a decoder [B, latent] -> [B, *shape]."""
    encoder_key, decoder_key = jax.random.split(key)
    z = jnp.zeros((1, latent))
    return {
        "encoder": init(encoder, encoder_key, x, (code,)),
        "decoder": init(decoder, decoder_key, z, shape),
    }


def apply(net: nn.Module, params: Params, x: Array, shape: Shape) -> Array:
    """f32[B, ...] -> f32[B, *shape], computed in the parameters' own precision.

    Casting happens here and nowhere else: with bfloat16 parameters the products are bfloat16,
    while every likelihood and divergence still sees float32.
    """
    leaves = jax.tree.leaves(params)
    dtype = leaves[0].dtype if leaves else x.dtype
    outputs = net.apply({"params": params}, x.astype(dtype), shape)
    assert isinstance(outputs, Array)  # a tuple comes only with mutable collections, which init refuses
    return outputs.astype(jnp.float32)
