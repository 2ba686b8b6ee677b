"""The precision of a run: float32 or float64 throughout, by `compute_dtype` and not by JAX_ENABLE_X64.

In jax's x64 mode an array without an explicit type is float64; outside of it no array can be. So everything
that belongs to an experiment is computed inside `of(experiment)`, which sets the mode for this thread alone.
jax keeps the programs of both modes apart.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def of(experiment: Any) -> contextlib.AbstractContextManager[Any]:
    """Set jax's x64 mode inside to what the experiment's `compute_dtype` needs: on for float64, else off."""
    return jax.enable_x64(experiment.compute_dtype == "float64")


def within(experiment_of: Callable[..., Any]) -> Callable[[F], F]:
    """Decorate a function to run inside `of(experiment_of(first argument))`."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def inside(first: Any, *arguments: Any, **keywords: Any) -> Any:
            with of(experiment_of(first)):
                return function(first, *arguments, **keywords)

        return inside  # type: ignore[return-value]

    return decorate


def as_here(function: Callable[..., T]) -> Callable[..., T]:
    """Return the function as it runs in the mode of the caller: for a user's callbacks."""
    mode = bool(jax.config.values["jax_enable_x64"])

    def called(*arguments: Any) -> T:
        with jax.enable_x64(mode):
            return function(*arguments)

    return called


def dtype(experiment: Any) -> Any:
    """Return the type of the experiment's parameters, objectives and optimiser: float64 or float32."""
    return jnp.float64 if experiment.compute_dtype == "float64" else jnp.float32


def real() -> Any:
    """Return the type of data and formulas inside `of(experiment)`: float64 or float32."""
    return jnp.dtype(jax.dtypes.canonicalize_dtype(float))


def widened(x: Array) -> Array:
    """bfloat16 -> float32; float32 and float64 as they are."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def raised(tree: T) -> T:
    """Convert the float32 arrays of a tree to `real()`: linen makes float32 parameters in either mode."""
    return jax.tree.map(lambda leaf: leaf.astype(real()) if leaf.dtype == jnp.float32 else leaf, tree)
