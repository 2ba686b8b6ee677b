"""What a person sees in a terminal: a bar of one line, and an answer to Ctrl-C at once."""

import errno
import fcntl
import io
import json
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

from jaxae.display.bars import Frame, opened
from jaxae.display.places import Display
from jaxae.errors import warn
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
    made: list[Terminal] = []

    def opens(*arguments: Any) -> Terminal:
        made.append(Terminal(*arguments))
        return made[-1]

    yield opens
    for one in made:
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


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_a_run_after_its_epoch_is_saved(terminal: Any) -> None:
    """By SIGHUP, while each line and each drawing of the bar fails."""
    opened = terminal(80, "--epochs", "5000", "--checkpoint-every", "5000")
    wait_for(lambda: num_epochs(Path("run")) >= 3, opened.process)
    os.close(opened.master)
    opened.master = os.open(os.devnull, os.O_RDONLY)
    assert opened.process.wait(240) == 129
    saved = [path.name for path in Path("run/checkpoints").iterdir() if path.name.isdecimal()]
    assert saved == [str(num_epochs(Path("run")))]
    assert json.loads(Path("run/status.json").read_text())["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["stdout", "both", "from the start"])
def test_a_run_goes_on_when_nobody_reads_its_lines(closed: str) -> None:
    """As in `jaxae train CONFIG | head -1`: the numbers are in its files."""
    redirections = {"stdout": "", "both": "2>&1", "from the start": ">&- 2>&-"}[closed]
    head = "" if closed == "from the start" else "| head -1"
    jaxae = f"{sys.executable} -c 'from jaxae.cli import main; main()'"
    line = f"({jaxae} train small.py --epochs 8 --run-dir run {redirections}; echo $? > code) {head}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=300)
    assert Path("code").read_text() == "0\n" and num_epochs(Path("run")) == 8
    lost = "standard output was lost (Broken pipe); the command goes on, and log.txt has its lines"
    lost = f"jaxae: warning: {lost}"
    assert Path("run/scores.json").exists() and done.stderr == (f"{lost}\n" if closed == "stdout" else "")
    assert done.stdout.count("\n") == (closed != "from the start")


class Closed(io.StringIO):
    """A stream of a terminal that was closed."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def flush(self) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("place", ["terminal", "lines"])
@pytest.mark.parametrize("stream", [Closed(), None])
def test_no_call_from_python_fails_because_its_display_cannot_be_written(
    place: str, stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm" if place == "terminal" else "dumb")
    monkeypatch.setattr(sys, "stderr", stream)
    display = Display()
    assert display.place == (place if stream else "lines")
    display.write("epoch 1/4")
    warn("a warning")
    with opened(display, lambda width: Frame(0.5, "epoch 1/4")) as refresh:
        if refresh is not None:
            refresh()


def test_a_reader_that_goes_away_ends_other_commands_with_one_line() -> None:
    """Also if standard error is closed too, and if the result is one object of JSON."""
    program = (
        "import sys\nfrom jaxae.cli import streams, output\nstreams.install('train')\n"
        "with output.directed(['--json']):\n    output.report(loss=1.0)\n"
    )
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "$0" > /dev/full', program], capture_output=True
    )
    assert done.returncode == 1 and b"standard output" in done.stderr
    for words in ("--version > /dev/full", "--version 2>&- > /dev/full"):
        line = f"{sys.executable} -c 'from jaxae.cli import main; main()' {words}"
        done = subprocess.run(["bash", "-c", line], capture_output=True)
        told = b"jaxae: standard output: No space left on device\n" if "2>" not in words else b""
        assert (done.returncode, done.stderr) == (1, told)
