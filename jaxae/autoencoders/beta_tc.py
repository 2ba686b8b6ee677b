"""The beta-TC-VAE (Chen, Li, Grosse & Duvenaud, 2018, arXiv 1802.04942): the rate in three parts."""

from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from jaxae.autoencoders.base.variational import Variational
from jaxae.distributions import gaussian_log_prob
from jaxae.protocols.parts import DiagonalPosterior, Schedule, is_standard
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables

Weight = Annotated[float, Ge(0)] | Schedule


@spec
class BetaTCVAE(Variational):
    """loss = D + alpha I_q(x; z) + beta TC(z) + gamma sum_l KL(q(z_l) || p(z_l)), from one draw of z.

    At alpha = beta = gamma = 1 the parts sum to the rate by the same draw. q(z), the mean of q(z|x_n) over
    the N training examples, is estimated from the batch: `mss`, minibatch stratified sampling, weighs x_i
    itself by 1/N, another by (N - M) / (N M) and the M - 1 that are left by 1/M (M + 1 the batch's size),
    which is unbiased for q(z); `mws` weighs all by 1/(N (M + 1)). An example's parts depend on the batch.
    """

    alpha: Weight = 1.0
    """Weight of the index-code mutual information."""
    beta: Weight = 6.0
    """Weight of the total correlation."""
    gamma: Weight = 1.0
    """Weight of the dimension-wise KL."""
    estimator: Literal["mss", "mws"] = "mss"
    """How q(z) is estimated from the batch."""
    num_examples: Annotated[int, Ge(0)] = 0
    """N; taken from the data when a run begins."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # the term that is a part of the ELBO
    batch_terms: ClassVar[tuple[str, ...]] = ("mutual_information", "total_correlation", "dimension_kl")
    min_batch: ClassVar[int] = 2  # of one row q(z) would be q(z|x)

    def check(self) -> None:
        """Raises ValueError for a posterior or a prior that does not factorise."""
        Variational.check(self)
        if not isinstance(self.posterior, DiagonalPosterior) or not is_standard(self.prior):
            raise ValueError(
                "posterior: needs independent dimensions, as of DiagonalGaussian, and a standard prior"
            )

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`, `mutual_information`, `total_correlation`, `dimension_kl`; f32[B], nats."""
        draw = self.draw(variables, batch, key, 1)
        log_q_given_x, log_q, log_q_each = self._aggregate(draw.outputs, draw.z[0])
        terms = {
            "distortion": -draw.log_likelihood[0],
            "mutual_information": log_q_given_x - log_q,
            "total_correlation": log_q - log_q_each,
            "dimension_kl": log_q_each - draw.log_prior[0],
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1, alpha, beta and gamma."""
        weights = (self.alpha, self.beta, self.gamma)
        parts = {name: value(weight, step) for name, weight in zip(self.batch_terms, weights, strict=True)}
        return {"distortion": 1.0, **parts}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Variational.term_units(self), **dict.fromkeys(self.batch_terms, "nats")}

    def _aggregate(self, outputs: Array, z: Array) -> tuple[Array, Array, Array]:
        """log q(z_i|x_i), log q(z_i) and sum_l log q(z_il), f32[B] each, nats; z f32[B, L]."""
        assert isinstance(self.posterior, DiagonalPosterior)
        mean, log_var = self.posterior.mean_and_log_var(outputs)
        # Dimensions first, [L, z of i, posterior of j]: XLA's CPU loops over a short last axis are slow.
        each = gaussian_log_prob(mean.T[:, None], log_var.T[:, None], z.T[..., None], 0)
        log_weights = log_batch_weights(z.shape[0], self.num_examples, self.estimator)
        joint = each.sum(axis=0)
        log_q = jax.nn.logsumexp(log_weights + joint, axis=1)
        log_q_each = jax.nn.logsumexp(log_weights[None] + each, axis=2).sum(axis=0)
        return jnp.diagonal(joint), log_q, log_q_each


def log_batch_weights(batch_size: int, num_examples: int, estimator: str) -> Array:
    """log of the weight of x_j in the estimate of q(z_i), f32[B, B]; a row of `mss` sums to one."""
    if estimator == "mws" or batch_size < 2:
        return jnp.full((batch_size, batch_size), -jnp.log(float(num_examples * batch_size)))
    others, number = batch_size - 1, max(num_examples, batch_size)
    own = jnp.eye(batch_size)  # on the diagonal: z_i was drawn from q(z|x_i)
    stratum = jnp.roll(own, 1, axis=1)
    left = (number - others) / (number * others)
    return jnp.log(own / number + stratum * left + (1.0 - own - stratum) / others)
