"""Random bits equal to those of `jax.random`, in a form that is faster on CPU.

The generator is Threefry-2x32 (Salmon et al., 2011, Parallel random numbers: as easy as 1, 2, 3).
On CPU jax runs the 20 rounds of Threefry as a loop over arrays, so the arrays pass through memory five times.
Here the loop is over two halves of the array and the rounds are inside: 0.11 instead of 0.3 ms for the 78,400
bits of a binarised batch. `quick` changes how the functions of `jax.random` compute a key's bits, and no bit.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend import random as extend

from jaxae.types import Key

ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
NAME = "threefry2x32"
# Without a loop XLA would compute the bits once more for each operation that reads them.
NUM_PARTS = 2
FEW = 64  # bits for which a loop costs more than it saves, such as those of a new key


def quick(key: Key) -> Key:
    """Return the same key for a faster computation of the same bits.

    Args:
        key: A key, also one that is vmapped.

    Returns:
        On CPU a key of another type, from which `jax.random` draws the same numbers. Elsewhere, and for keys
        of other generators than jax's default, the key itself.
    """
    is_default = str(jax.random.key_impl(key)) == NAME and jax.config.values["jax_threefry_partitionable"]
    if jax.default_backend() != "cpu" or not is_default:
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_implementation())


def _seed(seed: Array) -> Array:
    """Return the data of a new key, u32[2]: jax needs it for a generator, but `quick` makes no new keys."""
    low = jnp.asarray(seed).astype(jnp.uint32)
    return jnp.stack([jnp.zeros_like(low), low])


def _fold_in(key: Array, data: Array | int) -> Array:
    """Return the data of the key with a number folded in, u32[2]."""
    return jnp.stack(_rounds(key, jnp.zeros((), jnp.uint32), jnp.asarray(data).astype(jnp.uint32)))


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    """Return the data of new keys, u32[*shape, 2]."""
    numbers = jnp.arange(math.prod(shape), dtype=jnp.uint32)
    return jnp.stack(_rounds(key, jnp.zeros_like(numbers), numbers), axis=-1).reshape(*shape, 2)


def _random_bits(key: Array, bit_width: int, shape: tuple[int, ...]) -> Array:
    """Return random bits, u32[*shape] for a width of 32."""
    size = math.prod(shape)
    if bit_width != 32 or size >= 2**32:
        dtype = jnp.dtype(f"uint{bit_width}")
        return jax.random.bits(jax.random.wrap_key_data(key, impl=NAME), shape, dtype)
    part = size if size <= FEW else -(-size // NUM_PARTS)

    def draw(start: Array) -> Array:
        numbers = jnp.arange(part, dtype=jnp.uint32) + start.astype(jnp.uint32)
        high, low = _rounds(key, jnp.zeros_like(numbers), numbers)
        return high ^ low

    if part == size:
        return draw(jnp.zeros((), jnp.uint32)).reshape(shape)

    def fill(number: Array, bits: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(bits, draw(number * part), number * part, 0)

    # The last part may end behind the last bit.
    bits = jax.lax.fori_loop(0, NUM_PARTS, fill, jnp.zeros((NUM_PARTS * part,), jnp.uint32))
    return bits[:size].reshape(shape)


def _rounds(key: Array, high: Array, low: Array) -> tuple[Array, Array]:
    """Encrypt counters of two words with a key u32[2] in 20 rounds."""
    # Without it the rounds that made this key may be put into the loop over its bits. LLVM then needs a time
    # that grows exponentially with the number of rounds: hours for a noise of 5x10.
    key = jax.lax.optimization_barrier(key)
    words = key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA)
    high, low = high + words[0], low + words[1]
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            high = high + low
            low = high ^ ((low << jnp.uint32(turn)) | (low >> jnp.uint32(32 - turn)))
        high = high + words[(group + 1) % 3]
        low = low + words[(group + 2) % 3] + jnp.uint32(group + 1)
    return high, low


@functools.cache
def _implementation() -> object:
    """Return the generator under which jax knows these functions."""
    return extend.define_prng_impl(
        key_shape=(2,),
        seed=_seed,
        split=_split,
        random_bits=_random_bits,
        fold_in=_fold_in,
        name="jaxae_threefry",
        tag="jfry",
    )
