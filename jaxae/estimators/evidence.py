"""Estimates of log p(x) of single examples: log p(x) itself, the ELBO with its two parts, and log-weights."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxae.estimators.score_facts import NATS, Score
from jaxae.estimators.terms import map_draws
from jaxae.protocols.capabilities import ElboParts, ElboTerms, ExactLikelihood, LatentVariableModel, Model
from jaxae.types import Batch, Key, Variables

LOG_PROB = Score("log_prob", NATS, True, "log p(tokens), under the row's condition if the model has one")


def has_log_prob(model: Model) -> bool:
    """Return whether the model gives the log-probability of an example."""
    return isinstance(model, ExactLikelihood)


def log_prob(model: ExactLikelihood, variables: Variables, batch: Batch) -> Array:
    """Compute log p(tokens | condition) of each example of a model of tokens, f32[B], nats."""
    return model.log_prob(variables, batch)


def elbo(
    autoencoder: LatentVariableModel, variables: Variables, batch: Batch, draw_keys: Key, draws_at_once: int
) -> Array:
    """Compute the ELBO of a batch of one by the mean over draws with keys [S]; f32[], nats."""

    # One call for each key, not one call with S samples: so chunks of draws do not change the noise.
    def compute_draw(key: Key) -> Array:
        return autoencoder.elbo(variables, batch, key, num_samples=1)[0]

    return map_draws(compute_draw, draw_keys, draws_at_once).mean()


def log_weights_of(
    autoencoder: LatentVariableModel, variables: Variables, batch: Batch, draw_keys: Key, draws_at_once: int
) -> Array:
    """Compute the log-weight of each draw for a batch of one; f32[S], nats.

    Args:
        autoencoder: A model with log-weights.
        variables: Its variables.
        batch: One example.
        draw_keys: The key of each draw, [S].
        draws_at_once: Draws that are decoded at the same time. It changes the numbers only by rounding.

    Returns:
        f32[S], nats.
    """

    def compute_draw(key: Key) -> Array:
        return autoencoder.log_weights(variables, batch, key, 1)[0, 0]

    return map_draws(compute_draw, draw_keys, draws_at_once)


PARTS = ("distortion", "rate")


def bound_names(model: Model) -> list[str]:
    """Return the names of the ELBO in scores: `elbo`, and its parts if the model has them.

    A part is left out if the model has another loss term of that name.
    """
    if not isinstance(model, LatentVariableModel):
        return []
    other_terms = taken_names(model)
    parts = PARTS if has_parts(model) else ()
    return ["elbo", *(name for name in parts if name not in other_terms)]


def taken_names(model: Model) -> set[str]:
    """Return the names of the model's loss terms, without the terms that are parts of the ELBO."""
    # Only the names: computing the weights would compile a program for each operation.
    names = jax.eval_shape(model.weights, jax.ShapeDtypeStruct((), jnp.int32))
    return set(names) - set(parts_in_terms(model))


def elbo_or_parts(
    model: LatentVariableModel, variables: Variables, batch: Batch, draw_keys: Key, draws_at_once: int
) -> dict[str, Array]:
    """Compute the parts of the ELBO of a batch of one, or the ELBO if the model has no parts.

    Args:
        model: A model with log-weights.
        variables: Its variables.
        batch: One example.
        draw_keys: The key of each draw, [S].
        draws_at_once: Draws that are decoded at the same time. It changes the numbers only by rounding.

    Returns:
        f32[] in nats: `distortion` and `rate` if `has_parts(model)`, else `elbo`.
    """
    if not isinstance(model, ElboParts) or not has_parts(model):
        return {"elbo": elbo(model, variables, batch, draw_keys, draws_at_once)}

    def compute_draw(key: Key) -> tuple[Array, Array]:
        distortion, rate = model.elbo_parts(variables, batch, key, num_samples=1)
        return distortion[0], rate[0]

    distortion, rate = (values.mean() for values in map_draws(compute_draw, draw_keys, draws_at_once))
    return {"distortion": distortion, "rate": rate}


def parts_in_terms(model: Model) -> tuple[str, ...]:
    """Return the loss terms that the model declares as parts of its ELBO (`elbo_terms`).

    The declaration must be in the class that defines `terms`. A subclass with other `terms` does not inherit
    it.
    """
    # Not `hasattr`, which also finds the declaration of a base class for `terms` that were replaced.
    is_declared = "elbo_terms" in vars(_find_owner(model, "terms"))
    return model.elbo_terms if is_declared and isinstance(model, ElboTerms) else ()


def has_parts(model: Model) -> bool:
    """Return whether the model's `elbo_parts` add up to its `elbo`.

    They do if both are defined in the same class: a subclass may have replaced one of them.
    """
    return isinstance(model, ElboParts) and _find_owner(model, "elbo") is _find_owner(model, "elbo_parts")


def _find_owner(model: Model, name: str) -> type:
    """Return the class among the model's bases that defines the method."""
    return next(cls for cls in type(model).__mro__ if name in vars(cls))
