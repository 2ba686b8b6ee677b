"""Randomness: one seed a run, keys derived by name and by number, never from history."""

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
