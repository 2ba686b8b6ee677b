"""The precision of formulas: float32 at least, whatever nets compute in."""

import jax.numpy as jnp
from jax import Array


def widened(x: Array) -> Array:
    """bfloat16 -> float32; float32 and float64 as they are."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
