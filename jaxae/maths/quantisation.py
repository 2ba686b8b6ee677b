"""Vector quantisation in pure functions: nearest codes, gradients through them, and the use of a codebook.

Shapes: N vectors, P positions, D dimensions of a vector, K codes. van den Oord, Vinyals & Kavukcuoglu, 2017
(arXiv 1711.00937).
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import stop_gradient

CODES_AT_ONCE = 2048  # codes that are compared with all vectors at once: it limits the memory
TINY = 1e-12  # keeps divisions by a length finite

# In an accelerator's default precision (bfloat16 or TF32 passes) the wrong one of two almost equally near
# codes could win, so the tokens would depend on the device.
_product: Any = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def nearest_code(vectors: Array, codes: Array) -> Array:
    """Compute argmin_k |v - e_k|^2 of each vector; f32[N, D], f32[K, D] -> i32[N].

    The first of equally near codes wins. The result has no gradient. The codes are compared in chunks of
    `CODES_AT_ONCE`, so that memory does not grow with K: at most f32[N, CODES_AT_ONCE] distances exist at
    once.

    Args:
        vectors: v, f32[N, D].
        codes: The codebook e, f32[K, D].

    Returns:
        i32[N], from 0 to K - 1.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.quantisation import nearest_code
        >>> nearest_code(jnp.array([[0.2], [0.9]]), jnp.array([[0.0], [1.0]])).tolist()
        [0, 1]
    """
    vectors, num_codes = stop_gradient(vectors), len(codes)

    def update(best: tuple[Array, Array], chunk: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        best_distance, best_index = best
        first_index, chunk_codes = chunk
        distances = _distances(vectors, chunk_codes)
        if num_codes % len(chunk_codes):
            # The zeros that pad the last chunk are no codes and must never be nearest.
            valid = (first_index + jnp.arange(len(chunk_codes)) < num_codes)[None]
            distances = jnp.where(valid, distances, jnp.inf)
        distance = distances.min(axis=1)
        # The first index of the minimum, as argmin returns it. XLA's argmin takes ten times as long on a CPU,
        # and a minimum over integers twice as long as one over floats, which hold these indices exactly.
        indices = jnp.arange(len(chunk_codes), dtype=jnp.float32)[None]
        index = jnp.where(distances == distance[:, None], indices, float(len(chunk_codes))).min(axis=1)
        index = index.astype(jnp.int32)
        # Strictly less, so that the first of equally near codes wins across chunks too.
        return (
            jnp.where(distance < best_distance, distance, best_distance),
            jnp.where(distance < best_distance, first_index + index, best_index),
        ), None

    chunks = _chunked(stop_gradient(codes))
    start = jnp.full(vectors.shape[0], jnp.inf), jnp.zeros(vectors.shape[0], jnp.int32)
    firsts = jnp.arange(len(chunks), dtype=jnp.int32) * chunks.shape[1]
    (_, best_index), _ = jax.lax.scan(update, start, (firsts, chunks))
    return best_index.astype(jnp.int32)


def _distances(vectors: Array, codes: Array) -> Array:
    """Return numbers in the order of |v - e_k|^2 for each vector, f32[N, K]."""
    # The caller looks for the number that equals the smallest one, and a compiler may compute the numbers
    # twice. So they must not depend on whether it joins a product and a sum into one rounding.
    if vectors.shape[1] == 1:
        # XLA makes no matrix product of this one.
        return jnp.abs(vectors - codes.T)
    # |v|^2 is the same for every code, so it does not change the argmin. To multiply by 2 is exact.
    return (codes**2).sum(axis=1)[None] - 2.0 * _product(vectors, codes.T)


def counts_and_sums(vectors: Array, tokens: Array, num_codes: int) -> tuple[Array, Array]:
    """Count the vectors of each code, and sum them; f32[N, D], i32[N] -> f32[K], f32[K, D].

    Args:
        vectors: f32[N, D].
        tokens: The code of each vector, i32[N].
        num_codes: K.

    Returns:
        The number of vectors of each code, f32[K], and their sum, f32[K, D].
    """

    # A product with 0 and 1, and no scatter: scatters on accelerators add in any order, so bits would differ.
    def count_and_sum(codes: Array) -> tuple[Array, Array]:
        is_chosen = (tokens[None] == codes[:, None]).astype(vectors.dtype)
        return is_chosen.sum(axis=1), _product(is_chosen, vectors)

    counts, sums = jax.lax.map(count_and_sum, _chunked(jnp.arange(num_codes)))
    return counts.reshape(-1)[:num_codes], sums.reshape(-1, vectors.shape[1])[:num_codes]


def straight_through(vectors: Array, quantised: Array) -> Array:
    """Return q with the gradient of v: sg(q) + (v - sg(v)), elementwise.

    The value equals q bit by bit, because v - sg(v) is exactly 0. That does not hold for the common form
    v + sg(q - v), which rounds.

    Args:
        vectors: v, f32[..., D].
        quantised: q, f32[..., D].

    Returns:
        f32[..., D].

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxae.maths.quantisation import straight_through
        >>> jax.grad(lambda v: straight_through(v, jnp.round(v)))(0.7).item()  # round alone has gradient 0
        1.0
    """
    return stop_gradient(quantised) + (vectors - stop_gradient(vectors))


def rotated(vectors: Array, quantised: Array) -> Array:
    """Return q as lambda R v: R rotates v to the direction of q, lambda = |q| / |v|; f32[..., D].

    R and lambda are constants of the gradient. So the gradient of q reaches v rotated back and scaled, while
    `straight_through` copies it. Vectors of length 0 and opposite vectors (for which the rotation is not
    unique) use `straight_through`. Fifty et al., 2024 (arXiv 2410.06424), equation 4.

    Args:
        vectors: v, f32[..., D].
        quantised: q, f32[..., D].

    Returns:
        f32[..., D], with the value of q.
    """
    v, q = stop_gradient(vectors), stop_gradient(quantised)
    v_length, q_length = _length(v), _length(q)
    v_unit, q_unit = v / jnp.maximum(v_length, TINY), q / jnp.maximum(q_length, TINY)
    middle_length = _length(v_unit + q_unit)
    middle = (v_unit + q_unit) / jnp.maximum(middle_length, TINY)

    def along(unit: Array) -> Array:
        """Return the inner product of v and a unit vector, f32[..., 1]."""
        return (vectors * unit).sum(axis=-1, keepdims=True)

    # Two reflections make the rotation: R v = v - 2 m (m.v) + 2 q^ (v^.v), with m the unit vector halfway
    # between v^ and q^ (the vectors divided by their lengths). No matrix D x D is formed.
    turned = vectors - 2.0 * middle * along(middle) + 2.0 * q_unit * along(v_unit)
    turned = turned * (q_length / jnp.maximum(v_length, TINY))
    # Below these lengths |q| / |v| or the division by a short `middle` would blow up the value and the
    # gradient.
    defined = (v_length > 1e-6) & (q_length > 1e-6) & (middle_length > 1e-3)
    return jnp.where(defined, straight_through(turned, q), straight_through(vectors, q))


ESTIMATORS: dict[str, Callable[[Array, Array], Array]] = {
    "straight_through": straight_through,
    "rotation": rotated,
}


def unit_length(vectors: Array) -> Array:
    """Compute v / |v|, f32[..., D]; a vector of length 0 stays 0."""
    return vectors * jax.lax.rsqrt((vectors**2).sum(axis=-1, keepdims=True) + TINY)


def perplexity(counts: Array) -> Array:
    """Compute exp of the entropy of the codes' shares, from 1 to K codes; f32[K] -> f32[].

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.quantisation import perplexity
        >>> round(float(perplexity(jnp.array([5, 5, 0, 0]))), 4)  # two codes, equally often
        2.0
    """
    shares = counts / counts.sum()
    # 0 log 0 = 0: unused codes get log 1, since 0 times log 0 would be nan.
    logs = jnp.log(jnp.where(shares > 0, shares, 1.0))
    return jnp.exp(-(shares * logs).sum())


def usage(counts: Array) -> Array:
    """Compute the share of codes that are used at least once, f32[K] -> f32[].

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.quantisation import usage
        >>> float(usage(jnp.array([5, 5, 0, 0])))
        0.5
    """
    return (counts > 0).mean()


def _chunked(codes: Array) -> Array:
    """Reshape [K, ...] to [chunks, size, ...], padded with zeros."""
    size = min(CODES_AT_ONCE, len(codes))
    num_chunks = -(-len(codes) // size)
    missing = num_chunks * size - len(codes)
    padded = jnp.pad(codes, [(0, missing), *[(0, 0)] * (codes.ndim - 1)])
    return padded.reshape(num_chunks, size, *codes.shape[1:])


def _length(vectors: Array) -> Array:
    """Compute |v|, f32[..., 1]."""
    return jnp.linalg.norm(vectors, axis=-1, keepdims=True)
