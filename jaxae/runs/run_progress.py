"""Progress of a run: a bar in a terminal or notebook, else a line for some of the epochs.

    epoch 3/50  train loss 25.10 (distortion 17.20, rate 7.90)  validation loss 25.31 (best)  ...

The file log.txt of the run gets the line of every epoch.
"""

import contextlib
from collections.abc import Iterable, Iterator

from jaxae.display.bars import Frame, Refresh, opened
from jaxae.display.clock import Clock
from jaxae.display.pace import LONGEST, Pace, round_step
from jaxae.display.places import Display
from jaxae.runs.callbacks import Callback
from jaxae.runs.directory import LOG, append_line
from jaxae.runs.experiment import num_steps
from jaxae.runs.run_types import Run
from jaxae.training import processes
from jaxae.training.loop import EpochResult

LONG = 3.0  # seconds of an epoch from which the bar moves inside it, by an estimate


@contextlib.contextmanager
def shown(run: Run, display: Display) -> Iterator[Callback]:
    """Yield a callback that shows each epoch of a run.

    Args:
        run: The run. Only its first process shows anything.
        display: Settings of the display.

    Yields:
        The callback.
    """
    if not processes.is_first(run.mesh):
        yield lambda epoch, saved: None
        return
    progress = RunProgress(run, display)
    with opened(display, progress.frame) as refresh:
        progress.refresh = refresh
        try:
            yield progress
        finally:
            progress.clock.is_stopped = True
    progress.end()


class RunProgress:
    """Callback that shows the epochs of a run.

    Attributes:
        refresh: Function that draws the bar; None if there is no bar.
        pending: Line of the last epoch, if it was not printed.
    """

    refresh: Refresh | None = None
    pending = ""

    def __init__(self, run: Run, display: Display) -> None:
        self.run, self.display, self.clock = run, display, Clock()
        self.epochs = run.experiment.epochs
        # An epoch leaves out the rows that do not fill a batch.
        self.rows = num_steps(run.experiment, len(run.dataset.train.x)) * run.experiment.batch_size
        self.result: EpochResult | None = None
        self.pace = self._pace()

    def _pace(self) -> Pace:
        """Return the choice of the epochs that get a line; a number of the user's is kept exactly."""
        if self.display.every:
            return Pace(self.display.every, longest=float("inf"))
        return Pace(round_step(self.epochs, self.display.num_lines), LONGEST)

    def __call__(self, result: EpochResult, saved: bool) -> None:
        """Show one epoch.

        Args:
            result: The numbers of the epoch.
            saved: Whether a checkpoint of this epoch was written.
        """
        self.clock.tick()
        self.result = result
        line = epoch_line(result, self.epochs, self.rows, self.clock)
        if self.run.path is not None:
            append_line(self.run.path / LOG, line + (f"  saved epoch {result.epoch}" if saved else ""))
        if self.refresh is not None:
            self.refresh()
        self.pending = "" if self._has_line(result) else line
        if not self.pending:
            self.display.write(line)

    def end(self) -> None:
        """Print the line of the last epoch, if the run was stopped at an epoch without a line."""
        if self.pending and self.display.is_shown and self.refresh is None:
            self.display.write(self.pending)

    def _has_line(self, result: EpochResult) -> bool:
        """Return whether the epoch gets a line; next to a bar only if the user chose a number of epochs."""
        is_wanted = self.display.is_shown and (self.refresh is None or self.display.every)
        return bool(is_wanted) and self.pace.is_due(result.epoch, _has_ended(result, self.epochs))

    def frame(self, width: int) -> Frame:
        """Return the content of the bar now.

        Args:
            width: Largest number of characters of the text.

        Returns:
            The content.
        """
        result = self.result
        if result is None:
            # The first epoch compiles without a result: the time shows that the run is not stuck.
            return Frame(None, f"compiling and training the first epoch  {self.clock.passed}")
        has_ended = _has_ended(result, self.epochs) or self.clock.is_stopped
        is_moving = self.clock.expected_seconds >= LONG and not has_ended
        share = self.clock.share if is_moving else 0.0
        text = bar_text(result, self.epochs, self.rows, self.clock, width, share)
        return Frame((result.epoch + share) / self.epochs, text)


