"""The status of a run: what it says while the run trains, how the run ended, and what it never changes."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.runs import directory, seals, status
from jaxae.runs.run_record import fingerprint
from tests import small
from tests.cli.calling import contents

X = small.images()


def experiment(**changes: Any) -> jaxae.Experiment:
    return small.experiment(small.member("AE"), **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, jaxae.Result]:
    """A finished run, not to be written to."""
    folder = tmp_path_factory.mktemp("status") / "run"
    return folder, jaxae.fit(experiment(), X, run_dir=folder)


@pytest.fixture
def run(finished: tuple[Path, jaxae.Result], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished[0], tmp_path / "run"))


def ended_pid() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_finished_run_has_the_losses_of_its_history(finished: tuple[Path, jaxae.Result]) -> None:
    folder, result = finished
    state, history = status.read(folder), result.history
    best = result.scores["epoch"]
    assert (state["status"], state["reason"], state["epoch"], state["epochs"]) == ("finished", None, 3, 3)
    assert state["train_loss"] == history[-1]["train"]["loss"]
    assert state["validation_loss"] == history[-1]["validation"]["loss"]
    assert (state["best_epoch"], state["best_loss"]) == (best, history[best - 1]["validation"]["loss"])
    assert state["pid"] == os.getpid() and state["host"] == socket.gethostname()


def test_a_run_that_trains_is_running_in_its_process(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    jaxae.fit(experiment(), X, run_dir="run", callbacks=lambda *_: seen.append(status.read(Path("run"))))
    assert [state["status"] for state in seen] == ["running"] * 3
    assert seen[0]["epochs"] == 3


@pytest.mark.parametrize(
    "error, expected, reason",
    [
        (KeyboardInterrupt(), "interrupted", "stopped and saved"),
        (ValueError("no\nway"), "failed", "ValueError: no way"),
        (jaxae.JaxaeError("model.beta: got -1"), "failed", "model.beta: got -1"),
    ],
)
def test_the_exception_that_ends_a_run_is_its_reason(
    error: BaseException, expected: str, reason: str, tmp_path: Path
) -> None:
    def fail(epoch: Any, saved: bool) -> None:
        if epoch.epoch == 2:
            raise error

    with pytest.raises(type(error)):
        jaxae.fit(experiment(), X, run_dir="run", callbacks=fail)
    state = status.read(Path("run"))
    assert (state["status"], state["reason"], state["epoch"]) == (expected, reason, 2)
    jaxae.resume("run", X)
    assert status.read(Path("run"))["status"] == "finished"


def test_a_callback_that_stops_a_run_and_a_diverged_run(tmp_path: Path) -> None:
    jaxae.fit(experiment(), X, run_dir="stopped", callbacks=lambda epoch, saved: epoch.epoch == 2)
    state = status.read(Path("stopped"))
    assert (state["status"], state["reason"]) == ("stopped by a callback", "after epoch 2")
    with pytest.raises(jaxae.Diverged) as caught:
        jaxae.fit(experiment(optimizer=jaxae.Adam(learning_rate=1e30)), X, run_dir="diverged")
    state = status.read(Path("diverged"))
    assert (state["status"], state["reason"]) == ("diverged", str(caught.value))
    assert "step" in state["reason"] and "(epoch" in state["reason"]


def test_early_stopping_is_a_status_of_its_own(run: Path) -> None:
    scores = seals.read(run / "scores.json") | {"stopped_early": True, "epochs_run": 3}
    directory.write_json(run / "scores.json", scores)
    with status.kept(run):
        assert status.read(run)["status"] == "killed"  # no process holds the lock here
    assert status.read(run)["status"] == "stopped early"


def write(run: Path, **fields: Any) -> None:
    status.update(run, status="running", **fields)


def test_a_killed_run_is_recognised(run: Path) -> None:
    write(run, pid=ended_pid(), host=socket.gethostname())
    assert status.read(run)["status"] == "killed" and "has ended" in status.read(run)["reason"]
    # The pid lives, as that of another process; and on another host nobody knows. The lock decides.
    for host in (socket.gethostname(), "elsewhere"):
        write(run, pid=os.getpid(), host=host)
        assert status.read(run)["status"] == "killed"
        with directory.lock(run):
            assert status.read(run)["status"] == "running"


def test_a_reader_writes_nothing(run: Path) -> None:
    write(run, pid=ended_pid(), host=socket.gethostname())
    before = contents(run)
    status.read(run)
    (run / "status.json").unlink()
    status.read(run)
    assert contents(run) == {name: each for name, each in before.items() if name != "status.json"}


def test_old_runs_have_a_status_by_their_files(run: Path) -> None:
    (run / "status.json").unlink()
    assert status.read(run)["status"] == "finished" and status.read(run)["epoch"] == 3
    (run / "scores.json").unlink()
    assert status.read(run)["status"] == "unfinished"
    lines = (run / "history.jsonl").read_text().splitlines()
    last = json.loads(lines[-1]) | {"train": {"loss": None}}
    del last["digest"]
    (run / "history.jsonl").write_text("\n".join([*lines[:-1], directory.as_json(last)]))
    assert status.read(run)["status"] == "diverged"
    (run / "history.jsonl").unlink()
    assert status.read(run)["status"] == "not started" and status.read(run)["epochs"] == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "odd"}', '{"status": 3}'])
def test_a_damaged_status_is_that_of_an_old_run(text: str, run: Path) -> None:
    (run / "status.json").write_text(text)
    assert status.read(run)["status"] == "finished"


def test_a_torn_last_line_is_no_epoch(run: Path) -> None:
    with open(run / "history.jsonl", "a") as file:
        file.write('{"epoch": 4, "tra')
    line = status.last_line(run)
    assert line is not None and line["epoch"] == 3


def test_a_full_disk_costs_only_the_status(
    finished: tuple[Path, jaxae.Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text = Path.write_text

    def full(path: Path, text: str, *arguments: Any, **options: Any) -> int:
        if status.STATUS in path.name:
            write_text(path, text[:5], *arguments, **options)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(path, text, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    result = jaxae.fit(experiment(), X, run_dir="run")
    assert small.same_bits(result.outcome.carry, finished[1].outcome.carry)
    assert result.scores == finished[1].scores
    assert [path.name for path in Path("run").iterdir() if "status" in path.name] == []


def test_the_status_is_no_part_of_the_digest(run: Path) -> None:
    before = fingerprint(run)
    (run / "status.json").unlink()
    assert fingerprint(run) == before


def test_nothing_imports_jax() -> None:
    code = "import sys\nfrom jaxae.runs import notes, status\nassert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
