"""Show the progress of a run: a bar on a terminal, else one line per epoch.

    epoch 3/50  train loss 25.10 (distortion 17.20, rate 7.90)  validation loss 25.31  90,000 examples/s ...

The file log.txt of the run gets the same lines.
"""

import contextlib
import datetime
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from jaxae.cli.signals import Pending
from jaxae.runs.directory import LOG, append_line
from jaxae.training.loop import EpochResult

BAR_WIDTH = 10  # columns; the text needs the others


class Watch:
    """Callback of a run that shows each epoch and stops the run after a signal.

    Attributes:
        path: The run's directory; None shows nothing. Of several processes only the first has a path.
        epochs: Number of epochs of the whole run.
        rows: Number of rows that an epoch trains on.
        pending: The signal that arrived, if any.
        bar: The progress bar; None prints lines.
        task: The bar's only task; None without a bar.
    """

    def __init__(
        self, path: Path | None, epochs: int, rows: int, pending: Pending, bar: Progress | None
    ) -> None:
        self.path, self.epochs, self.rows, self.pending, self.bar = path, epochs, rows, pending, bar
        # The first epoch compiles for seconds without a result: say so, so that the run does not look stuck.
        self.task: TaskID | None = bar.add_task("compiling", total=epochs) if bar else None

    def __call__(self, result: EpochResult, saved: bool) -> bool:
        """Show one epoch.

        Args:
            result: The numbers of the epoch.
            saved: Whether a checkpoint of this epoch was written.

        Returns:
            Whether the run must stop, because a signal arrived.
        """
        if self.path is not None:
            self._show(self.path, result, saved)
        return self.pending.number is not None

    def _show(self, path: Path, result: EpochResult, saved: bool) -> None:
        line = epoch_line(result, self.epochs, self.rows)
        append_line(path / LOG, line + (f"  saved epoch {result.epoch}" if saved else ""))
        # The log gets the plain line in both cases: a bar cannot be read afterwards.
        if self.bar is not None and self.task is not None:
            text = bar_text(result, self.epochs, self.rows, self.bar.console.width - BAR_WIDTH - 2)
            self.bar.update(self.task, completed=result.epoch, description=text)
        else:
            print(line, flush=True)


def epoch_line(result: EpochResult, epochs: int, rows: int) -> str:
    """Return the line of an epoch: losses, terms, speed and the time that is left.

    Args:
        result: The numbers of the epoch.
        epochs: Number of epochs of the whole run.
        rows: Number of rows that an epoch trains on, for the speed.

    Returns:
        One line, as in the example at the top of this module.
    """
    parts = [f"epoch {result.epoch}/{epochs}", f"train loss {result.train['loss']:.2f} ({_terms(result)})"]
    if result.validation:
        parts.append(f"validation loss {result.validation['loss']:.2f}")
    return "  ".join([*parts, f"{_speed(result, rows)} examples/s", _time_left(result, epochs)])


def bar_text(result: EpochResult, epochs: int, rows: int, width: int) -> str:
    """Return the shorter text that stands next to a bar.

    If the text is too long, the validation loss is left out first, then the terms are cut.

    Args:
        result: The numbers of the epoch.
        epochs: Number of epochs of the whole run.
        rows: Number of rows that an epoch trains on, for the speed.
        width: Largest number of characters. The number of the epoch, speed and time are never cut.

    Returns:
        `epoch 3/50  distortion 17.20, rate 7.90  validation 25.30  90,000/s  left 0:00:04`.
    """
    ends = f"epoch {result.epoch}/{epochs}", f"{_speed(result, rows)}/s  {_time_left(result, epochs)}"
    # 4: two spaces on each side of the terms. A text that wraps would leave a line at each redraw.
    room = width - len(ends[0]) - len(ends[1]) - 4
    terms = _terms(result)
    if (
        result.validation
        and len(terms) + len(tail := f"  validation {result.validation['loss']:.2f}") <= room
    ):
        terms += tail
    if len(terms) > room:
        terms = terms[: max(room - 1, 0)] + "…"
    return f"{ends[0]}  {terms}  {ends[1]}"


def _terms(result: EpochResult) -> str:
    """Return `distortion 17.20, rate 7.90`, the means of the terms over the training rows."""
    terms = {name: value for name, value in result.train.items() if name not in ("loss", "gradient_norm")}
    return ", ".join(f"{name} {value:.2f}" for name, value in terms.items())


def _speed(result: EpochResult, rows: int) -> str:
    """Return the number of examples per second."""
    # The lower bound avoids a division by zero where the clock is too coarse.
    return f"{rows / max(result.seconds, 1e-9):,.0f}"


def _time_left(result: EpochResult, epochs: int) -> str:
    """Return `left 0:00:04`, if all epochs take as long as this one, or `stopped early`."""
    if result.stopped_early:
        return "stopped early"
    return f"left {datetime.timedelta(seconds=round((epochs - result.epoch) * result.seconds))}"


@contextlib.contextmanager
def watching(path: Path | None, epochs: int, rows: int, pending: Pending) -> Iterator[Watch]:
    """Yield a callback that shows progress, with a bar if standard output is a terminal.

    Args:
        path: The run's directory; None for a process that shows nothing.
        epochs: Number of epochs of the whole run.
        rows: Number of rows that an epoch trains on.
        pending: The signal that arrived, if any.

    Yields:
        The callback.
    """
    if path is None or not sys.stdout.isatty():
        yield Watch(path, epochs, rows, pending, None)
        return
    # no_wrap: a bar of two lines is redrawn below its old first line and fills the screen.
    text = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    with Progress(BarColumn(bar_width=BAR_WIDTH), text, console=Console()) as bar:
        yield Watch(path, epochs, rows, pending, bar)
