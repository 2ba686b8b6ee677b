"""Runs of a number of steps: exactly that many updates, in any epoch, layout and way of reading."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxae
from jaxae.cli import options
from jaxae.errors import JaxaeError
from jaxae.runs.experiment import Experiment
from jaxae.sweeps.plan import apply
from tests import small

X = small.images()
# 50 training rows and batches of 10: five steps in an epoch.
AE = small.member("AE")


def fit(**changes: Any) -> jaxae.Result:
    return jaxae.fit(small.experiment(AE, **changes), X)


@pytest.fixture(scope="module")
def cut() -> jaxae.Result:
    return fit(steps=13)


def test_a_run_takes_exactly_its_steps(cut: jaxae.Result) -> None:
    assert [line["step"] for line in cut.history] == [5, 10, 13]
    assert cut.experiment.epochs == 3 and cut.experiment.steps == 13
    assert int(cut.outcome.carry.state.step) == 13 and cut.history[-1]["validation"]


@pytest.mark.optimised
@pytest.mark.slow
def test_the_cut_epoch_is_the_first_part_of_the_whole_one() -> None:
    """Against a run of whole epochs, and against 13 calls of `train_step` on the same batches."""
    from jaxae import keys
    from jaxae.runs.experiment import as_arrays
    from jaxae.training import loop, step
    from jaxae.types import Batch

    cut, whole = fit(steps=13), fit(epochs=3)
    # Validation losses of the whole epochs are those of a run of epochs, to the bit.
    assert [line["validation"] for line in cut.history[:2]] == [
        line["validation"] for line in whole.history[:2]
    ]
    experiment, key, train = as_arrays(cut.experiment), keys.root(0), cut.run.dataset.train
    orders = [np.asarray(loop.order(key, np.int32(n), num_rows=50, batch_size=10)) for n in (1, 2, 3)]
    state = loop.begin(experiment, key, Batch(np.zeros((1, 4, 4, 1), np.float32))).state
    one_step, losses = jax.jit(step.train_step), []
    for rows in np.concatenate(orders)[:13]:
        state, info = one_step(experiment, keys.named(key, "noise"), state, Batch(train.x[rows]), train.scale)
        losses.append(float(info.loss))
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(cut.outcome.carry.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    # The means of the last epoch are those of its three steps.
    assert cut.history[-1]["train"]["loss"] == pytest.approx(np.mean(losses[10:]), rel=1e-5)


@pytest.mark.optimised
def test_steps_of_whole_epochs_are_those_epochs_to_the_bit() -> None:
    by_steps, by_epochs = fit(steps=15), fit(epochs=3)
    assert small.same_bits(by_steps.outcome.carry, by_epochs.outcome.carry)
    assert by_steps.scores == by_epochs.scores


def test_fewer_steps_than_an_epoch_are_one_short_epoch() -> None:
    result = fit(steps=3)
    assert [line["step"] for line in result.history] == [3] and result.experiment.epochs == 1


@pytest.mark.slow
def test_a_divergence_in_the_cut_epoch_is_named() -> None:
    with pytest.raises(jaxae.Diverged, match="step "):
        fit(steps=13, optimizer=jaxae.SGD(learning_rate=1e30))


@pytest.mark.optimised
@pytest.mark.slow
@pytest.mark.parametrize("border", [1, 2])
def test_a_stopped_run_ends_in_the_same_bits(border: int, tmp_path: Path) -> None:
    experiment = small.experiment(AE, steps=13)
    jaxae.fit(experiment, X, run_dir=tmp_path / "run", callbacks=lambda epoch, saved: epoch.epoch == border)
    resumed = jaxae.resume(tmp_path / "run", X)
    assert small.same_bits(resumed.outcome.carry, jaxae.fit(experiment, X).outcome.carry)
    assert resumed.experiment.steps == 13


@pytest.mark.optimised
@pytest.mark.slow
def test_streamed_rows_give_the_same_bits(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X)
    data = jaxae.DataSpec(name=str(tmp_path / "x.npz"), num_validation=20, num_test=20)
    here, streamed = (
        jaxae.fit(small.experiment(AE, data=data, steps=13)),
        jaxae.fit(
            small.experiment(
                AE, steps=13, data=jaxae.DataSpec(name=data.name, num_validation=20, num_test=20, stream=True)
            )
        ),
    )
    assert small.same_bits(here.outcome.carry.state, streamed.outcome.carry.state)
    assert [line["train"] for line in here.history] == [line["train"] for line in streamed.history]


@pytest.mark.optimised
@pytest.mark.slow
def test_lanes_of_a_sweep_take_the_same_steps() -> None:
    experiment = small.experiment(AE, steps=13)
    results = jaxae.sweep(experiment, {"optimizer.learning_rate": [1e-3, 3e-3]}, x=X, seeds=2, progress=False)
    assert len(results.rows) == 4 and {row["epochs_run"] for row in results.rows} == {3}
    row = next(row for row in results.rows if row["seed"] == 0 and row["optimizer.learning_rate"] == 3e-3)
    single = jaxae.fit(experiment, X)
    lane = results.load(row["run"])
    assert [line["step"] for line in lane.history] == [5, 10, 13]
    for found, expected in zip(lane.history, single.history, strict=True):
        assert found["train"] == pytest.approx(expected["train"], rel=1e-5)
        assert found["validation"] == pytest.approx(expected["validation"], rel=1e-5)


def test_the_last_given_of_epochs_and_steps_decides() -> None:
    by_steps = options.changed(Experiment(epochs=30), "steps", ["100"])
    assert by_steps.steps == 100 and options.changed(by_steps, "epochs", ["7"]).steps is None
    assert apply(by_steps, {"epochs": 7}).steps is None and apply(Experiment(), {"steps": 9}).steps == 9
    with pytest.raises(JaxaeError, match="epochs and steps: both are given"):
        apply(Experiment(), {"steps": 9, "epochs": 2})
    with pytest.raises(JaxaeError, match="steps: got 0"):
        fit(steps=0)
    with pytest.raises(JaxaeError, match="2\\^31"):
        fit(steps=2**31)
