"""Causal transformer for sequences, with a cache of keys and values for sampling."""

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae.maths.precision import widened
from jaxae.specs.field_docs import with_attributes

Position = int | Array


class Cache(NamedTuple):
    """Keys and values of all positions so far, [layers, B, heads, S_max, W / heads] each.

    The axis of positions is next to the last one. On CPU a step of one position was measured to be twice as
    fast as with the heads there, and four times as fast where XLA copies each layer.
    """

    keys: Array
    values: Array


@with_attributes
class Transformer(nn.Module):
    """Causal transformer, [B, S, W] -> [B, S, W] (Vaswani et al., 2017): a position sees none after it.

    Each layer is attention and an MLP with one hidden layer, both with a layer norm before them and a
    residual connection (pre-norm: Xiong et al., 2020, arXiv 2002.04745). A layer norm follows the last layer.
    The caller embeds the positions and reads the outputs. A custom net is any module with `width`, `cache`
    and `__call__` as they are here.
    """

    width: Annotated[int, Gt(0)] = 128
    """Size W of the vector of each position."""
    num_layers: Annotated[int, Gt(0)] = 4
    """Number of layers, each of attention and an MLP."""
    num_heads: Annotated[int, Gt(0)] = 4
    """Number of attention heads; must divide `width`, which the heads share."""
    mlp_factor: Annotated[int, Gt(0)] = 4
    """Hidden units of each MLP, as a multiple of `width`."""

    def check(self) -> None:
        """Check that the heads divide the width. Raises: ValueError otherwise."""
        if self.width % self.num_heads:
            raise ValueError(f"num_heads: got {self.num_heads}, which does not divide the width {self.width}")

    def cache(self, num_rows: int, length: int, dtype: Any) -> Cache:
        """Return an empty cache for B = `num_rows` sequences of `length` positions, filled with zeros."""
        self.check()
        shape = self.num_layers, num_rows, self.num_heads, length, self.width // self.num_heads
        # The zeros have no effect: `attend` masks every position that has not been written.
        return Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    @nn.compact
    def __call__(self, x: Array, cache: Cache, start: Position) -> tuple[Array, Cache]:
        """Compute x [B, S, W] at positions start, ..., start + S - 1 -> [B, S, W], and the cache with them.

        All positions at once (start 0) and one after another are the same computation: each position attends
        to the cache up to itself. Later positions are present in the cache's arrays, but have a weight of
        exactly 0.
        """
        # Runs call `check` before training; a net that is used without a run is checked here.
        self.check()
        for layer in range(self.num_layers):
            attended, cache = Attention(self.num_heads, layer)(nn.LayerNorm()(x), cache, start)
            x = x + attended
            hidden = nn.gelu(nn.Dense(self.mlp_factor * self.width)(nn.LayerNorm()(x)))
            x = x + nn.Dense(self.width)(hidden)
        return nn.LayerNorm()(x), cache


class Attention(nn.Module):
    """Causal attention, [B, S, W] -> [B, S, W]: softmax(Q K^T / sqrt(W / heads)) V for each head."""

    num_heads: int
    """Number of heads, which share W."""
    layer: int
    """Index of this layer in the cache."""

    @nn.compact
    def __call__(self, x: Array, cache: Cache, start: Position) -> tuple[Array, Cache]:
        """Compute x [B, S, W] at positions from `start` -> [B, S, W], and the cache with these positions."""
        num_rows, num, width = x.shape
        # One product for queries, keys and values: [B, S, 3 W] -> [B, S, 3, heads, W / heads].
        parts = nn.Dense(3 * width)(x).reshape(num_rows, num, 3, self.num_heads, width // self.num_heads)
        queries, keys, values = jnp.moveaxis(parts, (2, 3), (0, 2))  # [B, heads, S, W / heads] each
        cache = Cache(*(self.put(*pair, start) for pair in zip(cache, (keys, values), strict=True)))
        # The cache already holds the new positions, so that each of them can see itself.
        outputs = attend(queries, cache.keys[self.layer], cache.values[self.layer], start)
        # [B, heads, S, W / heads] -> [B, S, heads, W / heads] -> [B, S, W].
        return nn.Dense(width)(jnp.moveaxis(outputs, 1, 2).reshape(x.shape)), cache

    def put(self, room: Array, new: Array, start: Position) -> Array:
        """Write keys or values into this layer's positions of a cache.

        Args:
            room: All keys or all values, [layers, B, heads, S_max, W / heads].
            new: Those of the new positions, [B, heads, S, W / heads].
            start: First position to write.

        Returns:
            The updated array, of the shape of `room`.
        """
        # One write into the whole array: XLA does it in place when the cache is carried by a loop.
        return jax.lax.dynamic_update_slice(room, new[None].astype(room.dtype), (self.layer, 0, 0, start, 0))


def attend(queries: Array, keys: Array, values: Array, start: Position) -> Array:
    """Compute softmax(Q K^T / sqrt(d)) V for each head, where position i sees positions up to start + i.

    Args:
        queries: f32[B, heads, S, d].
        keys: f32[B, heads, S_max, d].
        values: f32[B, heads, S_max, d].
        start: Position of the first query.

    Returns:
        f32[B, heads, S, d].
    """
    num, length = queries.shape[2], keys.shape[2]
    # The softmax is float32 at least: bfloat16 has 8 bits of mantissa, too few for a sum over positions.
    scores = widened(jnp.einsum("bhsd,bhtd->bhst", queries, keys)) / queries.shape[3] ** 0.5
    # [S, S_max]: query i is at position start + i and sees keys up to there.
    is_visible = jnp.arange(length)[None, :] <= start + jnp.arange(num)[:, None]
    # exp(-inf) is exactly 0, so that sampling with a cache equals the computation of all positions at once.
    weights = jax.nn.softmax(jnp.where(is_visible[None, None], scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhst,bhtd->bhsd", weights.astype(values.dtype), values)
