"""The tables of a sweep during training: finished rows, and the losses so far of the other runs."""

import time

from jaxae.runs import directory
from jaxae.specs.cells import values
from jaxae.sweeps import sweep_status
from jaxae.sweeps.groups import worker
from jaxae.sweeps.groups.group_training import Progress
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.tables import run_table
from jaxae.sweeps.tables.run_table import Row

SECONDS = 10.0  # shortest time between two updates
SHARE = 20.0  # an update waits this many times as long as the last one took


class LiveTables:
    """Writes the tables of a sweep while it trains.

    Summaries are made of finished runs only. The last update, when training has ended, is
    `run_table.write_tables`: it leaves only finished rows.
    """

    def __init__(self, store: Store, options: Options, programs: dict[str, Program]) -> None:
        self.store, self.options, self.programs = store, options, programs
        self.latest: dict[str, Progress] = {}  # {group id: its newest progress}
        self.num_done = 0
        self.next = 0.0  # time of the next update; the first progress is written at once

    def update(self, progress: Progress) -> None:
        """Note the progress of a group, and write the tables if it is time.

        Args:
            progress: Progress of a group of this job.
        """
        self.latest[progress.group.id] = progress
        start = time.perf_counter()
        # Counting finished groups reads the file system, so not after every chunk of epochs.
        if start < self.next:
            return
        groups = self.store.groups()
        num_done = sum(map(self.store.is_done, groups))
        if num_done > self.num_done:
            run_table.write_tables(self.store, self.options)
            self.num_done = num_done
        with self.store.locked():
            rows = [row for group in groups for row in self._rows(group)]
            self.store.write_results(run_table.sort_rows(self.store, rows))
        now = time.perf_counter()
        # A table of thousands of rows takes seconds: at most a twentieth of the time goes into it.
        self.next = now + max(SECONDS, SHARE * (now - start))

    def _rows(self, group: Group) -> list[Row]:
        """Return the rows of a group: finished ones, or those of its progress while it is trained."""
        if self.store.is_done(group):
            return self.store.group_rows(group)
        progress, program = self._progress(group), self.programs.get(group.program)
        return running_rows(progress, program) if progress and program else []

    def _progress(self, group: Group) -> Progress | None:
        """Return the progress of a group that this or another process is training."""
        if group.id in self.latest:
            return self.latest[group.id]
        progress = worker.progress_of(self.store, group)
        return progress if progress and directory.is_held(self.store.folder(group)) else None


def running_rows(progress: Progress, program: Program) -> list[Row]:
    """Return the rows of a group that is being trained, with the losses so far and without scores.

    Args:
        progress: Progress of the group.
        program: Its program.

    Returns:
        One row for each run. Its status is "running" until the run has diverged or stopped.
    """
    planned = {run.id: run for run in program.runs}
    rows = []
    for lane in progress.lanes:
        experiment = planned[lane.run].experiment
        # In the order of the columns of finished rows, so that the table keeps its form.
        identity = {"run": lane.run, "program": progress.group.program, "seed": lane.seed}
        state = sweep_status.lane_row(lane._asdict(), is_running=True)
        rows.append({**identity, **values(experiment), **state, "group": progress.group.id})
    return rows
