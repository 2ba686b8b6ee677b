"""Lanes are single runs: to the bit one after another, within rounding side by side, in any company."""

import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxae
from jaxae.data import from_arrays
from jaxae.runs.execution import train
from jaxae.runs.experiment import EarlyStopping, Experiment
from jaxae.runs.run_types import Run
from jaxae.specs.pytree import replace
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups import lanes as one
from jaxae.sweeps.groups import programs
from jaxae.sweeps.groups.programs import number_compiled
from jaxae.sweeps.plan import Planned
from jaxae.training import loop
from jaxae.training.epoch import NEVER
from tests import small
from tests.sweeps import making

pytestmark = pytest.mark.optimised
QUICK = "VAE with 3 samples and a warm-up"
KINDS = ("AE", "VAE", QUICK, "VQVAE", "IWAE", "FactorVAE", "VAE with convolutions", "VAE, planar flow")
MEMBERS = {name: small.member(name) for name in KINDS}
OVER: dict[str, dict[str, list[Any]]] = {
    "AE": {"model.latent_dim": [3]},
    "VQVAE": {"model.quantiser.decay": [0.5, 0.9], "model.quantiser.commitment": [0.25]},
}


def solo(planned: Planned, observe: Any = lambda result, saved: False) -> Any:
    dataset = from_arrays(small.images(), None, planned.experiment.data)
    return train(Run(planned.experiment, dataset, planned.seed), observe)


def distance(left: Any, right: Any) -> float:
    """Relative L2 distance of two trees of arrays."""
    pairs = list(zip(*(map(np.asarray, jax.tree.leaves(tree)) for tree in (left, right)), strict=True))
    squares = sum(float(((a.astype(np.float64) - b) ** 2).sum()) for a, b in pairs)
    return (squares / sum(float((b.astype(np.float64) ** 2).sum()) for _, b in pairs)) ** 0.5


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == QUICK else pytest.mark.slow) for name in MEMBERS],
)
def test_mapped_lanes_have_the_bits_of_single_runs_and_vmapped_ones_are_close(name: str) -> None:
    base = small.experiment(MEMBERS[name], clip_norm=5.0, ema_decay=0.9, epochs=4, validate_every=2)
    program = making.program(OVER.get(name, {"optimizer.learning_rate": [1e-3, 3e-3]}), base=base)
    mapped, side = (making.lanes_of(making.work(program, layout)) for layout in ("map", "vmap"))
    for number, planned in enumerate(program.runs):
        alone = solo(planned)
        assert small.same_bits(making.lane(mapped, number).carry, alone.carry)
        found = making.lane(side, number).carry
        assert distance(found.state.variables, alone.carry.state.variables) < 1e-5
        np.testing.assert_allclose(found.best_score, alone.carry.best_score, rtol=1e-5)


@pytest.mark.slow
def test_reports_are_the_history_of_single_runs() -> None:
    base = small.experiment(epochs=5, validate_every=2)
    program = making.program(base=base, seeds=1)
    lanes = making.lanes_of(making.work(program))
    for number, planned in enumerate(program.runs):
        reports = making.lane(lanes.reports, number)
        for line in solo(planned).history:
            at = line["epoch"] - 1
            assert float(reports.train_loss[at]) == line["train"]["loss"]
            assert float(reports.train["rate"][at]) == line["train"]["rate"]
            if line["validation"] is None:
                assert float(reports.validation_loss[at]) == 0.0
            else:
                assert float(reports.validation_loss[at]) == line["validation"]["loss"]


@pytest.mark.parametrize("layout", ["map", pytest.param("vmap", marks=pytest.mark.slow)])
def test_slot_and_neighbours_change_no_bit(layout: str) -> None:
    program = making.program({"model.beta": [0.5, 1.0, 2.0, 4.0, 8.0]}, seeds=1)
    names = [run.id for run in program.runs]
    first = making.lanes_of(making.work(program, layout, names[:4]))
    moved = making.lanes_of(making.work(program, layout, [names[4], names[3], names[0], names[1]]))
    for here, there in ((0, 2), (1, 3), (3, 1)):
        assert small.same_bits(making.lane(first, here), making.lane(moved, there))
    padded = making.lanes_of(making.work(program, layout, names[:2], width=4))
    for number in (0, 1):
        assert small.same_bits(making.lane(first, number), making.lane(padded, number))
    assert int(padded.epochs[2]) == 0 and bool(padded.halted[3]), "a lane that pads is never trained"


@pytest.mark.parametrize("layout", ["map", pytest.param("vmap", marks=pytest.mark.slow)])
@pytest.mark.parametrize("sick", [1e30, pytest.param(float("inf"), marks=pytest.mark.slow)])
def test_a_lane_that_diverges_changes_no_other_by_one_bit(layout: str, sick: float) -> None:
    rates = [1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7e-3, 8e-3]
    program = making.program({"optimizer.learning_rate": rates}, seeds=1)
    healthy = making.work(program, layout)
    ill = healthy._replace(experiments=_with_rate(healthy.experiments, 3, sick))
    good, bad = making.lanes_of(healthy), making.lanes_of(ill)
    for number in range(8):
        if number != 3:
            assert small.same_bits(making.lane(good, number), making.lane(bad, number))
    assert (np.asarray(good.carry.first_bad_step) == NEVER).all()
    lane = making.lane(bad, 3)
    assert int(lane.carry.first_bad_step) == 1, "the first update is finite, and ruins the second loss"
    assert int(lane.carry.state.step) == 1 and int(lane.epochs) == 1, "frozen at the last good step"
    assert np.isfinite(float(lane.carry.first_bad_step)) and not lane.reports.train_loss[1:].any()


