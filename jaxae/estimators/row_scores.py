"""Scores of each row without noise, and scores of counts over a whole split. N rows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxae import keys
from jaxae.estimators import codebook, evidence, reconstruction, row_values
from jaxae.estimators.evidence import taken_names
from jaxae.estimators.score_facts import Estimate, Score
from jaxae.estimators.terms import Stream, divided, map_alone
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.protocols.capabilities import Model
from jaxae.types import Batch, Examples, Variables


class RowScore(NamedTuple):
    """A score that is the mean of one value per row."""

    score: Score
    applies: Callable[[Any], bool]  # whether a model has this score
    of_batch: Callable[[Any, Variables, Batch], Array]  # (model, variables, batch) -> f32[B]


class CountScore(NamedTuple):
    """Scores that are computed from counts over the whole split."""

    scores: tuple[Score, ...]
    applies: Callable[[Any], bool]
    of_batch: Callable[[Any, Variables, Batch], Array]  # (model, variables, batch) -> [B, ...]
    counts: Callable[[Any, Array, Array], Array]  # (model, [N, ...], bool[N]: which rows count) -> i32[K]
    values: Callable[[Any], tuple[float, ...]]  # i32[K], on the host -> the value of each score


class RowColumns(NamedTuple):
    """Values from which the estimates are computed."""

    rows: dict[str, Any]  # f32[N], by the name of the score
    counts: dict[str, Any]  # i32[K], by the name of the first of its scores


ROW_SCORES = (
    RowScore(reconstruction.SQUARED_ERROR, reconstruction.has_codes, reconstruction.squared_error),
    RowScore(evidence.LOG_PROB, evidence.has_log_prob, evidence.log_prob),
    RowScore(codebook.DISTORTION, codebook.has_density, codebook.distortion),
    RowScore(row_values.ERROR_RATE, row_values.has_head, row_values.is_wrong),
    RowScore(row_values.ACTIVE_UNITS, row_values.has_zeros, row_values.active_units),
)
COUNT_SCORES = (
    CountScore(
        (row_values.DEAD_UNITS,),
        row_values.has_zeros,
        row_values.is_on,
        row_values.times_on,
        row_values.num_dead,
    ),
    CountScore(
        (codebook.USAGE, codebook.PERPLEXITY),
        codebook.has_tokens,
        codebook.tokens_of,
        codebook.counts_of,
        codebook.usage_and_perplexity,
    ),
)


def row_scores() -> list[Score]:
    """Return the row and count scores of all kinds of models."""
    scores = [row_score.score for row_score in ROW_SCORES]
    return scores + [score for count_score in COUNT_SCORES for score in count_score.scores]


def row_scores_of(model: Model) -> list[Score]:
    """Return the row and count scores that apply to this model.

    A tokenizer's distortion is left out if another loss term has that name.
    """
    other_terms = taken_names(model) & {codebook.DISTORTION.name}
    scores = [row_score.score for row_score in ROW_SCORES if row_score.applies(model)]
    scores = [score for score in scores if score.name not in other_terms]
    return scores + [score for counts in COUNT_SCORES if counts.applies(model) for score in counts.scores]


def row_columns(
    model: Model, variables: Variables, examples: Examples, num: Array | None = None, *, at_once: int
) -> RowColumns:
    """Compute the values of each row and the counts from which the scores are estimated.

    Args:
        model: A model.
        variables: Its variables.
        examples: The split, of N rows.
        num: i32[], the number of rows that count; values after them have no meaning. None for all.
        at_once: Rows that are computed at the same time.

    Returns:
        The values f32[N] of each row score, and the counts i32[K] of each count score.
    """
    count_scores = [count_score for count_score in COUNT_SCORES if count_score.applies(model)]

    # All scores in one loop, so that one program is compiled and the encoder's outputs are shared.
    def measure_row(batch: Batch, stream: Stream) -> tuple[dict[str, Array], list[Array]]:
        rows = {
            row_score.score.name: row_score.of_batch(model, variables, batch)[0]
            for row_score in ROW_SCORES
            if row_score.applies(model)
        }
        return rows, [count_score.of_batch(model, variables, batch)[0] for count_score in count_scores]

    rows_at_once, _ = divided(at_once, len(examples.x), 1)
    # Nothing is drawn, so the key is not used.
    rows, values = map_alone(measure_row, examples, keys.root(0), rows_at_once, by_content=False, num=num)
    numbers = jnp.arange(len(examples.x))
    is_row = numbers < (len(numbers) if num is None else num)
    counts = {
        count_score.scores[0].name: count_score.counts(model, value, is_row)
        for count_score, value in zip(count_scores, values, strict=True)
    }
    return RowColumns(rows, counts)


def row_estimates(model: Model, columns: RowColumns) -> dict[str, Estimate]:
    """Compute the estimate of each score of `row_scores_of(model)` on the host.

    Args:
        model: A model.
        columns: The result of `row_columns`, on the host.

    Returns:
        The estimates, by the name of the score.
    """
    estimates: dict[str, Estimate] = {
        name: Estimate(*mean_and_error(values)) for name, values in columns.rows.items()
    }
    for count_score in COUNT_SCORES:
        name = count_score.scores[0].name
        if name in columns.counts:
            values = count_score.values(columns.counts[name])
            for score, value in zip(count_score.scores, values, strict=True):
                estimates[score.name] = Estimate(value)
    return {score.name: estimates[score.name] for score in row_scores_of(model)}
