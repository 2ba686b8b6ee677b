"""Priors p(z) over codes, each with the parameters that it learns (`jaxae.protocols.parts.Prior`).

S samples, B examples, L latent dimensions, K components. A prior made of posteriors gets them by
`components`: x f32[K, ...] -> mean and log-variance of q(z|x), f32[K, L] each.
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
    """Standard normal prior: p(z) = N(0, I), without parameters."""

    is_standard: ClassVar[bool] = True

    def init(self, key: Key, latent_dim: int, data_shape: Shape) -> Params:
        """Return {}: nothing is learned."""
        return {}

    def log_prob(self, params: Params, z: Array, components: Components) -> Array:
        """Compute log N(z; 0, I), f32[..., L] -> f32[...], in nats."""
        return gaussian_log_prob(0.0, 0.0, z, 1)

    def sample(self, params: Params, key: Key, shape: Shape, components: Components) -> Array:
        """Draw z ~ N(0, I), f32[num, L] for shape (num, L)."""
        return keys.normal(key, shape)


@spec
class MixturePrior:
    """Gaussian mixture prior: p(z) = sum_k w_k N(z; mean_k, diag exp log_var_k), learned with the nets.

    Dilokthanakul et al., 2016 (arXiv 1611.02648).
    """

    num_components: Annotated[int, Gt(0)] = 10
    """Number of components of the mixture, K."""

    def init(self, key: Key, latent_dim: int, data_shape: Shape) -> Params:
        """Draw means from N(0, I); variances start at 1 and weights are equal, which is near N(0, I)."""
        shape = self.num_components, latent_dim
        means = keys.normal(key, shape)
        return {"mean": means, "log_var": jnp.zeros(shape), "logits": jnp.zeros(self.num_components)}

    def log_prob(self, params: Params, z: Array, components: Components) -> Array:
        """Compute log p(z), f32[..., L] -> f32[...], in nats."""
        return mixture_log_prob(*_mixture_parameters(params), z)

    def sample(self, params: Params, key: Key, shape: Shape, components: Components) -> Array:
        """Draw z ~ p(z), f32[num, L] for shape (num, L)."""
        return mixture_sample(*_mixture_parameters(params), key, shape)


@spec
class VampPrior:
    """VampPrior: p(z) = 1/K sum_k q(z|u_k), the posteriors of K learned pseudo-inputs u_k in [0, 1].

    For data in the unit interval. Tomczak & Welling, 2018 (arXiv 1705.07120).
    """

    num_components: Annotated[int, Gt(0)] = 500
    """Number of pseudo-inputs, K."""

    support: ClassVar[str] = "unit interval"

    def init(self, key: Key, latent_dim: int, data_shape: Shape) -> Params:
        """Draw pseudo-inputs from N(0.05, 0.01^2), as the paper's code does."""
        return {"pseudo_inputs": 0.05 + 0.01 * keys.normal(key, (self.num_components, *data_shape))}

    def log_prob(self, params: Params, z: Array, components: Components) -> Array:
        """Compute log p(z), f32[..., L] -> f32[...], in nats."""
        return mixture_log_prob(*self._mixture_parameters(params, components), z)

    def sample(self, params: Params, key: Key, shape: Shape, components: Components) -> Array:
        """Draw z ~ p(z), f32[num, L] for shape (num, L)."""
        return mixture_sample(*self._mixture_parameters(params, components), key, shape)

    def _mixture_parameters(self, params: Params, components: Components) -> tuple[Array, Array, Array]:
        # The pseudo-inputs are clipped to the data's range, as in the paper's code (Hardtanh from 0 to 1).
        mean, log_var = components(jnp.clip(params["pseudo_inputs"], 0.0, 1.0))
        return mean, log_var, jnp.zeros(self.num_components)


def mixture_log_prob(mean: Array, log_var: Array, logits: Array, z: Array) -> Array:
    """Compute log sum_k w_k N(z; mean_k, diag exp log_var_k), w = softmax(logits), in nats.

    Args:
        mean: Means of the components, f32[K, L].
        log_var: Logarithms of their variances, f32[K, L].
        logits: Unnormalised log-weights, f32[K].
        z: Codes, f32[..., L].

    Returns:
        f32[...], in nats.
    """
    leading = (None,) * (z.ndim - 1)
    # [..., 1, L] against [1, .., K, L] -> [..., K]: all K densities of each code.
    component_log_probs = gaussian_log_prob(mean[leading], log_var[leading], z[..., None, :], 1)
    # logsumexp, because far from every component the densities themselves underflow to 0.
    return jax.nn.logsumexp(component_log_probs + jax.nn.log_softmax(logits)[leading], axis=-1)


def mixture_sample(mean: Array, log_var: Array, logits: Array, key: Key, shape: Shape) -> Array:
    """Draw z ~ sum_k w_k N(z; mean_k, diag exp log_var_k), w = softmax(logits).

    Args:
        mean: Means of the components, f32[K, L].
        log_var: Logarithms of their variances, f32[K, L].
        logits: Unnormalised log-weights, f32[K].
        key: Key of the draws.
        shape: Shape of the draws, (num, L).

    Returns:
        f32[num, L].
    """
    component_key, noise_key = jax.random.split(key)
    components = jax.random.categorical(component_key, logits, shape=shape[:1])
    return mean[components] + jnp.exp(0.5 * log_var[components]) * keys.normal(noise_key, shape)


def _mixture_parameters(params: Params) -> tuple[Array, Array, Array]:
    # bfloat16 parameters become float32: densities are never computed in half precision.
    leaves = params["mean"], params["log_var"], params["logits"]
    mean, log_var, logits = map(widened, leaves)
    return mean, log_var, logits
