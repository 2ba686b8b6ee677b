"""How autoencoders begin and call a net."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from jaxae.errors import JaxaeError
from jaxae.precision import widened
from jaxae.types import Key, Params, Shape


def init(net: nn.Module, key: Key, x: Any, shape: Shape, condition: Any = ()) -> Params:
    """The net's fresh parameters for inputs shaped like x [B, ...] and outputs [B, *shape]."""
    return fresh(net, key, x, shape, *_given(condition))


def fresh(net: nn.Module, key: Key, *inputs: Any) -> Params:
    """The net's fresh parameters for such inputs. Raises: JaxaeError for a net with state beside them."""
    collections = net.init(key, *inputs)
    if set(collections) - {"params"}:
        raise JaxaeError(
            f"{type(net).__name__}: has the collections {sorted(collections)}; a net may have parameters only"
        )
    return collections.get("params", {})


def init_pair(
    encoder: nn.Module, decoder: nn.Module, key: Key, x: Any, code: int, latent: int, shape: Shape
) -> Params:
    """Fresh parameters of an encoder x [B, ...] -> [B, code] and a decoder [B, latent] -> [B, *shape]."""
    encoder_key, decoder_key = jax.random.split(key)
    z = jnp.zeros((1, latent))
    return {
        "encoder": init(encoder, encoder_key, x, (code,)),
        "decoder": init(decoder, decoder_key, z, shape),
    }


def apply(net: nn.Module, params: Params, x: Array, shape: Shape, condition: Any = ()) -> Array:
    """f32[B, ...] -> f32[B, *shape], computed in the parameters' own precision.

    Casting happens here and nowhere else: with bfloat16 parameters the products are bfloat16,
    while every likelihood and divergence still sees float32 (float64 where the parameters are).
    Raises: JaxaeError for a net that gives another shape than it was asked for.
    """
    leaves = jax.tree.leaves(params)
    dtype = leaves[0].dtype if leaves else x.dtype
    given = [part.astype(dtype) for part in _given(condition)]
    outputs = net.apply({"params": params}, x.astype(dtype), shape, *given)
    assert isinstance(outputs, Array)  # a tuple comes only with mutable collections, which init refuses
    if outputs.shape != (len(x), *shape):
        name = type(net).__name__
        raise JaxaeError(
            f"{name}: gave shape {outputs.shape} for {x.shape}, but was asked for {(len(x), *shape)}"
        )
    return widened(outputs)


def flat(x: Array, condition: Array | None) -> Array:
    """[B, ...] -> [B, D], or [B, D + K] with a condition [B, K] beside it."""
    x = x.reshape(len(x), -1)
    return x if condition is None else jnp.concatenate([x, condition], axis=-1)


def _given(condition: Any) -> tuple[Array, ...]:
    """The condition as further arguments: none for ()."""
    return () if isinstance(condition, tuple) else (condition,)
