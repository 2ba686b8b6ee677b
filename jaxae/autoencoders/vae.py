"""The variational autoencoder (Kingma & Welling, 2014, arXiv 1312.6114; Rezende et al., 2014)."""

from typing import Annotated, Any, ClassVar, Literal

import jax.numpy as jnp
from annotated_types import Ge, Gt
from jax import Array

from jaxae.autoencoders.base.variational import Draw, Variational
from jaxae.protocols.parts import FactorisedKL, Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables


@spec
class VAE(Variational):
    """loss = D + beta R;  ELBO = -(D + R), whatever beta is.

    distortion  D = E_q(z|x)[-log p(x|z)], by Monte Carlo with `num_samples` draws;
    rate        R = KL(q(z|x) || p(z)), in closed form where there is one, or by the same draws.
    beta != 1 is the beta-VAE (Higgins et al., 2017). With a `capacity` C the loss is D + beta |R - C|
    (Burgess et al., 2018, arXiv 1804.03599), with `free_bits` D + beta sum_l max(free_bits, mean_B R_l)
    (Kingma et al., 2016, arXiv 1606.04934, section 2.4); the rate is told, with weight 0.
    """

    num_samples: Annotated[int, Gt(0)] = 1
    """Monte Carlo draws of z for each example and step."""
    beta: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the rate in the loss; a schedule over steps is a warm-up."""
    kl: Literal["auto", "closed", "sampled"] = "auto"
    """How the rate is found; auto is closed where the posterior and the prior allow it."""
    capacity: Annotated[float, Ge(0)] | Schedule | None = None
    """C, the rate that costs nothing, nats; usually a schedule that grows. None for the plain rate."""
    free_bits: Annotated[float, Ge(0)] | None = None
    """What each latent dimension holds for free, nats, on the average over the batch; None: nothing."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion", "rate")  # terms that are the ELBO's parts

    def check(self) -> None:
        """Raises ValueError for parts that do not fit together."""
        Variational.check(self)
        if self.kl == "closed" and not self.has_closed_rate:
            raise ValueError("kl: closed needs a Gaussian posterior and the standard normal prior")
        if self.capacity is not None and self.free_bits is not None:
            raise ValueError("capacity: cannot stand beside free_bits")
        factorised = isinstance(self.posterior, FactorisedKL) and self.has_closed_rate
        if self.free_bits is not None and (self.kl == "sampled" or not factorised):
            raise ValueError("free_bits: needs the closed rate of each dimension, as of a DiagonalGaussian")

    @property
    def batch_terms(self) -> tuple[str, ...]:
        """Terms that are statistics of the batch: the same number for each of its examples."""
        return () if self.free_bits is None else ("free_rate",)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion` and `rate`, and `capacity_gap` or `free_rate` where asked for; f32[B], nats."""
        draw = self.draw(variables, batch, key, self.num_samples)
        rate = self.rate(draw, closed=self.kl != "sampled" and self.has_closed_rate)
        terms = {"distortion": -draw.log_likelihood.mean(axis=0), "rate": rate}
        return {**terms, **self._penalty(draw, rate)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1 for the distortion, beta for the rate or what stands in its place."""
        beta = value(self.beta, step)
        if self.capacity is not None:
            return {"distortion": 1.0, "rate": 0.0, "capacity_gap": beta}
        if self.free_bits is not None:
            return {"distortion": 1.0, "rate": 0.0, "free_rate": beta}
        return {"distortion": 1.0, "rate": beta}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Variational.term_units(self), "capacity_gap": "nats", "free_rate": "nats"}

    def _penalty(self, draw: Draw, rate: Array) -> Terms:
        """What stands in the rate's place, by name, f32[B], nats."""
        if self.capacity is not None:
            return {"capacity_gap": jnp.abs(rate - value(self.capacity, 0))}
        if self.free_bits is None:
            return {}
        assert isinstance(self.posterior, FactorisedKL)
        each = self.posterior.kl_per_dim(draw.outputs).mean(axis=0)
        free = jnp.maximum(each, self.free_bits).sum()
        return {"free_rate": jnp.broadcast_to(free, rate.shape)}
