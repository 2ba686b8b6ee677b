"""Posteriors q(z|x), which read an encoder's outputs as a distribution over codes.

S samples, B examples, L latent dimensions; `outputs` f32[B, num_outputs(L)] are the encoder's outputs.
"""

import math
from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Gt
from jax import Array

from jaxae import keys
from jaxae.distributions.formulas import gaussian_log_prob
from jaxae.maths.divergences import gaussian_kl_full, gaussian_kl_per_dim
from jaxae.specs.pytree import spec
from jaxae.types import Key


@spec
class DiagonalGaussian:
    """Gaussian posterior with independent dimensions: q(z|x) = N(mean, diag exp log_var).

    Kingma & Welling, 2014 (arXiv 1312.6114).

    Example:
        >>> import jax.numpy as jnp, jaxae
        >>> outputs = jnp.array([[1.0, 0.0, 0.0, 0.0]])  # means 1 and 0, log-variances 0
        >>> jaxae.DiagonalGaussian().kl_per_dim(outputs).tolist()
        [[0.5, 0.0]]
    """

    def num_outputs(self, latent_dim: int) -> int:
        """Return 2 L: a mean and a log-variance for each latent dimension."""
        return 2 * latent_dim

    def mean(self, outputs: Array) -> Array:
        """Return E[z], f32[B, L]."""
        return self.mean_and_log_var(outputs)[0]

    def mean_and_log_var(self, outputs: Array) -> tuple[Array, Array]:
        """Split the outputs into mean and log-variance, f32[B, L] each."""
        mean, log_var = jnp.split(outputs, 2, axis=-1)
        return mean, log_var

    def sample(self, outputs: Array, key: Key, num_samples: int) -> tuple[Array, Array]:
        """Draw z = mean + std * noise, f32[S, B, L], and compute its log q(z|x), f32[S, B], in nats."""
        mean, log_var = self.mean_and_log_var(outputs)
        noise = keys.normal(key, (num_samples, *mean.shape))
        z = mean[None] + jnp.exp(0.5 * log_var)[None] * noise
        return z, self.log_prob(outputs, z)

    def log_prob(self, outputs: Array, z: Array) -> Array:
        """Compute log q(z|x), z f32[S, B, L] -> f32[S, B], in nats."""
        mean, log_var = self.mean_and_log_var(outputs)
        return gaussian_log_prob(mean[None], log_var[None], z, 1)

    def kl(self, outputs: Array) -> Array:
        """Compute KL(q(z|x) || N(0, I)), f32[B], in nats."""
        return self.kl_per_dim(outputs).sum(axis=-1)

    def kl_per_dim(self, outputs: Array) -> Array:
        """Compute KL(q(z_l|x) || N(0, 1)) of each dimension, f32[B, L], in nats."""
        return gaussian_kl_per_dim(*self.mean_and_log_var(outputs))


@spec
class FullGaussian:
    """Gaussian posterior with any covariance: q(z|x) = N(mean, T T'), T lower triangular.

    The diagonal of T is the exponential of the encoder's outputs, so that it is positive; the entries below
    it are the outputs themselves. Kingma & Welling, 2019, section 2.5.1.
    """

    def num_outputs(self, latent_dim: int) -> int:
        """Return L + L (L + 1) / 2: a mean, and the lower triangle of T row by row."""
        return latent_dim + latent_dim * (latent_dim + 1) // 2

    def mean(self, outputs: Array) -> Array:
        """Return E[z], f32[B, L]."""
        return self.mean_and_tril(outputs)[0]

    def mean_and_tril(self, outputs: Array) -> tuple[Array, Array]:
        """Split the outputs into the mean f32[B, L] and T f32[B, L, L]."""
        # n = L + L (L + 1) / 2 outputs, solved for L.
        latent_dim = (math.isqrt(9 + 8 * outputs.shape[-1]) - 3) // 2
        mean, entries = outputs[..., :latent_dim], outputs[..., latent_dim:]
        rows, columns = jnp.tril_indices(latent_dim)
        # exp is applied to the entries, not to the matrix, whose upper triangle must stay 0.
        entries = jnp.where(rows == columns, jnp.exp(entries), entries)
        zeros = jnp.zeros((*outputs.shape[:-1], latent_dim, latent_dim))
        return mean, zeros.at[..., rows, columns].set(entries)

    def sample(self, outputs: Array, key: Key, num_samples: int) -> tuple[Array, Array]:
        """Draw z = mean + T noise, f32[S, B, L], and compute its log q(z|x), f32[S, B], in nats."""
        mean, tril = self.mean_and_tril(outputs)
        noise = keys.normal(key, (num_samples, *mean.shape))
        z = mean[None] + jnp.einsum("bij,sbj->sbi", tril, noise)
        return z, self.log_prob(outputs, z)

    def log_prob(self, outputs: Array, z: Array) -> Array:
        """Compute log q(z|x), z f32[S, B, L] -> f32[S, B], in nats."""
        mean, tril = self.mean_and_tril(outputs)
        # log N(z; mean, T T') = log N(T^-1 (z - mean); 0, I) - log |det T|. T is solved for, never inverted.
        whitened = jax.vmap(_solve_tril, in_axes=(None, 0))(tril, z - mean[None])
        log_det = jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)).sum(axis=-1)
        return gaussian_log_prob(0.0, 0.0, whitened, 1) - log_det[None]

    def kl(self, outputs: Array) -> Array:
        """Compute KL(q(z|x) || N(0, I)), f32[B], in nats."""
        return gaussian_kl_full(*self.mean_and_tril(outputs))


