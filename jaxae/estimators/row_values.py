"""Values of each row without noise: errors of a classification head, and active units. N rows, L units."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxae.estimators.score_facts import Score
from jaxae.protocols.capabilities import Autoencoder, Classifier, Model, SparseCodes
from jaxae.types import Batch, Variables

ERROR_RATE = Score("error_rate", "share", False, "rows whose label is not the head's most probable one")


def has_head(model: Model) -> bool:
    """Return whether the model is an autoencoder that predicts labels."""
    return isinstance(model, Classifier) and model.num_classes > 0


def is_wrong(autoencoder: Classifier, variables: Variables, batch: Batch) -> Array:
    """Return 1 for each example whose label is not the head's most probable one, else 0; f32[B].

    Args:
        autoencoder: A model with a head.
        variables: Its variables.
        batch: B examples with labels.

    Returns:
        f32[B].
    """
    wrong = jnp.argmax(autoencoder.logits(variables, batch), axis=-1) != batch.y
    return wrong.astype(jnp.float32)


ACTIVE_UNITS = Score("active_units", "units", False, "units of a row's code that are not 0; fewer is sparser")
DEAD_UNITS = Score("dead_units", "units", False, "units that are 0 in every row's code", has_error=False)


def has_zeros(model: Model) -> bool:
    """Return whether units of the model's codes can be off (exactly 0)."""
    return isinstance(model, SparseCodes) and isinstance(model, Autoencoder) and model.has_exact_zeros


def is_on(model: Autoencoder, variables: Variables, batch: Batch) -> Array:
    """Return whether each unit is not 0; bool[B, L].

    Args:
        model: A model with codes.
        variables: Its variables.
        batch: B examples.

    Returns:
        bool[B, L].
    """
    return model.encode(variables, batch) != 0


def active_units(model: Autoencoder, variables: Variables, batch: Batch) -> Array:
    """Count the units of each example's code that are not 0; f32[B].

    Args:
        model: A model with codes.
        variables: Its variables.
        batch: B examples.

    Returns:
        f32[B].
    """
    return is_on(model, variables, batch).sum(axis=-1).astype(jnp.float32)


def times_on(model: Autoencoder, on: Array, is_row: Array) -> Array:
    """Count the examples for which each unit is on; bool[N, L] -> i32[L].

    Args:
        model: Not used; all functions of a `CountScore` get the model.
        on: bool[N, L].
        is_row: Whether a row counts, bool[N].

    Returns:
        i32[L].
    """
    return (on & is_row[:, None]).sum(axis=0)


def num_dead(times_on: Any) -> tuple[float]:
    """Count the units that are on for no example; i32[L], on the host.

    Example:
        >>> from jaxae.estimators.row_values import num_dead
        >>> num_dead([3, 0, 1])
        (1.0,)
    """
    return (float((np.asarray(times_on) == 0).sum()),)
