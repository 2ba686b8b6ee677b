"""What a person sees of a run: a bar on a terminal, else one plain line an epoch; and the same in log.txt."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from jaxae.cli.signals import Pending
from jaxae.runs import LOG, append_line
from jaxae.training.loop import EpochResult


class Watch:
    """Observes a run: shows each epoch, and stops the run once a signal is pending."""

    def __init__(self, path: Path, epochs: int, rows: int, pending: Pending, bar: Progress | None) -> None:
        self.path, self.epochs, self.rows, self.pending, self.bar = path, epochs, rows, pending, bar
        self.task: TaskID | None = bar.add_task("", total=epochs) if bar else None
        self.last_epoch = 0

    def __call__(self, result: EpochResult, saved: bool) -> bool:
        self.last_epoch = result.epoch
        line = epoch_line(result, self.epochs, self.rows)
        append_line(self.path / LOG, line + (f"  saved epoch {result.epoch}" if saved else ""))
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=result.epoch, description=line)
        else:
            print(line, flush=True)
        return self.pending.number is not None


def epoch_line(result: EpochResult, epochs: int, rows: int) -> str:
    """`epoch 3/50  train loss 25.10 (distortion 17.2, rate 7.9)  validation 25.4  90,000 examples/s  left 4 s`."""
    terms = ", ".join(f"{name} {value:.2f}" for name, value in result.train.items() if name not in ("loss", "gradient_norm"))
    parts = [f"epoch {result.epoch}/{epochs}", f"train loss {result.train['loss']:.2f} ({terms})"]
    if result.validation:
        parts.append(f"validation loss {result.validation['loss']:.2f}")
    seconds = max(result.seconds, 1e-9)
    parts += [f"{rows / seconds:,.0f} examples/s", f"left {(epochs - result.epoch) * seconds:.0f} s"]
    return "  ".join(parts)


@contextlib.contextmanager
def watching(path: Path, epochs: int, rows: int, pending: Pending) -> Iterator[Watch]:
    """A `Watch` with a bar where standard output is a terminal."""
    if not sys.stdout.isatty():
        yield Watch(path, epochs, rows, pending, None)
        return
    columns = (BarColumn(bar_width=20), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(), transient=False) as bar:
        yield Watch(path, epochs, rows, pending, bar)
