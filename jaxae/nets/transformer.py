"""Causal transformer for sequences, with a cache of keys and values for sampling."""

import math
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae.maths.precision import widened
from jaxae.nets.products import by_transposed
from jaxae.specs.field_docs import with_attributes

Position = int | Array
Room = tuple[Array, Array]  # keys and values of one layer's cache


class Cache(NamedTuple):
    """Keys and values of all positions so far, for each layer [B heads, S_max, W / heads].

    The axis of positions is next to the last one. On CPU a step of one position was measured to be twice as
    fast as with the heads there. Each layer has its own arrays: XLA copies a slice of a larger one before the
    products, which took three times as long for 8 rows of 1,024 positions. Rows and heads share one axis: XLA
    drops an axis of size 1 before a product, and then copied the whole cache at each step of a single row.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]


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
        shape = num_rows * self.num_heads, length, self.width // self.num_heads
        # The zeros have no effect: `attend` masks every position that has not been written.
        keys, values = (tuple(jnp.zeros(shape, dtype) for _ in range(self.num_layers)) for _ in range(2))
        return Cache(keys, values)

    @nn.compact
    def __call__(self, x: Array, cache: Cache, start: Position) -> tuple[Array, Cache]:
        """Compute x [B, S, W] at positions start, ..., start + S - 1 -> [B, S, W], and the cache with them.

        All positions at once (start 0) and one after another are the same computation: each position attends
        to the cache up to itself. Later positions are present in the cache's arrays, but have a weight of
        exactly 0.
        """
        # Runs call `check` before training; a net that is used without a run is checked here.
        self.check()
        layers = []
        for room in zip(*cache, strict=True):
            attended, written = Attention(self.num_heads)(nn.LayerNorm()(x), room, start)
            layers.append(written)
            x = x + attended
            hidden = gelu(by_rows(nn.Dense(self.mlp_factor * self.width), nn.LayerNorm()(x)))
            x = x + by_rows(nn.Dense(self.width, dot_general=narrowing), hidden)
        return nn.LayerNorm()(x), Cache(*zip(*layers, strict=True))


class Attention(nn.Module):
    """Causal attention, [B, S, W] -> [B, S, W]: softmax(Q K^T / sqrt(W / heads)) V for each head."""

    num_heads: int
    """Number of heads, which share W."""

    @nn.compact
    def __call__(self, x: Array, room: Room, start: Position) -> tuple[Array, Room]:
        """Compute x [B, S, W] at positions from `start` -> [B, S, W], and the layer's cache with them."""
        num_rows, num, width = x.shape
        size = width // self.num_heads
        # One product for queries, keys and values: [B, S, 3 W] -> [B, S, 3, heads, W / heads].
        parts = by_rows(nn.Dense(3 * width), x).reshape(num_rows, num, 3, self.num_heads, size)
        # [B heads, S, W / heads] each, by one copy each.
        split = (jnp.moveaxis(parts[:, :, part], 2, 1) for part in range(3))
        queries, *new = (part.reshape(num_rows * self.num_heads, num, size) for part in split)
        keys, values = (put(*pair, start) for pair in zip(room, new, strict=True))
        # Nothing comes before position 0, so XLA can drop the cache of a training step with its gradients.
        is_whole = isinstance(start, int) and start == 0 and num > 0
        seen_keys, seen_values = new if is_whole else (keys, values)
        outputs = attend(queries, seen_keys, seen_values, start)
        # [B heads, S, W / heads] -> [B, S, heads, W / heads] -> [B, S, W].
        outputs = jnp.moveaxis(outputs.reshape(num_rows, self.num_heads, num, size), 1, 2).reshape(x.shape)
        return by_rows(nn.Dense(width), outputs), (keys, values)


def put(room: Array, new: Array, start: Position) -> Array:
    """Write the keys or values of new positions into the cache of a layer.

    Args:
        room: All keys or all values, [B heads, S_max, W / heads].
        new: Those of the new positions, [B heads, S, W / heads].
        start: First position to write.

    Returns:
        The updated array, of the shape of `room`.
    """
    # XLA does it in place when the cache is carried by a loop.
    return jax.lax.dynamic_update_slice_in_dim(room, new.astype(room.dtype), start, 1)


def by_rows(layer: nn.Module, x: Array) -> Array:
    """Apply a dense layer to all positions as rows of one product.

    Args:
        layer: The layer.
        x: Inputs, [B, S, W].

    Returns:
        [B, S, outputs].
    """
    # With three axes, XLA on CPU transposes the gradient of the outputs before the product that gives the
    # kernel's gradient: the gradients of an MLP took a quarter longer.
    rows = layer(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]))
    return rows.reshape(*x.shape[:-1], rows.shape[-1])


def narrowing(x: Array, kernel: Array, dimensions: Any, **options: Any) -> Array:
    """Compute the product of a dense layer with more inputs than outputs.

    Args:
        x: Rows, [N, inputs].
        kernel: [inputs, outputs].
        dimensions: Those of `jax.lax.dot_general` for such a product.
        **options: Further arguments of `jax.lax.dot_general`.

    Returns:
        [N, outputs].
    """
    # A step of sampling has few rows and needs no gradient; transposing the kernel would cost it more. The
    # same form serves exported programs, whose number of rows is symbolic.
    if not isinstance(x.shape[0], int) or len(x) < len(kernel):
        return jax.lax.dot_general(x, kernel, dimensions, **options)
    return by_transposed(x, kernel, **options)


# The gradient computes the activation again: that is cheaper than the four arrays that it would keep.
gelu = jax.checkpoint(nn.gelu)


def attend(queries: Array, keys: Array, values: Array, start: Position) -> Array:
    """Compute softmax(Q K^T / sqrt(d)) V, where query i sees the positions up to start + i.

    N is the number of rows and heads.

    Args:
        queries: f32[N, S, d].
        keys: f32[N, S_max, d].
        values: f32[N, S_max, d].
        start: Position of the first query.

    Returns:
        f32[N, S, d].
    """
    num, length = queries.shape[1], keys.shape[1]
    # The softmax is float32 at least: bfloat16 has 8 bits of mantissa, too few for a sum over positions.
    # The queries are scaled and not the scores, which are more numbers.
    scores = widened(jnp.einsum("nsd,ntd->nst", queries / queries.shape[2] ** 0.5, keys))
    # [S, S_max]: query i is at position start + i and sees keys up to there.
    is_visible = jnp.arange(length)[None, :] <= start + jnp.arange(num)[:, None]
    # exp(-inf) is exactly 0, so that sampling with a cache equals the computation of all positions at once.
    weights = jax.nn.softmax(jnp.where(is_visible[None], scores, -jnp.inf), axis=-1)
    return jnp.einsum("nst,ntd->nsd", weights.astype(values.dtype), values)
