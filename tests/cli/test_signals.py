"""Signals and kills at a running `jaxae train`: what is saved goes on to the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import jaxae
from tests import small
from tests.cli.calling import CONFIG, Called, call, catches, ended, num_epochs, start, wait_for

EPOCHS = 40
# Long enough to be interrupted, and saved at epochs that are not the interrupted ones.
LONG = CONFIG.replace("epochs=4", f"epochs={EPOCHS}").replace("checkpoint_every=1", "checkpoint_every=3")
LONG = LONG.replace("latent_dim=2", "latent_dim=2, num_samples=3").replace("batch_size=100", "batch_size=5")
ANSWER = "jaxae: stopping after this epoch, which is saved; Ctrl-C again stops now\n"

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the long run comes to when nothing happens to it."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "long.py").write_text(LONG)
        called = call("train", "long.py", "--run-dir", "run")
        assert called.code == 0, called
        return come_to(folder / "run")


def come_to(run: Path) -> dict[str, Any]:
    """Parameters, optimiser state and all that is saved; history without seconds; scores."""
    result = jaxae.load(run)
    history = [{name: value for name, value in line.items() if name != "seconds"} for line in result.history]
    return {"carry": result.outcome.carry, "history": history, "scores": result.scores}


def assert_equal(run: Path, expected: dict[str, Any]) -> None:
    found = come_to(run)
    assert small.same_bits(found["carry"], expected["carry"])
    assert found["history"] == expected["history"] and len(found["history"]) == EPOCHS
    assert found["scores"] == expected["scores"]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    (tmp_path / "long.py").write_text(LONG)
    return Path("run")


@pytest.mark.slow
def test_a_run_that_is_interrupted_again_and_again_ends_in_the_same_bits(
    long: Path, uninterrupted: dict[str, Any]
) -> None:
    """By each signal in turn, sent to the process group as a terminal does."""
    arguments, reached = ["train", "long.py", "--run-dir", "run"], 0
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = start(*arguments)
        wait_for(lambda: num_epochs(long) >= reached + 4, process)  # noqa: B023 (called before it changes)
        os.killpg(process.pid, number)
        stopped = ended(process)
        assert stopped.code == code, stopped
        arguments, reached = ["resume", "run"], num_epochs(long)
        saved = max(int(path.name) for path in (long / "checkpoints").iterdir() if path.name.isdecimal())
        if number == signal.SIGKILL:
            assert reached - 6 < saved <= reached
        else:
            told = f"{ANSWER}jaxae: stopped after epoch {reached}, saved; `jaxae resume run` continues\n"
            assert saved == reached and stopped.err == told
    assert reached < EPOCHS and not (long / "scores.json").exists()
    called = call("resume", "run")
    assert called.code == 0 and called.err == "", called
    assert_equal(long, uninterrupted)


@pytest.mark.slow
def test_a_signal_while_scoring_is_answered_at_once(long: Path, uninterrupted: dict[str, Any]) -> None:
    """Held at the moment by a config that is slow to draw."""
    slow = "import time, jaxae.plots.pages\n"
    slow += "jaxae.plots.pages.draw = lambda *_: (open('drawing', 'w'), time.sleep(300))\n"
    Path("long.py").write_text(slow + LONG)
    process = start("train", "long.py", "--run-dir", "run")
    wait_for(lambda: Path("drawing").exists(), process)
    process.send_signal(signal.SIGTERM)
    stopped = ended(process, 20)
    told = "jaxae: stopped before scoring, all epochs are saved; `jaxae resume run` continues\n"
    assert (stopped.code, stopped.err) == (143, told) and not (long / "scores.json").exists()
    called = call("resume", "run")
    assert called.code == 0 and "epoch 40/40" not in called.out
    assert_equal(long, uninterrupted)


@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_libraries_are_imported(name: str, code: int, long: Path) -> None:
    process = start("train", "long.py", "--run-dir", "run")
    wait_for(lambda: catches(process, signal.SIGTERM), process)
    os.killpg(process.pid, signal.Signals[name])
    assert ended(process, 60) == Called(code, "", f"jaxae: stopped by {name}\n")
    assert not long.exists()


def test_a_signal_while_the_first_epoch_compiles(long: Path) -> None:
    """It ends the process within a second, since nothing has been trained that could be saved."""
    process = start("train", "long.py", "--run-dir", "run", JAX_ENABLE_COMPILATION_CACHE="false")
    # The status is written just before signals are kept for the end of the epoch.
    wait_for((long / "status.json").exists, process)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    told = "stopped before an epoch was trained; `jaxae resume run` continues"
    stopped = ended(process, 20)
    assert (stopped.code, stopped.err) == (143, f"jaxae: {told}\n"), stopped
    state = json.loads((long / "status.json").read_text())
    assert (state["status"], state["reason"]) == ("interrupted", told)


def twice(body: str) -> Called:
    """SIGINT, a print, SIGTERM and an end, in a process that runs `body` before."""
    code = (
        "import os, signal, sys, time\nfrom jaxae.cli import signals\n"
        f"{body}\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "time.sleep(0.01)\n"
        "print('first', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(0.01)\n"
        "print('second', flush=True)\n"
        "sys.exit(7)\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return ended(subprocess.Popen([sys.executable, "-c", code], **pipes), 20)


def test_the_first_signal_waits_and_the_second_does_not() -> None:
    assert twice("kept = signals.deferred(); kept.__enter__()") == (143, "first\n", "")


def test_the_first_signal_is_answered_while_xla_computes_and_the_second_ends_it() -> None:
    """Here a long hash in C holds up the handlers of Python, which the main thread would call."""
    code = (
        "import hashlib, os, subprocess\nfrom jaxae.cli import signals\n"
        "with signals.deferred('heard'):\n"
        "    kill = f'kill -INT {os.getpid()}'\n"
        "    subprocess.Popen(['sh', '-c', f'sleep 1; {kill}; sleep 1; {kill}'])\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 500_000_000)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "jaxae: heard\n")


def test_outside_of_training_the_first_signal_is_enough() -> None:
    assert twice("kept = signals.at_once('enough'); kept.__enter__()") == (130, "", "jaxae: enough\n")
    assert twice("signals.guard()") == (130, "", "jaxae: stopped by SIGINT\n")


def test_when_all_is_done_no_signal_changes_the_exit_code() -> None:
    late = "import atexit; atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))"
    assert twice(f"{late}; signals.ignore()") == (7, "first\nsecond\n", "")


def test_handlers_are_put_back() -> None:
    from jaxae.cli.signals import at_once, deferred

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), deferred(), at_once(""):
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_full_disk_is_one_line_and_keeps_what_was_saved(long: Path, uninterrupted: dict[str, Any]) -> None:
    process = start("train", "long.py", "--run-dir", "run")
    wait_for(lambda: num_epochs(long) >= 4, process)
    process.kill()
    ended(process)
    (long / "log.txt").unlink()
    (long / "log.txt").symlink_to("/dev/full")
    called = call("resume", "run")
    assert called.code == 1 and called.err.count("\n") == 1, called
    assert called.err == "jaxae: run: the disk is full; checkpoints saved before are kept\n"
    (long / "log.txt").unlink()
    assert call("resume", "run").code == 0
    assert_equal(long, uninterrupted)
