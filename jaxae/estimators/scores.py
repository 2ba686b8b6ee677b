"""Scores of a run: all scores that apply to its model, on one split, as plain numbers.

They are the cheap part of the measures (`jaxae.evaluation`), computed by the same functions with the same
noise.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys, memory
from jaxae.estimators import bound_scores, row_scores
from jaxae.estimators.bound_scores import IWELBO_SAMPLES, bound_scores_of, has_draws
from jaxae.estimators.evidence import parts_in_terms
from jaxae.estimators.row_scores import RowColumns, row_scores_of
from jaxae.estimators.score_facts import Estimate, Score, by_name, flat
from jaxae.estimators.terms import BATCH_SIZE, all_terms
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.protocols.capabilities import LatentVariableModel, Model, TermUnits
from jaxae.types import Examples, Key, Variables

LOSS = Score(
    "loss",
    "",
    False,
    "sum of the terms times their weights after the last step",
    has_error=False,
    in_summary=True,
)


class Columns(NamedTuple):
    """Values of N rows, on the host, from which the scores of a split are computed."""

    terms: dict[str, Any]  # f32[N]
    rows: RowColumns
    draws: Any = None  # the result of `draw_columns`; None for a model without log-weights


def facts_of_scores(model: Model, num_samples: int = IWELBO_SAMPLES) -> dict[str, Score]:
    """Return the facts of the loss, of each of its terms and of each score of a model, by name.

    Args:
        model: A model. Its method `term_units`, if it has one, gives the units of its loss terms.
        num_samples: k of `iwelbo_<k>`.

    Returns:
        The facts, by the name of the score.
    """
    term_units = model.term_units() if isinstance(model, TermUnits) else {}
    how = "loss term in batches of the training size; noise by the run's seed"
    names = model.weights(jnp.zeros((), jnp.int32))
    terms = [Score(name, term_units.get(name, ""), False, how, has_error=False) for name in names]
    units = {score.unit for score in terms}
    # The loss has a unit only if all of its terms have the same one.
    loss = dataclasses.replace(LOSS, unit=units.pop() if len(units) == 1 else "")
    scores = by_name(_scores_of(model, num_samples))
    return scores | {name: score for name, score in by_name([*terms, loss]).items() if name not in scores}


def known_facts(num_samples: int = IWELBO_SAMPLES) -> dict[str, Score]:
    """Return the facts of the loss and of the scores of all kinds of models, by name."""
    return by_name([*bound_scores.bound_scores(num_samples), *row_scores.row_scores(), LOSS])


def _scores_of(model: Model, num_samples: int) -> list[Score]:
    """Return the facts of the scores that are measured in addition to the loss terms."""
    return [*bound_scores_of(model, num_samples), *row_scores_of(model)]


def score(
    autoencoder: Model,
    variables: Variables,
    examples: Examples,
    key: Key,
    num_samples: int = IWELBO_SAMPLES,
    batch_size: int = BATCH_SIZE,
) -> dict[str, float]:
    """Compute the mean of each loss term, and each score that applies with its standard error.

    `facts_of_scores` lists the scores with their units, their directions and how they are computed.

    Args:
        autoencoder: The model, with its schedules at their last step.
        variables: Its variables.
        examples: The split.
        key: The run's key, from which the noise of the terms is derived. The noise of the other scores is
            fixed.
        num_samples: k of the importance-weighted bound.
        batch_size: Examples in a batch of the terms, as in training, because some terms depend on the whole
            batch. The other scores depend on each example alone.

    Returns:
        The values and standard errors by name, in alphabetical order.

    Raises:
        OutOfMemory: If not even one example and one draw fit in memory.
    """
    # Separate programs: if one of them needs much memory, the chunks of the others stay large.
    terms = memory.run(_terms, autoencoder, variables, examples, key, at_once=1, batch_size=batch_size)
    rows = columns_of_rows(autoencoder, variables, examples)
    draws = None
    if has_draws(autoencoder):
        draws = columns_of_draws(autoencoder, variables, examples, num_samples)
    return means(autoencoder, Columns(jax.device_get(terms), rows, draws), num_samples)


def columns_of_rows(model: Model, variables: Variables, examples: Examples) -> RowColumns:
    """Compute, on the host, the values of each row and the counts for the scores without noise.

    Args:
        model: A model.
        variables: Its variables.
        examples: The split.

    Returns:
        The result of `row_columns`, on the host.

    Raises:
        OutOfMemory: If not even one row fits in memory.
    """
    at_once = first_guess(examples, num_draws=1)
    return jax.device_get(memory.run(_rows, model, variables, examples, at_once=at_once))


def columns_of_draws(
    model: LatentVariableModel,
    variables: Variables,
    examples: Examples,
    num_samples: int = IWELBO_SAMPLES,
    seed: int = 0,
) -> Any:
    """Compute, on the host, the values of each row for the bounds.

    Args:
        model: A model with log-weights.
        variables: Its variables.
        examples: The split.
        num_samples: k of the importance-weighted bound.
        seed: Seed of the evaluation's noise; not the seed of the run.

    Returns:
        The result of `draw_columns`, on the host.

    Raises:
        OutOfMemory: If not even one example and one draw fit in memory.
    """
    key = bound_scores.noise_key(seed)
    at_once = first_guess(examples, bound_scores.most_draws(num_samples))
    arguments = model, variables, examples, key
    return jax.device_get(memory.run(_draws, *arguments, at_once=at_once, num_samples=num_samples))


def terms_of(
    autoencoder: Model,
    variables: Variables,
    examples: Examples,
    key: Key,
    *,
    batch_size: int,
    at_once: int = 1,
) -> dict[str, Array]:
    """Compute the terms of each example, f32[N], in batches of `batch_size`.

    Terms that are parts of the ELBO are left out: they are reported once, by the draws of the ELBO, so that
    elbo = -(distortion + rate).

    Args:
        autoencoder: The model, with its schedules at their last step.
        variables: Its variables.
        examples: The split, of N rows.
        key: The run's key, from which the noise of the terms is derived.
        batch_size: Examples in a batch, as in training.
        at_once: Not used; `memory.run` passes it to all programs. Batches of terms cannot be divided.

    Returns:
        The terms by name, f32[N] each.
    """
    terms = all_terms(autoencoder, variables, examples, keys.named(key, "terms"), batch_size)
    # Such a term would be a second estimate of the same number, with other noise.
    elbo_terms = set(parts_in_terms(autoencoder)) & set(by_name(_scores_of(autoencoder, IWELBO_SAMPLES)))
    return {name: value for name, value in terms.items() if name not in elbo_terms}


def first_guess(examples: Examples, num_draws: int) -> int:
    """Return the number of codes at once for which a program is compiled first.

    Args:
        examples: The split.
        num_draws: Codes that are decoded for each row.

    Returns:
        The number of codes.
    """
    return memory.first_guess(examples.x.shape[1:], len(examples.x) * num_draws)


_terms: Any = jax.jit(terms_of, static_argnames=("batch_size", "at_once"))
_rows: Any = jax.jit(row_scores.row_columns, static_argnames=("at_once",))
_draws: Any = jax.jit(bound_scores.draw_columns, static_argnames=("num_samples", "at_once"))


def means(model: Model, columns: Columns, num_samples: int = IWELBO_SAMPLES) -> dict[str, float]:
    """Compute the value of each term and score, and the standard errors, in alphabetical order.

    Args:
        model: The model.
        columns: The values of each row, on the host.
        num_samples: k of the importance-weighted bound.

    Returns:
        The values and standard errors by name.
    """
    estimates = {name: Estimate(mean_and_error(values)[0]) for name, values in columns.terms.items()}
    estimates |= row_scores.row_estimates(model, columns.rows)
    if columns.draws is not None and has_draws(model):
        estimates |= bound_scores.bound_estimates(model, columns.draws, num_samples)
    return flat(estimates)
