"""The scores of a run: what applies to its autoencoder, over one split, as plain numbers."""

import functools
from typing import Any

import jax

from jaxae import keys
from jaxae.evaluation.likelihood import elbos, iwelbos, mean_and_error
from jaxae.evaluation.reconstruction import squared_errors
from jaxae.evaluation.terms import mean_terms
from jaxae.types import Examples, Key, Variables

ELBO_SAMPLES, IWELBO_SAMPLES = 16, 64


def score(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int = IWELBO_SAMPLES
) -> dict[str, float]:
    """Mean terms, squared error, and for a density `elbo` and `iwelbo_<k>`, each with its standard error."""
    measure = functools.partial(_score, num_samples=num_samples)
    values = jax.jit(measure)(autoencoder, variables, examples, key)
    return {name: float(value) for name, value in sorted(jax.device_get(values).items())}


def _score(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int
) -> dict[str, Any]:
    arguments = autoencoder, variables, examples
    scores = dict(mean_terms(*arguments, keys.named(key, "terms")))
    columns = {"squared_error": squared_errors(*arguments, keys.named(key, "squared_error"))}
    if hasattr(autoencoder, "log_weights"):
        columns["elbo"] = elbos(*arguments, keys.named(key, "elbo"), ELBO_SAMPLES)
        columns[f"iwelbo_{num_samples}"] = iwelbos(*arguments, keys.named(key, "iwelbo"), num_samples)
    for name, values in columns.items():
        scores[name], scores[f"{name}_standard_error"] = mean_and_error(values)
    return scores
