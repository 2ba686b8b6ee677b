"""Bounds on log p(x) over a split: the ELBO and the importance-weighted bound, with standard errors."""

import functools
from typing import Any

import numpy as np
from jax import Array

from jaxae import bounds, keys
from jaxae.evaluation.terms import map_examples
from jaxae.types import Examples, Key, Variables


def elbos(autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int) -> Array:
    """The ELBO of each example with `num_samples` draws, f32[N], nats."""
    measure = functools.partial(autoencoder.elbo, variables, num_samples=num_samples)
    return map_examples(measure, examples, key, _batch_size(num_samples))


def iwelbos(autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int) -> Array:
    """The IWELBO (Burda et al., 2015) of each example with k = `num_samples`, f32[N], nats."""

    def measure(batch: Any, key: Key) -> Array:
        return bounds.iwelbo(autoencoder.log_weights(variables, batch, key, num_samples))

    return map_examples(measure, examples, key, _batch_size(num_samples))


def log_probs(model: Any, variables: Variables, examples: Examples) -> Array:
    """log p(tokens | condition) of each example of a model of tokens, f32[N], nats."""
    return map_examples(lambda batch, _: model.log_prob(variables, batch), examples, keys.root(0))


def mean_and_error(values: Any) -> tuple[float, float]:
    """The mean over examples f32[N] and its standard error; nan for one, or where one is infinite.

    In float64 on the host: they round alike whatever program the examples were measured by.
    """
    doubles = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf, told as nan
        error = doubles.std(ddof=1) / np.sqrt(len(doubles)) if len(doubles) > 1 else np.nan
        return float(doubles.mean()), float(error)


def _batch_size(num_samples: int) -> int:
    """Rows at once, so that rows times draws, and with it the memory, stays bounded."""
    return max(1, min(500, 8_000 // num_samples))
