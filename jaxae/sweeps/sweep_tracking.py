"""Report the runs of a sweep to trackers: one tracked run for each run, all of them in one group."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxae.protocols.tracker import TrackedRun, Tracker
from jaxae.runs.tracking import SPLITS, Tracking, flat, make_id, status_of
from jaxae.specs.cells import values
from jaxae.sweeps.groups.group_training import Progress
from jaxae.sweeps.plan import Planned, Program
from jaxae.sweeps.store import Group, Store


class SweepTracking:
    """Tracking of the runs of a sweep.

    Attributes:
        store: Directory of the sweep.
        planned: {id: run} of all runs that may be trained.
        tracking: The trackers.
        groups: Groups whose runs have started and not ended.
        runs: {id of a run: its identity} for the runs of these groups.
        epochs: {id of a run: last epoch that was reported}.
    """

    def __init__(self, store: Store, programs: Sequence[Program], trackers: Sequence[Tracker]) -> None:
        self.store, self.tracking = store, Tracking(trackers)
        self.planned = {run.id: run for program in programs for run in program.runs}
        self.groups: dict[str, Group] = {}
        self.runs: dict[str, TrackedRun] = {}
        self.epochs: dict[str, int] = {}

    def observe(self, progress: Progress) -> None:
        """Report the progress of a group, and the end of the groups that have finished since."""
        if not self.tracking.trackers:
            return
        self._end_finished()
        self.groups[progress.group.id] = progress.group
        for lane in progress.lanes:
            if lane.run not in self.runs:
                self.runs[lane.run] = _describe(self.store, self.planned[lane.run])
                self.tracking.call("start", self.runs[lane.run])
            # A run that has diverged or stopped early reports its last epoch again after each chunk.
            if lane.epoch > self.epochs.get(lane.run, 0):
                self.epochs[lane.run] = lane.epoch
                numbers = flat({"train": lane.train, "validation": lane.validation or {}})
                self.tracking.call("epoch", self.runs[lane.run], lane.epoch, numbers)

    def end(self, status: str) -> None:
        """Report the end of all runs.

        Args:
            status: Status of runs whose group has not finished.
        """
        self._end_finished()
        for run in self.runs.values():
            self.tracking.call("end", run, status)

    def _end_finished(self) -> None:
        """Report the scores and the end of the runs whose group has finished."""
        for group in [group for group in self.groups.values() if self.store.is_done(group)]:
            del self.groups[group.id]
            for row in self.store.group_rows(group):
                if run := self.runs.pop(row["run"], None):
                    self.tracking.call("scores", run, _scores(row))
                    self.tracking.call("end", run, row["status"])


@contextlib.contextmanager
def tracked(
    store: Store, programs: Sequence[Program], trackers: Sequence[Tracker]
) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that reports the progress of groups to trackers; at the end all runs are ended.

    Args:
        store: Directory of the sweep.
        programs: Programs with the runs.
        trackers: The trackers.

    Yields:
        The function, which has the form of a callback of a sweep.
    """
    tracking = SweepTracking(store, programs, trackers)
    try:
        yield tracking.observe
    except BaseException as error:
        tracking.end(status_of(error))
        raise
    tracking.end("interrupted")


def _describe(store: Store, planned: Planned) -> TrackedRun:
    """Return the identity of a run of a sweep."""
    settings = {"seed": planned.seed, **values(planned.experiment)}
    folder = store.path
    return TrackedRun(make_id(f"{folder.absolute()} {planned.id}"), planned.id, folder.name, folder, settings)


def _scores(row: dict[str, Any]) -> dict[str, float]:
    """Return the scores of a row, {"test/elbo": ...}."""
    parts = {
        split: {
            name.removeprefix(f"{split}."): value
            for name, value in row.items()
            if name.startswith(f"{split}.")
        }
        for split in SPLITS
    }
    return flat(parts)
