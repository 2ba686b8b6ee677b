"""What a person sees in a terminal: a bar of one line, and an answer to Ctrl-C at once."""

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
from typing import Any

import pytest

from tests.cli.calling import num_epochs, wait_for


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

    def text(self, timeout: float = 300) -> str:
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
    assert re.search(r"epoch 4/4  loss [\d.]+  validation [\d.]+  [\d,]+/s  in 0:\d\d:\d\d", last), last
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
    answer = "jaxae: stopping after this epoch, which is saved; Ctrl-C again stops now"
    assert sum(line.startswith(answer) for line in lines) == 1, lines
    assert re.fullmatch(r"jaxae: stopped after epoch \d+, saved; `jaxae resume run` continues", lines[-1])
    assert "Traceback" not in shown and shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
