"""Progress display of a sweep: a bar over all epochs of all lanes, with an estimate of the remaining time."""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator, Sequence

from jaxae.display.bars import Frame, opened
from jaxae.display.clock import duration
from jaxae.display.pace import LONGEST, Pace
from jaxae.display.places import Display
from jaxae.display.words import count
from jaxae.runs.directory import LOG, append_line
from jaxae.runs.run_progress import number
from jaxae.sweeps.groups.group_training import Progress
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Store


class Tally:
    """Progress of a sweep in lane-epochs (lanes times epochs), over the groups that are to be trained."""

    def __init__(self, todo: Sequence[Group], programs: Sequence[Program]) -> None:
        epochs = {program.id: program.example.epochs for program in programs}
        # Lane-epochs weigh a group by its work: groups differ in lanes, and programs in epochs.
        self.group_epochs = {group.id: len(group.runs) * epochs[group.program] for group in todo}
        self.runs = {group.id: len(group.runs) for group in todo}
        self.done: dict[str, float] = {}
        # Lowest validation loss of any run in this session: whether the sweep is worth waiting for.
        self.best: float | None = None
        # Lane-epochs and seconds that the speed is not computed from.
        self.skipped = self.unmeasured = 0.0
        self.start = self.last = time.perf_counter()

    def update(self, progress: Progress) -> None:
        """Record the progress that a group reports."""
        part = 1.0 if _has_ended(progress) else progress.epoch / progress.epochs
        is_known = progress.group.id in self.done
        losses = [lane.best_loss for lane in progress.lanes if lane.best_loss is not None]
        self.best = min([*losses, *([] if self.best is None else [self.best])], default=None)
        self.done[progress.group.id] = part * self.group_epochs[progress.group.id]
        # A group's first report holds epochs of an earlier session and the time of compilation. Neither says
        # anything about the speed of training.
        if not is_known:
            self.skipped += self.done[progress.group.id]
            self.unmeasured += time.perf_counter() - self.last
        self.last = time.perf_counter()

    @property
    def total(self) -> float:
        """Lane-epochs of the whole sweep, at least 1."""
        return max(1.0, float(sum(self.group_epochs.values())))

    @property
    def fraction(self) -> float:
        """Finished share of the lane-epochs, between 0 and 1."""
        return sum(self.done.values()) / self.total

    @property
    def runs_done(self) -> int:
        """Number of runs whose group has ended."""
        return sum(
            number for name, number in self.runs.items() if self.done.get(name) == self.group_epochs[name]
        )

    @property
    def left(self) -> datetime.timedelta | None:
        """Estimated remaining time at the speed of this session; None until the speed is known."""
        here = sum(self.done.values()) - self.skipped
        if here <= 0:
            return None
        # Until the last report, since a bar is drawn between reports: the time left then counts down.
        spent, since = self.last - self.start - self.unmeasured, time.perf_counter() - self.last
        seconds = spent / here * (self.total - sum(self.done.values()))
        return datetime.timedelta(seconds=max(0, round(seconds - since)))


@contextlib.contextmanager
def shown(
    store: Store,
    todo: Sequence[Group],
    programs: Sequence[Program],
    stop: Callable[[], bool] = lambda: False,
    display: Display = Display(),  # noqa: B008 (frozen)
) -> Iterator[Callable[[Progress], bool]]:
    """Yield an observer that shows the progress of groups.

    It draws a bar on a terminal or in a notebook, and prints lines elsewhere. It also writes lines to
    log.txt.

    Args:
        store: Directory of the sweep.
        todo: Groups that are to be trained.
        programs: Programs of the groups.
        stop: Returns True to save and stop; the observer returns its value.
        display: Settings of the display.

    Yields:
        The observer.
    """
    tally, last, has_line = Tally(todo, programs), None, _line_chooser(todo, display)

    def draw(width: int) -> Frame:
        if last is None:
            passed = duration(time.perf_counter() - tally.start)
            return Frame(None, f"compiling and training the first epoch  {passed}")
        return Frame(tally.fraction, bar_text(tally, last, width))

    # A sweep without groups to train shows nothing.
    display = display if todo else Display(is_shown=False)
    with opened(display, draw) as refresh:

        def observe(progress: Progress) -> bool:
            nonlocal last
            tally.update(progress)
            last, text = progress, line(tally, progress)
            append_line(store.path / LOG, text)
            if refresh is not None:
                refresh()
            elif display.is_shown and has_line(tally, progress):
                display.write(text)
            return stop()

        yield observe


def _line_chooser(todo: Sequence[Group], display: Display) -> Callable[[Tally, Progress], bool]:
    """Return the function that chooses the reports that get a line."""
    if (every := display.every) is not None:
        paces = {group.id: Pace(every, longest=float("inf")) for group in todo}
        return lambda tally, report: paces[report.group.id].is_due(report.epoch, _has_ended(report))
    pace = Pace(1 / display.num_lines, LONGEST)
    has_few_groups = len(todo) <= display.num_lines

    def choose(tally: Tally, report: Progress) -> bool:
        # The end of a group is news, unless there are hundreds of groups.
        return pace.is_due(tally.fraction, tally.fraction >= 1.0 or (_has_ended(report) and has_few_groups))

    return choose


def _has_ended(report: Progress) -> bool:
    """Return whether a group has no more epochs to train."""
    return report.epoch == report.epochs or not report.live


def line(tally: Tally, progress: Progress) -> str:
    """Return the progress of a sweep as text.

    Args:
        tally: Progress of all groups.
        progress: Last report of a group.

    Returns:
        `runs 20/40  20 lanes, 20 live, epoch 12/50  best validation loss 25.31  left 0:00:09  saved`.
    """
    lanes = f"{count(len(progress.group.runs), 'lane')}, {progress.live} live"
    parts = [
        _runs(tally),
        f"{lanes}, epoch {progress.epoch}/{progress.epochs}",
        "" if tally.best is None else f"best validation loss {number(tally.best)}",
        _left(tally),
        "saved" if progress.saved else "",
    ]
    return "  ".join(filter(None, parts))


def bar_text(tally: Tally, progress: Progress, width: int) -> str:
    """Return the text that stands next to a bar: `line`, or its most important parts if it is too long.

    Args:
        tally: Progress of all groups.
        progress: Last report of a group.
        width: Largest number of characters. The numbers of runs and epochs are never left out.

    Returns:
        `runs 20/40  epoch 12/50  best 25.31  left 0:00:09`.
    """
    text = line(tally, progress)
    parts = [_runs(tally), f"epoch {progress.epoch}/{progress.epochs}"]
    parts += [] if tally.best is None else [f"best {number(tally.best)}"]
    parts += [_left(tally)] if _left(tally) else []
    while len(text) > width and len(parts) >= 2:
        text = "  ".join(parts)
        parts.pop()
    return text


def _runs(tally: Tally) -> str:
    return f"runs {tally.runs_done}/{sum(tally.runs.values())}"


def _left(tally: Tally) -> str:
    """Return the time that is left; "" if it is unknown, or if all groups have ended."""
    return "" if tally.left is None or tally.fraction >= 1.0 else f"left {tally.left}"
