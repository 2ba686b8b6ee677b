"""Progress display of a sweep: a bar over all epochs of all lanes, with an estimate of the remaining time."""

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from jaxae.runs.directory import LOG, append_line
from jaxae.sweeps.groups.group_training import Progress
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Store

LINE_SECONDS = 5.0  # shortest time between two lines if the output is not a terminal


class Tally:
    """Progress of a sweep in lane-epochs (lanes times epochs), over the groups that are to be trained."""

    def __init__(self, todo: Sequence[Group], programs: Sequence[Program]) -> None:
        epochs = {program.id: program.example.epochs for program in programs}
        # Lane-epochs weigh a group by its work: groups differ in lanes, and programs in epochs.
        self.group_epochs = {group.id: len(group.runs) * epochs[group.program] for group in todo}
        self.runs = {group.id: len(group.runs) for group in todo}
        self.done: dict[str, float] = {}
        # Lane-epochs and seconds that the speed is not computed from.
        self.skipped = self.unmeasured = 0.0
        self.start = self.last = time.perf_counter()

    def update(self, progress: Progress) -> None:
        """Record the progress that a group reports."""
        has_ended = progress.epoch == progress.epochs or not progress.live
        part = 1.0 if has_ended else progress.epoch / progress.epochs
        is_known = progress.group.id in self.done
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
        spent = time.perf_counter() - self.start - self.unmeasured
        seconds = spent / here * (self.total - sum(self.done.values()))
        return datetime.timedelta(seconds=round(seconds))


@contextlib.contextmanager
def shown(
    store: Store,
    todo: Sequence[Group],
    programs: Sequence[Program],
    stop: Callable[[], bool] = lambda: False,
    quiet: bool = False,
) -> Iterator[Callable[[Progress], bool]]:
    """Yield an observer that shows the progress of groups.

    It draws a bar on a terminal or in a notebook, and prints lines elsewhere. It also writes lines to
    log.txt.

    Args:
        store: Directory of the sweep.
        todo: Groups that are to be trained.
        programs: Programs of the groups.
        stop: Returns True to save and stop; the observer returns its value.
        quiet: Whether nothing is shown on the screen.

    Yields:
        The observer.
    """
    tally = Tally(todo, programs)
    with _bar(len(todo) > 0 and not quiet) as bar:
        last = -LINE_SECONDS

        def observe(progress: Progress) -> bool:
            nonlocal last
            tally.update(progress)
            text = _line(tally, progress)
            append_line(store.path / LOG, text)
            if bar is not None:
                bar(tally, text)
            elif not quiet and (
                time.perf_counter() - last > LINE_SECONDS or progress.epoch == progress.epochs
            ):
                print(text, flush=True)
                last = time.perf_counter()
            return stop()

        yield observe


def _line(tally: Tally, progress: Progress) -> str:
    """Return the progress as text: `runs 20/40  20 lanes, 20 live, epoch 12/50  left 0:00:09  saved`."""
    group = (
        f"{len(progress.group.runs)} lanes, {progress.live} live, epoch {progress.epoch}/{progress.epochs}"
    )
    left = f"  left {tally.left}" if tally.left is not None else ""
    saved = "  saved" if progress.saved else ""
    return f"runs {tally.runs_done}/{sum(tally.runs.values())}  {group}{left}{saved}"


@contextlib.contextmanager
def _bar(wanted: bool) -> Iterator[Callable[[Tally, str], None] | None]:
    """Yield a function that updates a progress bar; None without a terminal or notebook."""
    if not wanted or not (sys.stdout.isatty() or "ipykernel" in sys.modules):
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn  # here: the import is slow and often not needed

    with Progress(BarColumn(bar_width=20), TextColumn("{task.description}", markup=False)) as bar:
        task = bar.add_task("compiling", total=1.0)
        yield lambda tally, text: bar.update(task, completed=tally.fraction, description=text)
