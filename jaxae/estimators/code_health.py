"""Health of codes: active dimensions, sparsity, the aggregate posterior, and sensitivity to the input.

Shapes: N examples, L latent dimensions.
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

ROWS_AT_ONCE = 100  # draws that are compared with all posteriors at the same time


class AggregatePosterior(NamedTuple):
    """The mean rate in two parts: E KL(q(z|x) || p(z)) = I_q(x; z) + KL(q(z) || p(z)), nats."""

    rate: Array  # f32[N], log q(z|x) - log p(z) at one draw of each example
    information: Array  # f32[N], log q(z|x) - log q(z): I_q(x; z) is its mean, at most log N
    marginal_kl: Array  # f32[N], log q(z) - log p(z)


def active_dimensions(means: Any, threshold: float = 0.01) -> np.ndarray:
    """Return whether the posterior mean of each dimension varies over the data; [N, L] -> bool[L].

    Burda et al., 2016, section 5: the variance of E[z|x] over x is above 0.01.

    Args:
        means: Posterior means, [N, L].
        threshold: A dimension is active if its variance is above this value.

    Returns:
        bool[L].

    Example:
        >>> from jaxae.estimators.code_health import active_dimensions
        >>> active_dimensions([[-1.0, 0.05], [1.0, -0.05]]).tolist()  # variances 1 and 0.0025
        [True, False]
    """
    # In float64: float32 cancels if the means are large compared with their spread.
    return np.asarray(means, np.float64).var(axis=0) > threshold


def lifetime_sparsity(codes: Any) -> np.ndarray:
    """Compute the selectivity of each dimension over examples, float64[L].

    The formula is (1 - (mean |a|)^2 / mean a^2) / (1 - 1/N): Vinje & Gallant, 2000, after Treves & Rolls,
    1991. It is 1 if a dimension is on for one example only, 0 if its absolute value is the same for all, and
    nan if it is dead (0 for all examples) or there is only one example.

    Example:
        >>> from jaxae.estimators.code_health import lifetime_sparsity
        >>> lifetime_sparsity([[3.0, 1.0], [0.0, 1.0]]).tolist()
        [1.0, 0.0]
    """
    return _sparsity(np.asarray(codes, np.float64).T)


def population_sparsity(codes: Any) -> np.ndarray:
    """Compute the sparsity of each example's code, float64[N], by the formula of `lifetime_sparsity`.

    The means are over dimensions here. It is 1 if one dimension is on, and nan if none is.
    """
    return _sparsity(np.asarray(codes, np.float64))


def saturated(codes: Any, margin: float = 0.05) -> float:
    """Compute the share of entries below `margin` or above 1 - `margin` (Rifai et al., 2011).

    Args:
        codes: Codes in [0, 1], of any shape.
        margin: Distance from 0 and 1 below which an entry counts as saturated.

    Returns:
        The share, in [0, 1].

    Example:
        >>> from jaxae.estimators.code_health import saturated
        >>> saturated([0.01, 0.5, 0.99, 1.0])
        0.75
    """
    codes = np.asarray(codes)
    return float(((codes < margin) | (codes > 1 - margin)).mean())


def aggregate_posterior(
    autoencoder: JointDensity, variables: Variables, examples: Examples, key: Key
) -> AggregatePosterior:
    """Split the rate into its two parts; q(z) is the mean of the posteriors of all `examples`.

    Hoffman & Johnson, 2016. The density of the posterior must be available at every z. The cost is N^2
    densities.

    Args:
        autoencoder: A model with q(z|x) and p(z).
        variables: Its variables.
        examples: The split, of N rows.
        key: Key of the draws, one for each example.

    Returns:
        The rate and its parts at the draw of each example, f32[N] each, nats.

    Raises:
        OutOfMemory: If not even one row fits in memory.
    """
    at_once = min(ROWS_AT_ONCE, len(examples.x))
    return memory.run(_aggregate_posterior, autoencoder, variables, examples, key, at_once=at_once)


@functools.partial(jax.jit, static_argnames="at_once")
def _aggregate_posterior(
    autoencoder: JointDensity, variables: Variables, examples: Examples, key: Key, *, at_once: int
) -> AggregatePosterior:
    posterior = autoencoder.posterior
    assert isinstance(posterior, DensityPosterior)  # the measure has checked it before

    def infer(batch: Batch, key: Key) -> tuple[Array, Array]:
        outputs = autoencoder.infer(variables, batch)
        return outputs, posterior.sample(outputs, key, 1)[0][0]

    outputs, z = map_rows(infer, examples, key, at_once)

    def compare(row: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return log q(z|x) at the row's x, and log q(z); f32[] each."""
        row_outputs, z = row
        log_posteriors = posterior.log_prob(
            outputs, jnp.broadcast_to(z[None, None], (1, len(outputs), z.shape[-1]))
        )
        log_own = posterior.log_prob(row_outputs[None], z[None, None])[0, 0]
        return log_own, jax.nn.logsumexp(log_posteriors[0]) - jnp.log(len(outputs))

    def compare_row(number: Array) -> tuple[Array, Array]:
        return compare((outputs[number], z[number]))

    log_own, log_marginal = in_chunks(jax.vmap(compare_row), jnp.arange(len(z)), at_once)
    log_prior = autoencoder.log_prior(variables, z[None])[0]
    return AggregatePosterior(log_own - log_prior, log_own - log_marginal, log_marginal - log_prior)


