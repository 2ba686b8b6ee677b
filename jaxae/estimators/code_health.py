"""The health of a code: which units carry something, and how q(z|x) stands to p(z); its sensitivity to x.

N examples, L units.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxae import keys, memory
from jaxae.estimators.terms import Stream, example_of, in_chunks, map_rows, over_rows
from jaxae.protocols.capabilities import Autoencoder, JointDensity
from jaxae.protocols.parts import DensityPosterior, FactorisedKL
from jaxae.types import Batch, Examples, Key, Variables

ROWS_AT_ONCE = 100  # draws compared with all posteriors at once


class AggregatePosterior(NamedTuple):
    """The mean rate in two parts: E KL(q(z|x) || p(z)) = I_q(x; z) + KL(q(z) || p(z)), nats."""

    rate: Array  # f32[N], log q(z|x) - log p(z) at one draw of each example
    information: Array  # f32[N], log q(z|x) - log q(z): I_q(x; z) is its mean, at most log N
    marginal_kl: Array  # f32[N], log q(z) - log p(z)


def active_dimensions(means: Any, threshold: float = 0.01) -> np.ndarray:
    """Whether each unit's posterior mean varies over the data by more than `threshold`; [N, L] -> bool[L].

    Burda et al., 2016, section 5: the variance of E[z|x] over x.
    """
    return np.asarray(means, np.float64).var(axis=0) > threshold


def lifetime_sparsity(codes: Any) -> np.ndarray:
    """How selective each unit is over examples, float64[L]; 1: one example, 0: all alike, nan: dead.

    (1 - (mean |a|)^2 / mean a^2) / (1 - 1/N): Vinje & Gallant, 2000, after Treves & Rolls, 1991.
    One example alone is neither: nan.
    """
    return _sparsity(np.asarray(codes, np.float64).T)


def population_sparsity(codes: Any) -> np.ndarray:
    """How few units speak for each example, float64[N]; the same measure over units; nan: none speaks."""
    return _sparsity(np.asarray(codes, np.float64))


def saturated(codes: Any, margin: float = 0.05) -> float:
    """The share of entries below `margin` or above 1 - `margin`, for codes in [0, 1] (Rifai et al., 2011)."""
    codes = np.asarray(codes)
    return float(((codes < margin) | (codes > 1 - margin)).mean())


def aggregate_posterior(
    autoencoder: JointDensity, variables: Variables, examples: Examples, key: Key
) -> AggregatePosterior:
    """The rate's two parts, q(z) the mean of the posteriors of all `examples`: Hoffman & Johnson, 2016.

    For posteriors whose density is known at any z. Cost N^2 densities.
    """
    at_once = min(ROWS_AT_ONCE, len(examples.x))
    return memory.run(_aggregate_posterior, autoencoder, variables, examples, key, at_once=at_once)


@functools.partial(jax.jit, static_argnames="at_once")
def _aggregate_posterior(
    autoencoder: JointDensity, variables: Variables, examples: Examples, key: Key, *, at_once: int
) -> AggregatePosterior:
    posterior = autoencoder.posterior
    assert isinstance(posterior, DensityPosterior)  # the caller has checked it

    def infer(batch: Batch, key: Key) -> tuple[Array, Array]:
        outputs = autoencoder.infer(variables, batch)
        return outputs, posterior.sample(outputs, key, 1)[0][0]

    outputs, z = map_rows(infer, examples, key, at_once)

    def of_row(row: tuple[Array, Array]) -> tuple[Array, Array]:
        """log q(z|x) of its own x, and log q(z); f32[] each."""
        own, z = row
        every = posterior.log_prob(outputs, jnp.broadcast_to(z[None, None], (1, len(outputs), z.shape[-1])))
        log_own = posterior.log_prob(own[None], z[None, None])[0, 0]
        return log_own, jax.nn.logsumexp(every[0]) - jnp.log(len(outputs))

    def of_number(number: Array) -> tuple[Array, Array]:
        return of_row((outputs[number], z[number]))

    log_own, log_marginal = in_chunks(jax.vmap(of_number), jnp.arange(len(z)), at_once)
    log_prior = autoencoder.log_prior(variables, z[None])[0]
    return AggregatePosterior(log_own - log_prior, log_own - log_marginal, log_marginal - log_prior)


def rate_per_dimension(autoencoder: JointDensity, variables: Variables, examples: Examples) -> Array:
    """The mean KL(q(z_l|x) || N(0, 1)) of each dimension of a diagonal Gaussian posterior; f32[L], nats."""

    return over_rows(_kl_per_dim, (autoencoder, variables), examples, keys.root(0)).mean(axis=0)


def _kl_per_dim(
    autoencoder: JointDensity, variables: Variables, batch: Batch, stream: Stream, draws: int
) -> Array:
    assert isinstance(autoencoder.posterior, FactorisedKL)  # the caller has checked it
    return autoencoder.posterior.kl_per_dim(autoencoder.infer(variables, batch))[0]


def _sparsity(rows: np.ndarray) -> np.ndarray:
    if rows.shape[1] == 1:
        return np.full(len(rows), np.nan)  # one entry is neither sparse nor dense
    mean, square = np.abs(rows).mean(axis=1), (rows**2).mean(axis=1)
    silent = square == 0
    ratio = mean**2 / np.where(silent, 1.0, square)
    return np.where(silent, np.nan, (1.0 - ratio) / (1.0 - 1.0 / rows.shape[1]))


def jacobian_spectrum(autoencoder: Autoencoder, variables: Variables, examples: Examples) -> Array:
    """Singular values of each example's d code / d x, descending; f32[N, min(L, D)], code / data unit.

    Few large ones: the code follows the data's few directions and is still in all others (Rifai et al.,
    2011, figure 4).
    """
    latent_dim = jax.eval_shape(autoencoder.encode, variables, example_of(examples)).shape[-1]
    return over_rows(_singular_values, (autoencoder, variables), examples, keys.root(0), num_draws=latent_dim)


def _singular_values(
    autoencoder: Autoencoder, variables: Variables, batch: Batch, stream: Stream, rows_at_once: int
) -> Array:
    """Return the singular values of one example's Jacobian, computed `rows_at_once` rows at a time."""

    def code(x: Array) -> Array:
        return autoencoder.encode(variables, batch._replace(x=x[None]))[0]

    z, pullback = jax.vjp(code, batch.x[0])
    jacobian = in_chunks(jax.vmap(lambda row: pullback(row)[0]), jnp.eye(len(z), dtype=z.dtype), rows_at_once)
    return jnp.linalg.svd(jacobian.reshape(len(z), -1), compute_uv=False)
