"""Which units of a code speak; for codes with exact zeros."""

import jax.numpy as jnp
from jax import Array


def active_units(codes: Array) -> Array:
    """The number of units that are not 0 in each example's code; [N, L] -> f32[N]."""
    return (codes != 0).sum(axis=-1).astype(jnp.float32)


def dead_units(codes: Array) -> Array:
    """The number of units that are 0 in every example's code; [N, L] -> f32[]."""
    return (codes == 0).all(axis=0).sum().astype(jnp.float32)
