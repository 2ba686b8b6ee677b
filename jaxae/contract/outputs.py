"""Checks of outputs that are more than one shape: loss terms, `extra`, the gradient, groups of parameters."""

import types
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae.contract.messages import kind, raised
from jaxae.contract.trial import Trial, key, path_of
from jaxae.errors import JaxaeError
from jaxae.protocols.capabilities import Model
from jaxae.training import step
from jaxae.types import Batch, Key


def check_terms(trial: Trial, method: str, terms: Any) -> None:
    """Check that loss terms are a dict of f32[B] by name.

    Args:
        trial: Model and batch.
        method: Name of the method that returned the terms.
        terms: Its result, as shapes.

    Raises:
        JaxaeError: If they are anything else, such as a mean over the batch.
    """
    # Names become columns of the history and keys of `weights`.
    if not isinstance(terms, Mapping) or not all(isinstance(name, str) for name in terms):
        raise trial.wrong(method, f"gave {kind(terms)} as terms, expected a dict of arrays by name")
    if not terms:
        raise trial.wrong(method, "gave no term, expected one or more")
    for name, term in terms.items():
        label, location = f"model: term '{name}' of {trial.name}.{method} has", trial.place(method)
        if not isinstance(term, jax.ShapeDtypeStruct):
            raise JaxaeError(f"{label} the value of {kind(term)}, expected an array{location}")
        # A mean over the batch would train, but scores need one value for each example.
        if term.shape != (trial.size,):
            given = f"shape {term.shape} for a batch of {trial.size}"
            raise JaxaeError(f"{label} {given}, expected ({trial.size},){location}")
        # bfloat16 keeps about three digits, too few for a loss or a score.
        if not jnp.issubdtype(term.dtype, np.floating) or jnp.finfo(term.dtype).bits < 32:
            raise JaxaeError(f"{label} dtype {term.dtype}, expected float32{location}")


def check_extra(trial: Trial, extra: Any) -> None:
    """Check that `extra` keeps its structure, shapes and dtypes, since training carries it through a scan.

    Args:
        trial: Model with the `extra` of `init`.
        extra: The new `extra` of `terms`, as shapes.

    Raises:
        JaxaeError: If they differ.
    """
    initial = trial.variables.extra
    structures: list[Any] = [jax.tree.structure(tree) for tree in (extra, initial)]
    if structures[0] != structures[1]:
        texts = [str(structure).removeprefix("PyTreeDef")[:100] for structure in structures]
        raise trial.wrong("terms", f"gave extra as {texts[0]}, but init gave {texts[1]}")
    for (path, new), old in zip(
        jax.tree_util.tree_leaves_with_path(extra), jax.tree.leaves(initial), strict=True
    ):
        if kind(new) != kind(old):
            raise trial.wrong("terms", f"gave extra{path_of(path)} as {kind(new)}, but init gave {kind(old)}")


def check_gradient(trial: Trial) -> None:
    """Check that the training loss can be differentiated in the parameters.

    Raises:
        JaxaeError: If it cannot, for instance because of a `while_loop` or a NumPy call.
    """

    def loss(params: Any, model: Model, extra: Any, batch: Batch, noise: Key) -> Any:
        # `step.loss` reads these two fields only, and there may be no experiment yet.
        experiment = types.SimpleNamespace(model=model, compute_dtype=trial.compute_dtype)
        return step.loss(params, extra, experiment, batch, noise, jnp.zeros((), jnp.int32))[0]

    try:
        params, extra = trial.variables
        jax.eval_shape(jax.grad(loss), params, trial.floats, extra, trial.batch, key(6))
    except Exception as error:  # a user's code may raise anything
        raise JaxaeError(raised(trial.model, "terms", error, " for its gradient")) from error


def check_groups(trial: Trial, method: str, groups: Any) -> None:
    """Check that the keys of a dict are groups of parameters: keys of the first level of `params`.

    Args:
        trial: Model with the shapes of its variables.
        method: Name of the method that returned the dict.
        groups: Its result.

    Raises:
        JaxaeError: If it is no dict, or has an unknown key.
    """
    if not isinstance(groups, Mapping):
        raise trial.wrong(method, f"gave {kind(groups)}, expected a dict by name")
    params = trial.variables.params
    known = sorted(params) if isinstance(params, Mapping) else []
    for name in groups:
        if name not in known:
            raise trial.wrong(method, f"names '{name}', but the groups of params are {known}")
