"""FactorVAE (Kim & Mnih, 2018, arXiv 1802.05983): a total correlation penalty by a discriminator."""

from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from annotated_types import Ge
from flax import linen as nn
from jax import Array

from jaxae import nets
from jaxae.autoencoders import adversarial
from jaxae.autoencoders.base.variational import Variational
from jaxae.optimizers import Adam
from jaxae.protocols.parts import Optimizer, Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables


@spec
class FactorVAE(Variational):
    """FactorVAE: loss = D + R + gamma TC(z) + discriminator, where gamma = 0 is the VAE.

    All terms are f32[B] in nats:

    - D = E_q[-log p(x|z)] is the distortion and R = KL(q(z|x) || p(z)) the rate, so ELBO = -(D + R);
    - TC(z) = E_q(z)[log q(z) / prod_l q(z_l)] is the total correlation, estimated by the discriminator's
      logit;
    - discriminator is its cross-entropy.

    Kim & Mnih, 2018, equations 2 and 3. The discriminator separates codes of the batch from codes whose
    dimensions were shuffled over the batch independently. The gradient of TC reaches the encoder only. The
    gradient of the cross-entropy reaches the discriminator only, which has a separate optimiser.
    """

    gamma: Annotated[float, Ge(0)] | Schedule = 10.0
    """Weight of the total correlation; 0 is the VAE."""
    discriminator: nn.Module = nets.MLP(widths=(256, 256))
    """Network z -> the logit of z being a code and not a shuffled one."""
    discriminator_optimizer: Optimizer = Adam(learning_rate=1e-4, b1=0.5, b2=0.9)
    """Optimiser of the discriminator."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion", "rate")  # terms that are the ELBO's parts
    batch_terms: ClassVar[tuple[str, ...]] = ("discriminator",)  # codes are shuffled over the batch
    min_batch: ClassVar[int] = 2  # one row cannot be shuffled

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise encoder, decoder and discriminator."""
        pair_key, discriminator_key = jax.random.split(key)
        variables = Variational.init(self, pair_key, batch)
        return adversarial.with_discriminator(
            variables, self.discriminator, discriminator_key, self.latent_dim
        )

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, `rate`, `total_correlation` and `discriminator`, f32[B] each, in nats."""
        draw_key, other_key, shuffle_key = jax.random.split(key, 3)
        draw = self.draw(variables, batch, draw_key, 1)
        z = draw.z[0]
        # The paper shuffles codes of a second minibatch; here second draws for the same rows, without another
        # pass through the encoder.
        other, _ = self.posterior.sample(draw.outputs, other_key, 1)
        params = variables.params["discriminator"]
        terms = {
            "distortion": -draw.log_likelihood[0],
            "rate": self.rate(draw, closed=self.has_closed_rate),
            # The density ratio of an ideal discriminator; its parameters are constants in this term.
            "total_correlation": adversarial.logit(self.discriminator, jax.lax.stop_gradient(params), z),
            "discriminator": adversarial.cross_entropy(
                self.discriminator, params, z, shuffled(other[0], shuffle_key)
            ),
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: gamma for the total correlation, 1 for the others."""
        gamma = value(self.gamma, step)
        return {"distortion": 1.0, "rate": 1.0, "total_correlation": gamma, "discriminator": 1.0}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Variational.term_units(self), "total_correlation": "nats", "discriminator": "nats"}

    def optimizers(self) -> dict[str, Optimizer]:
        """Return the separate optimiser of the discriminator."""
        return {"discriminator": self.discriminator_optimizer}


def shuffled(z: Array, key: Key) -> Array:
    """Shuffle the values of each dimension over the batch, independently of the other dimensions.

    Args:
        z: Codes, f32[B, L].
        key: Key of the L orders.

    Returns:
        f32[B, L].
    """
    # One argsort of random bits orders all dimensions at once; `permutation` would need a call for each.
    order = jnp.argsort(jax.random.bits(key, (z.size,), jnp.uint32).reshape(z.shape), axis=0)
    # The rows keep one dimension each from different examples: a draw from prod_l q(z_l).
    return jnp.take_along_axis(z, order, axis=0)
