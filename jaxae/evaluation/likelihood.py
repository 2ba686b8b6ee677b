"""Bounds on log p(x) over a split: the ELBO and the importance-weighted bound, with standard errors."""

import functools
from typing import Any

import jax
from jax import Array

from jaxae import bounds
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


def mean_and_error(values: Array) -> tuple[Array, Array]:
    """The mean over examples and its standard error, f32[N] -> f32[], f32[]."""
    return values.mean(), values.std(ddof=1) / jax.numpy.sqrt(len(values))


def _batch_size(num_samples: int) -> int:
    """Rows at once, so that rows times draws, and with it the memory, stays bounded."""
    return max(1, min(500, 8_000 // num_samples))
