"""The scores of a run: what applies to its autoencoder, over one split, as plain numbers."""

from typing import Any, NamedTuple

import jax

from jaxae import keys
from jaxae.evaluation.labels import label_errors
from jaxae.evaluation.likelihood import elbos, iwelbos, mean_and_error
from jaxae.evaluation.reconstruction import squared_errors
from jaxae.evaluation.terms import all_codes, all_terms
from jaxae.evaluation.units import active_units, dead_units
from jaxae.types import Examples, Key, Variables

ELBO_SAMPLES, IWELBO_SAMPLES = 16, 64


class Columns(NamedTuple):
    """What is measured of each example, f32[N] by name, and of the whole split, f32[]."""

    terms: dict[str, Any]
    measures: dict[str, Any]  # of which the mean is given with its standard error
    counts: dict[str, Any]  # of the whole split


def score_names(autoencoder: Any, num_samples: int = IWELBO_SAMPLES) -> list[str]:
    """The names of what `score` gives beside the terms: what applies to this autoencoder."""
    measures, counts = ["squared_error"], []
    if hasattr(autoencoder, "log_weights"):
        measures += ["elbo", f"iwelbo_{num_samples}"]
    if has_head(autoencoder):
        measures += ["error_rate"]
    if has_zeros(autoencoder):
        measures, counts = [*measures, "active_units"], ["dead_units"]
    return [*measures, *(f"{name}_standard_error" for name in measures), *counts]


def has_head(autoencoder: Any) -> bool:
    """Whether it names labels."""
    return hasattr(autoencoder, "logits") and autoencoder.num_classes > 0


def has_zeros(autoencoder: Any) -> bool:
    """Whether units of its codes are off, exactly 0."""
    return getattr(autoencoder, "has_exact_zeros", False)


def score(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int = IWELBO_SAMPLES
) -> dict[str, float]:
    """Mean terms; squared error, for a density `elbo` and `iwelbo_<k>`, each with its standard error.

    Where there is a head for labels `error_rate`, the share it gets wrong. For codes with exact zeros
    `active_units`, their mean number in a code, and `dead_units` of the split.
    """
    return means(jax.device_get(_columns(autoencoder, variables, examples, key, num_samples=num_samples)))


def columns(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int = IWELBO_SAMPLES
) -> Columns:
    """What `score` gives the means of, each example's, and the counts that it gives."""
    arguments = autoencoder, variables, examples
    measures = {"squared_error": squared_errors(*arguments, keys.named(key, "squared_error"))}
    if hasattr(autoencoder, "log_weights"):
        measures["elbo"] = elbos(*arguments, keys.named(key, "elbo"), ELBO_SAMPLES)
        measures[f"iwelbo_{num_samples}"] = iwelbos(*arguments, keys.named(key, "iwelbo"), num_samples)
    if has_head(autoencoder):
        measures["error_rate"] = label_errors(*arguments)
    counts = {}
    if has_zeros(autoencoder):
        codes = all_codes(*arguments)
        measures["active_units"], counts["dead_units"] = active_units(codes), dead_units(codes)
    return Columns(all_terms(*arguments, keys.named(key, "terms")), measures, counts)


_columns: Any = jax.jit(columns, static_argnames="num_samples")


def means(columns: Columns) -> dict[str, float]:
    """Means over examples, the measures' standard errors, and the counts, in alphabetical order."""
    found = {name: mean_and_error(values)[0] for name, values in columns.terms.items()}
    for name, values in columns.measures.items():
        found[name], found[f"{name}_standard_error"] = mean_and_error(values)
    found |= {name: float(count) for name, count in columns.counts.items()}
    return {name: found[name] for name in sorted(found)}
