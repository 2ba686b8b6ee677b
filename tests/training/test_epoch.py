import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.runs.experiment import EarlyStopping, Experiment, as_arrays
from jaxae.specs.pytree import paths, replace
from jaxae.training import loop, step
from jaxae.training.epoch import NEVER, Carry
from jaxae.types import Batch
from tests import small

ONE = Batch(jnp.zeros((1, 4, 4, 1)), jnp.zeros(1, jnp.int32))


def trained(
    experiment: Experiment, seed: int = 0, first: int = 1, carry: Carry | None = None
) -> tuple[Carry, list]:
    dataset = small.dataset(experiment)
    experiment, key = as_arrays(experiment), keys.root(seed)
    carry = carry or loop.begin(experiment, key, ONE)
    rows = loop.to_device(dataset.train), loop.to_device(dataset.validation)
    results = []
    for result in loop.epochs(experiment, key, carry, *rows, first=first):
        results.append(result._replace(carry=jax.tree.map(jnp.copy, result.carry)))
    return results[-1].carry, results


def test_order_visits_each_row_once_and_another_way_each_epoch() -> None:
    key = keys.root(0)

    def order(epoch: int) -> np.ndarray:
        return np.asarray(loop.order(key, jnp.asarray(epoch), num_rows=23, batch_size=5))

    first, again, other = order(1), order(1), order(2)
    assert first.shape == (4, 5) and len(set(first.ravel())) == 20
    assert (first == again).all() and (first != other).any()
    counts = np.zeros(23)
    for number in range(400):
        counts[order(number).ravel()] += 1
    # Each row is left out of 3 in 23 epochs: binomial, within 5 standard errors.
    expected = 400 * 20 / 23
    assert np.abs(counts - expected).max() < 5 * np.sqrt(400 * 20 / 23 * 3 / 23)


