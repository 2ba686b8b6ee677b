"""p(z): specs of priors over codes, each with the parameters it learns (`jaxae.protocols.parts.Prior`).

S samples, B examples, L latent dimensions, K components. `components` is how a prior made of posteriors
gets at them: x f32[K, ...] -> mean and log-variance of q(z|x), f32[K, L] each.
"""

from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
from annotated_types import Gt
from jax import Array

from jaxae import keys
from jaxae.distributions.formulas import gaussian_log_prob
from jaxae.maths.precision import widened
from jaxae.protocols.parts import Components
from jaxae.specs.pytree import spec
from jaxae.types import Key, Params, Shape


@spec
class StandardNormal:
    """p(z) = N(0, I); nothing is learned."""

    is_standard: ClassVar[bool] = True

    def init(self, key: Key, latent_dim: int, data_shape: Shape) -> Params:
        """Nothing."""
        return {}

    def log_prob(self, params: Params, z: Array, components: Components) -> Array:
        """log N(z; 0, I), f32[..., L] -> f32[...], nats."""
        return gaussian_log_prob(0.0, 0.0, z, 1)

    def sample(self, params: Params, key: Key, shape: Shape, components: Components) -> Array:
        """z ~ N(0, I), f32[num, L] for shape (num, L)."""
        return keys.normal(key, shape)


@spec
class MixturePrior:
    """p(z) = sum_k w_k N(z; mean_k, diag exp log_var_k), all learned (Dilokthanakul et al., 2016)."""

    num_components: Annotated[int, Gt(0)] = 10
    """Components of the mixture."""

    def init(self, key: Key, latent_dim: int, data_shape: Shape) -> Params:
        """Means drawn from N(0, I), unit variances, equal weights: near the standard normal."""
        shape = self.num_components, latent_dim
        means = keys.normal(key, shape)
        return {"mean": means, "log_var": jnp.zeros(shape), "logits": jnp.zeros(self.num_components)}

    def log_prob(self, params: Params, z: Array, components: Components) -> Array:
        """log p(z), f32[..., L] -> f32[...], nats."""
        return mixture_log_prob(*_mixture(params), z)

    def sample(self, params: Params, key: Key, shape: Shape, components: Components) -> Array:
        """z ~ p(z), f32[num, L] for shape (num, L)."""
        return mixture_sample(*_mixture(params), key, shape)


@spec
class VampPrior:
    """p(z) = 1/K sum_k q(z|u_k): the posteriors of K learned pseudo-inputs u_k in [0, 1].

    Tomczak & Welling, 2018 (arXiv 1705.07120). For data in the unit interval.
    """

    num_components: Annotated[int, Gt(0)] = 500
    """Pseudo-inputs."""

    support: ClassVar[str] = "unit interval"

    def init(self, key: Key, latent_dim: int, data_shape: Shape) -> Params:
        """Pseudo-inputs near 0.05, as the paper's code begins them."""
        return {"pseudo_inputs": 0.05 + 0.01 * keys.normal(key, (self.num_components, *data_shape))}

    def log_prob(self, params: Params, z: Array, components: Components) -> Array:
        """log p(z), f32[..., L] -> f32[...], nats."""
        return mixture_log_prob(*self._mixture(params, components), z)

    def sample(self, params: Params, key: Key, shape: Shape, components: Components) -> Array:
        """z ~ p(z), f32[num, L] for shape (num, L)."""
        return mixture_sample(*self._mixture(params, components), key, shape)

    def _mixture(self, params: Params, components: Components) -> tuple[Array, Array, Array]:
        mean, log_var = components(jnp.clip(params["pseudo_inputs"], 0.0, 1.0))
        return mean, log_var, jnp.zeros(self.num_components)


def mixture_log_prob(mean: Array, log_var: Array, logits: Array, z: Array) -> Array:
    """log sum_k w_k N(z; mean_k, diag exp log_var_k); [K, L], [K, L], [K], [..., L] -> [...], nats.

    w = softmax(logits).
    """
    leading = (None,) * (z.ndim - 1)
    each = gaussian_log_prob(mean[leading], log_var[leading], z[..., None, :], 1)
    return jax.nn.logsumexp(each + jax.nn.log_softmax(logits)[leading], axis=-1)


def mixture_sample(mean: Array, log_var: Array, logits: Array, key: Key, shape: Shape) -> Array:
    """z from the mixture, f32[num, L] for shape (num, L)."""
    component_key, noise_key = jax.random.split(key)
    chosen = jax.random.categorical(component_key, logits, shape=shape[:1])
    return mean[chosen] + jnp.exp(0.5 * log_var[chosen]) * keys.normal(noise_key, shape)


def _mixture(params: Params) -> tuple[Array, Array, Array]:
    leaves = params["mean"], params["log_var"], params["logits"]
    mean, log_var, logits = map(widened, leaves)
    return mean, log_var, logits
