"""Scores from draws of q(z|x): the ELBO with its parts, and the IWELBO with its diagnostics. N rows.

The noise of a row depends on a seed and on the values of the row only. So a run, a sweep and the measures of
a run compute the same number for the same rows and the same number of draws.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jax import Array
from typing_extensions import TypeIs

from jaxae import keys
from jaxae.estimators.evidence import (
    PARTS,
    bound_names,
    elbo_or_parts,
    has_parts,
    log_weights_of,
)
from jaxae.estimators.importance import RELIABLE, Sums, has_tail, importance_of, sums_of
from jaxae.estimators.score_facts import NATS, Estimate, Score
from jaxae.estimators.terms import Stream, divided, map_alone, over_rows
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.protocols.capabilities import LatentVariableModel, Model
from jaxae.types import Batch, Examples, Key, Variables

ELBO_SAMPLES, IWELBO_SAMPLES = 16, 64

_DRAWS = f"{ELBO_SAMPLES} draws of z from q(z|x) per row"


def bound_scores(num_samples: int = IWELBO_SAMPLES) -> list[Score]:
    """Return the scores of a model whose ELBO has parts; `num_samples` is k of the IWELBO."""
    name = f"iwelbo_{num_samples}"
    weights = f"{num_samples} importance weights per row"
    diagnostics = [
        Score(f"{name}_ess", "draws", True, f"effective sample size of {weights}, 1 to {num_samples}"),
    ]
    if has_tail(num_samples):
        shape = f"Pareto shape of the tail of {weights}"
        diagnostics += [
            Score(f"{name}_pareto_k", "no unit", False, f"{shape}; median over rows", has_error=False),
            Score(f"{name}_unreliable", "share", False, f"rows with pareto_k > {RELIABLE}, the {shape}"),
        ]
    iwelbo = Score(
        name,
        NATS,
        True,
        f"log of the mean of {weights}, a lower bound of log p(x)",
        companions=tuple(score.name for score in diagnostics),
        in_summary=True,
    )
    return [
        Score("elbo", NATS, True, f"-(distortion + rate); {_DRAWS}", in_summary=True),
        Score("distortion", NATS, False, f"-log p(x|z); {_DRAWS}, the same as for the elbo"),
        Score("rate", NATS, False, f"KL(q(z|x) || p(z)), exact if known; {_DRAWS}, the same as for the elbo"),
        iwelbo,
        *diagnostics,
    ]


def has_draws(model: Model) -> TypeIs[LatentVariableModel]:
    """Return whether the model has log-weights, from which the bounds are computed."""
    return isinstance(model, LatentVariableModel)


def bound_scores_of(model: Model, num_samples: int = IWELBO_SAMPLES) -> list[Score]:
    """Return the bound scores that apply to this model.

    Distortion and rate are left out if the model's ELBO has no parts, or if another loss term has the name.

    Args:
        model: A model.
        num_samples: k of the IWELBO.

    Returns:
        The scores; none for a model without log-weights.
    """
    if not has_draws(model):
        return []
    missing = {"elbo", *PARTS} - set(bound_names(model))
    scores = [score for score in bound_scores(num_samples) if score.name not in missing]
    if not has_parts(model):
        scores[0] = dataclasses.replace(scores[0], how=f"the model's own elbo; {_DRAWS}")
    return scores


def noise_key(seed: int = 0) -> Key:
    """Return the key of the noise of all rows; `seed` is the seed of the evaluation, not of the run."""
    return keys.named(keys.root(seed), "measure elbo")


def most_draws(num_samples: int) -> int:
    """Return the largest number of codes of a row that are decoded for one estimate."""
    return max(ELBO_SAMPLES, num_samples)


def draw_columns(
    model: LatentVariableModel,
    variables: Variables,
    examples: Examples,
    key: Key,
    num: Array | None = None,
    *,
    num_samples: int,
    at_once: int,
) -> tuple[dict[str, Array], Sums]:
    """Compute the values of each row from which the bound scores are estimated.

    Args:
        model: A model with log-weights.
        variables: Its variables.
        examples: The split, of N rows.
        key: The key of the noise, from `noise_key`.
        num: i32[], the number of rows that count; values after them have no meaning. None for all.
        num_samples: k of the importance-weighted bound.
        at_once: Codes that are decoded at the same time. It changes the numbers only by rounding.

    Returns:
        The result of `elbo_or_parts` of each row, f32[N] by name, and the sums of its weights, [N, ...].
    """
    rows, draws = divided(at_once, len(examples.x), most_draws(num_samples))

    def measure_row(batch: Batch, stream: Stream) -> tuple[dict[str, Array], Sums]:
        # Separate draws for the two bounds. The first ones do not depend on k, so neither does the ELBO.
        draw_keys = stream.draws(ELBO_SAMPLES + num_samples)
        bound = elbo_or_parts(model, variables, batch, draw_keys[:ELBO_SAMPLES], draws)
        return bound, sums_of(log_weights_of(model, variables, batch, draw_keys[ELBO_SAMPLES:], draws))

    return map_alone(measure_row, examples, key, rows, by_content=True, num=num)


def row_elbos(model: LatentVariableModel, variables: Variables, examples: Examples, seed: int = 0) -> Array:
    """Compute the ELBO of each row, whose mean is the score `elbo` at the same seed.

    Args:
        model: A model with log-weights.
        variables: Its variables.
        examples: The rows.
        seed: Seed of the evaluation's noise.

    Returns:
        f32[N], nats.

    Raises:
        OutOfMemory: If not even one row and one draw fit in memory.
    """
    parts = over_rows(_bound_of_row, (model, variables), examples, noise_key(seed), num_draws=ELBO_SAMPLES)
    return parts["elbo"] if "elbo" in parts else -(parts["distortion"] + parts["rate"])


def _bound_of_row(
    model: LatentVariableModel, variables: Variables, batch: Batch, stream: Stream, draws: int
) -> dict[str, Array]:
    return elbo_or_parts(model, variables, batch, stream.draws(ELBO_SAMPLES), draws)


def bound_estimates(
    model: LatentVariableModel, columns: tuple[Mapping[str, Any], Any], num_samples: int
) -> dict[str, Estimate]:
    """Compute the estimate of each score of `bound_scores_of(model)` on the host.

    Args:
        model: A model with log-weights.
        columns: The result of `draw_columns`, on the host.
        num_samples: k of the importance-weighted bound.

    Returns:
        The estimates, by the name of the score.
    """
    bound, sums = columns
    estimates = _elbo_estimates(bound) | _iwelbo_estimates(sums, num_samples)
    return {score.name: estimates[score.name] for score in bound_scores_of(model, num_samples)}


def _elbo_estimates(bound: Mapping[str, Any]) -> dict[str, Estimate]:
    if "elbo" in bound:
        return {"elbo": _estimate_mean(bound["elbo"])}
    distortion, rate = (np.asarray(bound[name], np.float64) for name in PARTS)
    parts = {"distortion": _estimate_mean(distortion), "rate": _estimate_mean(rate)}
    # Computed from the two means, not as a mean of sums: so elbo = -(distortion + rate) to the last digit.
    elbo = -(parts["distortion"].value + parts["rate"].value)
    return {"elbo": Estimate(elbo, _estimate_mean(-(distortion + rate)).standard_error), **parts}


def _iwelbo_estimates(sums: Any, num_samples: int) -> dict[str, Estimate]:
    name, importance = f"iwelbo_{num_samples}", importance_of(Sums(*sums), num_samples)
    estimates = {
        name: _estimate_mean(importance.iwelbo),
        f"{name}_ess": _estimate_mean(importance.effective_sample_size),
    }
    if has_tail(num_samples):
        estimates[f"{name}_pareto_k"] = Estimate(float(np.median(importance.pareto_k)))
        # nan > RELIABLE is false, which would count rows of a diverged model as reliable.
        is_unreliable = np.where(np.isnan(importance.pareto_k), np.nan, importance.pareto_k > RELIABLE)
        estimates[f"{name}_unreliable"] = _estimate_mean(is_unreliable)
    return estimates


def _estimate_mean(values: Any) -> Estimate:
    return Estimate(*mean_and_error(values))
