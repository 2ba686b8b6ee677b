"""The causal transformer: what a model of sequences is made of, with a cache for sampling."""

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae.maths.precision import widened

Position = int | Array


class Cache(NamedTuple):
    """Keys and values of every position so far, [layers, B, heads, S_max, W / heads] each.

    Positions stand beside the units of a head: measured on CPU, a step of one position is twice as fast as
    with the heads there, and four times where XLA copies each layer.
    """

    keys: Array
    values: Array


class Transformer(nn.Module):
    """[B, S, W] -> [B, S, W]: each position from itself and those before it (Vaswani et al., 2017).

    Layers of attention and of an MLP with one hidden layer, each behind a layer norm and beside the
    identity (pre-norm: Xiong et al., 2020, arXiv 2002.04745), a layer norm at the end; what embeds positions
    and reads the outputs is the caller's. A net of a user's own is any module with `width`, `cache` and
    `__call__` as here.
    """

    width: Annotated[int, Gt(0)] = 128
    """W, units of each position."""
    num_layers: Annotated[int, Gt(0)] = 4
    """Layers of attention and MLP."""
    num_heads: Annotated[int, Gt(0)] = 4
    """Heads of attention; they share the width, which they must divide."""
    mlp_factor: Annotated[int, Gt(0)] = 4
    """Hidden units of each MLP, in widths."""

    def check(self) -> None:
        """Raises ValueError for heads that do not divide the width."""
        if self.width % self.num_heads:
            raise ValueError(f"num_heads: got {self.num_heads}, which does not divide the width {self.width}")

    def cache(self, num_rows: int, length: int, dtype: Any) -> Cache:
        """The cache before the first of `length` positions, for B = num_rows; zeros, which are never seen."""
        self.check()
        shape = self.num_layers, num_rows, self.num_heads, length, self.width // self.num_heads
        return Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    @nn.compact
    def __call__(self, x: Array, cache: Cache, start: Position) -> tuple[Array, Cache]:
        """x [B, S, W] at positions start, ..., start + S - 1 -> [B, S, W], and the cache with them in it.

        All positions at once (start 0) and one after another are the same computation: each attends to what
        lies in the cache up to itself. Positions beyond it are in the cache's room, and weigh exactly 0.
        """
        self.check()
        for layer in range(self.num_layers):
            attended, cache = Attention(self.num_heads, layer)(nn.LayerNorm()(x), cache, start)
            x = x + attended
            hidden = nn.gelu(nn.Dense(self.mlp_factor * self.width)(nn.LayerNorm()(x)))
            x = x + nn.Dense(self.width)(hidden)
        return nn.LayerNorm()(x), cache


class Attention(nn.Module):
    """[B, S, W] -> [B, S, W]: softmax(Q K^T / sqrt(W / heads)) V of each head, over positions so far."""

    num_heads: int
    layer: int

    @nn.compact
    def __call__(self, x: Array, cache: Cache, start: Position) -> tuple[Array, Cache]:
        """x [B, S, W] at positions start, ..., start + S - 1; its keys and values go into the cache."""
        num_rows, num, width = x.shape
        parts = nn.Dense(3 * width)(x).reshape(num_rows, num, 3, self.num_heads, width // self.num_heads)
        queries, keys, values = jnp.moveaxis(parts, (2, 3), (0, 2))  # [B, heads, S, W / heads] each
        cache = Cache(*(self.put(*pair, start) for pair in zip(cache, (keys, values), strict=True)))
        outputs = attend(queries, cache.keys[self.layer], cache.values[self.layer], start)
        return nn.Dense(width)(jnp.moveaxis(outputs, 1, 2).reshape(x.shape)), cache

    def put(self, room: Array, new: Array, start: Position) -> Array:
        """`new` [B, heads, S, W / heads] into this layer's positions from `start`."""
        # One write into the whole room, which XLA makes in place when the cache is carried by a loop.
        return jax.lax.dynamic_update_slice(room, new[None].astype(room.dtype), (self.layer, 0, 0, start, 0))


def attend(queries: Array, keys: Array, values: Array, start: Position) -> Array:
    """[B, heads, S, d], [B, heads, S_max, d] twice -> [B, heads, S, d]; the softmax in float32 at least."""
    num, length = queries.shape[2], keys.shape[2]
    scores = widened(jnp.einsum("bhsd,bhtd->bhst", queries, keys)) / queries.shape[3] ** 0.5
    seen = jnp.arange(length)[None, :] <= start + jnp.arange(num)[:, None]
    weights = jax.nn.softmax(jnp.where(seen[None, None], scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhst,bhtd->bhsd", weights.astype(values.dtype), values)
