"""Oracle: the published updates in numpy, one scalar formula each, over several steps on given gradients."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from annotated_types import BaseMetadata

from jaxae import optimizers
from jaxae.optimizers import SGD, Adagrad, Adam, Adamax, AdamW, Lion, RMSprop
from jaxae.protocols.parts import Optimizer, Schedule
from jaxae.schedules import Cosine, Linear
from jaxae.specs import pytree

NUM_STEPS = 6
RNG = np.random.default_rng(0)
START = {"kernel": RNG.normal(size=(3, 2)), "bias": RNG.normal(size=2)}
GRADIENTS = {name: RNG.normal(size=(NUM_STEPS, *leaf.shape)) for name, leaf in START.items()}

# Every hyperparameter away from its default and large enough to matter.
EXAMPLES = [
    Adam(learning_rate=0.1, b1=0.8, b2=0.95, eps=0.02),
    AdamW(learning_rate=0.1, b1=0.8, b2=0.95, eps=0.02, weight_decay=0.3),
    Adamax(learning_rate=0.1, b1=0.8, b2=0.95, eps=0.02),
    SGD(learning_rate=0.1, momentum=0.7, weight_decay=0.3),
    SGD(learning_rate=0.1, momentum=0.7, weight_decay=0.3, nesterov=True),
    RMSprop(learning_rate=0.1, decay=0.8, eps=0.02, momentum=0.6),
    Lion(learning_rate=0.1, b1=0.8, b2=0.6, weight_decay=0.3),
    Adagrad(learning_rate=0.1, initial_accumulator=0.4, eps=0.05),
]
by_name = pytest.mark.parametrize("spec", EXAMPLES, ids=lambda spec: type(spec).__name__)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def published(spec, p, gradients, rates):
    """The parameter after each update, [NUM_STEPS, ...], by the update of the paper."""
    m = v = u = np.zeros_like(p)
    total = np.full_like(p, getattr(spec, "initial_accumulator", 0.0))
    path = []
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        match spec:
            case Adam() | AdamW():
                m, v = spec.b1 * m + (1 - spec.b1) * g, spec.b2 * v + (1 - spec.b2) * g**2
                m_hat, v_hat = m / (1 - spec.b1**t), v / (1 - spec.b2**t)
                decay = rate * spec.weight_decay * p if isinstance(spec, AdamW) else 0.0
                p = p - rate * m_hat / (np.sqrt(v_hat) + spec.eps) - decay
            case Adamax():
                m, u = spec.b1 * m + (1 - spec.b1) * g, np.maximum(spec.b2 * u, np.abs(g) + spec.eps)
                p = p - rate / (1 - spec.b1**t) * m / u
            case SGD():
                m = spec.momentum * m + g
                direction = g + spec.momentum * m if spec.nesterov else m
                p = p - rate * direction - rate * spec.weight_decay * p
            case RMSprop():
                v = spec.decay * v + (1 - spec.decay) * g**2
                m = spec.momentum * m + rate * g / (np.sqrt(v) + spec.eps)
                p = p - m
            case Lion():
                direction = np.sign(spec.b1 * m + (1 - spec.b1) * g)
                p, m = p - rate * (direction + spec.weight_decay * p), spec.b2 * m + (1 - spec.b2) * g
            case Adagrad():
                total = total + g**2
                p = p - rate * g / np.sqrt(total + spec.eps)
        path.append(p)
    return np.stack(path)


def trained(spec, start=START, gradients=GRADIENTS):
    """The parameters after each update, [NUM_STEPS, ...], by `spec.build()`."""
    optimizer = spec.build()

    def step(carry, gradient):
        params, state = carry
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    params, gradients = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), (start, gradients))
    return jax.lax.scan(step, (params, optimizer.init(params)), gradients)[1]


def assert_published(spec, rates):
    path = jax.jit(trained)(spec)
    for name, start in START.items():
        expected = published(spec, start, GRADIENTS[name], rates)
        np.testing.assert_allclose(path[name], expected, rtol=1e-9, atol=1e-12)


@by_name
def test_is_the_published_update(float64, spec):
    assert_published(spec, [0.1] * NUM_STEPS)


@by_name
@pytest.mark.parametrize("schedule", [Linear(start=0.3, end=0.1, steps=4.0), Cosine(steps=6.0, warmup=3.0)])
def test_a_schedule_gives_the_rate_of_each_update_from_step_0(float64, spec, schedule):
    scheduled = pytree.replace(spec, "learning_rate", schedule)
    rates = [float(schedule(step)) for step in range(NUM_STEPS)]
    assert len(set(rates)) > 3
    assert_published(scheduled, rates)


@by_name
def test_defaults_are_the_published_update_too(float64, spec):
    defaults = type(spec)()
    assert_published(defaults, [defaults.learning_rate] * NUM_STEPS)


@by_name
def test_every_hyperparameter_changes_the_result(float64, spec):
    reference = jax.jit(trained)(spec)
    for name in pytree.fields(spec):
        given = getattr(spec, name)
        changed = pytree.replace(spec, name, not given if isinstance(given, bool) else given * 0.5)
        difference = np.abs(jax.jit(trained)(changed)["kernel"] - reference["kernel"])
        assert difference.max() > 1e-5, name


@by_name
def test_two_values_are_one_trace_and_equal_the_eager_ones(float64, spec):
    traces = []

    @jax.jit
    def run(spec):
        traces.append(None)
        return trained(spec)

    other = jax.tree.map(lambda leaf: leaf * 0.9, spec)
    for each in (spec, other):
        jax.tree.map(lambda *two: np.testing.assert_allclose(*two, rtol=1e-10), run(each), trained(each))
    assert len(traces) == 1


@by_name
def test_lanes_of_a_sweep_are_the_single_runs_in_float32(spec):
    other = jax.tree.map(lambda leaf: leaf * 0.9, spec)
    lanes = jax.tree.map(lambda *leaves: jnp.asarray(leaves, jnp.float32), spec, other)
    paths = jax.jit(jax.vmap(trained))(lanes)
    assert paths["kernel"].dtype == jnp.float32
    for lane, each in enumerate((spec, other)):
        alone = jax.jit(trained)(each)
        np.testing.assert_allclose(paths["kernel"][lane], alone["kernel"], rtol=1e-5, atol=1e-6)


@by_name
def test_descends_a_quadratic(spec):
    optimizer = spec.build()
    params = {"w": jnp.asarray([3.0, -2.0])}

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(params, state, params)  # the gradient of |w|^2 / 2 is w
        return (optax.apply_updates(params, updates), state), None

    (final, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), length=300)
    assert np.sum(final["w"] ** 2) < 0.1 * 13


@pytest.mark.parametrize("decayed", [AdamW, SGD, Lion])
def test_weight_decay_is_decoupled(float64, decayed):
    # Without a gradient there is nothing but decay, by the same factor at every step and for every size.
    spec = decayed(learning_rate=0.1, weight_decay=0.5)
    still = jax.tree.map(np.zeros_like, GRADIENTS)
    path = trained(spec, gradients=still)
    for name, start in START.items():
        for t in range(NUM_STEPS):
            np.testing.assert_allclose(path[name][t], start * 0.95 ** (t + 1), rtol=1e-10)


def test_weight_decay_enters_no_moment(float64):
    # The statistics of Adam must see the gradient alone: one step of AdamW is one of Adam, then the decay.
    adam = trained(Adam(learning_rate=0.1))["kernel"][0]
    adamw = trained(AdamW(learning_rate=0.1, weight_decay=0.5))["kernel"][0]
    np.testing.assert_allclose(adam - adamw, 0.05 * START["kernel"], rtol=1e-10)


SPECS = [cls for _, cls in inspect.getmembers(optimizers, inspect.isclass) if pytree.is_spec(cls)]


def test_every_spec_of_the_room_is_tested():
    assert set(SPECS) == {type(spec) for spec in EXAMPLES}


@pytest.mark.parametrize("cls", SPECS)
def test_every_field_has_a_range_and_says_what_it_is(cls):
    assert isinstance(cls(), Optimizer)
    source = inspect.getsource(cls)
    for name, annotation in pytree.fields(cls).items():
        assert re.search(rf'    {name}: .*\n    """.+"""\n', source), name
        parts = [part for part in pytree.alternatives(annotation) if part is not Schedule]
        for part in parts:
            assert part is bool or any(isinstance(m, BaseMetadata) for m in part.__metadata__), name
    assert Schedule in pytree.alternatives(pytree.fields(cls)["learning_rate"])