def epoch_line(result: EpochResult, epochs: int, rows: int, clock: Clock) -> str:
    """Return the line of an epoch: losses, terms, speed and the time that is left.

    Args:
        result: The numbers of the epoch.
        epochs: Number of epochs of the whole run.
        rows: Number of rows that an epoch trains on, for the speed.
        clock: Clock of the session.

    Returns:
        One line, as in the example at the top of this module.
    """
    terms = f" ({terms})" if (terms := _terms(result)) else ""
    parts = [f"epoch {result.epoch}/{epochs}", f"train loss {number(result.train['loss'])}{terms}"]
    if result.validation:
        best = " (best)" if result.best_epoch == result.epoch else ""
        parts.append(f"validation loss {number(result.validation['loss'])}{best}")
    return "  ".join([*parts, *_speed(result, rows, clock, " examples/s"), *_time(result, epochs, clock)])


def bar_text(
    result: EpochResult, epochs: int, rows: int, clock: Clock, width: int, share: float = 0.0
) -> str:
    """Return the text that stands next to a bar; the less important parts are left out if it is too long.

    Args:
        result: The numbers of the last epoch.
        epochs: Number of epochs of the whole run.
        rows: Number of rows that an epoch trains on, for the speed.
        clock: Clock of the session.
        width: Largest number of characters. The number of the epoch and the loss are never left out.
        share: Estimated share of the next epoch that has passed; 0 shows none.

    Returns:
        `epoch 3/50  loss 25.10  validation 25.30  distortion 17.20, rate 7.90  90,000/s  left 0:00:04`.
    """
    head = f"epoch {result.epoch + 1}/{epochs} ~{share:.0%}" if share else f"epoch {result.epoch}/{epochs}"
    parts = {
        0: f"{head}  loss {number(result.train['loss'])}",
        2: f"validation {number(result.validation['loss'])}" if result.validation else "",
        4: _terms(result),
        3: "".join(_speed(result, rows, clock, "/s")),
        1: "".join(_time(result, epochs, clock, share)),
    }
    # The keys are the order of importance; the parts stand in the order of the dictionary.
    while len(text := _join(parts.values())) > width and len(parts) > 1:
        del parts[max(parts)]
    return text


def number(value: float) -> str:
    """Return a loss with two decimals, or three digits if it is small.

    Example:
        >>> number(310.741), number(0.012345)
        ('310.74', '0.0123')
    """
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


def _join(parts: Iterable[str]) -> str:
    return "  ".join(filter(None, parts))


def _has_ended(result: EpochResult, epochs: int) -> bool:
    return result.stopped_early or result.epoch == epochs


def _terms(result: EpochResult) -> str:
    """Return `distortion 17.20, rate 7.90`, the means of the terms; "" for one term that is the loss."""
    terms = {name: value for name, value in result.train.items() if name not in ("loss", "gradient_norm")}
    if list(terms.values()) == [result.train["loss"]]:
        return ""
    return ", ".join(f"{name} {number(value)}" for name, value in terms.items())


def _speed(result: EpochResult, rows: int, clock: Clock, unit: str) -> list[str]:
    """Return the number of examples per second; for the first epoch its time, which is that of compiling."""
    if clock.num_epochs <= 1:
        return [f"{result.seconds:.1f} s with compilation"]
    # The lower bound avoids a division by zero where the clock is too coarse.
    return [f"{rows / max(result.seconds, 1e-9):,.0f}{unit}"]


def _time(result: EpochResult, epochs: int, clock: Clock, share: float = 0.0) -> list[str]:
    """Return `left 0:00:04`, or the time of the session in its last epoch; nothing if it is unknown."""
    if result.stopped_early:
        return [f"stopped early after {clock.passed}"]
    if result.epoch == epochs:
        return [f"in {clock.passed}"]
    if clock.is_stopped:
        return [f"stopped after {clock.passed}"]
    left = clock.left(epochs - result.epoch - share)
    return [] if left is None else [f"left {left}"]
