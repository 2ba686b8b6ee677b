"""The interface of launchers, which train the groups of a sweep.

A launcher is an object with the two methods of `Launcher`; `jaxae.sweep(..., launcher=InProcesses())` uses
it. Its workers may run on any machine that sees the sweep's directory: rows and checkpoints are read from
there.

    class InProcesses:
        def connected(self, store, programs, options):
            return contextlib.nullcontext()

        def run(self, job):
            with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
                tasks = [(job.task(group), job.program(group).dataset) for group in job.groups]
                outcomes = list(pool.map(worker.train, *zip(*tasks)))  # jaxae.sweeps.groups.worker
            if "stopped" in outcomes:  # by Ctrl-C, with everything saved
                raise Interrupted  # from jaxae.errors
            return [group for group, outcome in zip(job.groups, outcomes) if outcome == "held"]

A launcher that trains in this process calls `job.train(group)` instead, one group after another: Orbax cannot
save from two threads at the same time.
"""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from jaxae.sweeps.groups import worker
from jaxae.sweeps.groups.group_training import Halting, Observer
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Options, Store


@dataclasses.dataclass(frozen=True)
class Job:
    """The groups that a launcher shall train, and the information that it needs."""

    store: Store
    """Directory of the sweep."""
    programs: Sequence[Program]
    """Runs of the sweep, one program for each structure."""
    groups: Sequence[Group]
    """Groups to be trained, each by one worker."""
    options: Options
    """Options of the sweep."""
    observe: Observer
    """Receives the progress of a group; returns True to save and stop."""
    stop: Callable[[], bool] = lambda: False
    """Returns True to save and stop; for a launcher that waits without receiving progress."""

    halting: Halting | None = None
    """Ends runs before their last epoch; only for groups that are trained in this process."""
    save: Callable[[], bool] = lambda: False
    """Returns True to save now and go on; only for groups that are trained in this process."""

    def program(self, group: Group) -> Program:
        """Return the program of a group, with its runs and their data."""
        return next(program for program in self.programs if program.id == group.program)

    def train(self, group: Group) -> bool:
        """Train a group in this process, from its last checkpoint.

        Do not call it in two threads at the same time.

        Args:
            group: One of `groups`.

        Returns:
            True if the group is finished; False if another process is training it.

        Raises:
            Interrupted: If `observe` returned True; everything is saved.
        """
        program, seconds = self.program(group), self.options.save_seconds
        return worker.train_group(self.store, program, group, self.observe, seconds, self.halting, self.save)

    def task(self, group: Group, patience: float = 0.0) -> worker.Task:
        """Return a group as a task that `worker.train` accepts in another process.

        Args:
            group: One of `groups`.
            patience: Seconds to wait for the lock of a worker that was lost.

        Returns:
            The task.

        Raises:
            JaxaeError: If a class of the runs cannot be found by another process.
        """
        return worker.describe(self.store, self.program(group), group, self.options.save_seconds, patience)


@runtime_checkable
class Launcher(Protocol):
    """Protocol of an object that trains the groups of a sweep."""

    def connected(
        self, store: Store, programs: Sequence[Program], options: Options
    ) -> AbstractContextManager[int | None]:
        """Acquire the resources of the launcher, from before groups are made until all are trained.

        Args:
            store: Directory of the sweep.
            programs: All runs of the sweep, with those already trained.
            options: Options of the sweep.

        Returns:
            A context manager that yields the largest number of lanes of a new group; None for no limit.
        """
        ...

    def run(self, job: Job) -> list[Group]:
        """Train all groups of a job.

        Args:
            job: The groups, and functions that train or describe one of them.

        Returns:
            The groups that were left out because another process is training them.

        Raises:
            Interrupted: If `job.observe` or `job.stop` returned True; everything is saved.
        """
        ...
