"""One run divided over devices and processes, against the same run on one device."""

import functools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxae
from jaxae.runs import seals
from jaxae.training import parallel, processes
from tests import dividing, small

ROOT = Path(__file__).resolve().parent.parent.parent
CLOSE = 1e-5  # relative: sums are taken in another order


def started(what: str, folder: Path, devices: int, **variables: str) -> subprocess.Popen:
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "NPROC": "16",  # an all-reduce over a CPU's devices waits for a thread each
        "JAX_DEBUG_KEY_REUSE": "0",
        **variables,
    }
    command = [sys.executable, "-W", "error", "-m", "tests.dividing", what, str(folder)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)


def ended(running: list[subprocess.Popen], timeout: float = 300) -> None:
    """Waits for all; none outlives a failure."""
    try:
        said = [process.communicate(timeout=timeout)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(said)


pytestmark = [pytest.mark.slow, pytest.mark.optimised]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs over 8 devices lie, and eight-0.json."""
    made = tmp_path_factory.mktemp("eight")
    ended([started("eight", made, 8)])
    return made


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "eight-0.json").read_text())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run over two processes lies, and two-0.json and two-1.json."""
    made = tmp_path_factory.mktemp("two")
    (made / "a file").touch()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    common = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    ended([started("two", made, 2, **common, JAX_PROCESS_ID=str(number)) for number in (0, 1)])
    return made


def numbers(history: Any) -> Any:
    """Train and validation values of every epoch."""
    return [[line["train"], line["validation"]] for line in history]


def difference(found: Any, expected: Any) -> float:
    """The largest relative difference of two trees' leaves, each taken as a vector."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    vectors = [[np.asarray(leaf, np.float64).ravel() for leaf in pair] for pair in pairs]
    return max(float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-12)) for a, b in vectors)


@functools.cache
def expected(name: str) -> jaxae.Result:
    """The case's run on this process's one device."""
    assert jax.device_count() == 1
    return dividing.fit(name)


def assert_close(found: jaxae.Result, name: str) -> None:
    """History, scores and all that is saved, against the run on one device."""
    one = expected(name)
    assert difference(numbers(found.history), numbers(one.history)) < CLOSE
    assert difference(found.outcome.carry, one.outcome.carry) < CLOSE
    for split in ("validation", "test"):
        mine, expected_scores = ({**result.scores[split]} for result in (found, one))
        # A tail index is fitted to the largest weights' small differences, which magnifies their rounding.
        tails = [name for name in mine if name.endswith("_pareto_k")]
        assert [mine.pop(name) for name in tails] == pytest.approx(
            [expected_scores.pop(name) for name in tails], abs=1e-3
        )
        assert difference(mine, expected_scores) < CLOSE


@pytest.mark.parametrize("name", sorted(dividing.CASES))
def test_a_run_on_8_devices_is_the_run_on_one(name: str, folder: Path) -> None:
    assert_close(jaxae.load(folder / name, small.images()), name)


def test_a_run_interrupted_on_8_devices_goes_on_with_8_or_1(
    folder: Path, told: dict, capsys: pytest.CaptureFixture
) -> None:
    assert_close(jaxae.load(folder / "resumed", small.images()), "VAE")
    assert_close(jaxae.resume(folder / "interrupted", small.images()), "VAE")
    warning = "jaxae: warning: not bitwise equal to an uninterrupted run: divided_over [8] -> [1]\n"
    assert capsys.readouterr().err == warning


def test_on_the_same_devices_a_run_has_the_same_bits(folder: Path, told: dict) -> None:
    loaded = [jaxae.load(folder / name, small.images()).outcome.carry for name in ("VAE", "resumed")]
    assert told["bits"] and small.same_bits(*loaded)


def test_terms_and_extra_see_the_whole_batch(told: dict) -> None:
    one, eight = told["whole"]["1"], told["whole"]["8"]
    assert difference(eight["history"], one["history"]) < CLOSE
    assert difference(eight["extra"], one["extra"]) < CLOSE


def test_each_device_has_its_part_of_the_batch_and_gradients_are_summed_once(told: dict) -> None:
    # Of a step; of the validation rows, which are not shared, in batches of the same size.
    assert told["whole"]["1"]["parts"] == [[16, 4, 4, 1], [16, 4, 4, 1]]
    assert told["whole"]["8"]["parts"] == [[2, 4, 4, 1], [16, 4, 4, 1]]
    assert set(told["collectives"]["1"].values()) == {0}
    assert told["collectives"]["8"] == {
        "all-reduce": 1,
        "all-gather": 0,
        "all-to-all": 0,
        "collective-permute": 0,
    }


def test_what_a_run_leaves_lies_on_one_device(told: dict) -> None:
    assert set(told["devices"]) == {1}


def test_mistakes_are_one_line(told: dict) -> None:
    errors = told["errors"]
    assert errors.pop("7") == "batch_size: got 16, expected a multiple of 7, the devices that share it"
    distributed = "distributed: got True, but jax.distributed.initialize() has not been called"
    assert errors.pop("distributed") == distributed
    for given, message in errors.items():
        assert message.startswith(
            f"devices: got {given}, expected a whole number from 1 to 8, the cpu devices"
        )
        assert "\n" not in message


def test_a_run_over_two_processes_is_the_run_on_one_device(two: Path) -> None:
    """Stopped by the second, resumed by both, on 2 devices each."""
    assert_close(jaxae.load(two / "two", small.images()), "VAE")
    first, second = (json.loads((two / f"two-{number}.json").read_text()) for number in (0, 1))
    assert first["stopped"] and second["stopped"]
    for name in ("history", "scores", "bits"):
        assert first[name] == second[name]
    assert (first["path"], second["path"]) == (str(two / "two"), "None")
    record = seals.read(two / "two" / "record.json")
    assert record["device"]["divided_over"] == [2, 2] and record["flags"]["XLA_FLAGS"] == ""


def test_a_mistake_in_one_process_is_told_in_both(two: Path) -> None:
    first, second = (json.loads((two / f"two-{number}.json").read_text()) for number in (0, 1))
    differs = "has another experiment, seed, data or number of devices than process 0"
    assert (first["other seed"], second["other seed"]) == (f"process 1: {differs}", differs)
    assert second["one fails"].startswith("batch_size: got 100, but there are only 50 training rows next to ")
    assert first["one fails"] == f"process 1: {second['one fails']}"
    assert "holds a run already" in first["taken"] and second["taken"] == f"process 0: {first['taken']}"


def test_one_device_is_no_mesh() -> None:
    assert parallel.make_mesh() is None and parallel.devices_by_process(None) == [1]
    assert processes.is_first(None) and processes.is_true_anywhere(None, lambda: True)