def test_an_epoch_is_the_steps_one_by_one() -> None:
    """The scanned epoch against a plain loop of train steps over the same rows."""
    experiment, key = as_arrays(small.experiment(epochs=1)), keys.root(0)
    dataset = small.dataset(experiment)
    train = loop.to_device(dataset.train)
    state = loop.begin(experiment, key, ONE).state
    one_step = jax.jit(step.train_step)
    for rows in np.asarray(loop.order(key, jnp.asarray(1), num_rows=50, batch_size=10)):
        state, _ = one_step(experiment, keys.named(key, "noise"), state, Batch(train.x[rows]), train.scale)
    carry, _ = trained(small.experiment(epochs=1))
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(carry.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_a_whole_run_compiles_its_epoch_once() -> None:
    before = loop.run_epoch._cache_size()
    trained(small.experiment(small.member("AE"), batch_size=9))
    assert loop.run_epoch._cache_size() == before + 1


def test_two_runs_of_one_seed_are_equal_to_the_bit_and_of_two_seeds_are_not() -> None:
    first, second, other = (trained(small.experiment(), seed)[0] for seed in (0, 0, 1))
    assert small.same_bits(first, second) and not small.same_bits(first, other)


@pytest.mark.parametrize("border", [1, 2, 3, 4])
def test_going_on_from_every_epoch_ends_in_the_same_bits(border: int) -> None:
    experiment = small.experiment(epochs=5, ema_decay=0.9, clip_norm=5.0)
    whole, results = trained(experiment)
    resumed, rest = trained(experiment, first=border + 1, carry=results[border - 1].carry)
    assert small.same_bits(whole, resumed)
    assert [r.train for r in rest] == [r.train for r in results[border:]]
    assert [r.validation for r in rest] == [r.validation for r in results[border:]]


def test_a_moving_table_goes_on_from_an_epoch_to_the_same_bits() -> None:
    """Codes, sums and counts are part of the state, and revivals are drawn by the step's number."""
    experiment = small.experiment(small.member("VQVAE"))
    whole, results = trained(experiment)
    resumed, _ = trained(experiment, first=2, carry=results[0].carry)
    assert small.same_bits(whole, resumed)
    codes = [result.carry.state.variables.extra["codes"] for result in results]
    assert not any(np.array_equal(codes[epoch], codes[epoch + 1]) for epoch in range(2))


@pytest.mark.slow
def test_changing_any_float_recompiles_nothing_and_any_int_does() -> None:
    stopping = EarlyStopping(patience=50)
    experiment = small.experiment(clip_norm=1.0, ema_decay=0.5, early_stopping=stopping, epochs=2)
    trained(experiment)
    before = loop.run_epoch._cache_size()
    floats = [(path, value) for path, _, value in paths(experiment) if isinstance(value, float)]
    assert len(floats) == len(jax.tree.leaves(experiment)) == 8
    for path, value in floats:
        trained(replace(experiment, path, value * 0.5 + 1e-4))
    assert loop.run_epoch._cache_size() == before
    ints = [(path, value) for path, _, value in paths(experiment) if type(value) is int]
    assert len(ints) == 12
    for number, (path, value) in enumerate(ints, start=1):
        trained(replace(experiment, path, value + 1))
        assert loop.run_epoch._cache_size() == before + number, path


@pytest.mark.slow
def test_every_setting_of_the_training_has_an_effect() -> None:
    base = small.experiment(epochs=2)
    plain, _ = trained(base)
    for path, value in {
        "clip_norm": 0.01,
        "compute_dtype": "bfloat16",
        "batch_size": 25,
        "data.binarize": "none",
    }.items():
        assert not small.same_bits(
            plain.state.variables, trained(replace(base, path, value))[0].state.variables
        ), path
    averaged, _ = trained(replace(base, "ema_decay", 0.9))
    assert small.same_bits(averaged.state.variables, plain.state.variables)
    assert not small.same_bits(step.evaluation_variables(averaged.state), plain.state.variables)


def test_the_moving_average_is_that_of_the_parameters() -> None:
    one_epoch = small.experiment(epochs=1, batch_size=50, ema_decay=0.75)  # one step
    start = loop.begin(as_arrays(one_epoch), keys.root(0), ONE)
    before, (carry, _) = start.state.variables.params, trained(one_epoch)
    expected = jax.tree.map(lambda a, b: 0.75 * a + 0.25 * b, before, carry.state.variables.params)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(carry.state.average), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_clipping_bounds_what_the_optimizer_sees() -> None:
    experiment = small.experiment(
        optimizer=jaxae.SGD(learning_rate=1.0), epochs=1, batch_size=50, clip_norm=0.25
    )
    before = loop.begin(as_arrays(experiment), keys.root(0), ONE).state.variables.params
    after, results = trained(experiment)
    moved = jax.tree.map(jnp.subtract, after.state.variables.params, before)
    norm = float(jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(moved))))
    assert results[0].train["gradient_norm"] > 0.25 and norm == pytest.approx(0.25, rel=1e-4)


def test_validation_comes_when_it_is_due_and_at_the_end() -> None:
    _, results = trained(small.experiment(epochs=5, validate_every=3))
    assert [result.validation is not None for result in results] == [False, False, True, False, True]


def test_the_best_state_is_that_of_the_best_epoch_with_its_own_optimizer_state() -> None:
    experiment = small.experiment(
        epochs=8, optimizer=jaxae.Adam(learning_rate=0.5)
    )  # too fast to be monotone
    carry, results = trained(experiment)
    losses = [result.validation["loss"] for result in results]
    best = int(np.argmin(losses)) + 1
    assert int(carry.best_epoch) == best and float(carry.best_score) == pytest.approx(min(losses), rel=1e-6)
    assert best < 8, "the case must be one in which the last epoch is not the best"
    assert small.same_bits(carry.best, results[best - 1].carry.state)


