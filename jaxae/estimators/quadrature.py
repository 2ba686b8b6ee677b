"""log p(x) and p(z|x) on a grid of codes with one or two dimensions. N examples, B in a batch, G grid points.

p(x) = integral p(x|z) p(z) dz is computed by the trapezoidal rule. For smooth integrands on the whole line
its error falls faster than any power of the step, once the step is below the width of the posterior.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxae import keys, memory
from jaxae.errors import JaxaeError
from jaxae.estimators.terms import in_chunks, map_examples
from jaxae.protocols.capabilities import Conditional, JointDensity
from jaxae.types import Batch, Examples, Key, Variables

ROWS_AT_ONCE = 50
HALF_WIDTH, NUM_POINTS = 6.0, 801  # N(0, I) has 4e-9 of its mass outside; steps of 0.015


class Evidence(NamedTuple):
    """log p(x) of each example, and an estimate of its error."""

    log_evidence: Array  # f32[N], nats
    error: Array  # f32[N], the difference from a grid with twice the step, nats


def log_evidence(
    autoencoder: JointDensity,
    variables: Variables,
    examples: Examples,
    half_width: float = HALF_WIDTH,
    num_points: int = NUM_POINTS,
) -> Evidence:
    """Compute log p(x) of each example on num_points^L codes from -half_width to half_width; L is 1 or 2.

    Args:
        autoencoder: A model with log p(x|z) and log p(z), without a condition.
        variables: Its variables.
        examples: The split, of N rows.
        half_width: The grid reaches from -half_width to half_width in each latent dimension.
        num_points: Points along each latent dimension, an odd number.

    Returns:
        log p(x) and its error, f32[N] each, nats.

    Raises:
        JaxaeError: If the code has more than two dimensions, the model has a condition, or `num_points` is
            even or below 3.
        OutOfMemory: If not even one point of the grid fits in memory.
    """
    _check(autoencoder, num_points)
    rows = min(ROWS_AT_ONCE, len(examples.x))
    # `at_once` counts pairs of a row and a code: each code is decoded once, and compared with all rows.
    at_once = rows * memory.first_guess(examples.x.shape[1:], num_points)
    arguments = autoencoder, variables, examples, half_width
    return memory.run(_log_evidence, *arguments, at_once=at_once, num_points=num_points)


def posterior_on_grid(
    autoencoder: JointDensity, variables: Variables, batch: Batch, half_width: float, num_points: int
) -> np.ndarray:
    """Compute p(z|x) of each example on the grid; f32[B, G, G], each summing to 1.

    Args:
        autoencoder: A model with log p(x|z) and log p(z), a code of two dimensions and no condition.
        variables: Its variables.
        batch: B examples.
        half_width: The grid reaches from -half_width to half_width in each latent dimension.
        num_points: G, points along each latent dimension, an odd number.

    Returns:
        f32[B, G, G], with the first latent dimension along rows.

    Raises:
        JaxaeError: As in `log_evidence`, or if the code has one dimension.
        OutOfMemory: If not even one point of the grid fits in memory.
    """
    _check(autoencoder, num_points)
    if autoencoder.latent_dim != 2:
        raise JaxaeError(f"posterior_on_grid: got a code of {autoencoder.latent_dim} dimensions, expected 2")
    axis = jnp.linspace(-half_width, half_width, num_points)
    joint = memory.run(_evaluate_plane, autoencoder, variables, batch, axis, at_once=num_points)
    # Normalised over the grid: the step and log p(x) cancel.
    shares = jax.nn.softmax(joint.reshape(num_points**2, -1), axis=0)
    return np.asarray(shares.T.reshape(-1, num_points, num_points))


@functools.partial(jax.jit, static_argnames="at_once")
def _evaluate_plane(
    autoencoder: JointDensity, variables: Variables, batch: Batch, axis: Array, *, at_once: int
) -> Array:
    """Compute log p(x, z) on the grid of an axis f32[G]; f32[G, G, B]."""
    return jax.lax.map(_make_slice(autoencoder, variables, batch, axis, at_once), axis[:, None])


@functools.partial(jax.jit, static_argnames=("num_points", "at_once"))
def _log_evidence(
    autoencoder: JointDensity,
    variables: Variables,
    examples: Examples,
    half_width: Any,
    *,
    num_points: int,
    at_once: int,
) -> Evidence:
    rows = max(1, min(ROWS_AT_ONCE, len(examples.x), at_once))
    axis = jnp.linspace(-half_width, half_width, num_points)
    step = axis[1] - axis[0]
    # A code of one dimension has no first dimensions: one slice, with an empty vector in front.
    firsts = axis[:, None] if autoencoder.latent_dim == 2 else jnp.zeros((1, 0))
    dimensions = autoencoder.latent_dim

    def measure(batch: Batch, _: Key) -> Evidence:
        joint_slice = _make_slice(autoencoder, variables, batch, axis, max(1, at_once // rows))

        def integrate_slice(first: Array) -> Array:
            values = joint_slice(first)
            return jnp.stack([jax.nn.logsumexp(values, axis=0), jax.nn.logsumexp(values[::2], axis=0)])

        slices = jax.lax.map(integrate_slice, firsts)
        # Every second point of the same values makes the coarse grid, so the error costs no decoding. The
        # trapezoidal rule's half weights at the ends do not matter: the integrand is about 0 there.
        fine = jax.nn.logsumexp(slices[:, 0], axis=0) + dimensions * jnp.log(step)
        coarse = jax.nn.logsumexp(slices[::2, 1], axis=0) + dimensions * jnp.log(2.0 * step)
        return Evidence(fine, jnp.abs(fine - coarse))

    return map_examples(measure, examples, keys.root(0), rows)


def _make_slice(
    autoencoder: JointDensity, variables: Variables, batch: Batch, axis: Array, points_at_once: int
) -> Callable[[Array], Array]:
    """Return a function from the first dimensions of a code f32[L - 1] to log p(x, z), f32[G, B].

    The last dimension varies along `axis`.
    """

    def compute_joint(first: Array, last: Array) -> Array:
        z = jnp.concatenate([jnp.broadcast_to(first, (len(last), len(first))), last[:, None]], axis=1)
        z = z[:, None]

        # vmap over examples with the same z: XLA decodes the codes once, not once for each example.
        def compare_example(x: Array) -> Array:
            return autoencoder.log_likelihood(variables, Batch(x[None]), z)[:, 0]

        log_likelihood = jax.vmap(compare_example, out_axes=1)(batch.x)
        return log_likelihood + autoencoder.log_prior(variables, z)

    return lambda first: in_chunks(functools.partial(compute_joint, first), axis, points_at_once)


def _check(autoencoder: JointDensity, num_points: int) -> None:
    is_conditional = isinstance(autoencoder, Conditional) and autoencoder.num_classes > 0
    if autoencoder.latent_dim > 2 or is_conditional:
        reason = "a condition" if is_conditional else f"a code of {autoencoder.latent_dim} dimensions"
        raise JaxaeError(f"quadrature: got {reason}, expected a code of 1 or 2 dimensions and no condition")
    if num_points < 3 or num_points % 2 == 0:
        raise JaxaeError(f"quadrature: got {num_points} points, expected an odd number of 3 or more")
