"""Functions by which autoencoders initialise and call a net."""

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
    """Initialise the parameters of a net for inputs shaped like x and outputs [B, *shape].

    Args:
        net: A linen module with `__call__(x, shape)`, or `__call__(x, shape, condition)`.
        key: Key of the initialisers.
        x: Inputs of the right shape, f32[B, ...]; their values do not matter.
        shape: Shape of one output.
        condition: Condition f32[B, K], or () if the net is called without one.

    Returns:
        The collection `params` of the module.

    Raises:
        JaxaeError: If the net has other variables than parameters, such as running averages.
    """
    return fresh(net, key, x, shape, *_as_arguments(condition))


def fresh(net: nn.Module, key: Key, *inputs: Any) -> Params:
    """Initialise the parameters of a module for the given inputs.

    Args:
        net: A linen module.
        key: Key of the initialisers.
        *inputs: All arguments of the module's `__call__`; only shapes and types of arrays matter.

    Returns:
        The collection `params` of the module; {} if it has no parameters.

    Raises:
        JaxaeError: If the module has other variables than parameters, such as running averages.
    """
    # A net with dropout passes here, because `init` uses its key for every random stream; `call` refuses it.
    collections = net.init(key, *inputs)
    if state := sorted(set(collections) - {"params"}):
        raise _unsupported(net, f"has the variables {', '.join(state)} besides its parameters")
    return collections.get("params", {})


def _unsupported(net: nn.Module, reason: str) -> JaxaeError:
    """Make the error for a net that differs between training and evaluation, which members do not support."""
    return JaxaeError(
        f"{type(net).__name__}: {reason}; jaxae's autoencoders need nets with parameters only, which "
        "do the same in training and evaluation. For other nets write an autoencoder with `extra` and "
        "`evaluation_terms`: see help(jaxae.EvaluationTerms)"
    )


def init_pair(
    encoder: nn.Module, decoder: nn.Module, key: Key, x: Any, code: int, latent: int, shape: Shape
) -> Params:
    """Initialise an encoder x [B, ...] -> [B, code] and a decoder [B, latent] -> [B, *shape].

    Args:
        encoder: The encoder's net.
        decoder: The decoder's net.
        key: Key of both initialisers; it is split.
        x: Inputs of the right shape, f32[B, ...].
        code: Numbers that the encoder returns for each example.
        latent: Size of the code that the decoder receives; differs from `code` if the encoder returns, for
            example, a mean and a log-variance.
        shape: Shape of one output of the decoder.

    Returns:
        A dict with the parameters of `encoder` and `decoder`.

    Raises:
        JaxaeError: If a net has other variables than parameters.
    """
    encoder_key, decoder_key = jax.random.split(key)
    # linen reads shapes only; one row of zeros is enough.
    z = jnp.zeros((1, latent))
    return {
        "encoder": init(encoder, encoder_key, x, (code,)),
        "decoder": init(decoder, decoder_key, z, shape),
    }


def apply(net: nn.Module, params: Params, x: Array, shape: Shape, condition: Any = ()) -> Array:
    """Apply a net in the precision of its parameters, f32[B, ...] -> f32[B, *shape].

    Inputs are cast here and nowhere else. With bfloat16 parameters the matrix products are bfloat16, but
    likelihoods and divergences still receive float32 (float64 if the parameters are float64).

    Args:
        net: A linen module with `__call__(x, shape)`, or `__call__(x, shape, condition)`.
        params: Its parameters, from `init`.
        x: Inputs, f32[B, ...].
        shape: Shape of one output.
        condition: Condition f32[B, K], or () if the net is called without one.

    Returns:
        The outputs, f32[B, *shape].

    Raises:
        JaxaeError: If the net returns another shape, or draws random numbers as dropout does.

    Example:
        >>> import jax, jaxae
        >>> from jaxae import keys, nets
        >>> net, x = jaxae.MLP(widths=(16,)), jax.numpy.ones((5, 28, 28, 1))
        >>> params = nets.init(net, keys.root(0), x, (2,))
        >>> nets.apply(net, params, x, (2,)).shape
        (5, 2)
    """
    # A net without parameters, such as a plain reshape, has no precision to follow: it keeps that of x.
    leaves = jax.tree.leaves(params)
    dtype = leaves[0].dtype if leaves else x.dtype
    arguments = [part.astype(dtype) for part in _as_arguments(condition)]
    outputs = call(net, params, x.astype(dtype), shape, *arguments)
    # linen returns a tuple only for mutable collections, which `fresh` refuses.
    assert isinstance(outputs, Array)
    # A wrong shape would otherwise broadcast in the likelihood and train without an error.
    if outputs.shape != (x.shape[0], *shape):
        name = type(net).__name__
        raise JaxaeError(
            f"{name}: got outputs of shape {outputs.shape} for inputs {x.shape}, "
            f"expected {(x.shape[0], *shape)}"
        )
    return widened(outputs)


def call(net: nn.Module, params: Params, *inputs: Any) -> Any:
    """Call a module with its parameters and return its outputs.

    Args:
        net: A linen module.
        params: Its parameters, from `fresh`.
        *inputs: All arguments of the module's `__call__`.

    Returns:
        The outputs of the module.

    Raises:
        JaxaeError: If the module draws random numbers, as dropout does.
    """
    try:
        # No `rngs`: a net that needs random numbers fails here, while it is traced, and not by silent noise.
        return net.apply({"params": params}, *inputs)
    except flax.errors.InvalidRngError as error:
        raise _unsupported(net, "draws random numbers (dropout?)") from error


def flat(x: Array, condition: Array | None) -> Array:
    """Flatten x [B, ...] -> [B, D] and append a condition [B, K] -> [B, D + K].

    Args:
        x: Inputs, f32[B, ...].
        condition: Condition f32[B, K], or None.

    Returns:
        f32[B, D], or f32[B, D + K] with a condition.
    """
    # x.shape[0], not len(x): len fails for the symbolic batch size of an exported model.
    x = x.reshape(x.shape[0], -1)
    return x if condition is None else jnp.concatenate([x, condition], axis=-1)


def _as_arguments(condition: Any) -> tuple[Array, ...]:
    """Return the condition as further arguments of a net; () means none."""
    # No condition is (), not None: a batch holds () for y too, and an empty tuple has no leaves under jit.
    return () if isinstance(condition, tuple) else (condition,)
