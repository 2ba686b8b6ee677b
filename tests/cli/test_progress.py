"""What a person sees: a bar on a terminal of any width, else one plain line an epoch."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jaxae.cli import progress
from tests.cli.calling import num_epochs, wait_for

ROWS = 1_597_000


def told(**changes: Any) -> Any:
    """An epoch's result, as far as it is shown."""
    train = {"loss": 310.741, "distortion": 300.5, "rate": 10.241, "gradient_norm": 3.0}
    values = {"epoch": 3, "train": train, "validation": {"loss": 299.99}, "seconds": 2.0}
    return SimpleNamespace(**values | {"stopped_early": False} | changes)


def test_a_plain_line_tells_epoch_terms_speed_and_time_left() -> None:
    assert progress.epoch_line(told(), 50, ROWS) == (
        "epoch 3/50  train loss 310.74 (distortion 300.50, rate 10.24)  validation loss 299.99  "
        "798,500 examples/s  left 0:01:34"
    )
    assert "validation" not in progress.epoch_line(told(validation=None), 50, ROWS)


@pytest.mark.parametrize("width", [30, 60, 67, 68, 80, 200])
def test_beside_a_bar_the_text_fits_and_keeps_what_matters_most(width: int) -> None:
    text = progress.bar_text(told(), 50, ROWS, width)
    assert len(text) <= max(width, 40) and text.startswith("epoch 3/50  ")
    assert text.endswith("798,500/s  left 0:01:34")
    assert ("validation 299.99" in text) == (width >= 86)
    assert ("distortion 300.50, rate 10.24" in text) == (width >= 66) and ("…" in text) == (width < 66)


def test_a_run_that_stops_early_has_no_time_left_but_says_so() -> None:
    assert progress.epoch_line(told(stopped_early=True), 50, ROWS).endswith(
        "798,500 examples/s  stopped early"
    )
    assert progress.bar_text(told(stopped_early=True), 50, ROWS, 80).endswith("798,500/s  stopped early")


def test_an_epoch_without_duration_is_no_division_by_zero() -> None:
    assert "left 0:00:00" in progress.epoch_line(told(seconds=0.0, epoch=50), 50, ROWS)


class Terminal:
    """A terminal of some width with `jaxae train` in it."""

    def __init__(self, columns: int, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {
            **os.environ,
            "JAX_DEBUG_KEY_REUSE": "0",
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
        }
        environment.pop("COLUMNS", None)
        # The terminal becomes the process's own, so that it makes SIGINT of Ctrl-C.
        code = "import os; os.login_tty(0); from jaxae.cli import main; main()"
        command = [sys.executable, "-c", code, "train", "small.py", "--run-dir", "run", *arguments]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)

    def text(self, timeout: float = 120) -> str:
        """Everything shown until the process ends."""
        shown, deadline = b"", time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:  # how Linux says that the other side was closed
                chunk = b""
            if not chunk:
                self.process.wait(timeout)
                return shown.decode(errors="replace")
            shown += chunk
        raise AssertionError(shown)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal() -> Iterator[Any]:
    opened: list[Terminal] = []

    def opens(*arguments: Any) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield opens
    for one in opened:
        one.close()


def screen_lines(text: str) -> list[str]:
    """Each line as it was drawn, without colours and movements."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


@pytest.mark.slow
def test_on_a_terminal_of_80_columns_the_bar_is_one_line(terminal: Any) -> None:
    shown = terminal(80).text()
    lines = screen_lines(shown)
    last = [line for line in lines if "epoch 4/4" in line][-1]
    assert re.search(r"epoch 4/4  distortion [\d.]+, rate [\d.]+  .*[\d,]+/s  left 0:00:00", last), last
    assert "━" in last and max(map(len, lines[: lines.index(last) + 1])) <= 80
    assert "compiling" in shown
    assert shown.count("\n") < 12, "a bar that wraps leaves a line at each redraw"
    assert any(line.startswith("best epoch 4 by validation loss") for line in lines)


def test_ctrl_c_in_a_terminal_stops_with_one_line_and_gives_the_cursor_back(terminal: Any) -> None:
    opened = terminal(80, "--epochs", "5000")
    wait_for(lambda: num_epochs(Path("run")) >= 3, opened.process)
    os.write(opened.master, b"\x03")
    shown = opened.text()
    assert opened.process.returncode == 130, shown
    lines = screen_lines(shown)
    assert re.fullmatch(r"jaxae: stopped after epoch \d+, saved; `jaxae resume run` continues", lines[-1])
    assert "Traceback" not in shown and shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
