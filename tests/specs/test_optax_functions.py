"""Specs of optax's functions: optax itself is the oracle, on a toy tree and through the train step."""

import pickle
import subprocess
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxae
from jaxae import Optax, OptaxSchedule, keys
from jaxae.contract import components
from jaxae.contract.trial import Trial
from jaxae.errors import JaxaeError
from jaxae.protocols import Optimizer, Schedule
from jaxae.runs import config
from jaxae.runs.experiment import as_arrays
from jaxae.specs import optax_functions
from jaxae.specs.pytree import fields, required
from jaxae.specs.records import from_record, to_record, unknown_classes, validate
from jaxae.training import step
from jaxae.training.evaluated import evaluated_parameters
from tests import small

START = {"kernel": jnp.linspace(-1.0, 1.0, 6).reshape(3, 2), "bias": jnp.ones(2)}
EXTRA = {"value": jnp.float32(1.0)}
LR = {"learning_rate": 0.1}

# The lines of the table in docs/howto/own_optimiser.md that say more than "works"; the rest is slow.
SPECIAL: dict[str, Any] = {
    "chain": Optax(optax.chain, Optax(optax.clip, max_delta=0.5), jaxae.Adam()),
    "MultiSteps": Optax(optax.MultiSteps, jaxae.Adam(), 2),
    "apply_if_finite": Optax(optax.apply_if_finite, jaxae.Adam(), max_consecutive_errors=3),
    "lookahead": Optax(optax.lookahead, jaxae.SGD(), sync_period=2, slow_step_size=0.5),
    "schedule_free_adamw": Optax(optax.contrib.schedule_free_adamw, learning_rate=0.01, warmup_steps=3),
    "reduce_on_plateau": Optax(optax.chain, jaxae.Adam(), Optax(optax.contrib.reduce_on_plateau, patience=1)),
    "lbfgs": Optax(optax.lbfgs),
    "sam": Optax(optax.contrib.sam, jaxae.SGD(), jaxae.SGD(), opaque_mode=True),
    "muon": Optax(optax.contrib.muon, **LR),
    "schedule": Optax(optax.lion, OptaxSchedule(optax.warmup_cosine_decay_schedule, 0.0, 0.1, 2, 9)),
}


def traced_steps(optimizer: Any, num: int = 2) -> Any:
    """Shapes of the parameters to evaluate after some train steps of a small model, floats traced."""
    model = jaxae.AE(
        encoder=jaxae.MLP(widths=()), decoder=jaxae.MLP(widths=()), latent_dim=2, data_shape=(3,)
    )
    experiment = as_arrays(validate(jaxae.Experiment(model=model, optimizer=optimizer, clip_norm=1.0)))

    def steps(experiment: Any, batch: Any) -> Any:
        state = step.create(experiment, keys.root(0), batch)
        for _ in range(num):
            state, _ = step.train_step(experiment, keys.root(1), state, batch, jnp.ones(()))
        return step.evaluation_variables(state)

    return jax.eval_shape(steps, experiment, jaxae.Batch(jnp.ones((4, 3))))


