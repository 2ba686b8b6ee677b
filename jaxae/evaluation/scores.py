"""The scores of a run: what applies to its autoencoder, over one split, as plain numbers."""

from typing import Any, NamedTuple

import jax

from jaxae import keys
from jaxae.evaluation.likelihood import elbos, iwelbos, mean_and_error
from jaxae.evaluation.reconstruction import squared_errors
from jaxae.evaluation.terms import all_terms
from jaxae.types import Examples, Key, Variables

ELBO_SAMPLES, IWELBO_SAMPLES = 16, 64


class Columns(NamedTuple):
    """What is measured of each example, f32[N] by name."""

    terms: dict[str, Any]
    measures: dict[str, Any]  # of which the mean is given with its standard error


def score(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int = IWELBO_SAMPLES
) -> dict[str, float]:
    """Mean terms, squared error, and for a density `elbo` and `iwelbo_<k>`, each with its standard error."""
    return means(jax.device_get(_columns(autoencoder, variables, examples, key, num_samples=num_samples)))


def columns(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int = IWELBO_SAMPLES
) -> Columns:
    """What `score` gives the means of: terms, squared errors, ELBOs and IWELBOs of each example."""
    arguments = autoencoder, variables, examples
    measures = {"squared_error": squared_errors(*arguments, keys.named(key, "squared_error"))}
    if hasattr(autoencoder, "log_weights"):
        measures["elbo"] = elbos(*arguments, keys.named(key, "elbo"), ELBO_SAMPLES)
        measures[f"iwelbo_{num_samples}"] = iwelbos(*arguments, keys.named(key, "iwelbo"), num_samples)
    return Columns(all_terms(*arguments, keys.named(key, "terms")), measures)


_columns: Any = jax.jit(columns, static_argnames="num_samples")


def means(columns: Columns) -> dict[str, float]:
    """Means over examples, and the standard errors of the measures' means, in alphabetical order."""
    found = {name: mean_and_error(values)[0] for name, values in columns.terms.items()}
    for name, values in columns.measures.items():
        found[name], found[f"{name}_standard_error"] = mean_and_error(values)
    return {name: found[name] for name in sorted(found)}
