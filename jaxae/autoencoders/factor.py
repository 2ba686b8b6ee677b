"""FactorVAE (Kim & Mnih, 2018, arXiv 1802.05983): total correlation by a discriminator."""

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
    """loss = D + R + gamma TC(z), TC = E_q(z)[log q(z) / prod_l q(z_l)] from a discriminator's logit.

    The discriminator learns to tell codes of the batch from codes whose dimensions were shuffled over the
    batch, each by itself; its cross-entropy is a term of the loss whose gradient reaches it alone, and
    TC's gradient reaches the encoder alone. It has an optimiser of its own.
    """

    gamma: Annotated[float, Ge(0)] | Schedule = 10.0
    """Weight of the total correlation."""
    discriminator: nn.Module = nets.MLP(widths=(256, 256))
    """The net z -> the logit of z being a code and not a shuffled one."""
    discriminator_optimizer: Optimizer = Adam(learning_rate=1e-4, b1=0.5, b2=0.9)
    """How the discriminator learns."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion", "rate")  # terms that are the ELBO's parts
    batch_terms: ClassVar[tuple[str, ...]] = ("discriminator",)  # codes are shuffled over the batch
    min_batch: ClassVar[int] = 2  # one row cannot be shuffled

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh parameters of the pair and the discriminator."""
        pair_key, discriminator_key = jax.random.split(key)
        variables = Variational.init(self, pair_key, batch)
        return adversarial.with_discriminator(
            variables, self.discriminator, discriminator_key, self.latent_dim
        )

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`, `rate`, `total_correlation` and `discriminator`, its cross-entropy; f32[B], nats."""
        draw_key, other_key, shuffle_key = jax.random.split(key, 3)
        draw = self.draw(variables, batch, draw_key, 1)
        z = draw.z[0]
        other, _ = self.posterior.sample(draw.outputs, other_key, 1)
        params = variables.params["discriminator"]
        terms = {
            "distortion": -draw.log_likelihood[0],
            "rate": self.rate(draw, closed=self.has_closed_rate),
            "total_correlation": adversarial.logit(self.discriminator, jax.lax.stop_gradient(params), z),
            "discriminator": adversarial.cross_entropy(
                self.discriminator, params, z, shuffled(other[0], shuffle_key)
            ),
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """gamma for the total correlation, 1 for the others."""
        gamma = value(self.gamma, step)
        return {"distortion": 1.0, "rate": 1.0, "total_correlation": gamma, "discriminator": 1.0}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Variational.term_units(self), "total_correlation": "nats", "discriminator": "nats"}

    def optimizers(self) -> dict[str, Optimizer]:
        """The discriminator's own."""
        return {"discriminator": self.discriminator_optimizer}


def shuffled(z: Array, key: Key) -> Array:
    """Each dimension's values over the batch in an order of its own, f32[B, L]."""
    order = jnp.argsort(jax.random.bits(key, (z.size,), jnp.uint32).reshape(z.shape), axis=0)
    return jnp.take_along_axis(z, order, axis=0)
