"""Types that all rooms share.

Letters of shapes: B batch, S Monte Carlo samples, L latent dimension, D pixels, H W C image, N examples.
"""

from typing import Any, NamedTuple

import jax
from jax import Array

Key = Array  # made by keys.py; each key is used once
Shape = tuple[int, ...]
Params = Any  # pytree of f32 arrays, as linen returns it
Terms = dict[str, Array]  # name -> f32[B] to minimise, not averaged; nats if a density


def _described(value: Any) -> str:
    """Return an array as `float32[300, 8, 8, 1]`, which fits in a line; other values as they are."""
    if getattr(value, "shape", None) and hasattr(value, "dtype"):
        return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
    return f"{float(value):g}" if getattr(value, "shape", None) == () else repr(value)


class Batch(NamedTuple):
    """Input of an autoencoder: examples and their conditions."""

    x: Array
    """f32[B, ...] in the model's unit: images in [0, 1], tables as they are."""
    y: Any = ()
    """Condition of each example: labels i32[B], words i32[B, T], or () if there is none."""


class Examples(NamedTuple):
    """Rows of a split in memory, as they are stored.

    The autoencoder sees `x / scale`. Stored bytes stay uint8 on the device, where they take a quarter of the
    memory of float32. Rows with dynamic binarisation stay grey here; each training step binarises its batch.
    """

    x: Any
    """uint8[N, ...] or f32[N, ...], in the unit in which the data are stored."""
    y: Any
    """Labels i32[N], or () for data without labels."""
    scale: Any
    """f32[]: the number that `x` is divided by; 255 for bytes, 1 for tables."""

    def __repr__(self) -> str:
        # The repr of a tuple would print hundreds of lines of numbers.
        return f"Examples(x={_described(self.x)}, y={_described(self.y)}, scale={_described(self.scale)})"


class Variables(NamedTuple):
    """Learned parameters of a model, and arrays that training carries along."""

    params: Params
    """Arrays that gradients change."""
    extra: Any = ()
    """Arrays that training updates without gradients, such as an EMA codebook; () for most models."""

    def __repr__(self) -> str:
        leaves = jax.tree.leaves(self)
        num = sum(getattr(leaf, "size", 1) for leaf in leaves)
        return f"Variables({len(leaves)} arrays, {num:,} numbers)"
