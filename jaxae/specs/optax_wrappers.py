"""Transformations of optax that a train step cannot use as they are, wrapped so that it can.

optax.lookahead (Zhang et al., 2019, arXiv 1907.08610) takes pairs of fast and slow parameters. Here the slow
ones are kept in the state, so that a train step sees the fast parameters only, and an evaluation reads the
slow ones.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class SlowState(NamedTuple):
    """State of the optimiser with the slow parameters, which are the ones to evaluate."""

    slow: Any
    inner: Any  # state of optax.lookahead


def with_slow_parameters(lookahead: Any) -> Any:
    """Return a transformation of the fast parameters.

    Args:
        lookahead: Result of `optax.lookahead`.

    Returns:
        The transformation; its state is a `SlowState`.
    """
    import optax

    def init(params: Any) -> SlowState:
        # A copy: the state is donated, and two leaves must not share one buffer.
        slow = jax.tree.map(jnp.copy, params)
        return SlowState(slow, lookahead.init(optax.LookaheadParams(params, params)))

    def update(updates: Any, state: SlowState, params: Any = None) -> tuple[Any, SlowState]:
        pair = optax.LookaheadParams(params, state.slow)
        changes, inner = lookahead.update(updates, state.inner, pair)
        return changes.fast, SlowState(optax.apply_updates(state.slow, changes.slow), inner)

    return optax.GradientTransformation(init, update)


def with_grad_fn_only(sam: Any) -> Any:
    """Return SAM as a transformation that ignores the extra arguments that it does not know.

    Args:
        sam: Result of `optax.contrib.sam`.

    Returns:
        The transformation.
    """
    import optax

    def update(updates: Any, state: Any, params: Any = None, *, grad_fn: Any = None, **_: Any) -> Any:
        return sam.update(updates, state, params, grad_fn=grad_fn)

    return optax.GradientTransformationExtraArgs(sam.init, update)
