"""Oracles: optax's schedules at many steps, under jit; the ends, exactly."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxae.errors import JaxaeError
from jaxae.protocols.parts import Schedule
from jaxae.schedules import Constant, Cosine, Linear, Piecewise, Step, boundary, value
from jaxae.specs import pytree
from jaxae.specs.records import validate

STEPS = jnp.arange(0, 130)
EXAMPLES = [
    Constant(value=0.3),
    Linear(start=0.1, end=0.9, steps=60.0),
    Cosine(start=0.8, end=0.2, steps=100.0, warmup=20.0),
    Step(value=0.5, factor=0.7, every=30.0),
    Piecewise(values=(0.1, 0.5, 0.2), boundaries=(10.0, 70.0)),
]
ORACLES = [
    (EXAMPLES[0], optax.constant_schedule(0.3)),
    (EXAMPLES[1], optax.linear_schedule(0.1, 0.9, 60)),
    (Linear(start=1.0, end=0.0, steps=128.0), optax.linear_schedule(1.0, 0.0, 128)),
    (EXAMPLES[2], optax.warmup_cosine_decay_schedule(0.0, 0.8, 20, 100, 0.2)),
    (Cosine(start=0.8, steps=100.0), optax.cosine_decay_schedule(0.8, 100)),
    (EXAMPLES[3], optax.exponential_decay(0.5, 30, 0.7, staircase=True)),
    (EXAMPLES[4], optax.join_schedules([lambda _: 0.1, lambda _: 0.5, lambda _: 0.2], [10, 70])),
]
by_name = pytest.mark.parametrize("schedule", EXAMPLES, ids=lambda schedule: type(schedule).__name__)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def trajectory(schedule, steps=STEPS):
    """f32[steps]: the schedule under jit, its numbers and the step traced."""
    return np.asarray(evaluate(schedule, steps))


@jax.jit
def evaluate(schedule, steps):
    return jax.lax.map(schedule, steps)


@pytest.mark.parametrize(("schedule", "oracle"), ORACLES)
def test_is_optaxs(float64, schedule, oracle):
    expected = [float(oracle(int(step))) for step in STEPS]
    np.testing.assert_allclose(trajectory(schedule), expected, rtol=1e-8, atol=1e-12)


@by_name
def test_a_number_for_a_number_in_float32(schedule):
    for step in (7, np.int32(7), jnp.int32(7), jnp.float32(7)):
        result = schedule(step)
        assert result.shape == ()
        assert result.dtype == jnp.float32
        np.testing.assert_allclose(result, trajectory(schedule)[7], rtol=1e-6)


@by_name
def test_every_number_is_a_leaf_and_none_recompiles(schedule):
    traces = []

    @jax.jit
    def run(schedule):
        traces.append(None)
        return schedule(7)

    run(schedule)
    run(jax.tree.map(lambda leaf: leaf * 1.1, schedule))
    assert len(traces) == 1
    numbers = jax.tree.leaves([getattr(schedule, name) for name in pytree.fields(schedule)])
    assert jax.tree.leaves(schedule) == numbers


@by_name
def test_every_number_has_an_effect(schedule):
    leaves, structure = jax.tree.flatten(schedule)
    for i in range(len(leaves)):
        changed = [leaf * (1.37 if i == j else 1.0) for j, leaf in enumerate(leaves)]
        difference = trajectory(jax.tree.unflatten(structure, changed)) - trajectory(schedule)
        assert np.abs(difference).max() > 1e-3


@by_name
def test_gradients_are_finite_at_every_step(schedule):
    gradients = jax.jit(lambda schedule: jax.lax.map(lambda step: jax.grad(value)(schedule, step), STEPS))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradients(schedule)))


@by_name
def test_lanes_of_a_sweep_are_the_single_runs(schedule):
    other = jax.tree.map(lambda leaf: leaf * 1.2, schedule)
    lanes = jax.tree.map(lambda *leaves: jnp.asarray(leaves), schedule, other)
    values = jax.vmap(value, in_axes=(0, None))(lanes, jnp.int32(33))
    np.testing.assert_allclose(values, [schedule(33), other(33)], rtol=1e-6)


numbers = st.floats(-10, 10, width=32, allow_subnormal=False)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(numbers, numbers, st.integers(2, 100))
def test_ends_are_exact_and_the_way_between_is_monotone(start, end, steps):
    for cls in (Linear, Cosine):
        values = trajectory(cls(start=start, end=end, steps=float(steps)))
        assert values[0] == np.float32(start)
        assert np.all(values[steps:] == np.float32(end))
        rounding = 1e-6 * max(abs(start), abs(end))
        assert np.all(np.sign(end - start) * np.diff(values) >= -rounding)


@pytest.mark.parametrize("warmup", [0.0, 1.0, 10.0, 50.0, 80.0])
def test_cosine_with_any_warmup_is_finite_begins_at_start_and_ends_at_end(warmup):
    schedule = Cosine(start=0.8, end=0.2, steps=50.0, warmup=warmup)
    values = trajectory(schedule)
    assert values[int(warmup)] == np.float32(0.8)
    assert np.all(values[int(max(50, warmup + 1)) :] == np.float32(0.2))
    assert values[0] == (np.float32(0.8) if warmup == 0 else 0.0)
    gradients = jax.vmap(jax.grad(value), in_axes=(None, 0))(schedule, STEPS)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize("every", [3, 7, 10, 49, 600])
def test_step_changes_exactly_at_multiples(every):
    multiples = every * jnp.arange(1, 40)
    schedule = Step(value=1.0, factor=0.5, every=float(every))
    before, at = trajectory(schedule, multiples - 1), trajectory(schedule, multiples)
    np.testing.assert_allclose(at, 0.5 ** np.arange(1, 40), rtol=1e-6)
    np.testing.assert_allclose(before, 0.5 ** np.arange(0, 39), rtol=1e-6)


def number_of_changes(every, steps):
    """How often a `Step` has changed at each of the steps, from its value."""
    factor = np.float32(0.999)
    values = trajectory(Step(value=1.0, factor=float(factor), every=float(every)), jnp.asarray(steps))
    return np.round(np.log(values, dtype=np.float64) / np.log(float(factor)))


@pytest.mark.parametrize("every", ["0.1", "0.3", "0.7", "1.1", "2.5", "33.3", "99.9"])
def test_step_changes_exactly_at_multiples_of_a_decimal(every):
    steps = np.arange(3000)
    expected = [step // Fraction(every) for step in steps.tolist()]
    np.testing.assert_array_equal(number_of_changes(every, steps), expected)


@pytest.mark.parametrize("every", [1000, 1001, 4999])
def test_step_is_exact_up_to_the_last_step_that_float32_holds(every):
    steps = 2**24 - np.arange(1, 3000)
    np.testing.assert_array_equal(number_of_changes(every, steps), steps // every)


def test_a_boundary_is_whole_where_only_rounding_parts_it():
    count, tenths = np.meshgrid(np.arange(1, 200), np.arange(1, 400))
    product = np.float32(tenths / 10) * count.astype(np.float32)
    is_whole = count * tenths % 10 == 0
    expected = np.where(is_whole, (count * tenths // 10).astype(np.float32), product)
    np.testing.assert_array_equal(boundary(product), expected)
    assert (product != expected).sum() > 100


def test_piecewise_changes_exactly_at_its_boundaries():
    schedule = Piecewise(values=(1.0, 2.0, 3.0), boundaries=(2.0, 4.0))
    np.testing.assert_array_equal(trajectory(schedule, jnp.arange(6)), [1, 1, 2, 2, 3, 3])
    assert Piecewise(values=(4.0,), boundaries=())(9) == 4.0


@pytest.mark.parametrize(
    "schedule, message",
    [
        (
            Piecewise(values=(1.0, 2.0), boundaries=(2.0, 4.0)),
            "got 2 values and 2 boundaries, expected one more value",
        ),
        (Piecewise(values=(1.0, 2.0, 3.0), boundaries=(4.0, 2.0)), "expected ascending steps"),
        (Cosine(steps=10.0, warmup=10.0), "warmup: got 10.0, expected less than steps, 10.0"),
        (Linear(steps=0.0), "steps: got 0.0; input should be greater than 0"),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused_at_the_edge(schedule, message):
    with pytest.raises(JaxaeError, match=message):
        validate(schedule)


def test_value_of_a_number_is_the_number():
    for number in (2, 2.0, np.float32(2), jnp.float32(2)):
        result = value(number, 5)
        assert (result, result.dtype, result.shape) == (2.0, jnp.float32, ())
    assert value(Linear(steps=4.0), 2) == 0.5


@pytree.spec
class Weighted:
    """A user's spec with a field that is a number or a schedule."""

    beta: float | Schedule = 1.0
    width: int = 3


def test_a_field_that_may_be_a_schedule_holds_leaves():
    assert pytree.is_protocol(Schedule)
    assert all(isinstance(schedule, Schedule) for schedule in EXAMPLES)
    assert not isinstance(1.0, Schedule)
    assert jax.tree.leaves(Weighted(beta=2.0)) == [2.0]
    assert jax.tree.leaves(Weighted(beta=Linear(steps=9.0))) == [0.0, 1.0, 9.0]
    traced = jax.jit(lambda spec, step: value(spec.beta, step))
    assert traced(Weighted(beta=2.0), 3) == 2.0
    np.testing.assert_allclose(traced(Weighted(beta=Linear(steps=9.0)), 3), 1 / 3, rtol=1e-6)
