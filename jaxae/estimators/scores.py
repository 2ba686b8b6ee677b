"""Scores of a run: all scores that apply to its model, on one split, as plain numbers.

They are the cheap part of the measures (`jaxae.evaluation`), computed by the same functions with the same
noise.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxae import keys, memory
from jaxae.estimators import blocks, bound_scores, row_scores
from jaxae.estimators.bound_scores import IWELBO_SAMPLES, bound_scores_of, has_draws
from jaxae.estimators.evidence import parts_in_terms
from jaxae.estimators.row_scores import RowColumns, row_scores_of
from jaxae.estimators.score_facts import Estimate, Score, by_name, flat
from jaxae.estimators.terms import BATCH_SIZE, all_terms, as_batch, map_first
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.protocols.capabilities import LatentVariableModel, Model, TermUnits, evaluation_terms
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
    terms = [
        Score(name, term_units.get(name, ""), False, how, has_error=False) for name in _term_names(model)
    ]
    units = {score.unit for score in terms}
    # The loss has a unit only if all of its terms have the same one.
    loss = dataclasses.replace(LOSS, unit=units.pop() if len(units) == 1 else "")
    scores = by_name(_scores_of(model, num_samples))
    return scores | {name: score for name, score in by_name([*terms, loss]).items() if name not in scores}


def known_facts(num_samples: int = IWELBO_SAMPLES) -> dict[str, Score]:
    """Return the facts of the loss and of the scores of all kinds of models, by name."""
    return by_name([*bound_scores.bound_scores(num_samples), *row_scores.row_scores(), LOSS])


def _term_names(model: Model) -> list[str]:
    """Return the names of the loss terms, in the order in which the model gives their weights."""
    names: list[str] = []
    # Only traced: computing the weights would compile a program for each operation. The names are collected
    # inside, because jax sorts the dictionary that it returns.
    jax.eval_shape(lambda step: names.extend(model.weights(step)), jax.ShapeDtypeStruct((), jnp.int32))
    return names


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
    terms = columns_of_terms(autoencoder, variables, examples, key, batch_size)
    rows = columns_of_rows(autoencoder, variables, examples)
    draws = None
    if has_draws(autoencoder):
        draws = columns_of_draws(autoencoder, variables, examples, num_samples)
    return means(autoencoder, Columns(terms, rows, draws), num_samples)


def columns_of_terms(
    model: Model, variables: Variables, examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> dict[str, Any]:
    """Compute, on the host, the terms that `terms_of` computes.

    Splits of `batch_size` rows or more share one compiled program.

    Args:
        model: The model, with its schedules at their last step.
        variables: Its variables.
        examples: The split, of N rows.
        key: The run's key, from which the noise of the terms is derived.
        batch_size: Examples in a batch, as in training.

    Returns:
        The terms by name, f32[N] each.

    Raises:
        OutOfMemory: If one batch does not fit in memory.
    """
    host: Examples = jax.tree.map(np.asarray, examples)
    num_rows = len(host.x)
    size = min(batch_size, num_rows)
    num_batches, in_block = -(-num_rows // size), max(1, blocks.rows_of_block(host) // size)
    parts = []
    for start in range(0, num_batches, in_block):
        numbers, num = np.arange(start, start + in_block), min(in_block, num_batches - start)
        # The last batch is filled with rows from the start, as in `map_examples`.
        rows = (numbers[:, None] * size + np.arange(size)) % num_rows
        arguments = model, variables, blocks.take(host, rows), key, np.int32(start), np.int32(num)
        values = jax.device_get(memory.run(_terms, *arguments, at_once=1))
        parts.append(({name: value.reshape(-1) for name, value in values.items()}, num * size))
    return {name: value[:num_rows] for name, value in blocks.joined(parts).items()}


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
    parts = blocks.over_blocks(_rows, (model, variables), examples)
    rows = blocks.joined([(values.rows, num) for values, num in parts])
    # Counts of rows add up over blocks.
    counts = jax.tree.map(lambda *of_blocks: sum(of_blocks), *(values.counts for values, _ in parts))
    return RowColumns(rows, counts)


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
    sizes = {"num_draws": bound_scores.most_draws(num_samples), "num_samples": num_samples}
    key = bound_scores.noise_key(seed)
    return blocks.joined(blocks.over_blocks(_draws, (model, variables), examples, key, **sizes))


def terms_of(
    autoencoder: Model,
    variables: Variables,
    examples: Examples,
    key: Key,
    *,
    batch_size: int,
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

    Returns:
        The terms by name, f32[N] each.
    """
    terms = all_terms(autoencoder, variables, examples, keys.named(key, "terms"), batch_size)
    return _without_elbo_terms(autoencoder, terms)


def _without_elbo_terms(autoencoder: Model, terms: dict[str, Array]) -> dict[str, Array]:
    # Such a term would be a second estimate of the same number, with other noise.
    elbo_terms = set(parts_in_terms(autoencoder)) & set(by_name(_scores_of(autoencoder, IWELBO_SAMPLES)))
    return {name: value for name, value in terms.items() if name not in elbo_terms}


def _terms_of_batches(
    model: Model, variables: Variables, batches: Examples, key: Key, first: Array, num: Array, *, at_once: int
) -> dict[str, Array]:
    """Compute `terms_of` the first `num` of some batches, f32[M, B], numbered from `first`.

    `at_once` is not used; `memory.run` passes it to all programs. Batches of terms cannot be divided.
    """
    terms_key = keys.named(key, "terms")

    def compute(item: tuple[Array, Array, Any]) -> dict[str, Array]:
        number, x, y = item
        batch = as_batch(batches._replace(x=x, y=y))
        terms = evaluation_terms(model, variables, batch, jax.random.fold_in(terms_key, number))
        return _without_elbo_terms(model, terms)

    numbers = first + jnp.arange(len(batches.x))
    return map_first(compute, (numbers, batches.x, batches.y), num)


def first_guess(examples: Examples, num_draws: int) -> int:
    """Return the number of codes at once for which a program is compiled first.

    Args:
        examples: The split.
        num_draws: Codes that are decoded for each row.

    Returns:
        The number of codes.
    """
    return memory.first_guess(examples.x.shape[1:], len(examples.x) * num_draws)


_terms: Any = jax.jit(_terms_of_batches, static_argnames=("at_once",))
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
