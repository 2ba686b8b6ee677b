"""log p(x) and its bounds: the ELBO and the log-weights of one example, and means with standard errors."""

from typing import Any

import numpy as np
from jax import Array

from jaxae.evaluation.score_facts import NATS, Score
from jaxae.evaluation.terms import map_draws
from jaxae.protocols.capabilities import ExactLikelihood, LatentVariableModel, Model
from jaxae.types import Batch, Key, Variables

LOG_PROB = Score("log_prob", NATS, True, "log p(tokens), under the row's condition if the model has one")


def has_log_prob(model: Model) -> bool:
    """Return whether the model gives a log-probability of an example."""
    return isinstance(model, ExactLikelihood)


def log_prob(model: ExactLikelihood, variables: Variables, batch: Batch) -> Array:
    """Return log p(tokens | condition) of each example of a model of tokens, f32[B], nats."""
    return model.log_prob(variables, batch)


def elbo(
    autoencoder: LatentVariableModel, variables: Variables, batch: Batch, draw_keys: Key, draws_at_once: int
) -> Array:
    """The ELBO of a batch of one, f32[], nats: the mean of that of each draw, with keys [S]."""

    def of_draw(key: Key) -> Array:
        return autoencoder.elbo(variables, batch, key, num_samples=1)[0]

    return map_draws(of_draw, draw_keys, draws_at_once).mean()


def log_weights_of(
    autoencoder: LatentVariableModel, variables: Variables, batch: Batch, draw_keys: Key, draws_at_once: int
) -> Array:
    """The log-weight of each draw for a batch of one, with keys [S]: f32[S], nats."""

    def of_draw(key: Key) -> Array:
        return autoencoder.log_weights(variables, batch, key, 1)[0, 0]

    return map_draws(of_draw, draw_keys, draws_at_once)


def mean_and_error(values: Any) -> tuple[float, float]:
    """The mean over examples f32[N] and its standard error; nan for one, or where one is infinite.

    In float64 on the host: they round alike whatever program the examples were measured by.
    """
    doubles = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf, told as nan
        error = doubles.std(ddof=1) / np.sqrt(len(doubles)) if len(doubles) > 1 else np.nan
        return float(doubles.mean()), float(error)
