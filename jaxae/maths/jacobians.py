"""|J|_F^2 of a linear map between batches, exactly and by estimate. B examples, D inputs, L outputs each.

`linear` takes tangents f32[B, ...] of an x shaped like `x` to f32[B, L], each example's by itself: what
`jax.linearize` gives of an encoder, or the difference of two of them.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxae.types import Key

Linear = Callable[[Array], Array]
CHUNK = 16  # columns or rows of the Jacobian at once: memory B x CHUNK x the widest layer


def frobenius_squared(linear: Linear, x: Array) -> Array:
    """sum_ij J_ij^2 of each example's Jacobian, f32[B], by its D columns or L rows, whichever are fewer.

    As `vmap(jacfwd)` gives, in chunks and rematerialised for the gradient, so that the Jacobians
    f32[B, L, D] never stand in memory.
    """
    num_inputs, code = math.prod(x.shape[1:]), jax.eval_shape(linear, x)
    if num_inputs <= code.shape[-1]:
        return _squares(linear, x.shape, num_inputs)
    transpose = jax.linear_transpose(linear, x)
    return _squares(lambda rows: transpose(rows)[0], code.shape, code.shape[-1])


def hutchinson(linear: Linear, x: Array, key: Key, num_probes: int) -> Array:
    """The mean of |J v|^2 over probes v of random signs, f32[B]: its expectation is |J|_F^2.

    The probes live in the input space, so each costs one forward derivative (Hutchinson, 1990).
    """
    signs = jax.random.rademacher(key, (num_probes * x.size,), x.dtype).reshape(num_probes, *x.shape)
    outputs = jax.vmap(linear)(signs)
    return (outputs.reshape(num_probes, x.shape[0], -1) ** 2).sum(axis=-1).mean(axis=0)


def _squares(linear: Linear, shape: tuple[int, ...], num_directions: int) -> Array:
    """sum_d |linear(e_d)|^2 over the unit directions of each example of `shape` [B, ...], f32[B]."""

    @jax.checkpoint
    def square(direction: Array) -> Array:
        unit = jax.nn.one_hot(direction, num_directions).reshape(1, *shape[1:])
        output = linear(jnp.broadcast_to(unit, shape))
        return (output.reshape(output.shape[0], -1) ** 2).sum(axis=-1)

    return jax.lax.map(square, jnp.arange(num_directions), batch_size=min(CHUNK, num_directions)).sum(axis=0)
