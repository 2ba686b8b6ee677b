"""Calls of the command line, in this process and in others, and what they leave."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from jaxae.cli.main import run as run_command

CONFIG = """\
import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(num_validation=100, num_test=100),
    model=jaxae.VAE(encoder=jaxae.MLP(widths=(8,)), decoder=jaxae.MLP(widths=(8,)), latent_dim=2),
    batch_size=100,
    epochs=4,
    checkpoint_every=1,
)
"""


class Called(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def call(*arguments: str) -> Called:
    """The command in this process; SystemExit, which help raises, is its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run_command(list(arguments))
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Called(code, out.getvalue(), err.getvalue())


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file's bytes, and None for a folder, by its name."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def start(*arguments: str, **variables: str) -> subprocess.Popen:
    """The command in a process, and a group, of its own, with these environment variables besides."""
    # What the tests' strictness costs in tracing is paid in this process; the numbers are the same.
    environment = {**os.environ, "JAX_DEBUG_KEY_REUSE": "0", **variables}
    return subprocess.Popen(
        [sys.executable, "-c", "from jaxae.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def ended(process: subprocess.Popen, timeout: float = 300) -> Called:
    """How the process ended; a hanging one is killed."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Called(process.returncode, out, err)


def wait_for(happened: Callable[[], bool], process: subprocess.Popen, timeout: float = 300) -> None:
    """Polls until something has happened while the process lives."""
    deadline = time.monotonic() + timeout
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def catches(process: subprocess.Popen, number: signal.Signals) -> bool:
    """Whether the process has a handler of its own for the signal (from /proc)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def num_epochs(run: Path) -> int:
    """How many epochs the history tells of."""
    history = run / "history.jsonl"
    return history.read_text().count("\n") if history.exists() else 0
