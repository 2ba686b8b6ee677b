"""Randomness: one seed a run, keys derived by name and by number, never from history."""

import math
import zlib

import jax
import jax.numpy as jnp
from jax import Array

from jaxae.types import Key


def root(seed: int | Array) -> Key:
    """The key of a run. The only place where a key is made from a number."""
    return jax.random.key(seed)


def named(key: Key, name: str) -> Key:
    """The stream `name` of `key`, the same in every version of Python and jax."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def of_row(key: Key, x: Array) -> Key:
    """A stream of `key` for one example x, by its content: the same wherever the example stands.

    So what is measured of an example depends on nothing but the example; two equal ones have the same noise.
    """
    bits = jax.lax.bitcast_convert_type(jnp.asarray(x, jnp.float32).reshape(-1), jnp.uint32)
    odd = jax.random.bits(jax.random.key(0), bits.shape, jnp.uint32) | 1
    mixed = (bits ^ (bits >> 15)) * odd
    total = mixed.sum(dtype=jnp.uint32)
    return jax.random.fold_in(key, total ^ (total >> 16))


def of_draw(key: Key, row: Array, draw: Array) -> Key:
    """Return a stream of `key` for one draw of one row, by their numbers u32[], i32[] each.

    One `fold_in` for both: each one takes XLA a quarter of a second to compile for a CPU. Rows start at
    scattered numbers, so draws of a row never have the same one, and those of two rows hardly ever.
    """
    scattered = jnp.asarray(row).astype(jnp.uint32) * jnp.uint32(0x9E3779B1)  # 2^32 over the golden ratio
    return jax.random.fold_in(key, scattered + jnp.asarray(draw).astype(jnp.uint32))


def normal(key: Key, shape: tuple[int, ...]) -> Array:
    """N(0, 1) noise f32[*shape]: the numbers of `jax.random.normal`, drawn along one axis.

    XLA unrolls CPU loops over a short last axis, such as a code's: measured, ten times the compilation of
    f32[64, 125, 10], and half as fast.
    """
    return jax.random.normal(key, (math.prod(shape),)).reshape(shape)
