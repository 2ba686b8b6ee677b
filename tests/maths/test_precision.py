"""float32 and float64 runs: their types throughout, and that jax's x64 mode changes no bit of either."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys, schedules
from jaxae.estimators import scores
from jaxae.estimators.bound_scores import draw_columns, has_draws
from jaxae.estimators.row_scores import row_columns
from jaxae.maths import precision
from jaxae.runs.experiment import as_arrays, example_batch
from jaxae.sweeps.groups import layouts
from jaxae.training import epoch, loop
from tests import small
from tests.cli.calling import CONFIG, ended, start

X = small.images()
QUICK = ("VAE", "VQVAE", "VQVAE with FSQ", "JumpReLUAE", "WinnerTakeAllAE")


def reals(tree: Any) -> set[str]:
    return {leaf.dtype.name for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in small.MEMBERS]
)
def test_a_float64_run_is_float64_throughout(name: str) -> None:
    """By types alone: state, best state, terms, gradients' norm, scores; and the carry keeps its types."""
    experiment = small.experiment(small.member(name), compute_dtype="float64", ema_decay=0.9, clip_norm=1.0)
    dataset, key = small.dataset(experiment), keys.root(0)
    arrays, batch = as_arrays(experiment), example_batch(dataset)
    with precision.of(experiment):
        carry = jax.eval_shape(loop.begin, arrays, key, batch)
        rows = tuple(loop.to_device(split) for split in (dataset.train, dataset.validation))
        after, report = jax.eval_shape(epoch.run_epoch, arrays, key, carry, *rows, np.int32(1))

        def measure(variables: Any) -> scores.Columns:
            arguments = schedules.at(arrays.model, 0), variables, rows[1], key
            terms = scores.terms_of(*arguments, batch_size=experiment.batch_size)
            alone = row_columns(*arguments[:3], at_once=8)
            draws = draw_columns(*arguments, num_samples=5, at_once=8) if has_draws(arguments[0]) else None
            return scores.Columns(terms, alone, draws)

        found = jax.eval_shape(measure, carry.state.variables)
    types = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (carry, after))
    assert types[0] == types[1] and reals((as_arrays(experiment), carry, report)) == {"float64"}
    assert reals((found.terms, found.rows.rows.get("squared_error", carry), found.draws)) == {"float64"}


@pytest.fixture(scope="module")
def plain() -> jaxae.Result:
    return jaxae.fit(small.experiment(ema_decay=0.9), X)


@pytest.fixture(
    params=[
        pytest.param(False, id="without x64", marks=pytest.mark.slow),
        pytest.param(True, id="with x64"),
    ]
)
def x64(request: pytest.FixtureRequest) -> Iterator[bool]:
    """The process's mode, as JAX_ENABLE_X64 sets it."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param)
    yield request.param
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("x64", [True], indirect=True)
def test_x64_changes_no_bit_of_a_float32_run_and_it_can_be_read_again(plain: jaxae.Result, x64: bool) -> None:
    result = jaxae.fit(
        small.experiment(ema_decay=0.9), X, run_dir="run", callbacks=lambda *seen: seen[0].epoch == 2
    )
    assert len(result.history) == 2
    resumed = jaxae.resume("run", X)
    for found in (resumed, jaxae.load("run", X)):
        assert small.same_bits(found.outcome.carry, plain.outcome.carry) and found.scores == plain.scores
        for name in ("encode", "reconstruct"):
            assert small.same_bits(getattr(found, name)(X), getattr(plain, name)(X))
        assert small.same_bits(found.sample(3), plain.sample(3))
    assert reals(resumed.outcome.carry) == {"float32"}


def test_a_float64_run_resumes_loads_and_is_swept_to_the_same_bits_in_either_mode(x64: bool) -> None:
    experiment = small.experiment(small.member("AE"), compute_dtype="float64")
    seen: list[bool] = []

    def observe(result: Any, saved: bool) -> bool:
        seen.append(bool(jax.config.jax_enable_x64))
        return len(seen) == 1

    whole = jaxae.fit(experiment, X)
    jaxae.fit(experiment, X, run_dir="run", callbacks=observe)
    for found in (jaxae.resume("run", X), jaxae.load("run", X)):
        assert small.same_bits(found.outcome.carry, whole.outcome.carry) and found.scores == whole.scores
    assert seen == [x64], "a callback runs in the mode of whoever called fit"
    assert reals(whole.outcome.carry) == {"float64"} and whole.encode(X).dtype == np.float64
    assert whole.decode(whole.encode(X)).dtype == whole.reconstruct(X).dtype == np.float64
    swept = jaxae.sweep(experiment, seeds=1, x=X, layout="map", progress=False)
    best = swept.load(swept.rows[0]["run"])
    assert small.same_bits(best.outcome.best, whole.outcome.best)
    assert best.scores["test"]["squared_error"] == whole.scores["test"]["squared_error"]


def test_float64_begins_at_the_parameters_of_float32_and_has_their_rows_but_not_their_rounding() -> None:
    """The same order of rows: after one epoch of gradient descent the two differ by rounding alone."""
    changes = {
        "optimizer": jaxae.SGD(learning_rate=1e-3),
        "epochs": 1,
        "data": jaxae.DataSpec(num_validation=20, num_test=20),
    }
    single, double = (
        jaxae.fit(small.experiment(small.member("AE"), compute_dtype=name, **changes), X).outcome.carry
        for name in ("float32", "float64")
    )
    for a, b in zip(*(jax.tree.leaves(carry.state.variables) for carry in (single, double)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert not np.array_equal(np.asarray(a), np.asarray(b)), "float64 has digits that float32 lacks"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_command_line_under_x64(dtype: str, tmp_path: Path) -> None:
    """Trained and swept under JAX_ENABLE_X64=1, scored and measured without it, and the other way round."""
    (tmp_path / "config.py").write_text(CONFIG)
    of_type, found = ("--compute_dtype", dtype), []

    def succeed(flag: str, *arguments: str) -> None:
        called = ended(start(*arguments, JAX_ENABLE_X64=flag))
        assert called.code == 0 and called.err == "", called

    for flag, other in (("1", "0"), ("0", "1")):
        run = f"run{flag}"
        succeed(flag, "train", "config.py", "--run-dir", run, *of_type)
        succeed(flag, "sweep", "config.py", "--run-dir", f"sweep{flag}", "--seeds", "1", *of_type)
        (tmp_path / run / "scores.json").unlink()
        for arguments in (("resume", run), ("evaluate", run, "--measures", "health")):
            succeed(other, *arguments)
        found.append(jaxae.load(run))
    assert small.same_bits(found[0].outcome.carry, found[1].outcome.carry)
    assert found[0].scores == found[1].scores and reals(found[0].outcome.carry) == {dtype}


def test_lanes_are_of_the_experiments_type() -> None:
    experiment = small.experiment(compute_dtype="float64")
    with precision.of(experiment):
        arrays = jax.tree.map(lambda leaf: leaf[None], as_arrays(experiment))
        seeds, halted = jnp.zeros(1, jnp.uint32), jnp.zeros(1, bool)
        lane = layouts.like(arrays, seeds, halted, example_batch(small.dataset(experiment)))
    assert reals(lane) == {"float64"}
