"""The scores of a run: what applies to its autoencoder, over one split, as plain numbers."""

from typing import Any, NamedTuple

import jax
from jax import Array

from jaxae import keys, memory
from jaxae.evaluation.codebook import counts_of, has_tokens
from jaxae.evaluation.elbo import bound_names, elbo_and_parts, parts_in_terms
from jaxae.evaluation.labels import is_wrong
from jaxae.evaluation.likelihood import iwelbo, mean_and_error
from jaxae.evaluation.reconstruction import squared_error
from jaxae.evaluation.terms import BATCH_SIZE, Stream, all_terms, divided, map_alone
from jaxae.evaluation.units import active_units, dead_units
from jaxae.maths import quantisation
from jaxae.types import Batch, Examples, Key, Variables

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
    autoencoder: Any,
    variables: Variables,
    examples: Examples,
    key: Key,
    num_samples: int = IWELBO_SAMPLES,
    batch_size: int = BATCH_SIZE,
) -> dict[str, float]:
    """Mean terms; squared error, for a density `elbo` and `iwelbo_<k>`, each with its standard error.

    With `elbo` come its parts `distortion` and `rate`, by the same draws: elbo = -(distortion + rate).

    Of a model of tokens `log_prob`, log p(tokens | condition) in nats.
    Where there is a head for labels `error_rate`, the share it gets wrong. For codes with exact zeros
    `active_units`, their mean number in a code, and `dead_units` of the split. For codes of a table
    `codebook_usage`, the share of them that the split chooses at all, and `codebook_perplexity`, in codes.

    Args:
        autoencoder: The model, its schedules at their last step.
        variables: Its parameters.
        examples: The split.
        key: What the draws depend on; each example's on its number too.
        num_samples: k of the importance-weighted bound.
        batch_size: Examples in a batch of the terms, some of which depend on all of their batch; as in
            training. The other scores are of each example alone.

    Raises:
        OutOfMemory: If not even one example and one draw fit in memory.
    """
    arguments = autoencoder, variables, examples, key
    at_once = first_guess(autoencoder, examples, num_samples)
    # Two programs, so that the memory of one is no reason for smaller chunks of the other.
    terms = memory.run(_terms, *arguments, at_once=1, batch_size=batch_size)
    measured = memory.run(_measured, *arguments, at_once=at_once, num_samples=num_samples)
    return means(Columns(*jax.device_get((terms, *measured))))


def terms_of(
    autoencoder: Any, variables: Variables, examples: Examples, key: Key, *, batch_size: int, at_once: int = 1
) -> dict[str, Array]:
    """Return the terms of each example, f32[N], in batches of `batch_size`, which `at_once` does not change.

    A part of the ELBO is given once, by the ELBO's draws, so that elbo = -(distortion + rate).
    """
    terms = all_terms(autoencoder, variables, examples, keys.named(key, "terms"), batch_size)
    again = set(parts_in_terms(autoencoder)) & set(bound_names(autoencoder))
    return {name: value for name, value in terms.items() if name not in again}


def measured(
    autoencoder: Any,
    variables: Variables,
    examples: Examples,
    key: Key,
    *,
    num_samples: int = IWELBO_SAMPLES,
    at_once: int,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """What `score` gives the means of besides the terms, f32[N] by name, and the counts that it gives.

    `at_once`: codes that are decoded at the same time; it changes no number but by rounding.
    """
    rows, draws = divided(at_once, len(examples.x), _num_draws(autoencoder, num_samples))

    # All measures in one loop: its programs are compiled once, and share the encoder's outputs.
    def measure(batch: Batch, stream: Stream) -> dict[str, Array]:
        return _measures(autoencoder, variables, batch, stream, draws, num_samples)

    measures = map_alone(measure, examples, keys.named(key, "rows"), rows, by_content=False)
    counts = {}
    if has_zeros(autoencoder):
        codes = measures.pop("code")
        measures["active_units"], counts["dead_units"] = active_units(codes), dead_units(codes)
    if has_tokens(autoencoder):
        chosen = counts_of(autoencoder, measures.pop("tokens"))
        counts["codebook_usage"] = quantisation.usage(chosen)
        counts["codebook_perplexity"] = quantisation.perplexity(chosen)
    return measures, counts


def first_guess(autoencoder: Any, examples: Examples, num_samples: int = IWELBO_SAMPLES) -> int:
    """How many codes at once `measured` is compiled for first."""
    num_codes = len(examples.x) * _num_draws(autoencoder, num_samples)
    return memory.first_guess(examples.x.shape[1:], num_codes)


def _num_draws(autoencoder: Any, num_samples: int) -> int:
    """Codes that are decoded for each row, at most, by one measure."""
    return max(ELBO_SAMPLES, num_samples) if hasattr(autoencoder, "log_weights") else 1


_terms: Any = jax.jit(terms_of, static_argnames=("batch_size", "at_once"))
_measured: Any = jax.jit(measured, static_argnames=("num_samples", "at_once"))


def _measures(
    autoencoder: Any, variables: Variables, batch: Batch, stream: Stream, draws: int, num_samples: int
) -> dict[str, Array]:
    """What is measured of a batch of one, f32[] by name; `code` and `tokens` where counts need them."""
    arguments = autoencoder, variables, batch
    found = {}
    if has_codes(autoencoder):
        found["squared_error"] = squared_error(*arguments)[0]
    if hasattr(autoencoder, "log_prob"):
        found["log_prob"] = autoencoder.log_prob(variables, batch)[0]
    if hasattr(autoencoder, "log_weights"):
        draw_keys = stream.draws(ELBO_SAMPLES + num_samples)
        bound = elbo_and_parts(*arguments, draw_keys[:ELBO_SAMPLES], draws)
        found |= {name: bound[name] for name in bound_names(autoencoder)}
        found[f"iwelbo_{num_samples}"] = iwelbo(*arguments, draw_keys[ELBO_SAMPLES:], draws)
    if has_head(autoencoder):
        found["error_rate"] = is_wrong(*arguments)[0]
    if has_zeros(autoencoder):
        found["code"] = autoencoder.encode(variables, batch)[0]
    if has_tokens(autoencoder):
        found["tokens"] = autoencoder.tokens(variables, batch)[0]
    return found


def means(columns: Columns) -> dict[str, float]:
    """Means over examples, the measures' standard errors, and the counts, in alphabetical order."""
    found = {name: mean_and_error(values)[0] for name, values in columns.terms.items()}
    for name, values in columns.measures.items():
        found[name], found[f"{name}_standard_error"] = mean_and_error(values)
    found |= {name: float(count) for name, count in columns.counts.items()}
    return {name: found[name] for name in sorted(found)}
