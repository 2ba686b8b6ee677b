"""Trial of a model of tokens. B batch, T positions of the prefix, P positions of tokens, K codes, W width."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae.contract.messages import kind
from jaxae.contract.trial import Trial
from jaxae.protocols.capabilities import TokenModel


def check_logits(trial: Trial) -> None:
    """Try `prefix`, `null_prefix` and `logits` of a `TokenModel`.

    Raises:
        JaxaeError: If a method has a mistake.
    """
    model = _narrowed_model(trial)
    prefix = trial.call("prefix", trial.batch)
    trial.expect("prefix", prefix, "B", "T", numbers=np.integer)
    null = trial.call("null_prefix", static=(trial.size,))
    # Guidance puts both prefixes into one batch, so they need the same length.
    trial.expect("null_prefix", null, "B", prefix.shape[1], numbers=np.integer)
    logits = trial.call("logits", trial.variables, _shape_of_tokens(trial), prefix)
    trial.expect("logits", logits, "B", model.num_positions, model.num_codes)


def check_cache(trial: Trial) -> None:
    """Try the methods of a `CachedTokenModel` as sampling calls them (`jaxae.tokens.sampling`).

    Raises:
        JaxaeError: If a method has a mistake.
    """
    params, model = trial.variables.params, _narrowed_model(trial)
    prefix = trial.call("null_prefix", static=(trial.size,))
    length = trial.expect("null_prefix", prefix, "B", "T", numbers=np.integer).shape[1]
    rows = trial.expect("embed_prefix", trial.call("embed_prefix", params, prefix), "B", length, "W")
    width = rows.shape[2]
    tokens = trial.call("embed_tokens", params, _shape_of_tokens(trial))
    trial.expect("embed_tokens", tokens, "B", model.num_positions, width)
    cache = trial.call("cache", params, static=(trial.size,))
    # Sampling first passes the prefix without its last position, then one position at a time.
    for num_positions in (length - 1, 1):
        next_rows = jax.ShapeDtypeStruct((trial.size, num_positions, width), rows.dtype)
        cache = _try_trunk(trial, next_rows, cache)
    outputs = jax.ShapeDtypeStruct((trial.size, 1, width), rows.dtype)
    trial.expect("head", trial.call("head", params, outputs), "B", 1, model.num_codes)


def _try_trunk(trial: Trial, rows: Any, cache: Any) -> Any:
    """Return the cache after `trunk` has processed some rows; raise JaxaeError if its shapes changed."""
    start = jax.ShapeDtypeStruct((), jnp.int32)
    result = trial.call("trunk", trial.variables.params, rows, cache, start)
    if not (isinstance(result, tuple | list) and len(result) == 2):
        raise trial.wrong("trunk", f"gave {kind(result)}, expected a pair: the outputs and the new cache")
    outputs, new_cache = result
    trial.expect("trunk", outputs, "B", rows.shape[1], rows.shape[2])
    shapes = [[(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)] for tree in (cache, new_cache)]
    structures: list[Any] = [jax.tree.structure(tree) for tree in (cache, new_cache)]
    # A `lax.scan` carries the cache, so it must not grow.
    if structures[0] != structures[1] or shapes[0] != shapes[1]:
        raise trial.wrong("trunk", "gave a cache with other shapes or dtypes than it got")
    return new_cache


def _narrowed_model(trial: Trial) -> TokenModel:
    assert isinstance(trial.model, TokenModel)  # for mypy; the table of trials has checked it
    return trial.model


def _shape_of_tokens(trial: Trial) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((trial.size, _narrowed_model(trial).num_positions), jnp.int32)
