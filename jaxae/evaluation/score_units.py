"""The unit of each score: nats for logarithms of densities only."""

from typing import Any

import jax.numpy as jnp

from jaxae.evaluation.scores import IWELBO_SAMPLES, score_names

NATS = "nats"
UNITS = {
    "squared_error": "data unit squared, summed over an example",
    "log_prob": NATS,
    "elbo": NATS,
    "distortion": NATS,  # a score of this name is a part of the ELBO
    "rate": NATS,
    "error_rate": "share",
    "active_units": "units",
    "dead_units": "units",
    "codebook_usage": "share",
    "codebook_perplexity": "codes",
}


def score_units(model: Any, num_samples: int = IWELBO_SAMPLES) -> dict[str, str]:
    """Return the unit of the loss, each of its terms and each score; without a key where no unit is known.

    Args:
        model: a model; its method `term_units` gives the units of its loss terms, if it has one.
        num_samples: k of `iwelbo_<k>`.

    Returns:
        name -> unit. A standard error has the unit of its score.
    """
    known = model.term_units() if hasattr(model, "term_units") else {}
    terms = {name: known.get(name, "") for name in model.weights(jnp.zeros((), jnp.int32))}
    scores = {**UNITS, f"iwelbo_{num_samples}": NATS}
    measured = {name: scores[name] for name in score_names(model, num_samples) if name in scores}
    loss = next(iter(terms.values())) if len(set(terms.values())) == 1 else ""
    return {name: unit for name, unit in {"loss": loss, **terms, **measured}.items() if unit}
