"""Training of a sweep's groups as tasks over a Ray cluster: one task trains a whole group.

This process and its workers share only Ray and the sweep's directory. The directory must be on one machine,
or on a file system that all nodes see under the same path. Rows, checkpoints and progress are read from
there.
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

POLL_SECONDS = 0.5  # time between two checks of running groups and of signals
RETRIES = 3  # retries of a group whose workers are lost one after another without a new checkpoint
PATIENCE = 120.0  # seconds for which the lock of a lost worker may remain
MANY = 10**6  # number of runs that exceeds any group, to ask for the widest layout


class RayLauncher:
    """Launcher that trains groups as tasks over a Ray cluster. Raises: JaxaeError if Ray is not installed."""

    def __init__(self) -> None:
        """Check that Ray is installed."""
        ray_cluster.ray()  # now, not after the data are loaded and the runs are planned

    @contextlib.contextmanager
    def connected(self, store: Store, programs: Sequence[Program], options: Options) -> Iterator[int | None]:
        """Connect to Ray if a run is still to be trained.

        Args:
            store: Directory of the sweep.
            programs: All runs of the sweep, with those already trained.
            options: Options of the sweep.

        Yields:
            The number of lanes of new groups that gives every worker of the cluster a group. None if the
            options set it, or if no run is new.
        """
        schedule = store.groups() if store.exists else []
        done = {run for group in schedule if store.is_done(group) for run in group.runs}
        scheduled = {run for group in schedule for run in group.runs}
        wanted = [run.id for program in programs for run in program.runs]
        num_new = sum(run not in scheduled for run in wanted)
        with contextlib.nullcontext() if done.issuperset(wanted) else ray_cluster.opened() as ray:
            # Only for new groups: a scheduled group keeps its width, and with it its bits.
            is_limit_needed = ray is not None and num_new > 0 and options.lanes is None
            yield _most_lanes(ray, programs, options, num_new) if is_limit_needed else None

    def run(self, job: Job) -> list[Group]:
        """Train the groups of a job; return those that other processes are training.

        A group whose worker is lost is given to another worker, which resumes from the last checkpoint. If a
        group fails, the others are trained before the error is raised.

        Raises:
            Interrupted: If the sweep was stopped; everything is saved.
            Exception: The error of the first group that failed.
        """
        if not job.groups:
            return []
        with ray_cluster.opened() as ray:
            if warning := ray_cluster.lacking(ray, max(group.devices for group in job.groups)):
                directory.warn(job.store.path, warning)
            tasks = _Tasks(ray, job)
            try:
                _run_all(tasks, job.groups)
            # Such as Ctrl-C without a handler: let the workers save before this process ends.
            except BaseException:
                tasks.cancel()
                _run_all(tasks, ())
                raise
        return tasks.outcome()


def _most_lanes(ray: Any, programs: Sequence[Program], options: Options, num_runs: int) -> int:
    """Return the number of lanes that distributes the runs over all workers, at most what fits in memory."""
    sizes = [(program.num_parameters, program.lane_bytes) for program in programs]
    widest = [layouts.choose(options.layout, MANY, *size, most_devices=options.devices) for size in sizes]
    slots = ray_cluster.slots(ray, max(layout.devices for layout in widest))
    return min(-(-num_runs // slots), *(layout.width for layout in widest))  # runs / slots, rounded up


def _run_all(tasks: "_Tasks", todo: Sequence[Group]) -> None:
    """Submit groups, and wait until all running groups have ended."""
    for group in todo:
        tasks.submit(group)
    while tasks.pending:
        tasks.wait()
        tasks.watch()
        if (tasks.stop or tasks.job.stop()) and not tasks.cancelled:
            tasks.cancel()


class _Attempt(NamedTuple):
    """A submitted group, and its history of lost workers."""

    group: Group
    saved: int  # newest saved epoch at the time of submission
    lost: int  # workers lost since this epoch was saved


class _Tasks:
    """The groups that are running, and the outcome of those that have ended."""

    def __init__(self, ray: Any, job: Job) -> None:
        self.ray, self.job, self.store = ray, job, job.store
        programs = {program.id: program for program in map(job.program, job.groups)}
        self.lane_bytes = {name: program.lane_bytes for name, program in programs.items()}
        # Each data set is copied into Ray's object store once, not once for every task.
        datasets = {id(program.dataset): program.dataset for program in programs.values()}
        references = {name: ray.put(dataset) for name, dataset in datasets.items()}
        self.datasets = {name: references[id(program.dataset)] for name, program in programs.items()}
        self.train = ray.remote(worker.train)
        self.pending: dict[Any, _Attempt] = {}
        self.held: list[Group] = []  # groups that other processes are training
        self.errors: list[BaseException] = []
        self.progress: dict[str, Progress] = {}  # {group id: last progress}
        self.stop = self.cancelled = self.interrupted = False
        self.retries = 0

    def submit(self, group: Group, lost: int = 0) -> None:
        """Submit a group, after `lost` workers were lost."""
        task = self.job.task(group, PATIENCE if lost else 0.0)
        resources = ray_cluster.needs(self.ray, group, self.lane_bytes[group.program])
        # No retries by Ray: it does not report them, and does not know whether a group has progressed in
        # between.
        train = self.train.options(max_retries=0, name=f"jaxae group {group.id}", **resources)
        reference = train.remote(task, self.datasets[group.program])
        self.pending[reference] = _Attempt(group, self._newest_epoch(group), lost)

    def wait(self) -> None:
        """Wait for at most POLL_SECONDS, and process the tasks that have ended."""
        ready, _ = self.ray.wait(list(self.pending), num_returns=1, timeout=POLL_SECONDS)
        for reference in ready:
            self._process(reference, self.pending.pop(reference))

    def _process(self, reference: Any, attempt: _Attempt) -> None:
        """Process one task that has ended."""
        known = self.ray.exceptions
        lost = known.WorkerCrashedError, known.NodeDiedError, known.OutOfMemoryError, known.ObjectLostError
        try:
            self._handle_end(attempt.group, self.ray.get(reference))
        except known.TaskCancelledError:
            self.interrupted = True
        except lost as error:
            self._handle_loss(attempt, error)
        except known.RayError as error:
            self._handle_failure(attempt.group, error)

    def _handle_end(self, group: Group, outcome: str) -> None:
        """Process the return value of `worker.train`."""
        if outcome == "stopped":
            self.interrupted = True
        elif outcome == "held":
            self.held.append(group)
        else:
            epochs = self.job.program(group).example.epochs
            last = self.progress.get(group.id, Progress(group, 0, epochs, len(group.runs), 1, 0.0, False))
            # The group ended between two polls, so its last progress was never reported.
            if last.live and last.epoch < epochs:
                self._report(last._replace(epoch=epochs, saved=False))

    def _handle_loss(self, attempt: _Attempt, error: BaseException) -> None:
        """Submit the group again, unless too many workers were lost with it one after another."""
        # No new task after a stop: the group has its last checkpoint.
        if self.cancelled:
            self.interrupted = True
            return
        group, saved, reason = attempt.group, self._newest_epoch(attempt.group), type(error).__name__
        lost = 1 if saved > attempt.saved else attempt.lost + 1
        if lost > RETRIES:
            message = f"{lost} workers were lost one after another ({reason}); fewer --lanes need less memory"
            self._handle_failure(group, ChildProcessError(errno.ECHILD, f"group {group.id}: {message}"))
            return
        self.retries += 1
        message = f"its worker was lost ({reason}); another worker continues from epoch {saved + 1}"
        directory.warn(self.store.path, f"group {group.id}: {message}")
        self.submit(group, lost)

    def _handle_failure(self, group: Group, error: BaseException) -> None:
        """Log the error of a group, and keep it until the other groups have ended."""
        # Raise the original exception. Ray's RayTaskError, with the worker's traceback, becomes its cause.
        cause = getattr(error, "cause", None)
        if isinstance(cause, BaseException):
            cause.__cause__, error = error, cause
        message = " ".join(str(error).split())
        directory.append_line(self.store.path / directory.LOG, f"group {group.id} failed: {message}")
        self.errors.append(error)

    def _newest_epoch(self, group: Group) -> int:
        """Return the newest saved epoch of a group, 0 without a checkpoint."""
        return max(checkpoint.epochs(self.store.folder(group) / CHECKPOINTS), default=0)

    def watch(self) -> None:
        """Report the new progress of the running groups."""
        for group in [attempt.group for attempt in self.pending.values()]:
            progress = worker.progress_of(self.store, group)
            if progress is not None and progress != self.progress.get(group.id):
                self._report(progress)

    def _report(self, progress: Progress) -> None:
        """Report progress to the observer, and note whether it stops the sweep."""
        self.progress[progress.group.id] = progress
        self.stop = self.job.observe(progress) or self.stop

    def cancel(self) -> None:
        """Ask all workers to save and stop; remove groups that wait for a worker."""
        self.cancelled = True
        for reference in self.pending:
            self.ray.cancel(reference)

    def outcome(self) -> list[Group]:
        """Return the groups that other processes are training.

        Raises:
            Interrupted: If the sweep was stopped; everything is saved.
            Exception: The error of the first group that failed.
        """
        if self.retries:
            count = "1 task was" if self.retries == 1 else f"{self.retries} tasks were"
            directory.warn(self.store.path, f"{count} retried, because workers were lost")
        if self.interrupted:
            raise Interrupted
        if self.errors:
            raise self.errors[0]
        return self.held
