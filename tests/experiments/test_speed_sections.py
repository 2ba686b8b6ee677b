"""The tables and the work formulas of the speed sections, without timing anything."""

import importlib
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxae.types import Batch

SPEED = Path(__file__).parents[2] / "experiments" / "speed"


@pytest.fixture(scope="module", autouse=True)
def on_the_path() -> Iterator[None]:
    sys.path.insert(0, str(SPEED))
    yield
    sys.path.remove(str(SPEED))


def script(name: str) -> Any:
    return importlib.import_module(name)


def counted(function: Any, *arguments: Any) -> float:
    """Floating point operations by XLA's analysis of the program before it is optimised."""
    analysis = jax.jit(function).lower(*arguments).cost_analysis()
    return float(analysis["flops"])


def test_the_work_of_a_prior_is_its_products() -> None:
    prior = script("token_prior").prior_of(32, 2, 4, 64, (4, 4))
    batch = jax.ShapeDtypeStruct((8, 4, 4), jnp.float32)
    make = lambda key, x: prior.init(key, Batch(x))  # noqa: E731
    variables = jax.eval_shape(make, jax.random.key(0), batch)
    tokens, prefix = jnp.zeros((8, 16), jnp.int32), prior.null_prefix(8)
    found = counted(prior.logits, variables, tokens, prefix)
    expected = script("token_prior").flops(32, 2, 64, 16, 8)
    # Norms, softmax and activations come on top of the products.
    assert expected < found < 1.25 * expected


def test_the_work_of_decoding_is_its_products() -> None:
    evaluation = script("evaluation")
    z = jnp.zeros((50, evaluation.SIZES[0]))
    kernels = [jnp.zeros(pair) for pair in itertools.pairwise(evaluation.SIZES)]
    found = counted(lambda z, first, second: (z @ first) @ second, z, *kernels)
    assert found == evaluation.decoder_flops(50) == evaluation.bound_flops(5, 10)
    # A step decodes and comes back, at one point more than it has leapfrogs.
    assert evaluation.annealing_flops(2, 3, 5, 7) == 2 * evaluation.decoder_flops(2 * 3 * 5 * 8)


def test_a_section_has_its_table_and_its_circumstances(tmp_path: Path) -> None:
    sections = script("sections")
    body = sections.table(["work", "ms"], [["a", 1.23456], ["b", "-"]])
    sections.write(tmp_path, "speed/some.py", "Some work", "Notes.", body, {"cases": {"a": 1.23456}})
    text = (tmp_path / "some.md").read_text()
    assert "| work | ms |\n| --- | --- |\n| a | 1.23 |\n| b | - |" in text
    results = json.loads((tmp_path / "some.json").read_text())
    assert results["cases"] == {"a": 1.23456} and {"versions", "device", "date", "command"} <= set(results)
    assert results["date"] in text and results["device"]["processor"] in text


def test_ratios_are_taken_within_rounds() -> None:
    assert script("sections").median_ratio([2.0, 40.0, 6.0], [1.0, 20.0, 2.0]) == 2.0


def test_a_fresh_process_that_fails_ends_the_script() -> None:
    sections = script("sections")
    with pytest.raises(SystemExit, match="ended with 3: no"):
        sections.fresh([sys.executable, "-c", "import sys; sys.stderr.write('no'); sys.exit(3)"])


def test_the_peak_of_a_fresh_process_is_its_own_and_not_that_of_its_parent() -> None:
    sections = script("sections")
    peak = sections.fresh([sys.executable, "-c", "import time; time.sleep(0.2)"])["peak_mib"]
    # This process has imported jax.
    assert 1 < peak < 60 < sections.peak_mib()


def test_no_bound_has_the_name_of_a_group_of_measures() -> None:
    evaluation = script("evaluation")
    assert not set(evaluation.BOUNDS) & {*evaluation.GROUPS, "t-SNE"}


def test_the_row_of_a_runs_files_shares_a_checkpoint_over_ten_epochs() -> None:
    case = {"state_mib": 1.0, "without_ms": 1000.0, "with_ms": 1100.0, "overhead": 0.1}
    parts = {"history": 1.0, "status": 1.0, "checkpoint": 80.0, "digests": 5.0}
    row = script("bookkeeping").row_of("a", {**case, "parts": parts})
    assert row[-2:] == ["8.2 %", "1.0 %"]


def test_the_exponent_is_that_of_a_power_law() -> None:
    growth = script("growth")
    costs = {2: 1.0, 4: 1.0, 8: 2.0, 32: 32.0}  # constant, proportional, squared
    assert growth.exponents(costs) == pytest.approx({4: 0.0, 8: 1.0, 32: 2.0})
    table = growth.section(growth.AXES["k"], {1: 2.0, 2: 4.0})
    assert table.startswith("## Samples k of an IWAE") and "| 2 | 4 | 2e+03 | 1 |" in table


def test_each_curve_changes_one_size(tmp_path: Path) -> None:
    growth = script("growth")
    for name, axis in growth.AXES.items():
        first, last = (axis.point(value) for value in (axis.values[0], axis.values[-1]))
        changed = [first.batch != last.batch, first.shape != last.shape, first.model != last.model]
        assert sum(changed) == 1, name
    growth.draw(tmp_path / "growth.png", {"k": {1: 2.0, 2: 4.0}})
    assert (tmp_path / "growth.png").stat().st_size > 1000
