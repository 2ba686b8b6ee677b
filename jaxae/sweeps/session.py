"""One sweep or search from its definition to its tables: what the command line and Python both call."""

import contextlib
import dataclasses
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from jaxae.errors import Interrupted, JaxaeError
from jaxae.runs import interrupts, opening
from jaxae.runs.experiment import Experiment
from jaxae.sweeps import define, origins, plan, tally
from jaxae.sweeps.define import Setting
from jaxae.sweeps.groups import group_schedule
from jaxae.sweeps.groups.group_training import Observer, Progress
from jaxae.sweeps.launching import launchers
from jaxae.sweeps.launching.launch_job import Job, Launcher
from jaxae.sweeps.launching.launchers import LocalLauncher
from jaxae.sweeps.plan import Load, Program, cell
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.sweep_results import Results, forget
from jaxae.sweeps.tables import run_table

TABLE_SECONDS = 10.0  # between two writings of the tables while groups are done
Stopping = AbstractContextManager[Callable[[], bool]]  # yields whether to save and stop


def _ignore(*_: Any) -> None:
    """Show nothing."""


@dataclasses.dataclass(frozen=True)
class Session:
    """All that a sweep or search is made from but its settings, and how its caller shows and stops it."""

    store: Store
    """Where it is written."""
    base: Experiment
    """What the settings override."""
    seeds: Sequence[int]
    """Those that each setting is trained under."""
    options: Options
    """How it is run."""
    load: Load
    """Gives the data that an experiment names."""
    command: list[str]
    """The command that the sweep is recorded with."""
    stopping: Callable[[], Stopping]
    """Says whether to save and stop, and replaces Interrupted by the caller's own exception."""
    launcher: Launcher = dataclasses.field(default_factory=LocalLauncher)
    """Where groups are trained."""
    show_progress: bool = True
    """Whether progress is shown, and not only logged."""
    on_plan: Callable[[Sequence[Program], Sequence[Setting]], None] = _ignore
    """Shows the runs that settings and seeds make."""
    on_schedule: Callable[[Sequence[Group]], None] = _ignore
    """Shows the groups that are still to be trained."""

    def plan(self, settings: Sequence[Setting]) -> list[Program]:
        """Return the runs of the settings, by structure. Raises: JaxaeError for a mistake in them."""
        programs = plan.plan(self.base, settings, self.seeds, self.load)
        self.on_plan(programs, settings)
        return programs

    def sweep(self, settings: Sequence[Setting]) -> list[Group]:
        """Train the settings, and write the tables; return the groups that other processes train already.

        Raises: JaxaeError for a mistake, or what `stopping` raises once everything is saved.
        """
        programs = origins.adopted(self.store, self.plan(settings))
        with self.launcher.connected(self.store, programs, self.options) as most_lanes:
            todo = self.schedule(programs, define.names(settings), most_lanes=most_lanes)
            with self.stopping() as stop:
                return self.train(programs, todo, stop)

    def schedule(
        self,
        programs: Sequence[Program],
        swept: Sequence[str],
        num_lanes: int | None = None,
        most_lanes: int | None = None,
    ) -> list[Group]:
        """Return the groups still to be trained, as `group_schedule.schedule` does."""
        arguments = self.store, self.base, programs, swept, self.options, self.command
        todo = group_schedule.schedule(*arguments, num_lanes, most_lanes)
        self.on_schedule(todo)
        return todo

    def train(
        self, programs: Sequence[Program], todo: Sequence[Group], stop: Callable[[], bool]
    ) -> list[Group]:
        """Train groups and write the tables; return those that other processes train already.

        Raises: Interrupted (everything is saved), JaxaeError.
        """
        with tally.shown(self.store, todo, programs, stop, quiet=not self.show_progress) as observe:
            return launch(self.launcher, Job(self.store, programs, todo, self.options, observe, stop))


def launch(launcher: Launcher, job: Job) -> list[Group]:
    """Run a job, and write the tables of its sweep meanwhile and at the end, even if the job fails."""
    try:
        held = launcher.run(dataclasses.replace(job, observe=_writing_tables(job)))
    except BaseException:
        with contextlib.suppress(OSError, JaxaeError):  # what stopped the job is the error to show
            run_table.write_tables(job.store, job.options)
        raise
    run_table.write_tables(job.store, job.options)
    return held


