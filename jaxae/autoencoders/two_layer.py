"""A variational autoencoder with two stochastic layers (Rezende et al., 2014; Burda et al., 2016)."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae import keys, nets
from jaxae.autoencoders.base import pairs
from jaxae.autoencoders.base.pairs import Shape
from jaxae.distributions import Bernoulli, gaussian_log_prob
from jaxae.distributions.posteriors import DiagonalGaussian
from jaxae.maths import bounds
from jaxae.protocols.parts import Likelihood
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Params, Terms, Variables

GAUSSIAN = DiagonalGaussian()


class Draw(NamedTuple):
    """Log-densities of codes drawn from q(z1|x) q(z2|z1), in the order of `bounds.log_weight`."""

    log_likelihood: Array  # log p(x|z1), f32[S, B], nats
    log_prior: Array  # log p(z1|z2) + log p(z2), f32[S, B], nats
    log_posterior: Array  # log q(z1|x) + log q(z2|z1), f32[S, B], nats


@spec
class TwoLayerVAE:
    """Variational autoencoder with two stochastic layers: loss = D + R, or minus the IWELBO.

    The model is p(x|z1) p(z1|z2) p(z2) with p(z2) = N(0, I), and q(z1|x) q(z2|z1); the Gaussians are
    diagonal. D and R are f32[B] in nats, by `num_samples` draws:

    - D = -E_q[log p(x|z1)] is the distortion;
    - R = E_q[log q(z1|x) + log q(z2|z1) - log p(z1|z2) - log p(z2)] is the rate.

    With `bound` iwelbo the loss is minus the importance weighted bound of the same number of draws (Burda et
    al., 2016, equation 8). The code is z1.
    """

    encoder: nn.Module = nets.MLP()
    """Network x -> mean and log-variance of q(z1|x)."""
    top_encoder: nn.Module = nets.MLP(widths=(100,))
    """Network z1 -> mean and log-variance of q(z2|z1)."""
    top_decoder: nn.Module = nets.MLP(widths=(100,))
    """Network z2 -> mean and log-variance of p(z1|z2)."""
    decoder: nn.Module = nets.MLP()
    """Network z1 -> the parameters of p(x|z1)."""
    latent_dim: Annotated[int, Gt(0)] = 100
    """Size of z1, the code, L."""
    top_latent_dim: Annotated[int, Gt(0)] = 50
    """Size of z2."""
    likelihood: Likelihood = Bernoulli()
    """Likelihood p(x|z1)."""
    bound: Literal["elbo", "iwelbo"] = "elbo"
    """Bound that is maximised: elbo or iwelbo."""
    num_samples: Annotated[int, Gt(0)] = 1
    """Number of draws of both codes for each example and step; k of the IWELBO."""
    data_shape: Shape = ()
    """Shape of one example; taken from the data when a run starts."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion", "rate")  # terms that are the ELBO's parts

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise the four nets, and the parameters that the likelihood learns."""
        encoder_key, up_key, down_key, decoder_key = jax.random.split(key, 4)
        low, top = (jnp.zeros((1, size)) for size in (self.latent_dim, self.top_latent_dim))
        likelihood, shape = self.likelihood, self.data_shape
        return Variables(
            {
                "encoder": nets.init(self.encoder, encoder_key, batch.x, (2 * self.latent_dim,)),
                "top_encoder": nets.init(self.top_encoder, up_key, low, (2 * self.top_latent_dim,)),
                "top_decoder": nets.init(self.top_decoder, down_key, top, (2 * self.latent_dim,)),
                **pairs.init_decoder(likelihood, self.decoder, decoder_key, self.latent_dim, shape),
            }
        )

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion` and `rate`, or `negative_iwelbo`; f32[B] each, in nats."""
        draw = self.draw(variables, batch, key, self.num_samples)
        if self.bound == "iwelbo":
            return {"negative_iwelbo": -bounds.iwelbo(bounds.log_weight(*draw))}, variables.extra
        rate = (draw.log_posterior - draw.log_prior).mean(axis=0)
        return {"distortion": -draw.log_likelihood.mean(axis=0), "rate": rate}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weight 1 of each term."""
        return {"negative_iwelbo": 1.0} if self.bound == "iwelbo" else {"distortion": 1.0, "rate": 1.0}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return dict.fromkeys(("distortion", "rate", "negative_iwelbo"), "nats")

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the mean of q(z1|x), f32[B, ...] -> f32[B, L]."""
        return GAUSSIAN.mean(self._infer(variables.params, batch.x))

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """Return the parameters of p(x|z1), f32[B, ...] each, for z1 f32[B, L]."""
        return pairs.decode(self.likelihood, self.decoder, variables.params, z, self.data_shape)

    def image(self, parameters: dict[str, Array]) -> Array:
        """Return the mean of p(x|z1), f32[B, ...] in the data's unit, from the result of `decode`."""
        return self.likelihood.mean(parameters)

    def draw(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Draw:
        """Draw S codes (z1, z2) of each example, and compute their log-densities.

        Args:
            variables: Variables of the model.
            batch: Examples, f32[B, ...].
            key: Key of the draws.
            num_samples: Number of draws for each example, S.

        Returns:
            log p(x|z1), log p(z1, z2) and log q(z1, z2|x), f32[S, B] each, in nats.
        """
        low_key, top_key = jax.random.split(key)
        params = variables.params
        low, log_q_low = GAUSSIAN.sample(self._infer(params, batch.x), low_key, num_samples)
        # [S, B, L] -> [S B, L]: the nets above z1 see one long batch.
        flat_low = low.reshape(-1, self.latent_dim)
        # One z2 for each z1, as in the paper's model with two stochastic layers.
        top, log_q_top = GAUSSIAN.sample(self._up(params, flat_low), top_key, 1)
        log_p_low = GAUSSIAN.log_prob(self._down(params, top[0]), flat_low[None])
        log_p_top = gaussian_log_prob(0.0, 0.0, top, 1)
        parameters = jax.tree.map(
            lambda leaf: leaf.reshape(num_samples, -1, *leaf.shape[1:]), self.decode(variables, flat_low)
        )
        log_likelihood = self.likelihood.log_prob(parameters, batch.x[None], len(self.data_shape))
        shape = log_likelihood.shape
        return Draw(
            log_likelihood, (log_p_low + log_p_top).reshape(shape), log_q_low + log_q_top.reshape(shape)
        )

    def prior_sample(self, variables: Variables, key: Key, num: int) -> Array:
        """Draw z1 ~ p(z1|z2) at z2 ~ N(0, I), f32[num, L]."""
        top_key, low_key = jax.random.split(key)
        top = keys.normal(top_key, (num, self.top_latent_dim))
        return GAUSSIAN.sample(self._down(variables.params, top), low_key, 1)[0][0]

    def elbo_parts(
        self, variables: Variables, batch: Batch, key: Key, num_samples: int
    ) -> tuple[Array, Array]:
        """Estimate distortion and rate with `num_samples` draws, f32[B] each, in nats."""
        draw = self.draw(variables, batch, key, num_samples)
        return -draw.log_likelihood.mean(axis=0), (draw.log_posterior - draw.log_prior).mean(axis=0)

    def elbo(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """Estimate E_q[log w] with `num_samples` draws, f32[B], in nats."""
        return bounds.elbo(self.log_weights(variables, batch, key, num_samples))

    def log_weights(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """Compute log p(x, z1, z2) - log q(z1, z2|x) at draws from q, f32[S, B], in nats."""
        return bounds.log_weight(*self.draw(variables, batch, key, num_samples))

    def _infer(self, params: Params, x: Array) -> Array:
        return nets.apply(self.encoder, params["encoder"], x, (2 * self.latent_dim,))

    def _up(self, params: Params, low: Array) -> Array:
        return nets.apply(self.top_encoder, params["top_encoder"], low, (2 * self.top_latent_dim,))

    def _down(self, params: Params, top: Array) -> Array:
        return nets.apply(self.top_decoder, params["top_decoder"], top, (2 * self.latent_dim,))
