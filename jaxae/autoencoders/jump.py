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
    """loss = D + sparsity_weight |z|_0, z_j = f_j(x) where f_j(x) > theta_j and else 0; theta > 0 is learned.

    Neither the jump nor the count has a useful derivative in theta; their expectations over the data have,
    and it is estimated by a window of `bandwidth` around theta (the paper's equations 11 and 12). The loss
    itself is exact, only the gradient of theta is an estimate.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z; larger than the data's it is overcomplete."""
    sparsity_weight: Annotated[float, Ge(0)] | Schedule = 0.01
    """Weight of the number of active units."""
    threshold: Annotated[float, Gt(0)] = 0.1
    """theta of every unit when a run begins, in the code's unit; above 0."""
    bandwidth: Annotated[float, Gt(0)] = 0.1
    """Width of the window in which a unit's distance from theta moves theta, in the code's unit; above 0."""

    has_exact_zeros: ClassVar[bool] = True

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh parameters of the pair, and log theta of each unit."""
        variables = Pair.init(self, key, batch)
        log_threshold = jnp.full((self.latent_dim,), jnp.log(self.threshold))
        return Variables({**variables.params, "log_threshold": log_threshold}, variables.extra)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`, and `sparsity`, the number of active units; f32[B]. The key is not used."""
        features, threshold = self._features(variables.params, batch.x)
        z = jump(features, threshold, self.bandwidth)
        sparsity = above(features, threshold, self.bandwidth).sum(axis=-1)
        return {"distortion": self.distortion(variables, z, batch.x), "sparsity": sparsity}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1 for the distortion, `sparsity_weight` for the count."""
        return {"distortion": 1.0, "sparsity": value(self.sparsity_weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Pair.term_units(self), "sparsity": "units"}

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """f32[B, ...] -> f32[B, L], 0 where a unit is not above its threshold."""
        return jump(*self._features(variables.params, batch.x), self.bandwidth)

    def _features(self, params: Params, x: Array) -> tuple[Array, Array]:
        """The units before the jump, f32[B, L], and theta, f32[1, L]."""
        return self.code(params, x), jnp.exp(widened(params["log_threshold"]))[None]


@jax.custom_jvp
def above(features: Array, threshold: Array, bandwidth: Any) -> Array:
    """1 where features > threshold, else 0; [B, L], [1, L] -> f32[B, L].

    Its derivative in the threshold is taken to be -1/bandwidth in the window |features - threshold| <
    bandwidth / 2: on the average over the data, minus the density of the features at the threshold.
    """
    return (features > threshold).astype(features.dtype)


@above.defjvp
def _above_jvp(primals: tuple[Any, Any, Any], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
    features, threshold, bandwidth = primals
    window = (jnp.abs(features - threshold) < 0.5 * bandwidth) / bandwidth
    return above(features, threshold, bandwidth), -window * tangents[1]


def jump(features: Array, threshold: Array, bandwidth: Any) -> Array:
    """The features where they are above the threshold, else 0; [B, L], [1, L] -> f32[B, L].

    The derivative in the threshold is the threshold's times that of `above`, as the paper has it.
    """
    active = above(features, threshold, bandwidth)
    still = jax.lax.stop_gradient(active)
    return features * still + jax.lax.stop_gradient(threshold) * (active - still)
