"""log p(x) by importance sampling from q(z|x), and diagnostics of its reliability. S samples, N examples."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from jaxae.estimators.evidence import log_weights_of
from jaxae.estimators.terms import Stream, over_rows
from jaxae.protocols.capabilities import LatentVariableModel
from jaxae.types import Batch, Examples, Key, Variables

RELIABLE = 0.7  # estimates with a pareto_k above this value are unreliable (Vehtari et al., 2024)
SHORTEST_TAIL = 5  # weights
ROUNDING = 64 * float(np.finfo(np.float32).eps)  # rounding error of a log-weight, relative to its size
MOST_NUMBERS = 1_000_000  # entries of the profile in memory, so that it does not grow with N


class Importance(NamedTuple):
    """Bound and diagnostics from S weights of each example."""

    iwelbo: Any  # f32[N], nats: its mean is a lower bound of log p(x), which tightens with S
    effective_sample_size: Any  # f32[N], 1 to S
    pareto_k: np.ndarray  # float64[N]; unreliable if above RELIABLE; nan: too few samples


class Sums(NamedTuple):
    """Sums of the S weights of one example, from which the diagnostics are computed.

    For all examples the fields have [N] in front.
    """

    log_sum: Array  # f32[], log of the sum of weights, nats
    log_sum_of_squares: Array  # f32[], log of the sum of squared weights, nats
    largest: Array  # f32[M + 1], log-weights, in descending order


def importance(
    autoencoder: LatentVariableModel, variables: Variables, examples: Examples, key: Key, num_samples: int
) -> Importance:
    """Compute the IWELBO of each example with k = `num_samples`, and its diagnostics.

    The estimate of an example depends only on the example, the model and the key, not on the rest of the
    split. Burda et al., 2016 (arXiv 1509.00519); Vehtari et al., 2024 (JMLR 25) for pareto_k.

    Args:
        autoencoder: A model with log-weights.
        variables: Its variables.
        examples: The split, of N rows.
        key: Key of the draws.
        num_samples: k, the number of draws of each example.

    Returns:
        The bound and its diagnostics, [N] each.

    Raises:
        OutOfMemory: If not even one example and one draw fit in memory.
    """
    arguments = (autoencoder, variables), examples, key, num_samples
    sums = over_rows(_compute_sums, *arguments, num_draws=num_samples)
    return importance_of(jax.device_get(sums), num_samples)


def importance_of(sums: Sums, num_samples: int) -> Importance:
    """Compute the bound and the diagnostics of each example from its sums.

    Args:
        sums: The sums of all examples, [N, ...], on the host.
        num_samples: k, the number of draws of each example.

    Returns:
        The bound and its diagnostics, [N] each.
    """
    with np.errstate(all="ignore"):  # the weights of a diverged model are nan, and so are its diagnostics
        log_size = 2.0 * sums.log_sum - sums.log_sum_of_squares
        size, k = np.exp(log_size), pareto_k(np.asarray(sums.largest), num_samples)
        return Importance(sums.log_sum - np.log(num_samples), size, k)


def sums_of(log_weights: Array) -> Sums:
    """Compute the sums of one example's log-weights f32[S]."""
    num_samples = len(log_weights)
    largest, _ = jax.lax.top_k(log_weights, min(tail_size(num_samples) + 1, num_samples))
    return Sums(jax.nn.logsumexp(log_weights), jax.nn.logsumexp(2.0 * log_weights), largest)


def _compute_sums(
    autoencoder: LatentVariableModel,
    variables: Variables,
    batch: Batch,
    stream: Stream,
    draws: int,
    num_samples: int,
) -> Sums:
    return sums_of(log_weights_of(autoencoder, variables, batch, stream.draws(num_samples), draws))


def has_tail(num_samples: int) -> bool:
    """Return whether `num_samples` weights are enough to fit a tail: at least five weights in it."""
    return tail_size(num_samples) >= SHORTEST_TAIL


def tail_size(num_samples: int) -> int:
    """Return the number of largest weights to which the tail is fitted: min(S / 5, 3 sqrt S), rounded up.

    Example:
        >>> from jaxae.estimators.importance import tail_size
        >>> tail_size(50), tail_size(10_000)
        (10, 300)
    """
    return math.ceil(min(0.2 * num_samples, 3.0 * math.sqrt(num_samples)))


def pareto_k(largest: np.ndarray, num_samples: int) -> np.ndarray:
    """Compute the shape of the Pareto tail of each example's weights, float64[N].

    Args:
        largest: The largest log-weights in descending order, f32[N, M + 1]. The last one is the threshold.
        num_samples: S, the number of all weights of an example.

    Returns:
        float64[N]; nan if the tail has fewer than five weights, -inf if the weights are equal up to rounding.
    """
    if not has_tail(num_samples):
        return np.full(len(largest), np.nan)
    # Relative to the largest weight, so that exp does not overflow; the shape does not depend on the scale.
    weights = np.exp(np.asarray(largest, np.float64) - largest[:, :1])
    excesses = weights[:, :-1] - weights[:, -1:]
    # With an exact posterior all weights are equal, but float32 log-weights differ by rounding. Without this
    # limit a tail would be fitted to that noise.
    rounding = ROUNDING * np.maximum(1.0, np.abs(largest[:, :1]))
    excesses = np.where(excesses[:, :1] <= rounding, 0.0, excesses)
    num_blocks = -(-excesses.size * _num_thetas(excesses.shape[1]) // MOST_NUMBERS)
    blocks = np.array_split(excesses, max(1, min(num_blocks, len(excesses))))
    return np.concatenate([generalised_pareto_shape(block) for block in blocks])


def generalised_pareto_shape(excesses: np.ndarray) -> np.ndarray:
    """Estimate k of the generalised Pareto distribution by its posterior mean.

    Zhang & Stephens, 2009 (Technometrics 51), with the weak prior towards 0.5 of Vehtari et al., 2024,
    appendix C.

    Args:
        excesses: Values above the threshold, float64[..., M] > 0.

    Returns:
        float64[...]; -inf if all excesses are 0, so that there is no tail.
    """
    # As in the paper: a grid of `thetas` around the first quartile, weighted by their profile likelihood.
    ordered = np.sort(excesses, axis=-1)
    number, largest = ordered.shape[-1], ordered[..., -1]
    quarter = np.maximum(ordered[..., int(number / 4 + 0.5) - 1], np.finfo(np.float64).tiny)
    grid = np.arange(1, _num_thetas(number) + 1)
    with np.errstate(all="ignore"):  # divisions by 0 without a tail, and nan weights of a diverged model
        steps = (1.0 - np.sqrt(len(grid) / (grid - 0.5))) / 3.0
        thetas = 1.0 / largest[..., None] + steps / quarter[..., None]
        shapes = np.log1p(-thetas[..., None] * ordered[..., None, :]).mean(axis=-1)
        profile = number * (np.log(-thetas / shapes) - shapes - 1.0)
        weights = np.exp(profile - profile.max(axis=-1, keepdims=True))
        theta = (thetas * weights).sum(axis=-1) / weights.sum(axis=-1)
        shape = np.log1p(-theta[..., None] * ordered).mean(axis=-1)
        # Ten pseudo-observations of shape 0.5: the weak prior of Vehtari et al.
        return np.where(largest <= 0, -np.inf, (shape * number + 5.0) / (number + 10.0))


def _num_thetas(number: int) -> int:
    """Return the number of grid points of theta for a tail of `number` weights."""
    return 30 + int(math.sqrt(number))