def _writing_tables(job: Job) -> Observer:
    """Return the job's observer, which also writes the tables when more groups are done."""
    last, num_done = time.perf_counter(), 0

    def observe(progress: Progress) -> bool:
        nonlocal last, num_done
        if time.perf_counter() - last > TABLE_SECONDS:
            before, num_done = num_done, sum(map(job.store.is_done, job.groups))
            if num_done > before:
                run_table.write_tables(job.store, job.options)
            last = time.perf_counter()
        return job.observe(progress)

    return observe


@contextlib.contextmanager
def _saving_at_ctrl_c(run_dir: str | Path | None) -> Iterator[Callable[[], bool]]:
    """Yield whether Ctrl-C asks training to save and stop; then raise KeyboardInterrupt."""
    with interrupts.deferred(run_dir is not None) as pending, contextlib.suppress(Interrupted):
        yield lambda: pending.came
    if pending.came:
        raise KeyboardInterrupt(f"stopped, everything is saved in {run_dir}; the same call goes on")


@contextlib.contextmanager
def from_python(
    experiment: Experiment,
    seeds: int | Sequence[int],
    options: Options,
    rows: tuple[Any, Any],
    run_dir: str | Path | None,
    **how: Any,
) -> Iterator[Session]:
    """Yield the session of a call from Python; a temporary directory is removed if the sweep fails.

    Args:
        experiment: What settings override.
        seeds: How many, or which ones.
        options: How the sweep is run.
        rows: The rows and labels of the caller, each may be None.
        run_dir: Where the sweep is written; None for a temporary directory.
        **how: Other fields of the session.
    """
    if not isinstance(experiment, Experiment):
        raise JaxaeError(f"experiment: got {type(experiment).__name__}, expected a jaxae.Experiment")
    base, listed = opening.with_rows(experiment, rows[0]), define.as_seeds(seeds)
    store = Store(Path(tempfile.mkdtemp(prefix="jaxae-sweep-") if run_dir is None else run_dir))
    load = origins.finding(store, functools.partial(opening.load_data, x=rows[0], y=rows[1]))
    stopping = functools.partial(_saving_at_ctrl_c, run_dir)
    try:
        yield Session(store, base, listed, options, load, sys.argv, stopping, **how)
    except BaseException:
        if run_dir is None:
            forget(store.path)
        raise


def sweep(
    experiment: Experiment,
    over: Any = None,
    seeds: int | Sequence[int] = 5,
    *,
    x: Any = None,
    y: Any = None,
    run_dir: str | Path | None = None,
    layout: str = "auto",
    lanes: int | None = None,
    keep: bool = True,
    score: str | None = None,
    baseline: dict[str, Any] | None = None,
    launcher: str | Launcher = "local",
    show_progress: bool = True,
) -> Results:
    """Trains `experiment` under every setting and seed, runs of one structure as one program.

    `over`: {dotted name: values} for a grid, or a list of settings {dotted name: value}, as `grid`, `zipped`,
    `sampled` or a comprehension makes it; None is the experiment as it is.
    `seeds`: how many, from 0, or which ones. `x`, `y`: rows and labels of your own, as for `fit`.
    `run_dir`: where the sweep is written, and gone on with when it is called again; None forgets it with the
    results. `layout`, `lanes`, `keep`, `score`, `baseline`: see `Options`.
    `launcher`: local; ray: groups of `lanes` runs are tasks over a Ray cluster, a running one or one of
    this machine; or a `Launcher` of your own. `run_dir` is then a directory that all its workers see.
    A run that diverges is a row with its first bad step; it disturbs no other. Ctrl-C with `run_dir` saves
    all lanes, then raises KeyboardInterrupt.
    Raises: JaxaeError for a mistake in the input.
    """
    cells = None if baseline is None else {name: cell(value) for name, value in baseline.items()}
    options = Options(layout, lanes, keep, score, cells)
    how = {"launcher": launchers.find(launcher), "show_progress": show_progress}
    with from_python(experiment, seeds, options, (x, y), run_dir, **how) as session:
        session.sweep(define.settings({} if over is None else over))
        return Results(session.store.path, options, x, y, temporary=run_dir is None)
