"""`jaxae ls`, `jaxae tag` and `jaxae watch` on small files; no model is trained."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxae.cli import watch_command
from jaxae.cli.watch_command import curve
from jaxae.runs import notes
from tests.cli.calling import call
from tests.sweeps.test_listing import make


@pytest.fixture(autouse=True)
def runs() -> None:
    make(Path("runs/a"), elbo=-3.0)
    make(Path("runs/b"), status="diverged", reason="diverged at step 3", epoch=2, best_loss=4.25)


def test_the_table_has_a_line_for_each_run() -> None:
    called = call("ls", "--sort", "name")
    head, a, b = called.out.splitlines()
    assert called.code == 0 and called.err == ""
    assert head.split() == ["run", "status", "model", "data", "epochs", "validation", "age", "reason"]
    assert a.split()[:7] == ["runs/a", "finished", "VAE", "digits", "2/5", "elbo", "-3"]
    assert "loss 4.25" in b and "diverged at step 3" in b


def test_json_has_all_columns() -> None:
    rows = json.loads(call("ls", "runs", "--json", "--status", "finished").out)["runs"]
    assert [(row["path"], row["value"], row["unit"]) for row in rows] == [("runs/a", -3.0, "nats")]


def test_no_run_is_said_in_a_line() -> None:
    Path("none").mkdir()
    assert call("ls", "none").out == "none: no runs yet; `jaxae train` makes one\n"
    assert call("ls", "--tag", "x").out == "runs: no runs with this status or tag\n"


@pytest.mark.parametrize(
    "words, message",
    [
        (["ls", "nowhere"], "nowhere: no such folder"),
        (["ls", "--stat", "x"], "--stat: unknown option; did you mean '--status'?"),
        (["ls", "--sort", "x"], "--sort: got 'x', expected one of age, name"),
        (["tag"], "tag: the runs come first: jaxae tag RUN... --tag TAG"),
        (["tag", "runs", "--tag", "x"], "runs: holds no run and no sweep"),
        (["tag", "runs/a", "--tag", "x,y"], "--tag: got 'x,y', expected no comma"),
        (["tag", "runs/a", "--name"], "--name: a value is missing"),
        (["watch"], "watch: the folder comes first"),
        (["watch", "nowhere"], "nowhere: no such folder"),
        (["watch", "runs", "--seconds", "0"], "--seconds: got 0, expected a whole number > 0"),
        (["resume", "runs:a"], "runs:a: runs holds no sweep; expected SWEEP:ID or SWEEP:best"),
        (["compare", "runs/a"], "compare: got only runs/a, expected two or more runs"),
        (["compare", "runs/a", "runs/c"], "runs/c: no such run"),
        (["sample", "runs/a:best"], "runs/a:best: runs/a holds no sweep; expected SWEEP:ID or SWEEP:best"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], message: str) -> None:
    called = call(*words)
    assert called.code == 2 and called.out == "" and called.err.count("\n") == 1, called
    assert called.err.startswith(f"jaxae: {message}"), called


def test_tag_changes_the_notes_of_all_runs_or_none() -> None:
    called = call("tag", "runs/a", "runs/b", "--tag", "x", "y", "--note", "why")
    assert (called.code, called.out) == (0, "runs/a  x, y  why\nruns/b  x, y  why\n")
    assert call("tag", "runs/a", "runs/c", "--tag", "z").code == 2
    assert notes.read(Path("runs/a")).tags == ("x", "y")
    assert call("tag", "runs/a", "--remove", "x", "--name", "first").out == "runs/a  first  y  why\n"
    head, line = call("ls", "--tag", "y", "--status", "finished").out.splitlines()
    assert "first" in line and "name" in head and "tags" in head


@pytest.mark.parametrize("command", ["ls", "tag", "watch", "compare"])
def test_help_is_that_of_all_commands(command: str) -> None:
    called = call(command, "--help")
    assert called.code == 0 and called.out.startswith(f"usage: jaxae {command}")


def test_a_frame_of_a_run_has_its_losses_and_the_best_epoch() -> None:
    called = call("watch", "runs/b", "--once")
    assert called.code == 0 and called.err == ""
    assert "diverged    diverged at step 3" in called.out and "validation  loss 5" in called.out


def test_a_frame_of_a_folder_is_cut_to_the_height() -> None:
    assert call("watch", "runs").out.splitlines() == watch_command.frame(Path("runs"), 10_000, 120)
    assert watch_command.frame(Path("runs"), 2, 120)[1] == "… 2 more"


def test_a_curve_has_the_highest_bar_for_the_highest_value() -> None:
    assert curve([3.0, 2.0, 1.0, 1.0], 10) == "█▄▁▁" and curve([1.0, 1.0], 5) == "▁▁" and curve([], 5) == ""
    assert curve([0.0, 0.0, 8.0, 8.0], 2) == "▁█"


@pytest.mark.slow
def test_a_live_view_ends_with_ctrl_c_and_restores_the_terminal() -> None:
    pty = pytest.importorskip("pty")  # POSIX only
    # No fork: jax, which other tests have imported here, warns of it.
    terminal, slave = pty.openpty()
    command = [sys.executable, "-m", "jaxae", "watch", "runs"]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"}
    )
    os.close(slave)
    shown, is_interrupted = b"", False
    # On Linux reading fails when the process has closed the terminal.
    with contextlib.suppress(OSError):
        while read := os.read(terminal, 65_536):
            shown += read
            if b"runs/b" in shown and not is_interrupted:
                process.send_signal(signal.SIGINT)
                is_interrupted = True
    assert process.wait(30) == 0
    assert b"\x1b[?1049h" in shown and b"\x1b[?1049l" in shown and b"\x1b[?25h" in shown
