"""The nouns. Shapes: B batch, S Monte Carlo samples, L latent, D pixels, H W C image, N examples."""

from typing import Any, NamedTuple

from jax import Array

Key = Array  # from keys.py: used once, never stored, never reused
Shape = tuple[int, ...]
Params = Any  # a pytree of f32 arrays, as linen gives it
Terms = dict[str, Array]  # name -> f32[B], to be minimised, never averaged; nats where it is a density


class Batch(NamedTuple):
    """What an autoencoder sees: x f32[B, ...] in the data's unit, y the condition (or ())."""

    x: Array
    y: Any = ()


class Examples(NamedTuple):
    """A split as it lies in memory: x uint8[N, ...] or f32[N, ...], y i32[N] or (), scale f32[].

    `x / scale` is what the autoencoder sees: uint8 stays uint8 on the device, four times smaller. Rows that
    each training step binarises are grey until then.
    """

    x: Any
    y: Any
    scale: Any


class Variables(NamedTuple):
    """params: learned by gradients; extra: carried along, not learned (an EMA codebook), () for most."""

    params: Params
    extra: Any = ()
