"""`--devices` and `--distributed`: what must be said before jax starts, and whole runs over many devices."""

import os
import signal
import socket
import types
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxae
from jaxae.cli import devices
from jaxae.cli.devices import prepare
from jaxae.runs import seals
from tests.cli.calling import CONFIG, call, ended, num_epochs, start, wait_for

FORCED = "--xla_force_host_platform_device_count"
EPOCHS = 40
# Divisible by 2 and by 8; saved at other epochs than it will be interrupted at.
SHARED = CONFIG.replace("batch_size=100", "batch_size=160").replace("epochs=4", f"epochs={EPOCHS}")
SHARED = SHARED.replace("checkpoint_every=1", "checkpoint_every=30")
# Smooth: at a kink of relu a last digit decides the gradient (seen once, after 720 steps: 2e-4 of its norm).
SHARED = SHARED.replace("widths=(8,)", 'widths=(8,), activation="tanh"')


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The two variables as they would be in a new process that has not imported jax."""
    changed = {"XLA_FLAGS": "--xla_a=1"}
    monkeypatch.setattr(devices, "os", types.SimpleNamespace(environ=changed))
    monkeypatch.setattr(devices, "sys", types.SimpleNamespace(modules={}))
    return changed


@pytest.mark.parametrize("arguments", [["--devices", "8"], ["x", "--devices=8"], ["--devices", "8", "--a"]])
def test_a_cpu_is_made_to_count_as_many_as_are_asked_for(
    arguments: list[str], environment: dict[str, str]
) -> None:
    prepare(arguments, default=3)
    assert environment == {"XLA_FLAGS": f"--xla_a=1 {FORCED}=8", "NPROC": "16"}


def test_the_default_stands_where_nothing_is_asked_for(environment: dict[str, str]) -> None:
    prepare(["--device", "2"], default=12)
    assert environment == {"XLA_FLAGS": f"--xla_a=1 {FORCED}=12", "NPROC": "24"}


@pytest.mark.parametrize(
    "arguments",
    [[], ["--devices"], ["--devices="], *(["--devices", n] for n in ("1", "0", "-2", "2.5", "x", "9999"))],
)
def test_what_asks_for_no_devices_is_left_to_who_reads_the_options(
    arguments: list[str], environment: dict[str, str]
) -> None:
    prepare(arguments, default=1 if arguments else None)
    assert environment == {"XLA_FLAGS": "--xla_a=1"}


def test_what_the_environment_says_already_stays(environment: dict[str, str]) -> None:
    environment.update({"XLA_FLAGS": f"{FORCED}=2", "NPROC": "4"})
    prepare(["--devices", "8"])
    assert environment == {"XLA_FLAGS": f"{FORCED}=2", "NPROC": "4"}


def test_once_jax_is_imported_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPROC", raising=False)
    before = dict(os.environ)
    prepare(["--devices", "8"])
    assert jax.device_count() == 1 and dict(os.environ) == before


@pytest.mark.parametrize(
    "arguments, told",
    [
        (
            ["--devices", "2"],
            "devices: got 2, expected a whole number from 1 to 1, the cpu devices that this",
        ),
        (
            ["--devices", "0"],
            "devices: got 0, expected a whole number from 1 to 1, the cpu devices that this",
        ),
        (["--devices", "two"], "--devices: got 'two', expected a whole number"),
        (["--distributed", "True"], "distributed: got True, but no cluster was joined ("),
    ],
)
def test_devices_that_are_not_there_are_one_line(arguments: list[str], told: str, run: Path) -> None:
    for command in (["train", "small.py", "--run-dir", "new"], ["resume", "run"]):
        called = call(*command, *arguments)
        assert called.code == 2 and called.err.count("\n") == 1 and called.out == "", called
        assert called.err.startswith(f"jaxae: {told}")
    assert not Path("new").exists()


@pytest.mark.slow
def test_two_processes_stop_together_and_8_devices_of_one_go_on(tmp_path: Path) -> None:
    """The second of them is asked to stop, and has not a word to say."""
    (tmp_path / "shared.py").write_text(SHARED)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        common = {
            "JAX_COORDINATOR_ADDRESS": f"localhost:{free.getsockname()[1]}",
            "JAX_NUM_PROCESSES": "2",
            "NPROC": "16",
        }
    arguments = ["train", "shared.py", "--run-dir", "run", "--distributed", "True"]
    processes = [start(*arguments, **common, JAX_PROCESS_ID=str(number)) for number in (0, 1)]
    try:
        wait_for(lambda: num_epochs(Path("run")) >= 2, processes[0])
        processes[1].send_signal(signal.SIGTERM)
        first, second = (ended(process) for process in processes)
    finally:
        for process in processes:
            process.kill()
    reached = num_epochs(Path("run"))
    assert reached < EPOCHS
    assert first.err == f"jaxae: stopped after epoch {reached}, saved; `jaxae resume run` continues\n", first
    assert (second.code, second.out, second.err) == (143, "", ""), second
    assert [path.name for path in Path("run/checkpoints").iterdir()] == [str(reached)]

    resumed = ended(start("resume", "run", "--devices", "8"))
    warning = "jaxae: warning: not bitwise equal to an uninterrupted run: divided_over [1, 1] -> [8]\n"
    assert resumed.code == 0 and resumed.err == warning, resumed
    assert call("train", "shared.py", "--run-dir", "one").code == 0
    lines = [jaxae.load(name).history for name in ("run", "one")]
    assert len(lines[0]) == len(lines[1]) == EPOCHS
    for name in ("train", "validation"):
        found, expected = ([list(line[name].values()) for line in history] for history in lines)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    scores = [seals.read(Path(name, "scores.json"))["test"] for name in ("run", "one")]
    # A fit to the few largest weights moves by more than the weights: by 2e-5 on one kind of processor.
    shapes = [each.pop("iwelbo_64_pareto_k") for each in scores]
    np.testing.assert_allclose(shapes[0], shapes[1], rtol=1e-4)
    np.testing.assert_allclose(list(scores[0].values()), list(scores[1].values()), rtol=1e-5)
