"""Run the steps of an epoch until a loss or a gradient is not finite: the last good state stays.

There are two forms. `restart` takes the steps without any check of the state. If a step is bad, it starts
again from the state before the first one and ends before the bad step. `select` keeps the old state by a
`where` in each step. Its passes over all arrays cost a sixth of an epoch of a VAE 784-400-20 on CPU.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxae.training.step import StepInfo, TrainState

NEVER = -1  # value of first_bad_step if all numbers are finite
Step = Callable[[TrainState, Any], tuple[TrainState, StepInfo]]
Steps = tuple[TrainState, Array, StepInfo]  # the state, the first bad step, values of each step


class Attempt(NamedTuple):
    """Steps from a starting state to the first bad one, or to the last."""

    state: TrainState  # after the steps, also after the bad one
    taken: Array  # i32[], number of steps, with the bad one
    is_bad: Array  # bool[], whether the last step was bad
    infos: StepInfo  # values of each step, 0 for those that were not taken


def restarts(side_by_side: bool) -> bool:
    """Return whether `restart` is the faster form.

    Args:
        side_by_side: Whether the run is vmapped with others.

    Returns:
        True on CPU, unless runs are vmapped: a loop that ends early then becomes a `where` as well.
    """
    # An accelerator waits for the host at each test of such a loop, and hardly notices the passes.
    return jax.default_backend() == "cpu" and not side_by_side


def restart(step: Step, state: TrainState, first_bad_step: Array, items: Any, last_step: int | None) -> Steps:
    """Take a step for each item; after a bad step start again and end before it.

    Args:
        step: Function from (state, item) to the next state and the values of the step.
        state: State before the first step.
        first_bad_step: i32[], NEVER, or the bad step after which nothing changes.
        items: Pytree whose leaves have a first axis of num_steps.
        last_step: Number of steps of the whole run, after which nothing changes; None if all are taken.

    Returns:
        The state after the last good step, the first bad step, and the values of each step [num_steps].
    """
    num_steps = len(jax.tree.leaves(items)[0])

    def take(number: Array, state: TrainState) -> tuple[TrainState, StepInfo]:
        return step(state, jax.tree.map(lambda leaf: _at(leaf, number), items))

    def advance(attempt: Attempt) -> Attempt:
        new, info = take(attempt.taken, attempt.state)
        infos = jax.tree.map(
            lambda row, value: jax.lax.dynamic_update_index_in_dim(row, value, attempt.taken, 0),
            attempt.infos,
            info,
        )
        return Attempt(new, attempt.taken + 1, ~_is_finite(info), infos)

    def run(loop: tuple[Attempt, Array, Array]) -> tuple[Attempt, Array, Array]:
        attempt, limit, first_bad_step = loop
        # The values of the bad step are kept for the report.
        attempt = jax.lax.while_loop(
            lambda attempt: (attempt.taken < limit) & ~attempt.is_bad,
            advance,
            Attempt(state, jnp.zeros_like(limit), jnp.zeros_like(attempt.is_bad), attempt.infos),
        )
        num_good = attempt.taken - 1
        first_bad_step = jnp.where(attempt.is_bad, state.step + num_good, first_bad_step)
        return attempt, jnp.where(attempt.is_bad, num_good, limit), first_bad_step

    zero, value = jnp.zeros((), jnp.int32), jax.eval_shape(take, state.step, state)[1]
    infos = jax.tree.map(lambda leaf: jnp.zeros((num_steps, *leaf.shape), leaf.dtype), value)
    limit = num_steps if last_step is None else jnp.clip(last_step - state.step, 0, num_steps)
    limit = jnp.where(first_bad_step == NEVER, limit, 0).astype(jnp.int32)
    # One loop in another and not two in a row: the step is compiled once. All runs pass once or twice.
    first = Attempt(state, zero, jnp.ones((), bool), infos)
    attempt, _, first_bad_step = jax.lax.while_loop(
        lambda loop: loop[0].is_bad, run, (first, limit, first_bad_step)
    )
    return attempt.state, first_bad_step, attempt.infos


def select(step: Step, state: TrainState, first_bad_step: Array, items: Any, last_step: int | None) -> Steps:
    """Take a step for each item; from a bad step on keep the old state in each of them.

    Args:
        step: Function from (state, item) to the next state and the values of the step.
        state: State before the first step.
        first_bad_step: i32[], NEVER, or the bad step after which nothing changes.
        items: Pytree whose leaves have a first axis of num_steps.
        last_step: Number of steps of the whole run, after which nothing changes; None if all are taken.

    Returns:
        The state after the last good step, the first bad step, and the values of each step [num_steps].
    """

    def body(loop: tuple[TrainState, Array], item: Any) -> tuple[tuple[TrainState, Array], StepInfo]:
        state, first_bad_step = loop
        new, info = step(state, item)
        # Not an error but a value: under vmap the other lanes of a sweep must go on.
        is_finite = _is_finite(info)
        is_running = first_bad_step == NEVER
        if last_step is not None:
            # A mask and not a shorter scan: that would be a second program, also in each lane of a sweep.
            is_running &= state.step < last_step
        is_good = is_finite & is_running
        first_bad_step = jnp.where(is_running & ~is_finite, state.step, first_bad_step)
        # The last good state stays, so that it can be saved and the bad step can be repeated.
        kept = jax.tree.map(lambda after, before: jnp.where(is_good, after, before), new, state)
        return (kept, first_bad_step), info

    (state, first_bad_step), infos = jax.lax.scan(body, (state, first_bad_step), items)
    return state, first_bad_step, infos


def _is_finite(info: StepInfo) -> Array:
    """Return whether loss and gradient are finite, bool[]."""
    return jnp.isfinite(info.loss) & jnp.isfinite(info.gradient_norm)


def _at(leaf: Array, number: Array) -> Array:
    """Return the item of a number, which is never negative."""
    return jax.lax.dynamic_index_in_dim(leaf, number, keepdims=False)
