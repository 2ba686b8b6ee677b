"""log p(x) by importance sampling from q(z|x), and whether to believe it. S samples, N examples."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from jaxae.evaluation.likelihood import log_weights_of
from jaxae.evaluation.terms import Stream, over_rows
from jaxae.types import Batch, Examples, Key, Variables

RELIABLE = 0.7  # an estimate whose pareto_k is above is not to be believed


class Importance(NamedTuple):
    """What S weights of each example say."""

    iwelbo: Array  # f32[N], nats: a lower bound of log p(x) on the average, that tightens with S
    effective_sample_size: Array  # f32[N], 1 to S
    pareto_k: np.ndarray  # float64[N]; above RELIABLE not to be believed (nan: too few samples)


class _Sums(NamedTuple):
    log_sum: Array  # f32[], of weights
    log_sum_of_squares: Array  # f32[]
    largest: Array  # f32[M + 1], log-weights, in descending order


def importance(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int
) -> Importance:
    """The IWELBO of each example with k = `num_samples`, whose codes are decoded some at a time.

    An example's estimate depends on the example, the model and the key only, not on the rest of the split.
    Burda et al., 2016 (arXiv 1509.00519); Vehtari et al., 2024 (JMLR 25) for pareto_k.
    """
    arguments = (autoencoder, variables), examples, key, num_samples
    sums = jax.device_get(over_rows(_sums, *arguments, num_draws=num_samples))
    twice = 2.0 * sums.log_sum - sums.log_sum_of_squares
    return Importance(sums.log_sum - np.log(num_samples), np.exp(twice), pareto_k(sums.largest, num_samples))


def _sums(
    autoencoder: Any, variables: Variables, batch: Batch, stream: Stream, draws: int, num_samples: int
) -> _Sums:
    log_weights = log_weights_of(autoencoder, variables, batch, stream.draws(num_samples), draws)
    largest, _ = jax.lax.top_k(log_weights, min(tail_size(num_samples) + 1, num_samples))
    return _Sums(jax.nn.logsumexp(log_weights), jax.nn.logsumexp(2.0 * log_weights), largest)


def tail_size(num_samples: int) -> int:
    """How many of the largest weights the tail is fitted to: min(S / 5, 3 sqrt S), rounded up."""
    return math.ceil(min(0.2 * num_samples, 3.0 * math.sqrt(num_samples)))


def pareto_k(largest: np.ndarray, num_samples: int) -> np.ndarray:
    """The shape of the Pareto tail of each example's weights, float64[N]; nan for a tail below five.

    `largest` f32[N, M + 1]: the largest log-weights in descending order, the last of them the threshold.
    """
    if largest.shape[1] < 6:
        return np.full(len(largest), np.nan)
    weights = np.exp(np.asarray(largest, np.float64) - largest[:, :1])
    return np.array([generalised_pareto_shape(row[:-1] - row[-1]) for row in weights])


def generalised_pareto_shape(excesses: np.ndarray) -> float:
    """k of the generalised Pareto distribution of excesses float64[M] > 0, by its posterior mean.

    Zhang & Stephens, 2009 (Technometrics 51), with the weak prior towards 0.5 of Vehtari et al., 2024,
    appendix C.
    """
    ordered = np.sort(excesses)
    number, largest = len(ordered), ordered[-1]
    if largest <= 0:
        return -np.inf  # all weights are equal: no tail at all
    quarter = max(ordered[int(number / 4 + 0.5) - 1], np.finfo(np.float64).tiny)
    grid = np.arange(1, 30 + int(math.sqrt(number)) + 1)
    thetas = 1.0 / largest + (1.0 - np.sqrt(len(grid) / (grid - 0.5))) / (3.0 * quarter)
    shapes = np.log1p(-thetas[:, None] * ordered[None]).mean(axis=1)
    profile = number * (np.log(-thetas / shapes) - shapes - 1.0)
    weights = np.exp(profile - profile.max())
    theta = float((thetas * weights).sum() / weights.sum())
    shape = float(np.log1p(-theta * ordered).mean())
    return (shape * number + 5.0) / (number + 10.0)
