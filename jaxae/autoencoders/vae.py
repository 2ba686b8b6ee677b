"""The Gaussian variational autoencoder (Kingma & Welling, 2014, arXiv 1312.6114; Rezende et al., 2014)."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt
from flax import linen as nn
from jax import Array

from jaxae import keys, nets
from jaxae.divergences import gaussian_kl
from jaxae.likelihoods import Bernoulli, Likelihood, gaussian_log_prob
from jaxae.pytree import spec
from jaxae.schedules import Schedule, value
from jaxae.types import Batch, Key, Terms, Variables


@spec
class VAE:
    """Gaussian VAE; beta != 1 is the beta-VAE (Higgins et al., 2017).

    distortion  D = E_q(z|x)[-log p(x|z)], by Monte Carlo with `num_samples` draws;
    rate        R = KL(q(z|x) || N(0, I)), in closed form.
    loss = D + beta R;  ELBO = -(D + R), whatever beta is.
    """

    encoder: nn.Module = nets.MLP()
    """The net x -> mean and log-variance of q(z|x)."""
    decoder: nn.Module = nets.MLP()
    """The net z -> the parameters of p(x|z)."""
    latent_dim: Annotated[int, Gt(0)] = 20
    """Size of the code z."""
    likelihood: Likelihood = Bernoulli()
    """p(x|z)."""
    num_samples: Annotated[int, Gt(0)] = 1
    """Monte Carlo draws of z for each example and step."""
    beta: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the rate in the loss; a schedule over steps is a warm-up."""
    data_shape: tuple[Annotated[int, Gt(0)], ...] = ()
    """Shape of one example; taken from the data when a run begins."""

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh parameters of encoder and decoder."""
        sizes = 2 * self.latent_dim, self.latent_dim, self.data_shape
        return Variables(nets.init_pair(self.encoder, self.decoder, key, batch.x, *sizes))

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion` and `rate`, f32[B], nats."""
        mean, log_var = self.posterior(variables, batch)
        z = _draw(key, mean, log_var, self.num_samples)
        distortion = -self._log_likelihood(variables, batch, z).mean(axis=0)
        return {"distortion": distortion, "rate": gaussian_kl(mean, log_var)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1 for the distortion, beta for the rate."""
        return {"distortion": 1.0, "rate": value(self.beta, step)}

    def posterior(self, variables: Variables, batch: Batch) -> tuple[Array, Array]:
        """f32[B, ...] -> mean f32[B, L] and log-variance f32[B, L] of q(z|x)."""
        # One fused head for both: one matrix product instead of two.
        outputs = nets.apply(self.encoder, variables.params["encoder"], batch.x, (2 * self.latent_dim,))
        mean, log_var = jnp.split(outputs, 2, axis=-1)
        return mean, log_var

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """The posterior's mean, f32[B, ...] -> f32[B, L]."""
        return self.posterior(variables, batch)[0]

    def decode(self, variables: Variables, z: Array) -> dict[str, Array]:
        """f32[B, L] -> {`logits` or `mean`: f32[B, ...]}."""
        outputs = nets.apply(self.decoder, variables.params["decoder"], z, self.data_shape)
        return self.likelihood.parameters(outputs)

    def image(self, parameters: dict[str, Array]) -> Array:
        """The mean of p(x|z): what `decode` gave -> f32[B, ...], in the data's unit."""
        return self.likelihood.mean(parameters)

    def prior_sample(self, key: Key, num: int) -> Array:
        """z ~ N(0, I), f32[num, L]."""
        return keys.normal(key, (num, self.latent_dim))

    def elbo(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """-(D + R) with `num_samples` draws, f32[B], nats."""
        mean, log_var = self.posterior(variables, batch)
        z = _draw(key, mean, log_var, num_samples)
        return self._log_likelihood(variables, batch, z).mean(axis=0) - gaussian_kl(mean, log_var)

    def log_weights(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """log p(x|z) + log p(z) - log q(z|x) at z ~ q(z|x), f32[S, B], nats."""
        mean, log_var = self.posterior(variables, batch)
        z = _draw(key, mean, log_var, num_samples)
        log_prior = gaussian_log_prob(jnp.zeros_like(z), jnp.zeros_like(z), z, 1)
        log_posterior = gaussian_log_prob(mean[None], log_var[None], z, 1)
        return self._log_likelihood(variables, batch, z) + log_prior - log_posterior

    def _log_likelihood(self, variables: Variables, batch: Batch, z: Array) -> Array:
        """log p(x|z), z f32[S, B, L] -> f32[S, B]; the draws are one long batch for the decoder."""
        num_samples, num_rows, _ = z.shape
        flat = self.decode(variables, z.reshape(num_samples * num_rows, -1))
        parameters = jax.tree.map(lambda leaf: leaf.reshape(num_samples, num_rows, *leaf.shape[1:]), flat)
        return self.likelihood.log_prob(parameters, batch.x[None], len(self.data_shape))


def _draw(key: Key, mean: Array, log_var: Array, num_samples: int) -> Array:
    """z = mean + std * noise (the reparameterisation), f32[S, B, L]."""
    noise = keys.normal(key, (num_samples, *mean.shape))
    return mean[None] + jnp.exp(0.5 * log_var)[None] * noise
