"""From vectors to codes and back: pure functions. N vectors, P positions, D units, K codes.

van den Oord, Vinyals & Kavukcuoglu, 2017 (arXiv 1711.00937).
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import stop_gradient

CODES_AT_ONCE = 2048  # compared with all vectors at once: what bounds the memory
TINY = 1e-12  # under lengths that are divided by

# An accelerator's own precision would choose another of two codes that are almost equally near.
_product: Any = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def nearest_code(vectors: Array, codes: Array) -> Array:
    """argmin_k |v - e_k|^2, the first of equal ones; f32[N, D], f32[K, D] -> i32[N]. Has no gradient.

    `CODES_AT_ONCE` at a time, so that memory does not grow with K: f32[N, CODES_AT_ONCE] at most.
    """
    vectors, num_codes = stop_gradient(vectors), len(codes)

    def look(best: tuple[Array, Array], chunk: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        least, where = best
        first, some = chunk
        # |v|^2 is the same for every code and left out.
        distances = (some**2).sum(axis=1)[None] - 2.0 * _product(vectors, some.T)
        valid = (first + jnp.arange(len(some)) < num_codes)[None]
        distances = jnp.where(valid, distances, jnp.inf)
        value = distances.min(axis=1)
        # The first place of the least, as argmin: on CPU in a tenth of the time that XLA takes for that.
        places = jnp.arange(len(some), dtype=jnp.int32)[None]
        found = jnp.where(distances == value[:, None], places, len(some)).min(axis=1)
        return (jnp.where(value < least, value, least), jnp.where(value < least, first + found, where)), None

    chunks = _chunked(stop_gradient(codes))
    start = jnp.full(vectors.shape[0], jnp.inf), jnp.zeros(vectors.shape[0], jnp.int32)
    firsts = jnp.arange(len(chunks), dtype=jnp.int32) * chunks.shape[1]
    (_, where), _ = jax.lax.scan(look, start, (firsts, chunks))
    return where.astype(jnp.int32)


def counts_and_sums(vectors: Array, tokens: Array, num_codes: int) -> tuple[Array, Array]:
    """How many vectors chose each code, f32[K], and their sum, f32[K, D]; f32[N, D], i32[N].

    A product and no scatter, so that an accelerator gives the same bits each time.
    """

    def some(codes: Array) -> tuple[Array, Array]:
        chosen = (tokens[None] == codes[:, None]).astype(vectors.dtype)
        return chosen.sum(axis=1), _product(chosen, vectors)

    counts, sums = jax.lax.map(some, _chunked(jnp.arange(num_codes)))
    return counts.reshape(-1)[:num_codes], sums.reshape(-1, vectors.shape[1])[:num_codes]


def straight_through(vectors: Array, quantised: Array) -> Array:
    """q with the gradient of v: sg(q) + (v - sg(v)), elementwise; to the bit q, as v + sg(q - v) is not."""
    return stop_gradient(quantised) + (vectors - stop_gradient(vectors))


def rotated(vectors: Array, quantised: Array) -> Array:
    """q as lambda R v, R the rotation of v towards q, lambda = |q| / |v|, both constants; f32[..., D].

    The gradient of q is turned and scaled back to v, where `straight_through` copies it. Vectors of length 0,
    and opposite ones, for which no one rotation is meant, are passed straight through. Fifty et al., 2024
    (arXiv 2410.06424), equation 4.
    """
    v, q = stop_gradient(vectors), stop_gradient(quantised)
    v_length, q_length = _length(v), _length(q)
    v_unit, q_unit = v / jnp.maximum(v_length, TINY), q / jnp.maximum(q_length, TINY)
    middle_length = _length(v_unit + q_unit)
    middle = (v_unit + q_unit) / jnp.maximum(middle_length, TINY)

    def along(unit: Array) -> Array:
        return (vectors * unit).sum(axis=-1, keepdims=True)

    turned = vectors - 2.0 * middle * along(middle) + 2.0 * q_unit * along(v_unit)
    turned = turned * (q_length / jnp.maximum(v_length, TINY))
    defined = (v_length > 1e-6) & (q_length > 1e-6) & (middle_length > 1e-3)
    return jnp.where(defined, straight_through(turned, q), straight_through(vectors, q))


ESTIMATORS: dict[str, Callable[[Array, Array], Array]] = {
    "straight_through": straight_through,
    "rotation": rotated,
}


def unit_length(vectors: Array) -> Array:
    """v / |v|, f32[..., D]; what has length 0 stays so."""
    return vectors * jax.lax.rsqrt((vectors**2).sum(axis=-1, keepdims=True) + TINY)


def perplexity(counts: Array) -> Array:
    """exp of the entropy of the shares, from 1 to K codes; f32[K] -> f32[]."""
    shares = counts / counts.sum()
    logs = jnp.log(jnp.where(shares > 0, shares, 1.0))
    return jnp.exp(-(shares * logs).sum())


def usage(counts: Array) -> Array:
    """The share of codes that were chosen at all, f32[K] -> f32[]."""
    return (counts > 0).mean()


def _chunked(codes: Array) -> Array:
    """[K, ...] -> [chunks, size, ...], filled up with zeros."""
    size = min(CODES_AT_ONCE, len(codes))
    num_chunks = -(-len(codes) // size)
    missing = num_chunks * size - len(codes)
    padded = jnp.pad(codes, [(0, missing), *[(0, 0)] * (codes.ndim - 1)])
    return padded.reshape(num_chunks, size, *codes.shape[1:])


def _length(vectors: Array) -> Array:
    """|v|, f32[..., 1]."""
    return jnp.linalg.norm(vectors, axis=-1, keepdims=True)
