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
    """Variational autoencoder: loss = D + beta R, where beta = 1 is minus the ELBO.

    - D = E_q(z|x)[-log p(x|z)] is the distortion, f32[B] in nats, by `num_samples` Monte Carlo draws.
    - R = KL(q(z|x) || p(z)) is the rate, f32[B] in nats, in closed form if known, else by the same draws.

    Kingma & Welling, 2014, equation 3. ELBO = -(D + R) for any beta. Variants:

    - beta != 1 is the beta-VAE (Higgins et al., 2017).
    - With a `capacity` C the loss is D + beta |R - C| (Burgess et al., 2018, arXiv 1804.03599).
    - With `free_bits` the loss is D + beta sum_l max(free_bits, mean_B R_l) (Kingma et al., 2016, arXiv
      1606.04934, section 2.4).

    In the last two cases the rate is still reported, with weight 0.

    Example:
        >>> import jax.numpy as jnp, jaxae
        >>> from jaxae import keys
        >>> model, x = jaxae.VAE(latent_dim=2, data_shape=(8, 8, 1)), jnp.ones((5, 8, 8, 1))
        >>> variables = model.init(keys.root(0), jaxae.Batch(x))
        >>> terms, _ = model.terms(variables, jaxae.Batch(x), keys.root(1))
        >>> {name: term.shape for name, term in terms.items()}
        {'distortion': (5,), 'rate': (5,)}
    """

    num_samples: Annotated[int, Gt(0)] = 1
    """Number of Monte Carlo draws of z for each example and step."""
    beta: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the rate; 1 is the ELBO, above 1 the beta-VAE, and a schedule is a warm-up."""
    kl: Literal["auto", "closed", "sampled"] = "auto"
    """Computation of the rate: closed form, sampled, or auto for closed if posterior and prior allow it."""
    capacity: Annotated[float, Ge(0)] | Schedule | None = None
    """Capacity C: the target of the rate, in nats, usually a growing schedule; None for the plain rate."""
    free_bits: Annotated[float, Ge(0)] | None = None
    """Rate that each latent dimension has for free, in nats, averaged over the batch; None for no limit."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion", "rate")  # terms that are the ELBO's parts

    def check(self) -> None:
        """Check that posterior, prior and options fit together. Raises: ValueError otherwise."""
        Variational.check(self)
        if self.kl == "closed" and not self.has_closed_rate:
            raise ValueError("kl: closed needs a Gaussian posterior and the prior StandardNormal")
        if self.capacity is not None and self.free_bits is not None:
            raise ValueError("capacity: cannot be combined with free_bits; one of them must be None")
        factorised = isinstance(self.posterior, FactorisedKL) and self.has_closed_rate
        if self.free_bits is not None and (self.kl == "sampled" or not factorised):
            raise ValueError("free_bits: needs a closed rate of each dimension; use DiagonalGaussian")

    @property
    def batch_terms(self) -> tuple[str, ...]:
        """Names of terms that are statistics of the batch: the same number for each of its examples."""
        return () if self.free_bits is None else ("free_rate",)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, `rate` and, if used, `capacity_gap` or `free_rate`; f32[B] each, in nats."""
        draw = self.draw(variables, batch, key, self.num_samples)
        rate = self.rate(draw, closed=self.kl != "sampled" and self.has_closed_rate)
        terms = {"distortion": -draw.log_likelihood.mean(axis=0), "rate": rate}
        return {**terms, **self._penalty(draw, rate)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 for the distortion, beta for the rate or for the term that replaces it."""
        beta = value(self.beta, step)
        if self.capacity is not None:
            # The rate has weight 0: it is reported, because the ELBO needs it, but not minimised.
            return {"distortion": 1.0, "rate": 0.0, "capacity_gap": beta}
        if self.free_bits is not None:
            return {"distortion": 1.0, "rate": 0.0, "free_rate": beta}
        return {"distortion": 1.0, "rate": beta}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Variational.term_units(self), "capacity_gap": "nats", "free_rate": "nats"}

    def _penalty(self, draw: Draw, rate: Array) -> Terms:
        """Return the term that replaces the rate, f32[B] in nats, by its name; {} if none does."""
        if self.capacity is not None:
            # Schedules are resolved to numbers before `terms` is called, so that the step has no effect here.
            return {"capacity_gap": jnp.abs(rate - value(self.capacity, 0))}
        if self.free_bits is None:
            return {}
        assert isinstance(self.posterior, FactorisedKL)
        # The mean over the batch comes before the maximum, as in the paper: a single example may use less
        # than the free rate.
        mean_rates = self.posterior.kl_per_dim(draw.outputs).mean(axis=0)
        free_rate = jnp.maximum(mean_rates, self.free_bits).sum()
        return {"free_rate": jnp.broadcast_to(free_rate, rate.shape)}
