"""How autoencoders begin and call a net."""

from typing import Any

import flax.errors
import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from jaxae.errors import JaxaeError
from jaxae.maths.precision import widened
from jaxae.types import Key, Params, Shape


def init(net: nn.Module, key: Key, x: Any, shape: Shape, condition: Any = ()) -> Params:
    """The net's fresh parameters for inputs shaped like x [B, ...] and outputs [B, *shape]."""
    return fresh(net, key, x, shape, *_given(condition))


def fresh(net: nn.Module, key: Key, *inputs: Any) -> Params:
    """The net's fresh parameters for such inputs. Raises: JaxaeError for a net with state beside them."""
    collections = net.init(key, *inputs)
    if state := sorted(set(collections) - {"params"}):
        raise _differs(net, f"has the state {', '.join(state)} beside its parameters")
    return collections.get("params", {})


def _differs(net: nn.Module, reason: str) -> JaxaeError:
    """The error for a net that behaves differently in training, which members know nothing of."""
    return JaxaeError(
        f"{type(net).__name__}: {reason}; nets of jaxae's own members have parameters only and are the same "
        "in training and evaluation: use one without, or write an autoencoder with `extra` and "
        "`evaluation_terms`, as help(jaxae.EvaluationTerms) shows"
    )


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
    Raises: JaxaeError for a net that gives another shape than it was asked for, and as `call`.
    """
    leaves = jax.tree.leaves(params)
    dtype = leaves[0].dtype if leaves else x.dtype
    given = [part.astype(dtype) for part in _given(condition)]
    outputs = call(net, params, x.astype(dtype), shape, *given)
    assert isinstance(outputs, Array)  # a tuple comes only with mutable collections, which init refuses
    if outputs.shape != (x.shape[0], *shape):
        name = type(net).__name__
        raise JaxaeError(
            f"{name}: gave shape {outputs.shape} for {x.shape}, but was asked for {(x.shape[0], *shape)}"
        )
    return widened(outputs)


def call(net: nn.Module, params: Params, *inputs: Any) -> Any:
    """The net's outputs. Raises: JaxaeError for a net that draws random numbers, such as dropout's."""
    try:
        return net.apply({"params": params}, *inputs)
    except flax.errors.InvalidRngError as error:
        raise _differs(net, "draws random numbers (dropout?)") from error


def flat(x: Array, condition: Array | None) -> Array:
    """[B, ...] -> [B, D], or [B, D + K] with a condition [B, K] beside it."""
    x = x.reshape(x.shape[0], -1)
    return x if condition is None else jnp.concatenate([x, condition], axis=-1)


def _given(condition: Any) -> tuple[Array, ...]:
    """The condition as further arguments: none for ()."""
    return () if isinstance(condition, tuple) else (condition,)
