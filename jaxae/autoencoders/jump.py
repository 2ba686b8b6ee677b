"""The JumpReLU sparse autoencoder (Rajamanoharan et al., 2024, arXiv 2407.14435)."""

from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt
from jax import Array

from jaxae.autoencoders.base.pairs import Pair
from jaxae.maths.precision import widened
from jaxae.protocols.parts import Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Params, Terms, Variables


@spec
class JumpReLUAE(Pair):
    """JumpReLU autoencoder: loss = D + sparsity_weight |z|_0, z_j = f_j(x) if f_j(x) > theta_j, else 0.

    D = d(x, g(z)) is the distortion, f32[B]; |z|_0 is the number of active units, f32[B]; theta f32[L] > 0 is
    a learned threshold.

    Rajamanoharan et al., 2024. Neither the jump nor the count has a useful derivative in theta. Their
    expectations over the data have one, which is estimated by a window of `bandwidth` around theta (equations
    11 and 12). The loss itself is exact; only the gradient of theta is an estimate.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z, L; a code larger than the data is overcomplete."""
    sparsity_weight: Annotated[float, Ge(0)] | Schedule = 0.01
    """Weight of the number of active units, |z|_0."""
    threshold: Annotated[float, Gt(0)] = 0.1
    """Initial threshold theta of every unit, in the code's unit; above 0."""
    bandwidth: Annotated[float, Gt(0)] = 0.1
    """Width of the window around theta in which units move theta, in the code's unit; above 0."""

    has_exact_zeros: ClassVar[bool] = True

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise encoder and decoder, and log theta of each unit."""
        variables = Pair.init(self, key, batch)
        # The logarithm is learned, so that theta is positive after every step of the optimiser.
        log_threshold = jnp.full((self.latent_dim,), jnp.log(self.threshold))
        return Variables({**variables.params, "log_threshold": log_threshold}, variables.extra)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion` and `sparsity`, the number of active units; f32[B] each, without the key."""
        features, threshold = self._features(variables.params, batch.x)
        z = jump(features, threshold, self.bandwidth)
        sparsity = above(features, threshold, self.bandwidth).sum(axis=-1)
        return {"distortion": self.distortion(variables, z, batch.x), "sparsity": sparsity}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 for the distortion, `sparsity_weight` for the count."""
        return {"distortion": 1.0, "sparsity": value(self.sparsity_weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Pair.term_units(self), "sparsity": "units"}

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the code, f32[B, ...] -> f32[B, L], which is 0 where a unit is not above its threshold."""
        return jump(*self._features(variables.params, batch.x), self.bandwidth)

    def _features(self, params: Params, x: Array) -> tuple[Array, Array]:
        """Return the units before the jump, f32[B, L], and theta, f32[1, L]."""
        return self.code(params, x), jnp.exp(widened(params["log_threshold"]))[None]


@jax.custom_jvp
def above(features: Array, threshold: Array, bandwidth: Any) -> Array:
    """Return 1 where features > threshold and 0 elsewhere, with an estimated derivative in the threshold.

    The derivative is -1/bandwidth in the window |features - threshold| < bandwidth / 2. On average over the
    data this is minus the density of the features at the threshold.

    Args:
        features: Units before the jump, f32[B, L].
        threshold: Threshold of each unit, f32[1, L].
        bandwidth: Width of the window, in the features' unit.

    Returns:
        f32[B, L].
    """
    return (features > threshold).astype(features.dtype)


@above.defjvp
def _above_jvp(primals: tuple[Any, Any, Any], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
    features, threshold, bandwidth = primals
    # Only the tangent of the threshold is used: the features and the bandwidth get no gradient.
    window = (jnp.abs(features - threshold) < 0.5 * bandwidth) / bandwidth
    return above(features, threshold, bandwidth), -window * tangents[1]


def jump(features: Array, threshold: Array, bandwidth: Any) -> Array:
    """Return the features where they are above the threshold and 0 elsewhere.

    The derivative in the threshold is the threshold times that of `above` (Rajamanoharan et al., 2024,
    equation 11).

    Args:
        features: Units before the jump, f32[B, L].
        threshold: Threshold of each unit, f32[1, L].
        bandwidth: Width of the window of `above`.

    Returns:
        f32[B, L].
    """
    active = above(features, threshold, bandwidth)
    # The first product carries the gradient of the features, the second is 0 and carries that of the
    # threshold.
    mask = jax.lax.stop_gradient(active)
    return features * mask + jax.lax.stop_gradient(threshold) * (active - mask)
