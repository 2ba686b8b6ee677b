"""Steps end before the first bad one: both forms against a plain loop on the host."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae.training import finite_steps
from jaxae.training.finite_steps import NEVER
from jaxae.training.step import StepInfo, TrainState
from jaxae.types import Variables

FORMS = [finite_steps.restart, finite_steps.select]
BAD = [np.nan, np.inf]


def step(state: TrainState, item: jax.Array) -> tuple[TrainState, StepInfo]:
    """The value turns into nan with the item, so a step that was taken cannot be hidden."""
    value = 0.5 * state.variables.params + item
    return TrainState(state.step + 1, Variables(value), (), ()), StepInfo({"d": item}, value, abs(item))


def on_the_host(items: Any, first: int, last_step: int | None) -> tuple[float, int, int]:
    value, bad = 1.0, NEVER
    limit = len(items) if last_step is None else min(len(items), max(0, last_step - first))
    for number, item in enumerate(items[:limit]):
        if not np.isfinite(item):
            return value, number, first + number
        value = 0.5 * value + float(item)
    return value, limit, bad


@pytest.mark.parametrize("form", FORMS)
def test_the_state_is_the_last_good_one(form: Callable[..., Any]) -> None:
    good = np.arange(6, dtype=np.float32)
    program = jax.jit(form, static_argnums=(0, 4))
    for place, last_step in [(None, None), (0, None), (3, None), (5, None), (4, 23), (None, 23), (None, 19)]:
        items = good.copy()
        if place is not None:
            # Two bad steps: the first one counts.
            items[place:] = BAD[place % 2]
        start = TrainState(jnp.asarray(20), Variables(jnp.ones(())), (), ())
        state, bad, infos = program(step, start, jnp.asarray(NEVER), items, last_step)
        value, taken, expected = on_the_host(items, 20, last_step)
        assert (float(state.variables.params), int(state.step), int(bad)) == (value, 20 + taken, expected)
        # Up to the bad step, which the report describes.
        shown = taken + (expected != NEVER)
        np.testing.assert_array_equal(infos.terms["d"][:shown], items[:shown])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("field", ["loss", "gradient_norm"])
def test_a_loss_or_a_gradient_that_is_not_finite_is_enough(form: Callable[..., Any], field: str) -> None:
    """The other one may be finite: the logarithm of a zero that a clip hides has such a gradient."""

    def one_bad(state: TrainState, item: jax.Array) -> tuple[TrainState, StepInfo]:
        state, info = step(state, item)
        return state, info._replace(**{field: jnp.where(state.step == 22, jnp.nan, 1.0)})

    start = TrainState(jnp.asarray(20), Variables(jnp.ones(())), (), ())
    state, bad, _ = jax.jit(form, static_argnums=(0, 4))(
        one_bad, start, jnp.asarray(NEVER), jnp.ones(4), None
    )
    assert (int(state.step), int(bad)) == (21, 21)


@pytest.mark.parametrize("form", FORMS)
def test_a_run_that_was_bad_before_takes_no_step(form: Callable[..., Any]) -> None:
    start = TrainState(jnp.asarray(20), Variables(jnp.ones(())), (), ())
    state, bad, _ = jax.jit(form, static_argnums=(0, 4))(step, start, jnp.asarray(7), jnp.ones(3), None)
    assert (int(state.step), int(bad), float(state.variables.params)) == (20, 7, 1.0)


def test_lanes_next_to_a_bad_one_go_on() -> None:
    """Also in the form that starts again, which a vmapped run does not need."""
    items = jnp.ones((3, 4)).at[1, 2].set(jnp.nan)
    start = TrainState(jnp.full(3, 20), Variables(jnp.ones(3)), (), ())
    for form in FORMS:
        run = jax.vmap(lambda state, items, form=form: form(step, state, jnp.asarray(NEVER), items, None))
        state, bad, _ = jax.jit(run)(start, items)
        assert state.step.tolist() == [24, 22, 24] and bad.tolist() == [NEVER, 22, NEVER]
        assert np.isfinite(state.variables.params).all()


def test_starting_again_is_for_single_runs_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finite_steps.restarts(side_by_side=False) and not finite_steps.restarts(side_by_side=True)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not finite_steps.restarts(side_by_side=False)
