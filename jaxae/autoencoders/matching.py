"""Maximum mean discrepancy between codes and prior: InfoVAE and the Wasserstein autoencoder."""

from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from jaxae import keys
from jaxae.autoencoders.base.pairs import Pair
from jaxae.autoencoders.base.variational import Variational
from jaxae.maths.divergences import Kernel, mmd
from jaxae.protocols.parts import Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables

Weight = Annotated[float, Ge(0)] | Schedule


@spec
class InfoVAE(Variational):
    """InfoVAE: loss = D + rate_weight R + mmd_weight MMD^2(q(z), p(z)); rate_weight = 0 is the MMD-VAE.

    D = E_q[-log p(x|z)] is the distortion and R = KL(q(z|x) || p(z)) the rate, f32[B] in nats; MMD^2 has no
    unit.

    Zhao, Song & Ermon, 2019 (arXiv 1706.02262), with their alpha and lambda: rate_weight = 1 - alpha and
    mmd_weight = alpha + lambda - 1. The MMD^2 is the unbiased estimate from the batch, so it may be below 0.
    """

    rate_weight: Weight = 0.0
    """Weight of the rate, the paper's 1 - alpha."""
    mmd_weight: Weight = 100.0
    """Weight of the MMD^2, the paper's alpha + lambda - 1."""
    kernel: Kernel = "rbf"
    """Kernel of the MMD."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion", "rate")  # terms that are the ELBO's parts
    batch_terms: ClassVar[tuple[str, ...]] = ("mmd",)  # statistics of the batch
    min_batch: ClassVar[int] = 2  # without bias the MMD^2 has no value for one row

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion` and `rate` in nats, and `mmd`, a statistic of the batch; f32[B] each."""
        draw_key, prior_key = jax.random.split(key)
        draw = self.draw(variables, batch, draw_key, 1)
        prior = self.prior_sample(variables, prior_key, batch.x.shape[0])
        discrepancy = mmd(draw.z[0], prior, self.kernel)
        terms = {
            "distortion": -draw.log_likelihood[0],
            "rate": self.rate(draw, closed=self.has_closed_rate),
            # Repeated for each example, so that the mean over the batch is the statistic itself.
            "mmd": jnp.broadcast_to(discrepancy, (batch.x.shape[0],)),
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1, `rate_weight` and `mmd_weight`."""
        rate, discrepancy = value(self.rate_weight, step), value(self.mmd_weight, step)
        return {"distortion": 1.0, "rate": rate, "mmd": discrepancy}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term; a kernel discrepancy has none."""
        return {**Variational.term_units(self), "mmd": "no unit"}


@spec
class WAE(Pair):
    """Wasserstein autoencoder: loss = D + mmd_weight MMD^2(codes, N(0, I)), with a deterministic encoder.

    D = d(x, g(z)) is the distortion, f32[B]; MMD^2 has no unit and is the unbiased estimate from the batch.
    Tolstikhin, Bousquet, Gelly & Scholkopf, 2018 (arXiv 1711.01558), algorithm 2.
    """

    mmd_weight: Weight = 10.0
    """Weight of the MMD^2, the paper's lambda."""
    kernel: Kernel = "imq"
    """Kernel of the MMD."""

    batch_terms: ClassVar[tuple[str, ...]] = ("mmd",)  # statistics of the batch
    min_batch: ClassVar[int] = 2  # without bias the MMD^2 has no value for one row

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, and `mmd`, a statistic of the batch; f32[B] each."""
        z = self.encode(variables, batch)
        # One draw of the prior for each code, as in the paper's algorithm 2.
        discrepancy = mmd(z, self.prior_sample(variables, key, z.shape[0]), self.kernel)
        distortion = self.distortion(variables, z, batch.x)
        return {
            "distortion": distortion,
            "mmd": jnp.broadcast_to(discrepancy, (z.shape[0],)),
        }, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 and `mmd_weight`."""
        return {"distortion": 1.0, "mmd": value(self.mmd_weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term; a kernel discrepancy has none."""
        return {**Pair.term_units(self), "mmd": "no unit"}

    def prior_sample(self, variables: Variables, key: Key, num: int) -> Array:
        """Draw z ~ N(0, I), f32[num, L]."""
        return keys.normal(key, (num, self.latent_dim))