def _with_rate(experiments: Experiment, number: int, rate: float) -> Experiment:
    rates = experiments.optimizer.learning_rate  # type: ignore[attr-defined]
    return replace(experiments, "optimizer.learning_rate", rates.at[number].set(rate))


@pytest.mark.slow
def test_a_diverged_lane_is_a_row_with_its_first_bad_step_as_a_single_run_tells(tmp_path: Path) -> None:
    program = making.program({"optimizer.learning_rate": [1e-3, 1e30]}, seeds=1)
    good, bad = making.table(tmp_path, making.work(program))
    with pytest.raises(jaxae.Diverged) as told:
        solo(program.runs[1])
    assert good["status"] == "finished" and good["first_bad_step"] is None and good["reason"] is None
    assert bad["status"] == "diverged" and bad["reason"] == str(told.value)
    assert f"step {bad['first_bad_step']} " in bad["reason"] and bad["epochs_run"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["map", pytest.param("vmap", marks=pytest.mark.slow)])
def test_each_lane_stops_early_by_itself(layout: str, tmp_path: Path) -> None:
    stopping = EarlyStopping(patience=2, min_delta=0.05)
    base = small.experiment(early_stopping=stopping, epochs=12)
    program = making.program({"optimizer.learning_rate": [1e-8, 1e-3, 1e-2]}, seeds=1, base=base)
    rows = making.table(tmp_path, making.work(program, layout))
    expected = [len(solo(planned).history) for planned in program.runs]
    assert [row["epochs_run"] for row in rows] == expected and len(set(expected)) > 1
    assert [row["status"] for row in rows] == ["stopped" if n < 12 else "finished" for n in expected]


@pytest.mark.slow
def test_the_best_epoch_is_chosen_by_validation_under_the_final_weights(tmp_path: Path) -> None:
    warm_up = replace(
        small.experiment(epochs=6), "model.beta", jaxae.schedules.Linear(start=0.0, end=1.0, steps=15.0)
    )
    rates = [3e-3, 0.3]  # the second is best early on
    program = making.program({"optimizer.learning_rate": rates}, seeds=2, base=warm_up)
    rows = making.table(tmp_path, making.work(program))
    for row, planned in zip(rows, program.runs, strict=True):
        carry = solo(planned).carry
        assert (row["best_epoch"], row["best_score"]) == (int(carry.best_epoch), float(carry.best_score))
    assert len({row["best_epoch"] for row in rows}) > 1


def test_scores_are_those_of_single_runs_within_rounding(tmp_path: Path) -> None:
    program = making.program(seeds=1)
    for row, planned in zip(making.table(tmp_path, making.work(program)), program.runs, strict=True):
        dataset = from_arrays(small.images(), None, planned.experiment.data)
        run = Run(planned.experiment, dataset, planned.seed)
        scores = jaxae.runs.execution.scores(run, train(run))
        for split in ("validation", "test"):
            for name, expected in scores[split].items():
                # A standard error rounds as the values do that it is the error of.
                size = scores[split][name.removesuffix("_standard_error")]
                # The shape of a tail is fitted to differences of exponentials.
                tolerance = 1e-4 if name.endswith("pareto_k") else 1e-6 * abs(size)
                assert row[f"{split}.{name}"] == pytest.approx(expected, abs=tolerance), name
        terms = scores["test"]
        assert row["test.loss"] == pytest.approx(
            terms["distortion"] + planned.experiment.model.beta * terms["rate"], rel=1e-6
        )


def test_lanes_are_scored_in_smaller_chunks_when_memory_runs_out() -> None:
    program = making.program(seeds=1)
    made = making.work(program)
    lanes = making.lanes_of(made, last=1)
    arguments = made.experiments, made.seeds, lanes, loop.to_device(program.dataset.test)
    scoring = programs.scoring(groups._inputs(made), program.num_steps)

    def full(*arguments: Any) -> Any:
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")

    parts: tuple[one.Part, ...] = "rows", "draws"
    for part in parts:
        compiled = scoring["test", part].result()
        found, expected = compiled._replace(compiled=full)(*arguments), compiled(*arguments)
        close = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6, err_msg=part)
        jax.tree.map(close, found, expected)


@pytest.mark.slow
def test_one_program_for_a_structure_however_many_runs_groups_and_epochs(tmp_path: Path) -> None:
    planned = jaxae.sweeps.plan.plan(
        small.experiment(batch_size=7),
        jaxae.grid({"model.beta": making.BETAS, "model.latent_dim": [2, 3]}),
        range(3),
        making.load,
    )
    assert [len(program.runs) for program in planned] == [12, 12]
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))
    before = number_compiled()

    def compilations() -> int:
        return compiled.count("/jax/core/compile/backend_compile_duration")

    once: list[int] = []
    for number, program in enumerate(planned):
        names = [run.id for run in program.runs]
        for start in (0, 4, 8):
            made = making.work(program, "map", names[start : start + 4])
            making.table(tmp_path / f"{number}-{start}", made)
            once.append(compilations())
    assert number_compiled() == before + 2
    of_each_group = np.diff([0, *once])
    assert of_each_group[0] >= 4 and of_each_group[3] >= 4, "begin, advance and two scores at least"
    assert (of_each_group[[1, 2, 4, 5]] == 0).all(), (
        "what a structure has compiled is enough for all its groups"
    )


def test_the_seeds_ends_give_the_keys_of_single_runs() -> None:
    seeds = [0, 1, 2**31 - 1, 2**31, 2**32 - 1]
    from jaxae import keys

    made = jax.vmap(keys.root)(np.asarray(seeds, np.uint32))
    for seed, key in zip(seeds, made, strict=True):
        assert (jax.random.key_data(keys.root(seed)) == jax.random.key_data(key)).all()
