"""The scores of a run: what applies to its autoencoder, over one split, as plain numbers."""

from typing import Any, NamedTuple

import jax

from jaxae import keys, quantisation
from jaxae.evaluation.codebook import has_tokens, token_counts
from jaxae.evaluation.elbo import bound, bound_names, parts_in_terms
from jaxae.evaluation.labels import label_errors
from jaxae.evaluation.likelihood import iwelbos, log_probs, mean_and_error
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
    measures, counts = ["squared_error"] if has_codes(autoencoder) else [], []
    if hasattr(autoencoder, "log_prob"):
        measures += ["log_prob"]
    if hasattr(autoencoder, "log_weights"):
        measures += [*bound_names(autoencoder), f"iwelbo_{num_samples}"]
    if has_head(autoencoder):
        measures += ["error_rate"]
    if has_zeros(autoencoder):
        measures, counts = [*measures, "active_units"], ["dead_units"]
    if has_tokens(autoencoder):
        counts = [*counts, "codebook_perplexity", "codebook_usage"]
    return [*measures, *(f"{name}_standard_error" for name in measures), *counts]


def has_codes(model: Any) -> bool:
    """Whether it is an autoencoder, and no model of tokens."""
    return hasattr(model, "encode")


def has_head(autoencoder: Any) -> bool:
    """Whether it names labels."""
    return has_codes(autoencoder) and hasattr(autoencoder, "logits") and autoencoder.num_classes > 0


def has_zeros(autoencoder: Any) -> bool:
    """Whether units of its codes are off, exactly 0."""
    return getattr(autoencoder, "has_exact_zeros", False)


def score(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int = IWELBO_SAMPLES
) -> dict[str, float]:
    """Mean terms; squared error, for a density `elbo` and `iwelbo_<k>`, each with its standard error.

    With `elbo` come its parts `distortion` and `rate`, by the same draws: elbo = -(distortion + rate).

    Of a model of tokens `log_prob`, log p(tokens | condition) in nats.
    Where there is a head for labels `error_rate`, the share it gets wrong. For codes with exact zeros
    `active_units`, their mean number in a code, and `dead_units` of the split. For codes of a table
    `codebook_usage`, the share of them that the split chooses at all, and `codebook_perplexity`, in codes.
    """
    return means(jax.device_get(_columns(autoencoder, variables, examples, key, num_samples=num_samples)))


def columns(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, num_samples: int = IWELBO_SAMPLES
) -> Columns:
    """What `score` gives the means of, each example's, and the counts that it gives."""
    arguments = autoencoder, variables, examples
    measures = {}
    if has_codes(autoencoder):
        measures["squared_error"] = squared_errors(*arguments, keys.named(key, "squared_error"))
    if hasattr(autoencoder, "log_prob"):
        measures["log_prob"] = log_probs(*arguments)
    if hasattr(autoencoder, "log_weights"):
        measures |= bound(*arguments, keys.named(key, "elbo"), ELBO_SAMPLES)
        measures[f"iwelbo_{num_samples}"] = iwelbos(*arguments, keys.named(key, "iwelbo"), num_samples)
    if has_head(autoencoder):
        measures["error_rate"] = label_errors(*arguments)
    counts = {}
    if has_zeros(autoencoder):
        codes = all_codes(*arguments)
        measures["active_units"], counts["dead_units"] = active_units(codes), dead_units(codes)
    if has_tokens(autoencoder):
        chosen = token_counts(*arguments)
        counts["codebook_usage"] = quantisation.usage(chosen)
        counts["codebook_perplexity"] = quantisation.perplexity(chosen)
    terms = all_terms(*arguments, keys.named(key, "terms"))
    # A part of the ELBO is given once, by the ELBO's draws, so that elbo = -(distortion + rate).
    again = set(parts_in_terms(autoencoder)) & set(measures)
    return Columns({name: terms[name] for name in terms if name not in again}, measures, counts)


_columns: Any = jax.jit(columns, static_argnames="num_samples")


def means(columns: Columns) -> dict[str, float]:
    """Means over examples, the measures' standard errors, and the counts, in alphabetical order."""
    found = {name: mean_and_error(values)[0] for name, values in columns.terms.items()}
    for name, values in columns.measures.items():
        found[name], found[f"{name}_standard_error"] = mean_and_error(values)
    found |= {name: float(count) for name, count in columns.counts.items()}
    return {name: found[name] for name in sorted(found)}
