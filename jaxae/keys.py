"""Random keys: one seed for each run; all other keys follow from it by name and by number.

A key never depends on which numbers were drawn before. So a resumed run draws the same noise as an
uninterrupted one, and a run of a sweep the same as a single run.
"""

import functools
import math
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.random import threefry2x32_p

from jaxae.types import Key

IMPLEMENTATION = "threefry2x32"  # jax's default generator


def root(seed: int | Array) -> Key:
    """Return the key of a run, made from its seed: an int or u32[].

    No other function of jaxae makes a run's key from a number.
    """
    return jax.random.key(seed)


def named(key: Key, name: str) -> Key:
    """Return the key of the stream `name` of `key`.

    Args:
        key: The key to derive from.
        name: The name of the use, such as "init", "data" or "eval".

    Returns:
        A key that depends on `key` and `name` alone, the same in every version of Python and jax.

    Example:
        >>> init_key = named(root(0), "init")
        >>> init_key == named(root(0), "data")
        Array(False, dtype=bool)
    """
    # crc32, since Python's `hash` of a string differs between processes. The mask must stay: with another one
    # every recorded run would draw other noise.
    return jax.random.fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def of_row(key: Key, x: Array) -> Key:
    """Return a key for one example, derived from its content.

    Statistics of an example then do not depend on its position in the data or on the other examples of its
    batch. Two equal examples get the same noise.

    Args:
        key: The key to derive from.
        x: The example, f32[...]; all of its values are hashed.

    Returns:
        A key that depends on `key` and on the bits of `x`.
    """
    # A multiplicative hash modulo 2^32. Round floats such as 0.5 have zeros in their low bits, and a product
    # carries bits upwards only: so the high bits are copied down before it, and after the sum.
    bits = jax.lax.bitcast_convert_type(jnp.asarray(x, jnp.float32).reshape(-1), jnp.uint32)
    # Constants, not noise: a weight for each position, or permuted pixels would have one key. An odd factor
    # is invertible modulo 2^32, so no bit is lost.
    odd = jax.random.bits(jax.random.key(0), bits.shape, jnp.uint32) | 1
    mixed = (bits ^ (bits >> 15)) * odd
    total = mixed.sum(dtype=jnp.uint32)
    return jax.random.fold_in(key, total ^ (total >> 16))


def of_draw(key: Key, row: Array, draw: Array) -> Key:
    """Return a key for one draw of one row, by their numbers.

    Args:
        key: The key to derive from.
        row: Number of the row, u32[].
        draw: Number of the draw, i32[].

    Returns:
        A key that never repeats among the draws of a row, and hardly ever between rows.
    """
    # One `fold_in` for both numbers, since XLA takes a quarter of a second to compile each one for a CPU.
    # The factor is 2^32 over the golden ratio (Fibonacci hashing): it spreads the rows' first numbers evenly.
    scattered = jnp.asarray(row).astype(jnp.uint32) * jnp.uint32(0x9E3779B1)
    return jax.random.fold_in(key, scattered + jnp.asarray(draw).astype(jnp.uint32))


def normal(key: Key, shape: tuple[int, ...]) -> Array:
    """Draw N(0, 1) noise f32[*shape], equal to that of `jax.random.normal`.

    Args:
        key: The key to draw with.
        shape: The shape of the noise.

    Returns:
        f32[*shape], drawn along one axis and reshaped.
    """
    # XLA unrolls CPU loops over a short last axis, such as that of a code. Measured for f32[64, 125, 10]:
    # ten times the compilation time and half the speed. The same holds for many keys under `vmap`.
    size = math.prod(shape)
    if not _is_plain(key):
        return jax.random.normal(key, (size,)).reshape(shape)
    return _normal_of_keys(size)(jax.random.key_data(key)[None])[0].reshape(shape)


def _is_plain(key: Key) -> bool:
    """Return whether `_flat_normal` repeats `jax.random.normal` for this key and jax's configuration."""
    is_float32 = jnp.zeros(()).dtype == jnp.float32
    is_default = str(jax.random.key_impl(key)) == IMPLEMENTATION
    return is_float32 and is_default and bool(jax.config.values["jax_threefry_partitionable"])


@functools.cache
def _normal_of_keys(size: int) -> Any:
    """Return the function from key data u32[N, 2] to noise f32[N, size]; vmapped keys are put in one axis."""

    @jax.custom_batching.custom_vmap
    def draw(data: Array) -> Array:
        if len(data) == 1:  # a single call: the same operations as in jax
            return jax.random.normal(jax.random.wrap_key_data(data[0], impl=IMPLEMENTATION), (size,))[None]
        return _flat_normal(data, size)

    @draw.def_vmap
    def draw_all(axis_size: int, in_batched: list[bool], data: Array) -> tuple[Array, bool]:
        return draw(data.reshape(-1, 2)).reshape(axis_size, -1, size), True

    return draw


def _flat_normal(data: Array, size: int) -> Array:
    """Draw the noise of many keys along one axis, u32[N, 2] -> f32[N, size].

    It has the bits of `jax.vmap(jax.random.normal)`. That vmap has the short last axis that `normal` avoids:
    for 192 keys and codes of 10 numbers it takes 2.5 CPU seconds to compile, this form 0.4.
    """
    first, second = (jnp.repeat(column, size) for column in data.T)
    counts = jnp.tile(jnp.arange(size, dtype=jnp.uint32), len(data))
    high, low = threefry2x32_p.bind(first, second, jnp.zeros_like(counts), counts)
    # 23 random bits as the mantissa of a number in [1, 2), then the inverse of the normal distribution.
    unit = jax.lax.bitcast_convert_type((high ^ low) >> 9 | jnp.uint32(0x3F800000), jnp.float32) - 1.0
    lowest = np.nextafter(np.float32(-1.0), np.float32(0.0))
    uniform = jnp.maximum(lowest, unit * (np.float32(1.0) - lowest) + lowest)
    return (np.float32(np.sqrt(2)) * jax.lax.erf_inv(uniform)).reshape(-1, size)
