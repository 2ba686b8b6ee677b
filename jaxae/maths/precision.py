"""The precision of a run: float32 or float64 throughout, chosen by `compute_dtype`, not by JAX_ENABLE_X64.

In JAX's x64 mode an array without an explicit type is float64. Outside of this mode no array can be float64.
So all computations of an experiment run inside `of(experiment)`, which sets the mode for the current thread
only. JAX caches the compiled programs of the two modes separately.
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
    """Return a context in which JAX's x64 mode fits `compute_dtype`: on for float64, else off."""
    return jax.enable_x64(experiment.compute_dtype == "float64")


def within(experiment_of: Callable[..., Any]) -> Callable[[F], F]:
    """Decorate a function to run inside `of(experiment_of(first argument))`."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(first: Any, *arguments: Any, **keywords: Any) -> Any:
            with of(experiment_of(first)):
                return function(first, *arguments, **keywords)

        return wrapper  # type: ignore[return-value]

    return decorate


def as_here(function: Callable[..., T]) -> Callable[..., T]:
    """Return the function so that each call runs in the x64 mode that is active now.

    This is for callbacks of users: jaxae calls them inside `of`, but they expect their own mode.
    """
    # Read now, not when the callback runs: by then the mode is that of the experiment.
    mode = bool(jax.config.values["jax_enable_x64"])

    def wrapper(*arguments: Any) -> T:
        with jax.enable_x64(mode):
            return function(*arguments)

    return wrapper


def dtype(experiment: Any) -> Any:
    """Return the type of the experiment's parameters, objectives and optimiser: float64 or float32."""
    return jnp.float64 if experiment.compute_dtype == "float64" else jnp.float32


def real() -> Any:
    """Return the type of data and formulas inside `of(experiment)`: float64 or float32."""
    # Python's float is float64 in x64 mode and is canonicalised to float32 outside of it.
    return jnp.dtype(jax.dtypes.canonicalize_dtype(float))


def widened(x: Array) -> Array:
    """Cast bfloat16 to float32, and return float32 and float64 arrays unchanged.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.precision import widened
        >>> widened(jnp.ones(1, jnp.bfloat16)).dtype.name
        'float32'
    """
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def raised(tree: T) -> T:
    """Cast the float32 arrays of a tree to `real()`.

    Linen makes float32 parameters in both modes, because its `param_dtype` is float32 by default.
    """
    return jax.tree.map(lambda leaf: leaf.astype(real()) if leaf.dtype == jnp.float32 else leaf, tree)