@spec
class PlanarFlow:
    """Planar normalising flow: z_0 ~ N(mean, diag exp log_var), then z <- z + u tanh(w'z + b) in each layer.

    log q(z|x) = log q_0(z_0) - sum_layers log |1 + u'(1 - tanh^2(w'z + b)) w|. The encoder returns u, w and b
    for each x; u is adjusted so that each layer is invertible. The density is known for the flow's own
    samples only, because the inverse has no closed form. Rezende & Mohamed, 2015 (arXiv 1505.05770), section
    4.1 and appendix A.1.
    """

    num_layers: Annotated[int, Gt(0)] = 4
    """Number of planar layers from z_0 to z."""

    def num_outputs(self, latent_dim: int) -> int:
        """Return the number of outputs: mean and log-variance of z_0, and u, w and b of each layer."""
        return 2 * latent_dim + self.num_layers * (2 * latent_dim + 1)

    def mean(self, outputs: Array) -> Array:
        """Return the image of the mean of z_0 under the flow, f32[B, L]: a deterministic code, not E[z]."""
        base_outputs, layers = self._split(outputs)
        z, _ = self._apply_layers(DiagonalGaussian().mean(base_outputs)[None], layers)
        return z[0]

    def sample(self, outputs: Array, key: Key, num_samples: int) -> tuple[Array, Array]:
        """Draw z f32[S, B, L] by the flow, and compute its log q(z|x), f32[S, B], in nats."""
        base_outputs, layers = self._split(outputs)
        z, log_prob = DiagonalGaussian().sample(base_outputs, key, num_samples)
        z, log_det = self._apply_layers(z, layers)
        return z, log_prob - log_det

    def _split(self, outputs: Array) -> tuple[Array, Array]:
        """Split the outputs into those of z_0, f32[B, 2 L], and of the layers, f32[layers, B, 2 L + 1]."""
        # n = 2 L + layers (2 L + 1) outputs, solved for L.
        latent_dim = (outputs.shape[-1] - self.num_layers) // (2 + 2 * self.num_layers)
        base_outputs, layer_outputs = outputs[..., : 2 * latent_dim], outputs[..., 2 * latent_dim :]
        # [B, layers (2 L + 1)] -> [B, layers, 2 L + 1] -> [layers, B, 2 L + 1]: `scan` takes its first axis.
        return base_outputs, jnp.moveaxis(
            layer_outputs.reshape(layer_outputs.shape[0], self.num_layers, -1), 1, 0
        )

    def _apply_layers(self, z: Array, layers: Array) -> tuple[Array, Array]:
        """Apply all layers to z f32[S, B, L]; return z and log |det dz/dz_0|, f32[S, B]."""

        def step(carry: tuple[Array, Array], layer: Array) -> tuple[tuple[Array, Array], None]:
            z, log_det = carry
            z, layer_log_det = _apply_layer(z, layer)
            return (z, log_det + layer_log_det), None

        return jax.lax.scan(step, (z, jnp.zeros(z.shape[:-1])), layers)[0]


def _apply_layer(z: Array, layer: Array) -> tuple[Array, Array]:
    """Apply one planar layer u, w, b f32[B, 2 L + 1] to z f32[S, B, L]; return z and log |det|, f32[S, B]."""
    latent_dim = z.shape[-1]
    u, w, b = layer[:, :latent_dim], layer[:, latent_dim:-1], layer[:, -1]
    product = jnp.sum(w * u, axis=-1, keepdims=True)
    # A layer is invertible if w'u > -1. So u is moved along w until w'u = softplus(w'u) - 1 (appendix A.1).
    adjustment = jax.nn.softplus(product) - 1.0 - product
    # The small number keeps w = 0 from a division by 0.
    u = u + adjustment * w / (jnp.sum(w**2, axis=-1, keepdims=True) + 1e-12)
    inner = jnp.tanh(jnp.einsum("bl,sbl->sb", w, z) + b[None])
    slope = (1.0 - inner**2) * jnp.sum(w * u, axis=-1)[None]
    # log1p without an absolute value: the slope is above -1 for the adjusted u.
    return z + u[None] * inner[..., None], jnp.log1p(slope)


def _solve_tril(tril: Array, z: Array) -> Array:
    """Compute T^-1 z, f32[B, L, L], f32[B, L] -> f32[B, L]."""
    return jax.scipy.linalg.solve_triangular(tril, z[..., None], lower=True)[..., 0]
