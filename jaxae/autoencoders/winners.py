"""Sparse autoencoders by selection: only the largest activations are kept, and there is no penalty."""

from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Gt, Le
from jax import Array
from jax.typing import ArrayLike

from jaxae.autoencoders.base.pairs import Activation, Pair
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables

# On CPU at most 1/FEW of the units are selected faster by XLA's top_k than bit by bit: 2.7 instead of 19.5 ms
# for 32 of 8192 units of 100 examples. A quarter of the units take three times as long.
FEW = 20


@spec
class TopKAE(Pair):
    """k-sparse autoencoder: loss = D = d(x, g(z)), where z keeps only the k largest units of f(x).

    D is the distortion, f32[B], in the unit of `reconstruction`. Makhzani & Frey, 2014 (arXiv 1312.5663).
    `encode` keeps `k_encode` units if it is given: the paper keeps more for classification (its alpha k) than
    in training.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z, L; a code larger than the data is overcomplete."""
    k: Annotated[int, Gt(0)] = 25
    """Number of units that are kept for each example in training."""
    k_encode: Annotated[int, Gt(0)] | None = None
    """Number of units that `encode` keeps; None for k."""

    has_exact_zeros: ClassVar[bool] = True

    def check(self) -> None:
        """Check that the code has at least k units. Raises: ValueError otherwise."""
        Pair.check(self)
        for name in ("k", "k_encode"):
            if (getattr(self, name) or 0) > self.latent_dim:
                raise ValueError(f"{name}: got {getattr(self, name)}, but latent_dim is {self.latent_dim}")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, f32[B]. The key is not used, since nothing here is random."""
        z = keep_largest(self.code(variables.params, batch.x), self.k)
        return {"distortion": self.distortion(variables, z, batch.x)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weight 1 of the distortion, which is the whole loss."""
        return {"distortion": 1.0}

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the code, f32[B, ...] -> f32[B, L], with all but `k_encode` (or k) units 0."""
        return keep_largest(self.code(variables.params, batch.x), self.k_encode or self.k)


@spec
class WinnerTakeAllAE(Pair):
    """Winner-take-all autoencoder: loss = D = d(x, g(z)); z keeps each unit's largest values in a batch.

    D is the distortion, f32[B], in the unit of `reconstruction`. Makhzani & Frey, 2015 (arXiv 1409.2752),
    section 2, lifetime sparsity. Each unit learns from a share `lifetime` of every batch, so no unit dies.
    The selection is a statistic of the batch: the terms of an example depend on the other examples. `encode`
    returns the rectified code without the selection, as in the paper after training.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z, L; a code larger than the data is overcomplete."""
    activation: Activation = "relu"
    """Nonlinearity s of the code."""
    lifetime: Annotated[float, Gt(0), Le(1)] = 0.05
    """Share of a batch for which each unit is kept, rounded up to whole examples."""

    batch_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # depend on the other rows of the batch
    min_batch: ClassVar[int] = 2  # one row wins at every unit

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, f32[B]. The key is not used, since nothing here is random."""
        code = self.code(variables.params, batch.x)
        num_winners = num_kept(self.lifetime, code.shape[0])
        # The selected values keep their gradient; the selection itself has none.
        z = jnp.where(largest(code, num_winners, axis=0), code, 0.0)
        return {"distortion": self.distortion(variables, z, batch.x)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weight 1 of the distortion, which is the whole loss."""
        return {"distortion": 1.0}


def num_kept(share: ArrayLike, size: int) -> Array:
    """Return ceil(share * size), i32[], for the decimal as it was written: 0.3 of 100 is 30.

    Args:
        share: Number in (0, 1], f32[] or a Python float; it may be traced.
        size: Number of entries, a Python int.

    Returns:
        i32[], from 1 to `size`.

    Example:
        >>> from jaxae.autoencoders.winners import num_kept
        >>> int(num_kept(0.3, 100))
        30
    """
    # float32(0.3) * 100 lies above 30. So count the m with m / size < share instead: where the quotient and
    # the decimal are the same number, both are rounded to the same float64 and then to the same float32.
    # NumPy divides at trace time, since an accelerator's division may be off in the last place.
    quotients = (np.arange(size) / size).astype(np.float32)
    return (quotients < jnp.asarray(share, jnp.float32)).sum(dtype=jnp.int32)


def keep_largest(code: Array, k: int) -> Array:
    """Keep the k largest entries of each row and set the others to 0.

    Args:
        code: f32[B, L].
        k: Number of entries to keep; of equal entries the first ones stay, so that exactly k do.

    Returns:
        f32[B, L].
    """
    few = code.dtype == jnp.float32 and k * FEW <= code.shape[1] and jax.default_backend() == "cpu"
    is_kept = _few_largest(code, k) if few else largest(code, k, axis=1)
    return jnp.where(is_kept, code, 0.0)


def _few_largest(code: Array, k: int) -> Array:
    """Mark the k largest entries of each row as `largest` does, by XLA's selection for CPUs."""
    # -0 and 0 are equal here, but not for top_k.
    code = jax.lax.stop_gradient(jnp.where(code == 0, 0.0, code))
    values, places = jax.lax.top_k(code, k)
    # The minimum and not the last one: XLA turns a slice of top_k into a sort, which takes 60 times as long.
    threshold = values.min(axis=1, keepdims=True)
    # Of equal entries top_k returns the first ones.
    last = jnp.where(values == threshold, places, -1).max(axis=1, keepdims=True)
    is_first = jax.lax.broadcasted_iota(places.dtype, code.shape, 1) <= last
    # Not code > threshold: a nan must stay in the code, so that the run is seen to diverge.
    return ~(code <= threshold) | ((code == threshold) & is_first)


def largest(x: Array, k: ArrayLike, axis: int) -> Array:
    """Mark the k largest entries along an axis.

    The k-th largest entry is found bit by bit, from the highest bit: it is the largest number that k entries
    reach.

    Args:
        x: f32[...] or f64[...].
        k: Number of entries, an int or i32[]; of equal entries the first ones are marked, so that exactly k
            are.
        axis: Axis along which entries are compared.

    Returns:
        bool[...], of the shape of x.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.autoencoders.winners import largest
        >>> largest(jnp.array([1.0, 3.0, 3.0, 2.0]), 2, axis=0).tolist()
        [False, True, True, False]
    """
    # 32 counts (64 in float64) take a thirtieth of the time of XLA's sort on CPU. Unlike top_k, k may be
    # traced.
    number_type, bits_type, num_bits = (jnp.float32, jnp.uint32, 32)
    if x.dtype == jnp.float64:
        number_type, bits_type, num_bits = (jnp.float64, jnp.uint64, 64)
    # -0 and 0 are equal, but their bits are not.
    without_minus_zero = jnp.where(x == 0, 0.0, x).astype(number_type)
    bits = jax.lax.bitcast_convert_type(without_minus_zero, bits_type)
    sign = bits_type(1 << (num_bits - 1))
    # Unsigned integers in the order of the floats: a negative float has all bits flipped, a positive one its
    # sign bit.
    ordered = jnp.where(bits >= sign, ~bits, bits | sign)

    def step(number: Array, threshold: Array) -> Array:
        trial = threshold | (sign >> number.astype(bits_type))
        return jnp.where((ordered >= trial).sum(axis=axis, keepdims=True) >= k, trial, threshold)

    shape = ordered.sum(axis=axis, keepdims=True).shape
    # Each step tries to set one more bit of the k-th largest number.
    threshold = jax.lax.fori_loop(0, num_bits, step, jnp.zeros(shape, bits_type))
    is_above, is_equal = ordered > threshold, ordered == threshold
    # Several entries may equal the k-th largest: the first of them are kept, so that exactly k entries are.
    num_equal_kept = k - is_above.sum(axis=axis, keepdims=True)
    return is_above | (is_equal & (jnp.cumsum(is_equal, axis=axis) <= num_equal_kept))
