"""Shared parts of variational autoencoders: q(z|x), p(x|z), p(z), and the log-weights between them.

There are two views of one model. The neural view has a reconstruction and a regulariser: `distortion` and
`rate`, f32[B]. The probabilistic view has log-weights log w = log p(x|z) + log p(z) - log q(z|x) at z ~
q(z|x), f32[S, B], from which all bounds in `jaxae.maths.bounds` are computed. ELBO = E[log w] = -(distortion
+ rate).
"""

import functools
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt
from flax import linen as nn
from jax import Array

from jaxae import nets
from jaxae.autoencoders.base import pairs
from jaxae.autoencoders.base.pairs import Shape
from jaxae.distributions import Bernoulli
from jaxae.distributions.posteriors import DiagonalGaussian
from jaxae.distributions.priors import StandardNormal, VampPrior
from jaxae.errors import JaxaeError
from jaxae.maths.bounds import log_weight
from jaxae.protocols.parts import ClosedKL, DiagonalPosterior, Likelihood, Posterior, Prior, is_standard
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Variables

NEEDS_DIAGONAL = "expected a posterior with mean_and_log_var, such as DiagonalGaussian"


class Draw(NamedTuple):
    """Codes drawn from q(z|x), with their log-densities."""

    outputs: Array  # of the encoder, f32[B, ...]
    z: Array  # f32[S, B, L]
    log_likelihood: Array  # log p(x|z), f32[S, B], nats
    log_prior: Array  # log p(z), f32[S, B], nats
    log_posterior: Array  # log q(z|x), f32[S, B], nats


