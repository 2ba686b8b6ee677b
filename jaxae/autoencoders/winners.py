"""Sparse autoencoders by selection: which units of the code may speak, and no penalty."""

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


@spec
class TopKAE(Pair):
    """The k-sparse autoencoder: of a linear code only the k largest units of each example are kept.

    Makhzani & Frey, 2014 (arXiv 1312.5663). `encode` keeps `k_encode` of them where that is given: the paper
    takes a few more for classification than for training.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z; larger than the data's it is overcomplete."""
    k: Annotated[int, Gt(0)] = 25
    """Units kept of each example."""
    k_encode: Annotated[int, Gt(0)] | None = None
    """Units that `encode` keeps; None for k."""

    has_exact_zeros: ClassVar[bool] = True

    def check(self) -> None:
        """Raises ValueError for more units than there are."""
        Pair.check(self)
        for name in ("k", "k_encode"):
            if (getattr(self, name) or 0) > self.latent_dim:
                raise ValueError(f"{name}: got {getattr(self, name)}, but latent_dim is {self.latent_dim}")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion` f32[B]; the key is not used, nothing here is random."""
        z = keep_largest(self.code(variables.params, batch.x), self.k)
        return {"distortion": self.distortion(variables, z, batch.x)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """The distortion is the whole loss."""
        return {"distortion": 1.0}

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """f32[B, ...] -> f32[B, L], all but `k_encode` (or k) of them 0."""
        return keep_largest(self.code(variables.params, batch.x), self.k_encode or self.k)


@spec
class WinnerTakeAllAE(Pair):
    """Lifetime sparsity: of each rectified unit only the largest activations over the batch are kept.

    Makhzani & Frey, 2015 (arXiv 1409.2752), section 2. Every unit learns from a share `lifetime` of every
    batch, so none dies. A batch statistic: an example's terms depend on the others of its batch. `encode`
    gives the rectified code without the selection, as the paper does after training.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z; larger than the data's it is overcomplete."""
    activation: Activation = "relu"
    """s, the nonlinearity of the code's units."""
    lifetime: Annotated[float, Gt(0), Le(1)] = 0.05
    """Share of a batch that each unit keeps, rounded up to whole examples."""

    batch_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # depend on the other rows of the batch
    min_batch: ClassVar[int] = 2  # one row wins at every unit

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion` f32[B]; the key is not used, nothing here is random."""
        code = self.code(variables.params, batch.x)
        num_winners = num_kept(self.lifetime, code.shape[0])
        z = jnp.where(largest(code, num_winners, axis=0), code, 0.0)
        return {"distortion": self.distortion(variables, z, batch.x)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """The distortion is the whole loss."""
        return {"distortion": 1.0}


def num_kept(share: ArrayLike, size: int) -> Array:
    """Return ceil(share * size), i32[], for the decimal that was written: 0.3 of 100 is 30.

    Args:
        share: a number in (0, 1], f32[] or a Python float; it may be traced.
        size: how many there are, a Python int.
    """
    # float32(0.3) * 100 lies above 30. So count the m with m / size < share instead: where the quotient and
    # the decimal are the same number, both are rounded to the same float64 and then to the same float32.
    # NumPy divides at trace time, since an accelerator's division may be off in the last place.
    quotients = (np.arange(size) / size).astype(np.float32)
    return (quotients < jnp.asarray(share, jnp.float32)).sum(dtype=jnp.int32)


def keep_largest(code: Array, k: int) -> Array:
    """The k largest of each row, the rest 0; f32[B, L] -> f32[B, L]. Ties go to the first, so k stay."""
    return jnp.where(largest(code, k, axis=1), code, 0.0)


def largest(x: Array, k: ArrayLike, axis: int) -> Array:
    """Which k entries along `axis` are the largest, as bool like x; of equal ones the first, so that k stay.

    Bit by bit from the highest the k-th largest is what k entries reach: 32 counts, a thirtieth of the time
    that XLA's sort takes on CPU, and k may be traced. (64 counts in float64.)
    """
    number_type, bits_type, num_bits = (jnp.float32, jnp.uint32, 32)
    if x.dtype == jnp.float64:
        number_type, bits_type, num_bits = (jnp.float64, jnp.uint64, 64)
    one_zero = jnp.where(x == 0, 0.0, x).astype(number_type)  # -0 and 0 are equal, their bits are not
    bits = jax.lax.bitcast_convert_type(one_zero, bits_type)
    sign = bits_type(1 << (num_bits - 1))
    ordered = jnp.where(bits >= sign, ~bits, bits | sign)  # as unsigned numbers in the order of the floats

    def step(number: Array, least: Array) -> Array:
        trial = least | (sign >> number.astype(bits_type))
        return jnp.where((ordered >= trial).sum(axis=axis, keepdims=True) >= k, trial, least)

    shape = ordered.sum(axis=axis, keepdims=True).shape
    least = jax.lax.fori_loop(0, num_bits, step, jnp.zeros(shape, bits_type))
    above, equal = ordered > least, ordered == least
    room = k - above.sum(axis=axis, keepdims=True)
    return above | (equal & (jnp.cumsum(equal, axis=axis) <= room))
