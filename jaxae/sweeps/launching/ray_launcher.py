"""A sweep's groups as tasks over a Ray cluster: whole compiled programs with many lanes, never single runs.

The sweep's directory is all that this process and its workers share beside Ray: it must lie on one machine
or on a disk that all nodes see under one name. Rows, checkpoints and progress are read from there.
"""

import contextlib
import errno
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jaxae.errors import Interrupted
from jaxae.runs import directory
from jaxae.sweeps.groups import layouts, worker
from jaxae.sweeps.groups.group_training import Progress
from jaxae.sweeps.launching import ray_cluster
from jaxae.sweeps.launching.launch_job import Job
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import CHECKPOINTS, Group, Options, Store
from jaxae.training import checkpoint

POLL_SECONDS = 0.5  # between two looks at the groups under way, and at a signal
RETRIES = 3  # of a group whose workers are lost one after another, none of them having saved anything new
PATIENCE = 120.0  # seconds that a group may seem to be held by a worker that is lost
MANY = 10**6  # runs: more than a group can have


class RayLauncher:
    """Trains groups as tasks over a Ray cluster. Raises: JaxaeError where Ray is not installed."""

    def __init__(self) -> None:
        ray_cluster.ray()

    @contextlib.contextmanager
    def connected(self, store: Store, programs: Sequence[Program], options: Options) -> Iterator[int | None]:
        """Ray, connected while inside, where a run is still to be trained.

        Yields the most lanes of new groups, few enough that every worker of the cluster has a group; None
        where `options` say how many.
        """
        found = store.groups() if store.exists else []
        done = {run for group in found if store.is_done(group) for run in group.runs}
        scheduled = {run for group in found for run in group.runs}
        wanted = [run.id for program in programs for run in program.runs]
        num_new = sum(run not in scheduled for run in wanted)
        with contextlib.nullcontext() if done.issuperset(wanted) else ray_cluster.opened() as ray:
            open_question = ray is not None and num_new > 0 and options.lanes is None
            yield _most_lanes(ray, programs, options, num_new) if open_question else None

    def run(self, job: Job) -> list[Group]:
        """Trains the groups that no other process holds; returns those that others hold.

        A group whose worker is lost is taken up by another one, from its last checkpoint. Where one fails,
        the others are trained first.
        Raises: Interrupted (everything is saved), or what the first group failed with.
        """
        if not job.groups:
            return []
        with ray_cluster.opened() as ray:
            if told := ray_cluster.lacking(ray, max(group.devices for group in job.groups)):
                directory.warn(job.store.path, told)
            flight = _Flight(ray, job)
            try:
                _go(flight, job.groups)
            except BaseException:  # Ctrl-C where nobody handles signals, say
                flight.cancel()
                _go(flight, ())
                raise
        return flight.outcome()