@spec
class Variational:
    """Abstract variational autoencoder: q(z|x) and p(x, z) = p(x|z) p(z), without an objective.

    Members of the family inherit from it and add `terms` and `weights`.
    """

    encoder: nn.Module = nets.MLP()
    """Network x -> the parameters of q(z|x)."""
    decoder: nn.Module = nets.MLP()
    """Network z -> the parameters of p(x|z)."""
    latent_dim: Annotated[int, Gt(0)] = 20
    """Size of the code z, L."""
    likelihood: Likelihood = Bernoulli()
    """Likelihood p(x|z)."""
    posterior: Posterior = DiagonalGaussian()
    """Approximate posterior q(z|x)."""
    prior: Prior = StandardNormal()
    """Prior p(z)."""
    num_classes: Annotated[int, Ge(0)] = 0
    """Number of labels that encoder and decoder get as a condition (Sohn et al., 2015); 0 for none."""
    data_shape: Shape = ()
    """Shape of one example; taken from the data when a run starts."""

    def check(self) -> None:
        """Check that posterior, prior and condition fit together. Raises: ValueError otherwise."""
        if isinstance(self.prior, VampPrior):
            if not isinstance(self.posterior, DiagonalPosterior):
                raise ValueError(f"prior: VampPrior is a mixture of posteriors; {NEEDS_DIAGONAL}")
            if self.num_classes:
                raise ValueError("prior: VampPrior's pseudo-inputs have no labels; expected num_classes 0")

    @property
    def has_closed_rate(self) -> bool:
        """True if KL(q(z|x) || p(z)) is known in closed form."""
        return isinstance(self.posterior, ClosedKL) and is_standard(self.prior)

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term; members with more terms add their units."""
        return {"distortion": "nats", "rate": "nats"}

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise encoder and decoder, and the parameters that prior and likelihood learn."""
        encoder_key, decoder_key, prior_key = jax.random.split(key, 3)
        condition = self.condition(batch.y)
        # The decoder is initialised with one row of zeros, so that it needs one row of the condition.
        first_condition = condition[:1] if self.num_classes else ()
        size = (self.posterior.num_outputs(self.latent_dim),)
        prior = self.prior.init(prior_key, self.latent_dim, self.data_shape)
        decoder = pairs.init_decoder(
            self.likelihood, self.decoder, decoder_key, self.latent_dim, self.data_shape, first_condition
        )
        encoder = nets.init(self.encoder, encoder_key, batch.x, size, condition)
        return Variables({"encoder": encoder, **decoder, **({"prior": prior} if prior else {})})

    def infer(self, variables: Variables, batch: Batch) -> Array:
        """Return the encoder's outputs f32[B, ...], which `posterior` reads as q(z|x)."""
        size = (self.posterior.num_outputs(self.latent_dim),)
        condition = self.condition(batch.y)
        return nets.apply(self.encoder, variables.params["encoder"], batch.x, size, condition)

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the mean of q(z|x), f32[B, ...] -> f32[B, L]."""
        return self.posterior.mean(self.infer(variables, batch))

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """Return the parameters of p(x|z), f32[B, ...] each, for z f32[B, L] and labels y i32[B] or ()."""
        condition = self.condition(y)
        shape = self.data_shape
        return pairs.decode(self.likelihood, self.decoder, variables.params, z, shape, condition)

    def image(self, parameters: dict[str, Array]) -> Array:
        """Return the mean of p(x|z), f32[B, ...] in the data's unit, from the result of `decode`."""
        return self.likelihood.mean(parameters)

    def condition(self, y: Any) -> Any:
        """Convert labels i32[B] to one-hot vectors f32[B, num_classes]; return () without a condition."""
        return jax.nn.one_hot(y, self.num_classes) if self.num_classes else ()

    def draw(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Draw:
        """Draw S codes of each example from q(z|x), and compute their log-densities.

        Args:
            variables: Variables of the model.
            batch: Examples, f32[B, ...], with labels if the model has a condition.
            key: Key of the draws.
            num_samples: Number of codes for each example, S.

        Returns:
            Codes z f32[S, B, L], with log p(x|z), log p(z) and log q(z|x), f32[S, B] each, in nats.
        """
        outputs = self.infer(variables, batch)
        z, log_posterior = self.posterior.sample(outputs, key, num_samples)
        log_likelihood = self.log_likelihood(variables, batch, z)
        return Draw(outputs, z, log_likelihood, self.log_prior(variables, z), log_posterior)

    def rate(self, draw: Draw, *, closed: bool) -> Array:
        """Compute KL(q(z|x) || p(z)), f32[B], in nats.

        Args:
            draw: Draws from q(z|x).
            closed: Use the closed form against N(0, I); else take the mean of log q(z|x) - log p(z) over the
                draws.

        Returns:
            f32[B], in nats; an estimate from draws may be below 0.
        """
        if closed:
            assert isinstance(self.posterior, ClosedKL)
            # The closed form has no sampling noise, so that it is preferred wherever it exists.
            return self.posterior.kl(draw.outputs)
        return (draw.log_posterior - draw.log_prior).mean(axis=0)

    def log_likelihood(self, variables: Variables, batch: Batch, z: Array) -> Array:
        """Compute log p(x|z), z f32[S, B, L] -> f32[S, B], in nats."""
        # [S, B, L] -> [S B, L]: one long batch for the decoder. Measured for IWAE with k = 50, this takes
        # 0.87 times as long as vmap over the samples.
        num_samples, num_rows, _ = z.shape
        y = jnp.tile(batch.y, num_samples) if self.num_classes else ()
        flat_parameters = self.decode(variables, z.reshape(num_samples * num_rows, -1), y)
        # [S B, ...] -> [S, B, ...]; x[None] then broadcasts over the samples.
        parameters = jax.tree.map(
            lambda leaf: leaf.reshape(num_samples, num_rows, *leaf.shape[1:]), flat_parameters
        )
        return self.likelihood.log_prob(parameters, batch.x[None], len(self.data_shape))

    def log_prior(self, variables: Variables, z: Array) -> Array:
        """Compute log p(z), f32[..., L] -> f32[...], in nats."""
        params = variables.params.get("prior", {})
        return self.prior.log_prob(params, z, functools.partial(self._components, variables))

    def prior_sample(self, variables: Variables, key: Key, num: int) -> Array:
        """Draw z ~ p(z), f32[num, L]."""
        params, shape = variables.params.get("prior", {}), (num, self.latent_dim)
        return self.prior.sample(params, key, shape, functools.partial(self._components, variables))

    def elbo_parts(
        self, variables: Variables, batch: Batch, key: Key, num_samples: int
    ) -> tuple[Array, Array]:
        """Estimate -E_q[log p(x|z)] and KL(q(z|x) || p(z)) with `num_samples` draws, f32[B] each, in nats."""
        draw = self.draw(variables, batch, key, num_samples)
        return -draw.log_likelihood.mean(axis=0), self.rate(draw, closed=self.has_closed_rate)

    def elbo(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """Estimate E_q[log p(x|z)] - KL(q(z|x) || p(z)) with `num_samples` draws, f32[B], in nats."""
        distortion, rate = self.elbo_parts(variables, batch, key, num_samples)
        return -distortion - rate

    def log_weights(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """Compute log p(x|z) + log p(z) - log q(z|x) at z ~ q(z|x), f32[S, B], in nats."""
        draw = self.draw(variables, batch, key, num_samples)
        return log_weight(draw.log_likelihood, draw.log_prior, draw.log_posterior)

    def _components(self, variables: Variables, x: Array) -> tuple[Array, Array]:
        """Return mean and log-variance of q(z|x) for pseudo-inputs x f32[K, ...], f32[K, L] each."""
        if not isinstance(self.posterior, DiagonalPosterior):
            name = type(self.posterior).__name__
            raise JaxaeError(f"posterior: got {name}; {NEEDS_DIAGONAL}")
        return self.posterior.mean_and_log_var(self.infer(variables, Batch(x)))
