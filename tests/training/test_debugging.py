"""JAX_DEBUG_NANS and JAX_DEBUG_INFS: silent on healthy runs; a real nan is named with step and operation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.specs.pytree import spec
from jaxae.training import debugging
from jaxae.types import Batch, Key, Terms, Variables
from tests import small
from tests.cli.calling import CONFIG, call

X = small.images()
WITHOUT_VALIDATION = jaxae.DataSpec(num_validation=0, num_test=20)
SICK = small.experiment(small.member("AE"), optimizer=jaxae.SGD(learning_rate=1e30))


@pytest.fixture(
    params=["jax_debug_nans", pytest.param("jax_debug_infs", marks=pytest.mark.slow)], autouse=True
)
def flag(request: pytest.FixtureRequest) -> Iterator[str]:
    jax.config.update(request.param, True)
    yield request.param
    jax.config.update(request.param, False)


@pytest.mark.parametrize("changes", [{"validate_every": 2}, {"data": WITHOUT_VALIDATION}])
def test_a_run_with_epochs_that_do_not_validate_is_healthy(changes: dict[str, Any]) -> None:
    experiment = small.experiment(small.member("AE"), **changes)
    jaxae.fit(experiment, X, run_dir="run", callbacks=lambda result, saved: result.epoch == 1)
    result = jaxae.resume("run", X)
    validated = [line["validation"] is not None for line in result.history]
    assert validated == ([False, True, True] if "validate_every" in changes else [False] * 3)
    assert jaxae.load("run", X).scores == result.scores


@pytest.mark.parametrize("layout", ["map", "vmap"])
def test_a_sweep_whose_lanes_end_at_different_epochs_is_healthy(layout: str) -> None:
    stopping = jaxae.EarlyStopping(patience=1, min_delta=1e9)
    experiment = small.experiment(
        small.member("AE"), epochs=5, validate_every=2, early_stopping=stopping, optimizer=jaxae.SGD()
    )
    over = {"early_stopping.min_delta": [0.0, 1e9]}
    swept = jaxae.sweep(experiment, over, seeds=1, x=X, layout=layout, progress=False)
    assert [row["epochs_run"] for row in swept.rows] == [5, 4]
    assert len(swept.load(swept.rows[1]["run"]).history) == 4


@pytest.mark.slow
def test_every_measure_is_healthy(flag: str) -> None:
    if flag == "jax_debug_infs":
        pytest.skip("log-weights and masks are infinite by design")
    result = jaxae.fit(small.experiment(epochs=1), X)
    assert {"likelihood", "annealing", "gaps", "health", "codes"} <= set(jaxae.measure(result))


def test_a_run_that_diverges_names_step_term_and_operation(flag: str) -> None:
    if flag == "jax_debug_infs":
        pytest.skip("the term is nan, at which this flag does not stop")
    message = r"^diverged at step 2 \(epoch 1\): distortion is nan; invalid value \(nan\) encountered in \w+$"
    with pytest.raises(jaxae.Diverged, match=message) as caught:
        jaxae.fit(SICK, X)
    assert isinstance(caught.value.__cause__, FloatingPointError)


def test_on_the_command_line_it_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    arguments = ("--optimizer", "SGD", "--optimizer.learning_rate", "1e30", "--run-dir", "run")
    called = call("train", "config.py", *arguments)
    (line,) = [line for line in called.err.splitlines() if line.startswith("jaxae: ")]
    assert called.code == 1 and "Traceback" not in called.err and line.startswith("jaxae: diverged at step ")


@spec
class InfiniteAtTheEnd(jaxae.AE):
    """Its terms are infinite after the last of 15 steps."""

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        terms, _ = super().terms(variables, batch, key)
        return {"distortion": terms["distortion"] / (variables.extra < 15)}, variables.extra + 1

    def init(self, key: Key, batch: Batch) -> Variables:
        return super().init(key, batch)._replace(extra=jnp.zeros(()))


def test_what_only_validation_meets_is_found() -> None:
    nets = {"encoder": jaxae.MLP(widths=(12,)), "decoder": jaxae.MLP(widths=(12,))}
    experiment = small.experiment(InfiniteAtTheEnd(latent_dim=3, **nets))
    with jax.debug_nans(False), jax.debug_infs(False):
        history = jaxae.fit(experiment, X, run_dir="run", callbacks=lambda result, saved: True).history
    assert len(history) == 1
    jax.config.update("jax_debug_infs", True)
    try:
        with pytest.raises(FloatingPointError, match=r"^epoch 3: invalid value \(inf\) in "):
            jaxae.resume("run", X)
    finally:
        jax.config.update("jax_debug_infs", False)


def test_a_lane_that_diverges_ends_the_sweep_with_its_run_and_step(flag: str) -> None:
    if flag == "jax_debug_infs":
        pytest.skip("the term is nan, at which this flag does not stop")
    over = {"optimizer.learning_rate": [1e-3, 1e30]}
    sick = small.experiment(small.member("AE"), optimizer=jaxae.SGD())
    message = r"^run [0-9a-f]{12}: diverged at step \d+ \(epoch 1\): \w+ is "
    with pytest.raises(FloatingPointError, match=message):
        jaxae.sweep(sick, over, seeds=1, x=X, layout="map", progress=False)


def test_check_names_the_leaf(flag: str) -> None:
    bad = np.nan if flag == "jax_debug_nans" else np.inf
    tree = {
        "good": jnp.ones(2),
        "key": keys.root(0),
        "half": jnp.ones(1, jnp.bfloat16),
        "whole": np.arange(2),
    }
    debugging.check(tree, "here")
    for dtype in (jnp.float32, jnp.bfloat16):
        with jax.debug_nans(False), jax.debug_infs(False):
            sick = jnp.asarray([1.0, bad], dtype)
            debugging.check({**tree, "sick": sick}, "here")
        with pytest.raises(FloatingPointError, match="^here: invalid value .* in sick"):
            debugging.check({**tree, "sick": sick}, "here")
