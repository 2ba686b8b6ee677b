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
    """Adversarial autoencoder: loss = D + generator_weight G + discriminator, which matches codes to N(0, I).

    - D = d(x, g(z)) is the distortion, f32[B].
    - G = -log p(prior | z) is the non-saturating generator loss of the encoder, f32[B] in nats.
    - discriminator is the cross-entropy of its classification into draws of the prior and codes, f32[B] in
      nats.

    The gradient of G reaches the encoder only. The gradient of the cross-entropy reaches the discriminator
    only, which has a separate optimiser. The paper alternates a reconstruction and a regularisation phase;
    here one step updates all three nets.
    """

    generator_weight: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the generator loss G."""
    discriminator: nn.Module = nets.MLP(widths=(256, 256))
    """Network z -> the logit of z being a draw from the prior."""
    discriminator_optimizer: Optimizer = Adam(learning_rate=1e-3, b1=0.5)
    """Optimiser of the discriminator."""

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise encoder, decoder and discriminator."""
        pair_key, discriminator_key = jax.random.split(key)
        variables = Pair.init(self, pair_key, batch)
        return with_discriminator(variables, self.discriminator, discriminator_key, self.latent_dim)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, `generator` and `discriminator`, f32[B] each; the last two are in nats."""
        z = self.encode(variables, batch)
        params = variables.params["discriminator"]
        # The generator loss must not train the discriminator: its parameters are constants here.
        logits = logit(self.discriminator, jax.lax.stop_gradient(params), z)
        terms = {
            "distortion": self.distortion(variables, z, batch.x),
            # -log sigmoid(logits): its gradient does not vanish when the discriminator wins, as log(1 - p)
            # does.
            "generator": jax.nn.softplus(-logits),
            "discriminator": cross_entropy(self.discriminator, params, keys.normal(key, z.shape), z),
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: `generator_weight` for the generator loss, 1 for the others."""
        generator = value(self.generator_weight, step)
        return {"distortion": 1.0, "generator": generator, "discriminator": 1.0}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Pair.term_units(self), "generator": "nats", "discriminator": "nats"}

    def optimizers(self) -> dict[str, Optimizer]:
        """Return the separate optimiser of the discriminator."""
        return {"discriminator": self.discriminator_optimizer}

    def prior_sample(self, variables: Variables, key: Key, num: int) -> Array:
        """Draw z ~ N(0, I), f32[num, L]."""
        return keys.normal(key, (num, self.latent_dim))


def with_discriminator(
    variables: Variables, discriminator: nn.Module, key: Key, latent_dim: int
) -> Variables:
    """Return variables with the initial parameters of a discriminator of codes added.

    Args:
        variables: Variables of the autoencoder.
        discriminator: The net z -> logit.
        key: Key of its initialisers.
        latent_dim: Size of the code, L.

    Returns:
        The variables, with `discriminator` among the parameters.
    """
    # One row of zeros: initialisers read shapes only.
    params = nets.init(discriminator, key, jnp.zeros((1, latent_dim)), (1,))
    return Variables({**variables.params, "discriminator": params}, variables.extra)


def logit(discriminator: nn.Module, params: Params, z: Array) -> Array:
    """Compute log p(real | z) - log p(fake | z), f32[B, L] -> f32[B], in nats.

    Args:
        discriminator: The net z -> logit.
        params: Its parameters.
        z: Codes, f32[B, L].

    Returns:
        f32[B], in nats.
    """
    return nets.apply(discriminator, params, z, (1,))[:, 0]


def cross_entropy(discriminator: nn.Module, params: Params, real: Array, fake: Array) -> Array:
    """Compute -1/2 (log p(real | real code) + log p(fake | fake code)), f32[B], in nats.

    Args:
        discriminator: The net z -> logit.
        params: Its parameters, which get the gradient.
        real: Codes that count as real, f32[B, L]; they get no gradient.
        fake: Codes that count as fake, f32[B, L]; they get no gradient.

    Returns:
        f32[B], in nats; log 2 for a discriminator that cannot separate them.
    """
    # Half of the sum, so that it has the scale of one cross-entropy. Codes are detached: this term trains the
    # discriminator only.
    real_logits, fake_logits = (logit(discriminator, params, jax.lax.stop_gradient(z)) for z in (real, fake))
    return 0.5 * (jax.nn.softplus(-real_logits) + jax.nn.softplus(fake_logits))