def rate_per_dimension(autoencoder: JointDensity, variables: Variables, examples: Examples) -> Array:
    """Compute the mean KL(q(z_l|x) || N(0, 1)) of each latent dimension; f32[L], nats.

    Args:
        autoencoder: A model whose posterior is a diagonal Gaussian.
        variables: Its variables.
        examples: The split.

    Returns:
        f32[L], nats.

    Raises:
        OutOfMemory: If not even one row fits in memory.
    """
    # The closed form draws nothing, so any key will do.
    return over_rows(_kl_per_dim, (autoencoder, variables), examples, keys.root(0)).mean(axis=0)


def _kl_per_dim(
    autoencoder: JointDensity, variables: Variables, batch: Batch, stream: Stream, draws: int
) -> Array:
    assert isinstance(autoencoder.posterior, FactorisedKL)  # the measure has checked it before
    return autoencoder.posterior.kl_per_dim(autoencoder.infer(variables, batch))[0]


def _sparsity(rows: np.ndarray) -> np.ndarray:
    if rows.shape[1] == 1:
        return np.full(len(rows), np.nan)  # 0 / 0: one entry is neither sparse nor dense
    mean, square = np.abs(rows).mean(axis=1), (rows**2).mean(axis=1)
    is_silent = square == 0
    ratio = mean**2 / np.where(is_silent, 1.0, square)
    return np.where(is_silent, np.nan, (1.0 - ratio) / (1.0 - 1.0 / rows.shape[1]))


def jacobian_spectrum(autoencoder: Autoencoder, variables: Variables, examples: Examples) -> Array:
    """Compute the singular values of each example's d code / d x, in descending order.

    If few of them are large, the code follows the few directions of the data and ignores all others (Rifai et
    al., 2011, figure 4).

    Args:
        autoencoder: A model with codes.
        variables: Its variables.
        examples: The split, of N rows.

    Returns:
        f32[N, min(L, D)], in code per data unit.

    Raises:
        OutOfMemory: If not even one row of one Jacobian fits in memory.
    """
    latent_dim = jax.eval_shape(autoencoder.encode, variables, example_of(examples)).shape[-1]
    return over_rows(_singular_values, (autoencoder, variables), examples, keys.root(0), num_draws=latent_dim)


def _singular_values(
    autoencoder: Autoencoder, variables: Variables, batch: Batch, stream: Stream, rows_at_once: int
) -> Array:
    """Compute the singular values of one example's Jacobian, `rows_at_once` of its rows at a time."""

    def encode_example(x: Array) -> Array:
        return autoencoder.encode(variables, batch._replace(x=x[None]))[0]

    z, pullback = jax.vjp(encode_example, batch.x[0])
    # Rows by reverse mode: a code has fewer dimensions than an image has pixels.
    jacobian = in_chunks(jax.vmap(lambda row: pullback(row)[0]), jnp.eye(len(z), dtype=z.dtype), rows_at_once)
    return jnp.linalg.svd(jacobian.reshape(len(z), -1), compute_uv=False)
