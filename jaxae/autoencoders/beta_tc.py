"""The beta-TC-VAE (Chen, Li, Grosse & Duvenaud, 2018, arXiv 1802.04942): a rate of three parts."""

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
    """Beta-TC-VAE: loss = D + alpha I_q(x; z) + beta TC(z) + gamma sum_l KL(q(z_l) || p(z_l)).

    All parts are f32[B] in nats, from one draw of z:

    - D = -log p(x|z), the distortion;
    - I_q(x; z) = log q(z|x) - log q(z), the index-code mutual information;
    - TC(z) = log q(z) - sum_l log q(z_l), the total correlation;
    - KL = sum_l log q(z_l) - log p(z_l), the dimension-wise KL.

    At alpha = beta = gamma = 1 the parts sum to the rate by the same draw (Chen et al., 2018, equations 2 and
    4). q(z), the mean of q(z|x_n) over N training examples, is estimated from the batch of M + 1 examples.
    `mss`, minibatch stratified sampling, gives x_i itself the weight 1/N, one other example (N - M) / (N M)
    and the remaining M - 1 the weight 1/M; it is unbiased for q(z). `mws` gives all of them 1 / (N (M + 1)).
    So the parts of an example depend on its batch.
    """

    alpha: Weight = 1.0
    """Weight of the index-code mutual information."""
    beta: Weight = 6.0
    """Weight of the total correlation; 1 is the ELBO if alpha and gamma are 1 too."""
    gamma: Weight = 1.0
    """Weight of the dimension-wise KL."""
    estimator: Literal["mss", "mws"] = "mss"
    """Estimator of q(z) from the batch: `mss` (stratified, unbiased for q(z)) or `mws` (weighted)."""
    num_examples: Annotated[int, Ge(0)] = 0
    """Number of training examples, N; taken from the data when a run starts."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # the term that is a part of the ELBO
    batch_terms: ClassVar[tuple[str, ...]] = ("mutual_information", "total_correlation", "dimension_kl")
    min_batch: ClassVar[int] = 2  # of one row q(z) would be q(z|x)

    def check(self) -> None:
        """Check that posterior and prior factorise over dimensions. Raises: ValueError otherwise."""
        Variational.check(self)
        if not isinstance(self.posterior, DiagonalPosterior) or not is_standard(self.prior):
            raise ValueError(
                f"posterior: got {type(self.posterior).__name__} with prior {type(self.prior).__name__}, "
                "expected independent dimensions, such as DiagonalGaussian, with StandardNormal"
            )

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion` and the three parts of the rate, f32[B] each, in nats."""
        draw = self.draw(variables, batch, key, 1)
        log_q_given_x, log_q, log_q_product = self._aggregate(draw.outputs, draw.z[0])
        terms = {
            "distortion": -draw.log_likelihood[0],
            "mutual_information": log_q_given_x - log_q,
            "total_correlation": log_q - log_q_product,
            "dimension_kl": log_q_product - draw.log_prior[0],
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 for the distortion, then alpha, beta and gamma."""
        weights = (self.alpha, self.beta, self.gamma)
        parts = {name: value(weight, step) for name, weight in zip(self.batch_terms, weights, strict=True)}
        return {"distortion": 1.0, **parts}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Variational.term_units(self), **dict.fromkeys(self.batch_terms, "nats")}

    def _aggregate(self, outputs: Array, z: Array) -> tuple[Array, Array, Array]:
        """Return log q(z_i|x_i), log q(z_i) and sum_l log q(z_il), f32[B] each, in nats, for z f32[B, L]."""
        assert isinstance(self.posterior, DiagonalPosterior)
        mean, log_var = self.posterior.mean_and_log_var(outputs)
        # Dimensions first, [L, z of i, posterior of j]: XLA's CPU loops over a short last axis are slow.
        log_q_dims = gaussian_log_prob(mean.T[:, None], log_var.T[:, None], z.T[..., None], 0)
        log_weights = log_batch_weights(z.shape[0], self.num_examples, self.estimator)
        # [L, B, B] -> [B, B]: log q(z_i | x_j), since dimensions are independent given x.
        joint = log_q_dims.sum(axis=0)
        log_q = jax.nn.logsumexp(log_weights + joint, axis=1)
        # [L, B, B] -> [L, B] -> [B]: a separate mixture for each dimension.
        log_q_product = jax.nn.logsumexp(log_weights[None] + log_q_dims, axis=2).sum(axis=0)
        return jnp.diagonal(joint), log_q, log_q_product


def log_batch_weights(batch_size: int, num_examples: int, estimator: str) -> Array:
    """Return the log-weight of x_j in the estimate of q(z_i), f32[B, B]; a row of `mss` sums to one.

    Args:
        batch_size: Number of examples in the batch, M + 1.
        num_examples: Number of training examples, N.
        estimator: "mss" or "mws".

    Returns:
        f32[B, B], logarithms of weights.
    """
    # For one example both estimators are log 1/N, and `mss` would divide by M = 0.
    if estimator == "mws" or batch_size < 2:
        return jnp.full((batch_size, batch_size), -jnp.log(float(num_examples * batch_size)))
    # N is at least the batch's size: a batch in evaluation may be larger than the training set.
    num_others, num_rows = batch_size - 1, max(num_examples, batch_size)
    # The weight 1/N is on the diagonal, because z_i was drawn from q(z|x_i). Some public implementations
    # write it to the first column instead.
    diagonal = jnp.eye(batch_size)
    # The next example of the batch is the one with the weight (N - M) / (N M).
    stratum = jnp.roll(diagonal, 1, axis=1)
    stratum_weight = (num_rows - num_others) / (num_rows * num_others)
    return jnp.log(diagonal / num_rows + stratum * stratum_weight + (1.0 - diagonal - stratum) / num_others)