@pytest.mark.parametrize("name", ["lbfgs", "sam"])
def test_a_line_search_is_refused_within_a_group_of_parameters(name: str) -> None:
    trial = Trial(jaxae.FactorVAE(), jaxae.Batch(jnp.ones((4, 3))), variables=jaxae.Variables(START, ()))
    components.check_optimizer(SPECIAL["reduce_on_plateau"], trial)
    with pytest.raises(JaxaeError, match=f"optax.(contrib.)?{name}.build raised .*separate optimisers"):
        components.check_optimizer(SPECIAL[name], trial)
    components.check_optimizer(SPECIAL[name], trial._replace(model=jaxae.AE()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lookahead", "schedule_free_adamw", "reduce_on_plateau", "lbfgs"])
def test_a_resumed_run_equals_one_that_was_never_interrupted(name: str, tmp_path: Path) -> None:
    model = jaxae.AE(**small.LAYER, latent_dim=2)
    experiment = small.experiment(model, optimizer=SPECIAL[name])
    whole = jaxae.fit(experiment, small.images())
    jaxae.fit(experiment, small.images(), run_dir=tmp_path / "run", callbacks=lambda *seen: True)
    resumed = jaxae.resume(tmp_path / "run", small.images())
    assert small.same_bits(resumed.outcome.carry, whole.outcome.carry) and resumed.scores == whole.scores


@pytest.mark.parametrize("optimizer", SPECIAL.values(), ids=SPECIAL)
def test_a_train_step_takes_what_the_docs_list(optimizer: Any) -> None:
    shapes = traced_steps(optimizer, 1)
    assert sorted(shapes.params) == ["decoder", "encoder"]
    assert from_record(to_record(optimizer), Optimizer) == pickle.loads(pickle.dumps(optimizer)) == optimizer


def example(cls: Any) -> Any:
    """An instance with a value for each argument that has no default."""
    of_type = {Optimizer: jaxae.Adam(), Schedule: jaxae.schedules.Constant(value=0.1), int: 2, str: "linear"}
    of_name = {"boundaries": (3,), "schedules": (jaxae.schedules.Constant(value=0.1),) * 2}
    always = {"args": (jaxae.Adam(),), "key": 0, "opaque_mode": True, "decay_steps": 9}
    hints = fields(cls)
    needed = {name: of_name.get(name, of_type.get(hints[name], 0.1)) for name in required(cls)}
    return cls(**needed | {name: value for name, value in always.items() if name in hints})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:optax")
@pytest.mark.parametrize("name", optax_functions.names(Optimizer))
def test_every_transformation_of_optax_takes_train_steps(name: str) -> None:
    # optax's own formulas rely on rank promotion, which the tests forbid elsewhere.
    with jax.numpy_rank_promotion("allow"):
        traced_steps(example(optax_functions.named(name)))


@pytest.mark.parametrize("name", optax_functions.names(Schedule))
def test_every_schedule_of_optax_is_one_here(name: str) -> None:
    schedule = example(optax_functions.named(name))
    assert isinstance(schedule, Schedule) and from_record(to_record(schedule), Schedule) == schedule
    expected = schedule.function(**{field: getattr(schedule, field) for field in fields(schedule)})
    np.testing.assert_allclose(schedule(4), expected(4), rtol=1e-6)
    # Traced, as in a train step, where leaves are arrays and the step is one.
    traced = jax.eval_shape(lambda schedule, step: schedule(step), jax.tree.map(jnp.float32, schedule), 4)
    assert traced.shape == () and traced.dtype == jnp.float32


def test_most_of_optax_can_be_used() -> None:
    """A new version of optax may add functions; that none is lost by accident shows here."""
    assert len(optax_functions.names(Optimizer)) >= 100 and len(optax_functions.names(Schedule)) >= 11


NOT_USABLE = {
    "optax.contrib.dpsgd": "needs the gradient of each example",
    "optax.contrib.scale_by_muon": "use optax.contrib.muon",
    "optax.inject_hyperparams": "is traced already",
    "optax.masked": "mask is a function, an array or a tree",
    "optax.multi_transform": "which no record can hold; write a spec with `build`",
    "optax.named_chain": "use optax.chain",
    "optax.piecewise_constant_schedule": "use jaxae.schedules.Piecewise",
    "optax.apply_updates": "returns no transformation",
    "optax.constant_schedule": "use jaxae.OptaxSchedule",
}


@pytest.mark.parametrize("name", NOT_USABLE)
def test_what_cannot_be_used_gives_its_reason(name: str) -> None:
    module, _, function = name.rpartition(".")
    of_module = optax.contrib if module == "optax.contrib" else optax
    with pytest.raises(JaxaeError, match="Optax: ") as raised:
        Optax(getattr(of_module, function))
    assert NOT_USABLE[name] in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Optax(optax.adam), "optax.adam: the argument learning_rate is missing"),
        (lambda: Optax(optax.adam, lr=1.0), "unknown argument lr; valid: b1"),
        (lambda: Optax(optax.adam, 1.0, learning_rate=1.0), "learning_rate is given twice"),
        (lambda: Optax(optax.adam, *range(9)), "got 9 positional arguments, expected at most 7"),
        (lambda: Optax(optax.adamw, 1.0, mask=min), "mask is a function, an array or a tree"),
        (lambda: Optax(lambda: optax.adam(1.0)), "<lambda>, expected a function at the top level"),
        (lambda: Optax(optax.adam(1.0)), "got a GradientTransformationExtraArgs, expected a function"),
        (lambda: Optax("optax.adam"), "got 'optax.adam', expected a function"),
        (lambda: OptaxSchedule(optax.adam, 1.0), "optax.adam returns a transformation; use jaxae.Optax"),
        (lambda: validate(Optax(optax.adam, "x"), Optimizer), "learning_rate: got 'x'"),
        (lambda: validate(Optax(optax.chain), Optimizer), "optax.chain got no transformations"),
        (lambda: validate(Optax(optax.contrib.sam, *[jaxae.SGD()] * 2), Optimizer), "opaque_mode=True"),
    ],
)
def test_a_mistake_is_one_line(make: Any, message: str) -> None:
    with pytest.raises(JaxaeError) as raised:
        make()
    assert message in str(raised.value) and "\n" not in str(raised.value)


@jax.jit
def path(optimizer: Any) -> tuple[Any, Any]:
    """The parameters after five steps down a bowl, and those to evaluate."""
    transformation = optax.with_extra_args_support(optimizer.build())
    params, state = START, transformation.init(START)
    for _ in range(5):
        updates, state = transformation.update(params, state, params, **EXTRA)
        params = optax.apply_updates(params, updates)
    return params, evaluated_parameters(state, params)


