"""Parameters to evaluate, for optimisers that train other ones: schedule-free and lookahead."""

from typing import Any

import jax
import optax
from optax.contrib import ScheduleFreeState

from jaxae.specs.optax_wrappers import SlowState
from jaxae.types import Params


def evaluated_parameters(opt_state: Any, params: Params) -> Params:
    """Return the parameters to evaluate.

    Args:
        opt_state: State of the optimiser, with those of groups and chained transformations inside.
        params: The parameters at which gradients are taken.

    Returns:
        For `optax.contrib.schedule_free` x = (y - (1 - b1) z) / b1 (Defazio et al., 2024, arXiv 2405.15682),
        for `optax.lookahead` the slow parameters, otherwise `params`.
    """
    states = ScheduleFreeState, SlowState
    for state in jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, states)):
        if isinstance(state, SlowState):
            params = _where_trained(lambda _, slow: slow, params, state.slow)
        elif isinstance(state, ScheduleFreeState):
            b1 = state.b1
            # optax.contrib.schedule_free_eval_params, which cannot leave out the other groups of parameters.
            params = _where_trained(lambda y, z, b1=b1: (y - (1.0 - b1) * z) / b1, params, state.z)
    return params


def _where_trained(function: Any, params: Params, own: Any) -> Params:
    """Return `function(params, own)` for the parameters of an optimiser, and the others unchanged."""

    def is_other_group(node: Any) -> bool:
        return isinstance(node, optax.MaskedNode)

    return jax.tree.map(
        lambda value, old: old if is_other_group(value) else function(old, value),
        own,
        params,
        is_leaf=is_other_group,
    )
