"""The squared Frobenius norm |J|_F^2 of the Jacobian of each example, exact and estimated.

Shapes: B examples, D inputs and L outputs of each. `linear` is a linear map from tangents f32[B, ...] of the
shape of `x` to f32[B, L], and the outputs of an example depend only on its own tangent. `jax.linearize` of an
encoder returns such a map; the difference of two of them is another.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxae.types import Key

Linear = Callable[[Array], Array]
# Columns or rows of the Jacobian at once. Memory grows as B x CHUNK x the width of the widest layer.
CHUNK = 16


def frobenius_squared(linear: Linear, x: Array) -> Array:
    """Compute sum_ij J_ij^2 of the Jacobian of each example, f32[B].

    The sum runs over the D columns or the L rows of J, whichever are fewer. The value equals that of
    `vmap(jacfwd)`. The Jacobians f32[B, L, D] are never in memory: they are processed in chunks, and the
    gradient recomputes each chunk.

    Args:
        linear: A linear map of tangents, f32[B, ...] -> f32[B, L].
        x: An array of the shape and type of the tangents, f32[B, ...]; its values are not used.

    Returns:
        f32[B], in squared units of code per unit of data.

    Example:
        The Jacobian [[1, 2, 3]] has |J|_F^2 = 1 + 4 + 9.

        >>> import jax.numpy as jnp
        >>> from jaxae.maths.jacobians import frobenius_squared
        >>> matrix = jnp.array([[1.0], [2.0], [3.0]])
        >>> frobenius_squared(lambda tangents: tangents @ matrix, jnp.zeros((1, 3))).tolist()
        [14.0]
    """
    num_inputs, code = math.prod(x.shape[1:]), jax.eval_shape(linear, x)
    if num_inputs <= code.shape[-1]:
        return _squares(linear, x.shape, num_inputs)
    # The transpose of the same linear map gives rows, so the encoder is not linearised a second time.
    transpose = jax.linear_transpose(linear, x)
    return _squares(lambda rows: transpose(rows)[0], code.shape, code.shape[-1])


def hutchinson(linear: Linear, x: Array, key: Key, num_probes: int) -> Array:
    """Estimate |J|_F^2 by the mean of |J v|^2 over probes v of random signs, f32[B].

    The estimate is unbiased. The probes are tangents of the input, so each one costs a forward derivative
    (Hutchinson, 1990).

    Args:
        linear: A linear map of tangents, f32[B, ...] -> f32[B, L].
        x: An array of the shape and type of the tangents, f32[B, ...]; its values are not used.
        key: Key of the random signs.
        num_probes: Number of probes.

    Returns:
        f32[B].
    """
    # Drawn along one axis and reshaped, as `keys.normal` does: XLA compiles short last axes slowly on a CPU.
    signs = jax.random.rademacher(key, (num_probes * x.size,), x.dtype).reshape(num_probes, *x.shape)
    outputs = jax.vmap(linear)(signs)
    return (outputs.reshape(num_probes, x.shape[0], -1) ** 2).sum(axis=-1).mean(axis=0)


def _squares(linear: Linear, shape: tuple[int, ...], num_directions: int) -> Array:
    """Compute sum_d |linear(e_d)|^2 over the unit directions of each example of `shape` [B, ...], f32[B]."""

    # Without the checkpoint the gradient would keep the activations of all directions in memory.
    @jax.checkpoint
    def square(direction: Array) -> Array:
        unit = jax.nn.one_hot(direction, num_directions).reshape(1, *shape[1:])
        output = linear(jnp.broadcast_to(unit, shape))
        return (output.reshape(output.shape[0], -1) ** 2).sum(axis=-1)

    return jax.lax.map(square, jnp.arange(num_directions), batch_size=min(CHUNK, num_directions)).sum(axis=0)
