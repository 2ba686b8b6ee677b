"""The ELBO and its two parts over a split, by the same draws, so that ELBO = -(distortion + rate)."""

import functools
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxae.evaluation.likelihood import elbos
from jaxae.evaluation.terms import map_examples
from jaxae.types import Examples, Key, Variables

PARTS = ("distortion", "rate")
BATCH_SIZE, CODES_AT_ONCE = 500, 8_000  # rows, and rows times draws: what bounds the memory


def bound_names(model: Any) -> list[str]:
    """Return the names of what `bound` gives: `elbo`, and its parts if the model has them.

    A part whose name the model gives to another loss term is left out.
    """
    if not hasattr(model, "log_weights"):
        return []
    taken = set(model.weights(jnp.zeros((), jnp.int32))) - set(parts_in_terms(model))
    parts = PARTS if has_parts(model) else ()
    return ["elbo", *(name for name in parts if name not in taken)]


def bound(
    model: Any, variables: Variables, examples: Examples, key: Key, num_samples: int
) -> dict[str, Array]:
    """Return the ELBO of each example with `num_samples` draws, and its parts by the same draws.

    Args:
        model: a model with log-weights.
        variables: its variables.
        examples: N rows.
        key: of the draws.
        num_samples: draws for each row.

    Returns:
        f32[N] for each of `bound_names`, nats.
    """
    if not has_parts(model):
        return {"elbo": elbos(model, variables, examples, key, num_samples)}
    measure = functools.partial(model.elbo_parts, variables, num_samples=num_samples)
    size = max(1, min(BATCH_SIZE, CODES_AT_ONCE // num_samples))
    distortion, rate = map_examples(measure, examples, key, size)
    found = {"elbo": -distortion - rate, "distortion": distortion, "rate": rate}
    return {name: found[name] for name in bound_names(model)}


def parts_in_terms(model: Any) -> tuple[str, ...]:
    """Return the loss terms that are estimates of the ELBO's parts, as the class that defines `terms` says.

    A subclass with `terms` of another meaning inherits nothing.
    """
    return vars(_owner(model, "terms")).get("elbo_terms", ())


def has_parts(model: Any) -> bool:
    """Return whether `elbo_parts` are those of the model's `elbo`, which a subclass may have replaced."""
    return hasattr(model, "elbo_parts") and _owner(model, "elbo") is _owner(model, "elbo_parts")


def _owner(model: Any, name: str) -> type:
    """Return the class of the model's bases that defines the method."""
    return next(cls for cls in type(model).__mro__ if name in vars(cls))
