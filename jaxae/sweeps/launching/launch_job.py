"""Where the groups of a sweep are trained: in this process, over a Ray cluster, or by a launcher of your own.

A launcher is an object with the two methods of `Launcher`; `jaxae.sweep(..., launcher=Mine())` uses it. Its
workers may be anywhere as long as they see the sweep's directory: rows and checkpoints are read from there.

    class InProcesses:
        def connected(self, store, programs, options):
            return contextlib.nullcontext()

        def run(self, job):
            with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
                tasks = [(job.task(group), job.program(group).dataset) for group in job.groups]
                outcomes = list(pool.map(worker.train, *zip(*tasks)))  # from jaxae.sweeps import worker
            if "stopped" in outcomes:  # by Ctrl-C, with everything saved
                raise Interrupted  # from jaxae.errors
            return [group for group, outcome in zip(job.groups, outcomes) if outcome == "held"]

A launcher that trains in this process calls `job.train(group)` instead, for one group after another: Orbax
does not save from two threads at once.
"""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from jaxae.sweeps.groups import worker
from jaxae.sweeps.groups.group_training import Observer
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Options, Store


@dataclasses.dataclass(frozen=True)
class Job:
    """The groups that a launcher is to train, and what it needs for that."""

    store: Store
    """The sweep's directory."""
    programs: Sequence[Program]
    """The runs of the sweep, by structure."""
    groups: Sequence[Group]
    """Those to be trained, each in one worker."""
    options: Options
    """How the sweep is run."""
    observe: Observer
    """Shows the progress of a group; True: save and stop."""
    stop: Callable[[], bool] = lambda: False
    """Whether to save and stop, for a launcher that waits without any progress."""

    def program(self, group: Group) -> Program:
        """Return the program of a group: its runs and their data."""
        return next(program for program in self.programs if program.id == group.program)

    def train(self, group: Group) -> bool:
        """Train a group in this process, from its last checkpoint; return False if another process does.

        Not to be called by two threads at once.
        Raises: Interrupted after a save, when `observe` returns True.
        """
        program, seconds = self.program(group), self.options.save_seconds
        return worker.train_group(self.store, program, group, self.observe, seconds)

    def task(self, group: Group, patience: float = 0.0) -> worker.Task:
        """Return a group as `worker.train` takes it in another process.

        Args:
            group: One of `groups`.
            patience: Seconds to wait for the lock of a worker that was lost.

        Raises:
            JaxaeError: For a class that another process cannot know.
        """
        return worker.describe(self.store, self.program(group), group, self.options.save_seconds, patience)


@runtime_checkable
class Launcher(Protocol):
    """Trains the groups of a sweep."""

    def connected(
        self, store: Store, programs: Sequence[Program], options: Options
    ) -> AbstractContextManager[int | None]:
        """Hold what the launcher needs while inside, from before groups are made until all are trained.

        Args:
            store: The sweep's directory.
            programs: All runs of the sweep, those already trained too.
            options: How the sweep is run.

        Returns:
            A context manager that yields the largest number of lanes for new groups; None for no limit.
        """
        ...

    def run(self, job: Job) -> list[Group]:
        """Train `job.groups`; return those that other processes train already.

        Raises:
            Interrupted: After `job.observe` or `job.stop` returned True and everything is saved.
        """
        ...
