"""log p(x) by importance sampling from q(z|x), and whether to believe it. S samples, N examples."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from jaxae.estimators.evidence import log_weights_of
from jaxae.estimators.terms import Stream, over_rows
from jaxae.protocols.capabilities import LatentVariableModel
from jaxae.types import Batch, Examples, Key, Variables

RELIABLE = 0.7  # an estimate whose pareto_k is above is not to be believed
SHORTEST_TAIL = 5  # weights
ROUNDING = 64 * float(np.finfo(np.float32).eps)  # of a log-weight, relative to its size
MOST_NUMBERS = 1_000_000  # of the profile at once, so that the host's memory does not grow with N


class Importance(NamedTuple):
    """What S weights of each example say."""

    iwelbo: Any  # f32[N], nats: a lower bound of log p(x) on the average, that tightens with S
    effective_sample_size: Any  # f32[N], 1 to S
    pareto_k: np.ndarray  # float64[N]; above RELIABLE not to be believed (nan: too few samples)


class Sums(NamedTuple):
    """What the diagnostics of S weights are made of, for one example; with [N] in front for all of them."""

    log_sum: Array  # f32[], of weights
    log_sum_of_squares: Array  # f32[]
    largest: Array  # f32[M + 1], log-weights, in descending order


def importance(
    autoencoder: LatentVariableModel, variables: Variables, examples: Examples, key: Key, num_samples: int
) -> Importance:
    """The IWELBO of each example with k = `num_samples`, whose codes are decoded some at a time.

    An example's estimate depends on the example, the model and the key only, not on the rest of the split.
    Burda et al., 2016 (arXiv 1509.00519); Vehtari et al., 2024 (JMLR 25) for pareto_k.
    """
    arguments = (autoencoder, variables), examples, key, num_samples
    sums = over_rows(_sums, *arguments, num_draws=num_samples)
    return importance_of(jax.device_get(sums), num_samples)


def importance_of(sums: Sums, num_samples: int) -> Importance:
    """Return the bound and the diagnostics of each example, from the sums of all of them on the host."""
    with np.errstate(all="ignore"):  # weights of a model that diverged are no numbers
        twice = 2.0 * sums.log_sum - sums.log_sum_of_squares
        size, k = np.exp(twice), pareto_k(np.asarray(sums.largest), num_samples)
        return Importance(sums.log_sum - np.log(num_samples), size, k)


def sums_of(log_weights: Array) -> Sums:
    """Return the sums of one example's log-weights f32[S]."""
    num_samples = len(log_weights)
    largest, _ = jax.lax.top_k(log_weights, min(tail_size(num_samples) + 1, num_samples))
    return Sums(jax.nn.logsumexp(log_weights), jax.nn.logsumexp(2.0 * log_weights), largest)


def _sums(
    autoencoder: LatentVariableModel,
    variables: Variables,
    batch: Batch,
    stream: Stream,
    draws: int,
    num_samples: int,
) -> Sums:
    return sums_of(log_weights_of(autoencoder, variables, batch, stream.draws(num_samples), draws))


def has_tail(num_samples: int) -> bool:
    """Return whether there are enough weights to fit a tail to: five of them in it."""
    return tail_size(num_samples) >= SHORTEST_TAIL


def tail_size(num_samples: int) -> int:
    """How many of the largest weights the tail is fitted to: min(S / 5, 3 sqrt S), rounded up."""
    return math.ceil(min(0.2 * num_samples, 3.0 * math.sqrt(num_samples)))


def pareto_k(largest: np.ndarray, num_samples: int) -> np.ndarray:
    """The shape of the Pareto tail of each example's weights, float64[N].

    nan for a tail below five weights, -inf for weights that are equal within their rounding.
    `largest` f32[N, M + 1]: the largest log-weights in descending order, the last of them the threshold.
    """
    if not has_tail(num_samples):
        return np.full(len(largest), np.nan)
    weights = np.exp(np.asarray(largest, np.float64) - largest[:, :1])
    excesses = weights[:, :-1] - weights[:, -1:]
    # The equal weights of an exact posterior differ by the rounding of f32 log-weights: that is no tail.
    rounding = ROUNDING * np.maximum(1.0, np.abs(largest[:, :1]))
    excesses = np.where(excesses[:, :1] <= rounding, 0.0, excesses)
    num_blocks = -(-excesses.size * _num_thetas(excesses.shape[1]) // MOST_NUMBERS)
    blocks = np.array_split(excesses, max(1, min(num_blocks, len(excesses))))
    return np.concatenate([generalised_pareto_shape(block) for block in blocks])


def generalised_pareto_shape(excesses: np.ndarray) -> np.ndarray:
    """k of the generalised Pareto distribution of excesses float64[..., M] > 0, by its posterior mean.

    Zhang & Stephens, 2009 (Technometrics 51), with the weak prior towards 0.5 of Vehtari et al., 2024,
    appendix C.

    Returns:
        float64[...]; -inf where all excesses are 0, so that there is no tail.
    """
    ordered = np.sort(excesses, axis=-1)
    number, largest = ordered.shape[-1], ordered[..., -1]
    quarter = np.maximum(ordered[..., int(number / 4 + 0.5) - 1], np.finfo(np.float64).tiny)
    grid = np.arange(1, _num_thetas(number) + 1)
    with np.errstate(all="ignore"):  # without a tail, and of weights that are no numbers
        steps = (1.0 - np.sqrt(len(grid) / (grid - 0.5))) / 3.0
        thetas = 1.0 / largest[..., None] + steps / quarter[..., None]
        shapes = np.log1p(-thetas[..., None] * ordered[..., None, :]).mean(axis=-1)
        profile = number * (np.log(-thetas / shapes) - shapes - 1.0)
        weights = np.exp(profile - profile.max(axis=-1, keepdims=True))
        theta = (thetas * weights).sum(axis=-1) / weights.sum(axis=-1)
        shape = np.log1p(-theta[..., None] * ordered).mean(axis=-1)
        return np.where(largest <= 0, -np.inf, (shape * number + 5.0) / (number + 10.0))


def _num_thetas(number: int) -> int:
    """Return how many values of the parameter are weighed for a tail of `number` weights."""
    return 30 + int(math.sqrt(number))