@pytest.mark.parametrize(
    "of_optax, own",
    [
        (Optax(optax.adam, **LR), jaxae.Adam(learning_rate=0.1)),
        (Optax(optax.adamw, weight_decay=0.2, **LR), jaxae.AdamW(weight_decay=0.2, learning_rate=0.1)),
        (Optax(optax.lion, **LR), jaxae.Lion(learning_rate=0.1)),
    ],
)
def test_the_same_function_gives_the_same_bits_as_jaxaes_spec(of_optax: Any, own: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, path(of_optax)[0], path(own)[0])


def test_numbers_are_traced_and_change_the_result() -> None:
    before = path._cache_size()
    first, second = path(Optax(optax.yogi, 0.1))[0], path(Optax(optax.yogi, 0.2, eps=0.5))[0]
    assert path._cache_size() == before + 1
    assert not np.array_equal(first["bias"], second["bias"])


def test_lookahead_trains_fast_parameters_and_evaluates_the_slow_ones() -> None:
    spec = Optax(optax.lookahead, jaxae.SGD(learning_rate=0.1), sync_period=2, slow_step_size=0.3)
    lookahead = optax.lookahead(optax.sgd(0.1), 2, 0.3)
    pair = optax.LookaheadParams.init_synced(START)
    state = lookahead.init(pair)
    for _ in range(5):
        updates, state = lookahead.update(pair.fast, state, pair)
        pair = optax.apply_updates(pair, updates)
    fast, slow = path(spec)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), (fast, slow), tuple(pair))
    assert not np.allclose(fast["bias"], slow["bias"])


def test_a_schedule_free_optimiser_evaluates_its_average_also_within_a_group() -> None:
    transformation = optax.contrib.schedule_free(optax.sgd(0.1), 0.1)
    moved = {name: leaf + 1.0 for name, leaf in START.items()}
    state = transformation.init(START)
    expected = optax.contrib.schedule_free_eval_params(state, moved)
    evaluated = evaluated_parameters((optax.EmptyState(), state), moved)
    jax.tree.map(np.testing.assert_array_equal, evaluated, expected)
    assert not np.allclose(moved["bias"], evaluated["bias"])
    groups = optax.partition({"a": transformation, "b": optax.sgd(0.1)}, {"kernel": "a", "bias": "b"})
    inside = evaluated_parameters(groups.init(START), moved)
    np.testing.assert_array_equal(inside["bias"], moved["bias"])
    np.testing.assert_array_equal(inside["kernel"], expected["kernel"])


def test_reduce_on_plateau_sees_the_loss() -> None:
    plateau = Optax(optax.contrib.reduce_on_plateau, factor=0.5, patience=1)
    reduced = path(Optax(optax.chain, jaxae.SGD(learning_rate=0.1), plateau))[0]
    # The value never improves on the first one, so each later step but one halves the rate.
    assert not np.allclose(reduced["bias"], path(jaxae.SGD(learning_rate=0.1))[0]["bias"])


def test_a_record_cannot_call_any_function() -> None:
    assert subprocess.run.__module__ == "subprocess"
    for name in ("subprocess.run", "os.system", "optax.apply_updates", "builtins.print"):
        record = {"class": name, "args": "true"}
        assert unknown_classes(record) == [name]
        with pytest.raises(JaxaeError, match="unknown class"):
            from_record(record, Optimizer)


OWN = """\
import optax
import jaxae

def slow(learning_rate: float, factor: float = 0.5) -> optax.GradientTransformation:
    '''Slower than asked.

    Args:
      learning_rate: Rate of the step.
    '''
    return optax.sgd(learning_rate * factor)

def undeclared(learning_rate):
    return optax.sgd(learning_rate)

experiment = jaxae.Experiment(optimizer=jaxae.Optax(undeclared, learning_rate=0.1))
"""


def test_a_users_function_is_named_by_its_module(tmp_path: Path) -> None:
    (tmp_path / "own_rule.py").write_text(OWN)
    module: Any = config.execute(tmp_path / "own_rule.py")
    spec = Optax(module.slow, learning_rate=0.1)
    record = to_record(spec)
    assert record == {"class": "jaxae_configs.own_rule.slow", "learning_rate": 0.1, "factor": 0.5}
    assert from_record(record, Optimizer) == spec
    assert type(spec).argument_docs == {"learning_rate": "Rate of the step."}
    record = to_record(module.experiment.optimizer)
    assert from_record(record, Optimizer) == module.experiment.optimizer


def test_it_says_how_it_was_made() -> None:
    text = repr(Optax(optax.chain, Optax(optax.clip, 1.0)))
    assert text == "Optax(optax.chain, Optax(optax.clip, max_delta=1.0))"
    assert eval(text, {"Optax": Optax, "optax": optax}) == Optax(optax.chain, Optax(optax.clip, 1.0))
