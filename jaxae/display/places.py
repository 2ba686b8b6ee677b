"""Settings of a progress display, and the place it writes to: a terminal, a notebook, or lines of text."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable
from typing import Any, Literal, TextIO

Place = Literal["terminal", "notebook", "lines", "nothing"]
PYTHON_LINES = 5  # a script may train many runs, so each prints few lines
COMMAND_LINES = 20


@dataclasses.dataclass(frozen=True)
class Display:
    """Settings of a progress display."""

    is_shown: bool = True
    """Whether anything is displayed."""
    num_lines: int = PYTHON_LINES
    """Approximate number of lines of a run, if the output is neither a terminal nor a notebook."""
    every: int | None = None
    """Epochs between two lines; None: `num_lines` lines."""
    # Standard error, as tqdm does: the output of a script stays free for its results.
    stream: Callable[[], TextIO] = lambda: sys.stderr
    """Function that returns the stream. It is called late, because the stream may be redirected."""

    def write(self, line: str) -> None:
        """Write a line; nothing happens if the stream is closed, since no run may depend on its display."""
        with contextlib.suppress(OSError, ValueError):
            if (stream := self.stream()) is not None:
                print(line, file=stream, flush=True)

    @property
    def place(self) -> Place:
        """The place that the display writes to."""
        if not self.is_shown:
            return "nothing"
        if in_notebook():
            return "notebook"
        # A dumb terminal, such as a shell inside an editor, cannot redraw a line.
        # A stream is None if it was closed when the process started.
        stream: TextIO | None = self.stream()
        is_terminal = stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
        return "terminal" if is_terminal else "lines"


def for_python(progress: bool) -> Display:
    """Return the display of a call from Python.

    Args:
        progress: Argument of the call. The environment variable JAXAE_PROGRESS=0 means False everywhere.

    Returns:
        The display.
    """
    return Display(is_shown=bool(progress) and os.environ.get("JAXAE_PROGRESS") != "0")


def for_command(quiet: bool = False, every: int | None = None) -> Display:
    """Return the display of a command, which writes to standard output.

    Args:
        quiet: Whether nothing is displayed.
        every: Epochs between two lines; None for about 20 lines.

    Returns:
        The display.
    """
    return Display(not quiet, COMMAND_LINES, every, lambda: sys.stdout)


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook (Jupyter, VS Code, Colab)."""
    # A kernel has imported IPython already: it is not imported here, and need not be installed.
    module: Any = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    # Each of them has its own class of shell; a shell in a terminal has no kernel.
    return hasattr(shell, "kernel")