def _most_lanes(ray: Any, programs: Sequence[Program], options: Options, num_runs: int) -> int:
    """Those that share `num_runs` out among all workers, or as many as memory allows."""
    sizes = [(program.num_parameters, program.lane_bytes) for program in programs]
    widest = [layouts.choose(options.layout, MANY, *size, most_devices=options.devices) for size in sizes]
    slots = ray_cluster.slots(ray, max(layout.devices for layout in widest))
    return min(-(-num_runs // slots), *(layout.width for layout in widest))


def _go(flight: "_Flight", todo: Sequence[Group]) -> None:
    """Hands the groups out, and sees all that are under way to their ends."""
    for group in todo:
        flight.submit(group)
    while flight.pending:
        flight.wait()
        flight.watch()
        if (flight.stop or flight.job.stop()) and not flight.cancelled:
            flight.cancel()


class _Try(NamedTuple):
    """A group that was handed out, and how it went before."""

    group: Group
    saved: int  # the newest epoch that was saved
    lost: int  # workers since it was saved


class _Flight:
    """The groups that are under way, and what became of others."""

    def __init__(self, ray: Any, job: Job) -> None:
        self.ray, self.job, self.store = ray, job, job.store
        programs = {program.id: program for program in map(job.program, job.groups)}
        self.lane_bytes = {name: program.lane_bytes for name, program in programs.items()}
        datasets = {id(program.dataset): program.dataset for program in programs.values()}
        references = {name: ray.put(dataset) for name, dataset in datasets.items()}
        self.datasets = {name: references[id(program.dataset)] for name, program in programs.items()}
        self.train = ray.remote(worker.train)
        self.pending: dict[Any, _Try] = {}
        self.held: list[Group] = []
        self.errors: list[BaseException] = []
        self.told: dict[str, Progress] = {}  # the last progress of each group
        self.stop = self.cancelled = self.interrupted = False
        self.retries = 0

    def submit(self, group: Group, lost: int = 0) -> None:
        """Hands a group out, after `lost` workers."""
        task = self.job.task(group, PATIENCE if lost else 0.0)
        asked = ray_cluster.needs(self.ray, group, self.lane_bytes[group.program])
        # Not by Ray's own retries: it does not tell of them, nor does it know that a group got on in between.
        train = self.train.options(max_retries=0, name=f"jaxae group {group.id}", **asked)
        reference = train.remote(task, self.datasets[group.program])
        self.pending[reference] = _Try(group, self._saved(group), lost)

    def wait(self) -> None:
        """Takes in what has ended, after POLL_SECONDS at the latest."""
        ready, _ = self.ray.wait(list(self.pending), num_returns=1, timeout=POLL_SECONDS)
        for reference in ready:
            self._take_in(reference, self.pending.pop(reference))

    def _take_in(self, reference: Any, tried: _Try) -> None:
        known = self.ray.exceptions
        lost = known.WorkerCrashedError, known.NodeDiedError, known.OutOfMemoryError, known.ObjectLostError
        try:
            self._ended(tried.group, self.ray.get(reference))
        except known.TaskCancelledError:
            self.interrupted = True
        except lost as error:
            self._lost(tried, error)
        except known.RayError as error:
            self._failed(tried.group, error)

    def _ended(self, group: Group, outcome: str) -> None:
        if outcome == "stopped":
            self.interrupted = True
        elif outcome == "held":
            self.held.append(group)
        else:
            epochs = self.job.program(group).example.epochs
            last = self.told.get(group.id, Progress(group, 0, epochs, len(group.runs), 1, 0.0, False))
            if last.live and last.epoch < epochs:  # its end has not been seen, nor told
                self._tell(last._replace(epoch=epochs, saved=False))

    def _lost(self, tried: _Try, error: BaseException) -> None:
        """Another worker takes the group up, unless one after another was lost with it."""
        if self.cancelled:
            self.interrupted = True
            return
        group, saved, reason = tried.group, self._saved(tried.group), type(error).__name__
        lost = 1 if saved > tried.saved else tried.lost + 1
        if lost > RETRIES:
            told = f"{lost} workers were lost one after another ({reason}); fewer --lanes need less memory"
            self._failed(group, ChildProcessError(errno.ECHILD, f"group {group.id}: {told}"))
            return
        self.retries += 1
        told = f"group {group.id}: its worker was lost ({reason}); another goes on from epoch {saved + 1}"
        directory.warn(self.store.path, told)
        self.submit(group, lost)

    def _failed(self, group: Group, error: BaseException) -> None:
        cause = getattr(error, "cause", None)  # of a task's error, which itself holds the worker's traceback
        if isinstance(cause, BaseException):
            cause.__cause__, error = error, cause
        told = " ".join(str(error).split())
        directory.append_line(self.store.path / directory.LOG, f"group {group.id} failed: {told}")
        self.errors.append(error)

    def _saved(self, group: Group) -> int:
        """The newest epoch of the group that is saved, 0 for none."""
        return max(checkpoint.epochs(self.store.folder(group) / CHECKPOINTS), default=0)

    def watch(self) -> None:
        """Tells what the groups under way have told since the last look."""
        for group in [tried.group for tried in self.pending.values()]:
            progress = worker.progress_of(self.store, group)
            if progress is not None and progress != self.told.get(group.id):
                self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        self.told[progress.group.id] = progress
        self.stop = self.job.observe(progress) or self.stop

    def cancel(self) -> None:
        """Asks all workers to save and stop; groups that wait for one are taken back."""
        self.cancelled = True
        for reference in self.pending:
            self.ray.cancel(reference)

    def outcome(self) -> list[Group]:
        """The groups that others hold. Raises: Interrupted, or what the first group failed with."""
        if self.retries:
            told = "1 task was" if self.retries == 1 else f"{self.retries} tasks were"
            directory.warn(self.store.path, f"{told} retried, because workers were lost")
        if self.interrupted:
            raise Interrupted
        if self.errors:
            raise self.errors[0]
        return self.held
