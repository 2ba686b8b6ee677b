"""Randomness: one seed a run, keys derived by name and by number, never from history."""

import math
import zlib

import jax
from jax import Array

from jaxae.types import Key


def root(seed: int | Array) -> Key:
    """The key of a run. The only place where a key is made from a number."""
    return jax.random.key(seed)


def named(key: Key, name: str) -> Key:
    """The stream `name` of `key`, the same in every version of Python and jax."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def normal(key: Key, shape: tuple[int, ...]) -> Array:
    """N(0, 1) noise f32[*shape]: the numbers of `jax.random.normal`, drawn along one axis.

    XLA unrolls CPU loops over a short last axis, such as a code's: measured, ten times the compilation of
    f32[64, 125, 10], and half as fast.
    """
    return jax.random.normal(key, (math.prod(shape),)).reshape(shape)
