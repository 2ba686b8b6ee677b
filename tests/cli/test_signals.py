"""Signals and kills at a running `jaxae train`: what is saved goes on to the same bits."""

import csv
import json
import os
import re
import shutil
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

ROOT = Path(__file__).parents[2]

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


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_after_the_end_of_a_command_does_not_change_its_exit_code(name: str) -> None:
    """As Python shuts down, which takes a moment."""
    code = (
        "import atexit, os, signal\nfrom jaxae.cli import main\n"
        f"atexit.register(lambda: os.kill(os.getpid(), signal.{name}))\n"
        "main(['--version'])\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code], **pipes)
    assert ended(process, 60) == Called(0, f"jaxae {jaxae.__version__}\n", "")


PRESS = """
import signal

def press(epoch, saved):
    if epoch.epoch == {}:
        signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_stops_a_run_after_its_epoch(tmp_path: Path) -> None:
    (tmp_path / "pressed.py").write_text(CONFIG + PRESS.format(2))
    called = call("train", "pressed.py", "--run-dir", "run", "--callback", "press")
    told = "jaxae: stopped after epoch 2, saved; `jaxae resume run` continues\n"
    assert called.code == 143 and called.err == ANSWER + told, called
    assert num_epochs(Path("run")) == 2 and not Path("run/scores.json").exists()


def test_a_signal_in_the_last_epoch_stops_before_scoring(tmp_path: Path) -> None:
    """Training has nothing left to stop; the signal must not be lost."""
    (tmp_path / "pressed.py").write_text(CONFIG + PRESS.format(4))
    called = call("train", "pressed.py", "--run-dir", "run", "--callback", "press")
    told = "jaxae: stopped after the last epoch, saved; `jaxae resume run` scores it\n"
    assert called.code == 143 and called.err == ANSWER + told, called
    assert num_epochs(Path("run")) == 4 and not Path("run/scores.json").exists()
    called = call("resume", "run")
    assert called.code == 0 and "epoch 4/4" not in called.out and Path("run/scores.json").exists()


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


# SIGUSR1, SIGUSR2, SIGHUP

SENDS = """
import os, signal

def sends(epoch, saved):
    if epoch.epoch == 4:
        signal.raise_signal(getattr(signal, os.environ["SENT"]))

def dies(epoch, saved):
    if epoch.epoch == 5:
        raise RuntimeError("killed")
"""
SENDING = ("--callback", "sends")


@pytest.fixture
def sending(long: Path) -> Path:
    """The long run with a config that sends the signal SENT to itself after its fourth epoch."""
    Path("long.py").write_text(LONG + SENDS)
    return long


def checkpoints(run: Path) -> list[int]:
    return sorted(int(path.name) for path in (run / "checkpoints").iterdir() if path.name.isdecimal())


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2"])
def test_sigusr1_saves_and_the_checkpoint_changes_no_bit(
    name: str, sending: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epoch 5 is saved although every third is due; from it a run that died goes on to the same bits."""
    monkeypatch.setenv("SENT", name)
    with pytest.raises(RuntimeError, match="killed"):
        call("train", "long.py", "--run-dir", "run", *SENDING, "--callback", "dies")
    assert checkpoints(sending) == [3, 5] and "saved epoch 5" in (sending / "log.txt").read_text()
    called = call("resume", "run", "--config", "long.py", *SENDING)
    assert called.code == 0 and called.err == "", called
    assert_equal(sending, uninterrupted)


@pytest.mark.parametrize(
    "name, options, code",
    [
        ("SIGHUP", (), 129),
        ("SIGUSR1", ("--on-usr1", "exit"), 138),
        ("SIGUSR2", ("--on-usr1", "exit"), 140),
        ("SIGUSR1", (), 0),
    ],
)
def test_each_signal_has_its_code(
    name: str, options: tuple[str, ...], code: int, sending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENT", name)
    called = call("train", "long.py", "--epochs", "8", "--run-dir", "run", *SENDING, *options)
    answer = f"{ANSWER}jaxae: stopped after epoch 4, saved; `jaxae resume run` continues\n"
    told = answer if code else "jaxae: SIGUSR1: saved epoch 5, and training goes on\n"
    assert (called.code, called.err) == (code, told), called
    assert checkpoints(sending)[-1] == (4 if code else 8)


def survives(body: str, *names: str) -> Called:
    """Signals one after another, each followed by its name on standard output, in a process with `body`."""
    sent = "".join(
        f"os.kill(os.getpid(), signal.{name})\ntime.sleep(0.02)\nprint('{name}', flush=True)\n"
        for name in names
    )
    code = f"import os, signal, sys, time\nfrom jaxae.cli import signals\n{body}\n{sent}"
    code += "sys.stdout.flush()\nos._exit(0)"  # the end of Python would close what `body` has opened
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return ended(subprocess.Popen([sys.executable, "-c", code], **pipes), 60)


def test_before_training_sigusr1_is_noted_for_the_first_epoch() -> None:
    called = survives("signals.guard()", "SIGUSR1", "SIGUSR2")
    assert called == (0, "SIGUSR1\nSIGUSR2\n", "")
    then = (
        "signals.guard()\nos.kill(os.getpid(), signal.SIGUSR1)\nwith signals.deferred(%s) as pending:\n    %s"
    )
    saves = then % ("", "print(pending.stops, pending.takes_save(), pending.takes_save())")
    assert survives(saves) == (0, "False True False\n", "")
    stops = then % ("'', 'exit'", "print(pending.stops, pending.number == 10)")
    assert survives(stops) == (0, "True True\n", "")
    leaves = then % ("'', 'exit', lambda: 'nothing is lost'", "print('not reached')")
    assert survives(leaves) == (138, "", "jaxae: nothing is lost\n")


def test_while_scores_are_computed_sigusr1_is_ignored_unless_it_ends_the_run() -> None:
    body = "signals.guard()\nkept = signals.at_once('all is saved', %r)\nkept.__enter__()"
    assert survives(body % "save", "SIGUSR1") == (0, "SIGUSR1\n", "")
    assert survives(body % "exit", "SIGUSR1") == (138, "", "jaxae: all is saved\n")
    assert survives(body % "save", "SIGHUP") == (129, "", "jaxae: all is saved\n")


def test_a_signal_that_is_ignored_at_the_start_stays_ignored() -> None:
    """So it is under `nohup`."""
    body = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nsignals.guard()\n"
    body += "kept = signals.deferred('heard'); kept.__enter__()"
    assert survives(body, "SIGHUP", "SIGHUP") == (0, "SIGHUP\nSIGHUP\n", "")


def test_a_closed_terminal_and_a_scheduler_may_send_several_signals_for_one_end() -> None:
    """A terminal sends SIGHUP to the shell and to its jobs, and the shell sends it to its jobs again."""
    kept = "kept = signals.deferred('heard', 'exit'); kept.__enter__()"
    several = ("SIGHUP", "SIGHUP", "SIGTERM", "SIGUSR1", "SIGHUP")
    assert survives(kept, *several) == (0, "".join(f"{name}\n" for name in several), "jaxae: heard\n")
    assert survives(kept, "SIGHUP", "SIGTERM", "SIGINT") == (130, "SIGHUP\nSIGTERM\n", "jaxae: heard\n")


def test_once_training_has_started_no_first_signal_ends_the_process_at_once() -> None:
    body = (
        "from jaxae.training.loop import has_started\n"
        "kept = signals.deferred('heard', leave_early=lambda: None if has_started.is_set() else 'early')\n"
        "kept.__enter__()"
    )
    assert survives(f"{body}; has_started.set()", "SIGTERM") == (0, "SIGTERM\n", "jaxae: heard\n")
    assert survives(body, "SIGTERM") == (143, "", "jaxae: early\n")


# jobs that a scheduler starts again


def job(name: str) -> str:
    """A job script of the documentation."""
    text = (ROOT / "docs" / "howto" / "slurm.md").read_text()
    found = re.search(rf'^```bash title="{name}"\n(.*?)^```', text, re.M | re.S)
    assert found is not None
    return found[1]


class Scheduler:
    """Starts a job script, warns its shell, kills the job after a time, and starts it again."""

    def __init__(self, name: str) -> None:
        Path("job.sh").write_text(job(name))
        Path("bin").mkdir()
        programs = {
            "jaxae": f"exec {sys.executable} -c 'from jaxae.cli import main; main()' \"$@\"",
            "scontrol": 'echo "$@" >> requeued',
        }
        for program, line in programs.items():
            Path("bin", program).write_text(f"#!/bin/sh\n{line}\n")
            Path("bin", program).chmod(0o755)
        path = f"{Path('bin').absolute()}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "JAX_DEBUG_KEY_REUSE": "0", "PATH": path, "SLURM_JOB_ID": "7"}

    def start(self) -> subprocess.Popen:
        with open("output", "a") as output:
            return subprocess.Popen(
                ["bash", "job.sh"],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )

    def end(self, process: subprocess.Popen, grace: float) -> int:
        """Signal the shell only, as `--signal=B:USR1` does, and kill the whole job after the grace time."""
        os.kill(process.pid, signal.SIGUSR1)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait(20)


def test_resume_refuses_another_run(run: Path) -> None:
    arguments = ("train", "small.py", "--resume", "--run-dir", "run")
    assert "run is already finished" in call(*arguments).out
    for option, difference in {
        ("--model.beta", "2"): "model.beta is 1.0, and 2.0 was given",
        ("--seed", "3"): "seed is 0, and 3 was given",
        ("--data.split-seed", "3"): "data.split_seed is 0, and 3 was given",
    }.items():
        told = f"jaxae: --run-dir run: holds another run: {difference}; "
        called = call(*arguments, *option)
        assert called.code == 2 and called.err.startswith(told) and called.err.count("\n") == 1, called
    needs = "jaxae: --resume: needs --run-dir, the directory of the run that is continued\n"
    assert call("train", "small.py", "--resume") == (2, "", needs)


@pytest.mark.slow
def test_a_run_that_is_requeued_again_and_again_ends_in_the_same_bits(
    long: Path, uninterrupted: dict[str, Any]
) -> None:
    Path("long.py").rename("experiment.py")
    scheduler, run, codes = Scheduler("run.sh"), Path("runs/long"), []
    for _ in range(3):
        process, reached = scheduler.start(), num_epochs(run)
        wait_for(lambda: num_epochs(run) >= reached + 4, process)  # noqa: B023 (called before it changes)
        codes.append(scheduler.end(process, grace=60))
        assert checkpoints(run)[-1] == num_epochs(run)
    assert codes == [138] * 3 and Path("requeued").read_text() == "requeue 7\n" * 3
    assert scheduler.start().wait(300) == 0, Path("output").read_text()
    assert_equal(run, uninterrupted)
    assert scheduler.start().wait(300) == 0 and "is already finished" in Path("output").read_text()


@pytest.mark.slow
def test_a_sweep_that_is_requeued_ends_in_the_same_table(long: Path) -> None:
    """It goes on after SIGUSR1, until it is killed: the checkpoint of SIGUSR1 is its only one."""
    Path("experiment.py").write_text(LONG.replace(f"epochs={EPOCHS}", "epochs=50"))
    scheduler, sweep, log = Scheduler("sweep.sh"), Path("runs/betas"), Path("runs/betas/log.txt")
    for number in range(1, 3):
        process, seen = scheduler.start(), log.read_text().count("live") if log.exists() else 0
        wait_for(lambda: log.exists() and log.read_text().count("live") > seen, process)  # noqa: B023
        os.kill(process.pid, signal.SIGUSR1)
        wait_for(lambda: Path("output").read_text().count("SIGUSR1: saved epoch") == number, process)  # noqa: B023
        assert scheduler.end(process, grace=0.1) == -9
    assert scheduler.start().wait(300) == 0, Path("output").read_text()
    table = table_of(sweep)
    shutil.rmtree(sweep)
    assert scheduler.start().wait(300) == 0
    assert table_of(sweep) == table and len(table) == 4


def table_of(sweep: Path) -> list[dict[str, str]]:
    """The rows of a sweep without what depends on the time."""
    with open(sweep / "results.csv") as file:
        rows = list(csv.DictReader(file))
    times = ("seconds", "finished_at", "jaxae_commit")
    return [{name: value for name, value in row.items() if name not in times} for row in rows]
