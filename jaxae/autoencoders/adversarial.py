"""The adversarial autoencoder (Makhzani, Shlens, Jaitly, Goodfellow & Frey, 2016, arXiv 1511.05644)."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import Ge
from flax import linen as nn
from jax import Array

from jaxae import keys, nets
from jaxae.autoencoders.base.pairs import Pair
from jaxae.optimizers import Adam
from jaxae.protocols.parts import Optimizer, Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Params, Terms, Variables


@spec
class AdversarialAE(Pair):
    """loss = D + generator_weight * generator: codes that a discriminator takes for draws from N(0, I).

    generator = -log p(prior | z), the generator loss of the encoder (not saturating). The cross-entropy of
    the discriminator is a separate term. Its gradient reaches the discriminator alone, which has a separate
    optimiser.
    """

    generator_weight: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the generator loss."""
    discriminator: nn.Module = nets.MLP(widths=(256, 256))
    """The net z -> the logit of z being drawn from the prior."""
    discriminator_optimizer: Optimizer = Adam(learning_rate=1e-3, b1=0.5)
    """How the discriminator learns."""

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh parameters of the pair and the discriminator."""
        pair_key, discriminator_key = jax.random.split(key)
        variables = Pair.init(self, pair_key, batch)
        return with_discriminator(variables, self.discriminator, discriminator_key, self.latent_dim)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`; `generator` and `discriminator`, cross-entropies in nats; f32[B]."""
        z = self.encode(variables, batch)
        params = variables.params["discriminator"]
        logits = logit(self.discriminator, jax.lax.stop_gradient(params), z)
        terms = {
            "distortion": self.distortion(variables, z, batch.x),
            "generator": jax.nn.softplus(-logits),
            "discriminator": cross_entropy(self.discriminator, params, keys.normal(key, z.shape), z),
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """`generator_weight` for the generator loss, 1 for the others."""
        generator = value(self.generator_weight, step)
        return {"distortion": 1.0, "generator": generator, "discriminator": 1.0}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Pair.term_units(self), "generator": "nats", "discriminator": "nats"}

    def optimizers(self) -> dict[str, Optimizer]:
        """The discriminator's own."""
        return {"discriminator": self.discriminator_optimizer}

    def prior_sample(self, variables: Variables, key: Key, num: int) -> Array:
        """z ~ N(0, I), f32[num, L]."""
        return keys.normal(key, (num, self.latent_dim))


def with_discriminator(
    variables: Variables, discriminator: nn.Module, key: Key, latent_dim: int
) -> Variables:
    """Return the variables with fresh parameters of a discriminator of codes."""
    params = nets.init(discriminator, key, jnp.zeros((1, latent_dim)), (1,))
    return Variables({**variables.params, "discriminator": params}, variables.extra)


def logit(discriminator: nn.Module, params: Params, z: Array) -> Array:
    """log p(real | z) - log p(fake | z), f32[B, L] -> f32[B], nats."""
    return nets.apply(discriminator, params, z, (1,))[:, 0]


def cross_entropy(discriminator: nn.Module, params: Params, real: Array, fake: Array) -> Array:
    """-1/2 (log p(real | real code) + log p(fake | fake code)), f32[B], nats; no gradient to the codes."""
    of_real, of_fake = (logit(discriminator, params, jax.lax.stop_gradient(z)) for z in (real, fake))
    return 0.5 * (jax.nn.softplus(-of_real) + jax.nn.softplus(of_fake))
