"""One sweep or search, from its definition to its tables; the command line and `jaxae.sweep` both use it."""

import contextlib
import dataclasses
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from jaxae.data.own.given_rows import GivenRows, collect
from jaxae.display.places import Display, for_python
from jaxae.display.words import count
from jaxae.errors import Interrupted, JaxaeError
from jaxae.maths import precision
from jaxae.protocols.tracker import Tracker
from jaxae.runs import interrupts, notes, opening, status
from jaxae.runs.callbacks import combine
from jaxae.runs.experiment import Experiment
from jaxae.runs.interrupts import Pending
from jaxae.runs.notes import Notes
from jaxae.specs.cells import cell
from jaxae.sweeps import define, origins, plan, sweep_tracking, tally
from jaxae.sweeps.define import Setting
from jaxae.sweeps.groups import group_schedule
from jaxae.sweeps.groups.group_training import Halting, Observer, Progress
from jaxae.sweeps.launching import launchers
from jaxae.sweeps.launching.launch_job import Job, Launcher
from jaxae.sweeps.launching.launchers import LocalLauncher
from jaxae.sweeps.plan import Load, Program
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.sweep_results import Results, forget
from jaxae.sweeps.tables import run_table
from jaxae.sweeps.tables.live_tables import LiveTables
from jaxae.trackers import find_trackers

STOPPING = "stopping as soon as all runs are saved; Ctrl-C again stops now"

Stopping = AbstractContextManager[Pending]  # yields the record of signals, which the sweep answers


def _ignore(*_: Any) -> None:
    """Show nothing; the default of `on_plan` and `on_schedule`."""


@dataclasses.dataclass(frozen=True)
class Session:
    """Definition of a sweep or search except its settings, and how the caller shows and stops it."""

    store: Store
    """Directory of the sweep."""
    base: Experiment
    """Experiment that the settings override."""
    seeds: Sequence[int]
    """Seeds that each setting is trained under."""
    options: Options
    """Options of layout, scores and checkpoints."""
    load: Load
    """Function that loads the data of a `DataSpec`."""
    command: list[str]
    """Command line that is recorded in sweep.json."""
    stopping: Callable[[], Stopping]
    """Context manager: yields the record of signals; replaces Interrupted by the caller's exception."""
    launcher: Launcher = dataclasses.field(default_factory=LocalLauncher)
    """Launcher that trains the groups."""
    display: Display = dataclasses.field(default_factory=Display)
    """Settings of the display of progress, which is also written to log.txt in any case."""
    callback: Callable[[Progress], bool | None] = _ignore
    """Function that receives the progress of each group; if it returns True, the sweep is saved and stops."""
    trackers: Sequence[Tracker] = ()
    """Trackers that receive the numbers of the runs."""
    on_plan: Callable[[Sequence[Program], Sequence[Setting]], None] = _ignore
    """Function that shows the planned runs."""
    on_schedule: Callable[[Sequence[Group]], None] = _ignore
    """Function that shows the groups that are still to be trained."""
    labels: Notes = notes.NONE
    """Name, tags and note of the user."""

    def plan(self, settings: Sequence[Setting]) -> list[Program]:
        """Return the runs of the settings, one program for each structure.

        Raises:
            JaxaeError: If a setting is invalid.
        """
        programs = plan.plan(self.base, settings, self.seeds, self.load)
        self.on_plan(programs, settings)
        return programs

    def sweep(self, settings: Sequence[Setting]) -> list[Group]:
        """Train the settings and write the tables.

        Returns:
            The groups that were left out because another process is training them.

        Raises:
            JaxaeError: If a setting or option is invalid. After a stop, the exception of `stopping`.
        """
        # Before the launcher connects: mistakes in the settings are reported at once, and connecting to Ray
        # is slow.
        programs = origins.adopted(self.store, self.plan(settings))
        with self.launcher.connected(self.store, programs, self.options) as most_lanes:
            todo = self.schedule(programs, define.names(settings), most_lanes=most_lanes)
            with self.stopping() as pending:
                return self.train(programs, todo, pending)

    def schedule(
        self,
        programs: Sequence[Program],
        swept: Sequence[str],
        num_lanes: int | None = None,
        most_lanes: int | None = None,
    ) -> list[Group]:
        """Return the groups that are still to be trained, and add groups of new runs to sweep.json.

        Args:
            programs: The planned runs.
            swept: Names that are swept over.
            num_lanes: Lay out new groups as for this number of runs; None: the number of new runs.
            most_lanes: Largest number of lanes of a new group, if the options do not set it; None for no
                limit.

        Returns:
            The groups, as `group_schedule.schedule` returns them.
        """
        arguments = self.store, self.base, programs, swept, self.options, self.command
        todo = group_schedule.schedule(*arguments, num_lanes, most_lanes)
        # Now that the directory exists. A resumed sweep keeps what an earlier command has noted.
        if any(self.labels):
            notes.change(self.store.path, self.labels)
        self.on_schedule(todo)
        return todo

    def train(
        self,
        programs: Sequence[Program],
        todo: Sequence[Group],
        pending: Pending,
        halting: Halting | None = None,
    ) -> list[Group]:
        """Train groups and write the tables.

        Args:
            programs: The planned runs.
            todo: Groups to be trained.
            pending: Record of signals, which ask to save, or to save and stop.
            halting: Ends runs before their last epoch; None lets all runs go on.

        Returns:
            The groups that were left out because another process is training them.

        Raises:
            Interrupted: If a signal or a callback stopped the sweep; everything is saved.
            JaxaeError: If the tables cannot be made.
        """

        def stop() -> bool:
            return pending.stops

        def report(progress: Progress) -> None:
            if progress.saved:
                pending.report_save(f"epoch {progress.epoch} of {count(len(progress.group.runs), 'run')}")

        with (
            status.kept(self.store.path if todo else None),
            tally.shown(self.store, todo, programs, stop, self.display) as show,
            sweep_tracking.tracked(self.store, programs, self.trackers) as track,
        ):
            # Both are called in every case: the display must not miss the chunk in which a callback stops.
            observe = precision.as_here(combine([show, report, track, self.callback]))
            job = Job(self.store, programs, todo, self.options, observe, stop, halting, pending.takes_save)
            return launch(self.launcher, job)