def test_the_score_of_a_warm_up_uses_the_final_weights() -> None:
    """Otherwise the first epoch, whose rate is free, would always be the best."""
    warm = small.member("VAE")
    experiment = small.experiment(
        replace(warm, "beta", jaxae.schedules.Linear(start=0.0, end=1.0, steps=15.0)), epochs=3
    )
    _, results = trained(experiment)
    for result in results:
        assert result.validation["loss"] == pytest.approx(
            result.validation["distortion"] + result.validation["rate"], rel=1e-5
        )


def test_early_stopping_waits_for_its_patience_after_its_warm_up() -> None:
    def stopped_at(**settings: object) -> int:
        stopping = EarlyStopping(min_delta=1e9, **settings)  # type: ignore[arg-type]
        return len(trained(small.experiment(epochs=9, early_stopping=stopping))[1])

    # The first epoch improves on nothing, each later one by less than min_delta.
    assert stopped_at(patience=2) == 3
    assert stopped_at(patience=4) == 5
    assert stopped_at(patience=2, warm_up=3) == 5
    assert len(trained(small.experiment(epochs=4, early_stopping=EarlyStopping(patience=4)))[1]) == 4


def test_patience_counts_validations_and_a_run_that_stops_has_validated_its_last_epoch() -> None:
    def validated(**settings: object) -> tuple[int, list[int]]:
        stopping = EarlyStopping(min_delta=1e9, **settings)  # type: ignore[arg-type]
        changes = {"epochs": 20, "validate_every": 3, "early_stopping": stopping}
        carry, results = trained(small.experiment(small.member("AE"), **changes))
        assert [result.stopped_early for result in results[:-1]] == [False] * (len(results) - 1)
        assert int(carry.best_epoch) in range(3, 21, 3) and results[-1].stopped_early
        return len(results), [result.epoch for result in results if result.validation is not None]

    # Validations at epochs 3, 6, ...; the first improves on nothing, each later one by less than min_delta.
    assert validated(patience=2) == (9, [3, 6, 9])
    # Epochs 3 and 6 are not counted; epoch 9 is the first that has not improved.
    assert validated(patience=2, warm_up=7) == (12, [3, 6, 9, 12])


@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_a_run_that_diverges_stops_with_step_and_term_and_keeps_its_last_good_state(rate: float) -> None:
    experiment = small.experiment(optimizer=jaxae.SGD(learning_rate=rate), epochs=5)
    with pytest.raises(jaxae.Diverged, match=r"diverged at step \d+ \(epoch 1\): .* is (inf|nan|-inf)"):
        trained(experiment)


def test_after_the_first_bad_step_nothing_moves() -> None:
    experiment = as_arrays(small.experiment(optimizer=jaxae.SGD(learning_rate=1e30), epochs=1))
    rows = [
        loop.to_device(split)
        for split in (small.dataset(experiment).train, small.dataset(experiment).validation)
    ]
    carry, report = loop.run_epoch(
        experiment, keys.root(0), loop.begin(experiment, keys.root(0), ONE), *rows, jnp.asarray(1)
    )
    bad = int(carry.first_bad_step)
    assert bad != NEVER and int(carry.state.step) == bad < 5
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(carry.state.variables))
    assert np.isfinite(report.train_loss) or bad == 0
    assert not all(
        np.isfinite(value)
        for value in (*report.bad.terms.values(), report.bad.loss, report.bad.gradient_norm)
    )


def test_streamed_rows_train_to_the_same_bits_as_rows_on_the_device() -> None:
    from jaxae.data.stream import batches

    experiment = small.experiment()
    dataset, key = small.dataset(experiment), keys.root(0)
    arrays = as_arrays(experiment)
    carry, validation = loop.begin(arrays, key, ONE), loop.to_device(dataset.validation)
    results = list(loop.epochs(arrays, key, carry, dataset.train, validation, read=batches))
    whole, expected = trained(experiment)
    assert small.same_bits(results[-1].carry, whole)
    assert [r.train for r in results] == [r.train for r in expected]
