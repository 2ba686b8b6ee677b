"""What a person sees of a run: a bar on a terminal, else one plain line an epoch; and the same in log.txt."""

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

BAR_WIDTH = 10


class Watch:
    """Observes a run: shows each epoch, and stops the run once a signal is pending.

    Without a path it shows nothing: the run's first process does.
    """

    def __init__(
        self, path: Path | None, epochs: int, rows: int, pending: Pending, bar: Progress | None
    ) -> None:
        self.path, self.epochs, self.rows, self.pending, self.bar = path, epochs, rows, pending, bar
        self.task: TaskID | None = bar.add_task("compiling", total=epochs) if bar else None

    def __call__(self, result: EpochResult, saved: bool) -> bool:
        """Shows one epoch; returns whether to stop."""
        if self.path is not None:
            self._show(self.path, result, saved)
        return self.pending.number is not None

    def _show(self, path: Path, result: EpochResult, saved: bool) -> None:
        line = epoch_line(result, self.epochs, self.rows)
        append_line(path / LOG, line + (f"  saved epoch {result.epoch}" if saved else ""))
        if self.bar is not None and self.task is not None:
            text = bar_text(result, self.epochs, self.rows, self.bar.console.width - BAR_WIDTH - 2)
            self.bar.update(self.task, completed=result.epoch, description=text)
        else:
            print(line, flush=True)


def epoch_line(result: EpochResult, epochs: int, rows: int) -> str:
    """`epoch 3/50  train loss 25.10 (distortion 17.20, rate 7.90)  ...  90,000 examples/s  left 4 s`."""
    parts = [f"epoch {result.epoch}/{epochs}", f"train loss {result.train['loss']:.2f} ({_terms(result)})"]
    if result.validation:
        parts.append(f"validation loss {result.validation['loss']:.2f}")
    return "  ".join([*parts, f"{_speed(result, rows)} examples/s", _left(result, epochs)])


def bar_text(result: EpochResult, epochs: int, rows: int, width: int) -> str:
    """The same beside a bar, at most `width` characters: validation goes first, then the terms are cut."""
    ends = f"epoch {result.epoch}/{epochs}", f"{_speed(result, rows)}/s  {_left(result, epochs)}"
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
    terms = {name: value for name, value in result.train.items() if name not in ("loss", "gradient_norm")}
    return ", ".join(f"{name} {value:.2f}" for name, value in terms.items())


def _speed(result: EpochResult, rows: int) -> str:
    return f"{rows / max(result.seconds, 1e-9):,.0f}"


def _left(result: EpochResult, epochs: int) -> str:
    if result.stopped_early:
        return "stopped early"
    return f"left {datetime.timedelta(seconds=round((epochs - result.epoch) * result.seconds))}"


@contextlib.contextmanager
def watching(path: Path | None, epochs: int, rows: int, pending: Pending) -> Iterator[Watch]:
    """A `Watch` with a bar where standard output is a terminal."""
    if path is None or not sys.stdout.isatty():
        yield Watch(path, epochs, rows, pending, None)
        return
    text = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    with Progress(BarColumn(bar_width=BAR_WIDTH), text, console=Console()) as bar:
        yield Watch(path, epochs, rows, pending, bar)