def launch(launcher: Launcher, job: Job) -> list[Group]:
    """Train the groups of a job, and write the tables of its sweep.

    Args:
        launcher: Trains the groups.
        job: The groups. The tables are also written during training and after a failure.

    Returns:
        The groups that were left out because another process is training them.
    """
    try:
        held = launcher.run(dataclasses.replace(job, observe=_writing_tables(job)))
    except BaseException:
        # A second error here would hide the first one, which explains why the job stopped.
        with contextlib.suppress(OSError, JaxaeError):
            run_table.write_tables(job.store, job.options)
        raise
    run_table.write_tables(job.store, job.options)
    return held


def _writing_tables(job: Job) -> Observer:
    """Return the job's observer, extended so that it writes the tables during training."""
    tables = LiveTables(job.store, job.options, {program.id: program for program in job.programs})

    def observe(progress: Progress) -> bool:
        tables.update(progress)
        return job.observe(progress)

    return observe


@contextlib.contextmanager
def _saving_at_signals(run_dir: str | Path | None) -> Iterator[Pending]:
    """Yield the record of signals; at the end raise the exception of the signal that stopped the sweep."""
    # Without a directory of the user's there is nothing to resume: signals then have their usual effect.
    with interrupts.deferred(run_dir is not None, STOPPING) as pending, contextlib.suppress(Interrupted):
        yield pending
    if pending.number is not None:
        message = f"stopped, everything is saved in {run_dir}; the same call resumes the sweep"
        raise interrupts.stopped(pending.number, message)


@contextlib.contextmanager
def from_python(
    experiment: Experiment,
    seeds: int | Sequence[int],
    options: Options,
    given: GivenRows | None,
    run_dir: str | Path | None,
    **how: Any,
) -> Iterator[Session]:
    """Yield the session of a call from Python; if the sweep fails, a temporary directory is deleted.

    Args:
        experiment: Experiment that the settings override.
        seeds: Number of seeds, or the seeds.
        options: Options of the sweep.
        given: Rows and labels given by the caller, or None.
        run_dir: Directory of the sweep; None for a temporary directory.
        **how: Other fields of `Session`.

    Yields:
        The session.

    Raises:
        JaxaeError: If `experiment` is not an Experiment, or `seeds` is invalid.
    """
    if not isinstance(experiment, Experiment):
        raise JaxaeError(f"experiment: got {type(experiment).__name__}, expected a jaxae.Experiment")
    # Before the temporary directory is made: a mistake in the seeds leaves nothing behind.
    base, seed_list = opening.with_rows(experiment, given), define.as_seeds(seeds)
    store = Store(Path(tempfile.mkdtemp(prefix="jaxae-sweep-") if run_dir is None else run_dir))
    load = origins.finding(store, functools.partial(opening.load_data, given=given))
    stopping = functools.partial(_saving_at_signals, run_dir)
    try:
        yield Session(store, base, seed_list, options, load, sys.argv, stopping, **how)
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
    x_validation: Any = None,
    y_validation: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    run_dir: str | Path | None = None,
    name: str | None = None,
    tags: str | Sequence[str] = (),
    note: str | None = None,
    layout: str = "auto",
    lanes: int | None = None,
    keep: bool = True,
    score: str | None = None,
    baseline: dict[str, Any] | None = None,
    launcher: str | Launcher = "local",
    callbacks: Any = (),
    trackers: Any = (),
    progress: bool = True,
) -> Results:
    """Train `experiment` under every setting and seed; runs of one structure share one compiled program.

    A run that diverges becomes a row with the first bad step, and does not disturb the other runs. Ctrl-C
    saves all runs if `run_dir` is given, and then raises KeyboardInterrupt; the same call resumes the sweep.
    SIGTERM and SIGHUP do the same with SystemExit; SIGUSR1 and SIGUSR2 save, and training goes on.

    Args:
        experiment: Experiment that the settings override.
        over: {dotted name: values} for a grid, or a list of settings {dotted name: value} such as the result
            of `grid`, `zipped` or `sampled`. None: only the experiment itself.
        seeds: Number of seeds (5 means 0 to 4), or the seeds.
        x: Rows of your own, f32[N, ...], as for `fit`; None: the data that the experiment names.
        y: Labels of these rows; None for no labels.
        x_validation: Validation rows of your own, as for `fit`; None draws them from `x`.
        y_validation: Labels of `x_validation`.
        x_test: Test rows of your own; None draws them from `x`.
        y_test: Labels of `x_test`.
        run_dir: Directory of the sweep. If it holds this sweep already, the sweep is resumed. None: a
            temporary directory, deleted together with the results.
        name: Name for lists of runs. Name, tags and note are kept in notes.json of `run_dir`.
        tags: Words by which lists of runs are filtered.
        note: A text for yourself.
        layout: How lanes are laid out; see `Options`.
        lanes: Number of runs trained at the same time; None: all that fit in memory.
        keep: Whether the best state of each run is kept, for `Results.load`.
        score: Column by which settings are compared; None: validation.elbo if all runs have it, else
            validation.loss.
        baseline: Setting {dotted name: value} that the others are compared with; None: the first setting.
        launcher: "local" trains in this process. "ray" trains groups as tasks on a Ray cluster: a running
            one, or a new one on this machine; `run_dir` must then be visible to all workers. Or your own
            `Launcher`.
        callbacks: A function, or several, called as `callback(progress)` about once a second for each group
            of runs, with a `Progress`. If one returns True, the sweep is saved and stops; its results are
            those of the runs that have finished, and the same call resumes it.
        trackers: Trackers that receive the numbers of each run, as for `fit`. The runs of a sweep are one
            group.
        progress: Whether progress is displayed, as for `fit`.

    Returns:
        The results: tables as pandas DataFrames, and every run as a `Result`.

    Raises:
        JaxaeError: If an argument is invalid.

    Example:
        >>> import jaxae
        >>> experiment = jaxae.Experiment(model=jaxae.VAE(likelihood=jaxae.Gaussian(std=0.2)), epochs=5)
        >>> over = {"model.beta": [0.5, 1.0, 2.0]}
        >>> results = jaxae.sweep(experiment, over, seeds=3, run_dir="runs/beta")  # doctest: +SKIP
        >>> results.summary[["model.beta", "n_used", "validation.elbo", "rank"]]  # doctest: +SKIP
    """
    cells = None if baseline is None else {name: cell(value) for name, value in baseline.items()}
    options = Options(layout, lanes, keep, score, cells)
    how = {
        "labels": notes.check(name, tags, note, run_dir),
        "launcher": launchers.find(launcher),
        "display": for_python(progress),
        "callback": combine(callbacks),
        "trackers": find_trackers.find(trackers),
    }
    given = collect(x, y, x_validation, y_validation, x_test, y_test)
    with from_python(experiment, seeds, options, given, run_dir, **how) as session:
        session.sweep(define.settings({} if over is None else over))
        return Results(session.store.path, options, given, temporary=run_dir is None)
