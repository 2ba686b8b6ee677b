"""Training of a group of lanes on the host: from the start or a checkpoint to the rows of the table."""

import functools
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jaxae import keys
from jaxae.errors import Interrupted, JaxaeError
from jaxae.estimators.scores import Columns
from jaxae.maths import precision
from jaxae.runs import directory
from jaxae.runs.experiment import example_batch
from jaxae.sweeps.groups import lanes as single_lane
from jaxae.sweeps.groups import layouts, programs
from jaxae.sweeps.groups.lanes import Lane, Measured
from jaxae.sweeps.groups.layouts import Layout
from jaxae.sweeps.groups.programs import SPLITS
from jaxae.sweeps.plan import Planned, Program, stack
from jaxae.sweeps.store import CHECKPOINTS, KEPT, SAVE_SECONDS, Group
from jaxae.sweeps.tables.run_table import lane_rows
from jaxae.training import checkpoint, debugging, loop
from jaxae.training.epoch import NEVER

# Seconds of training between two checks of the lanes. Ctrl-C takes effect only at a check.
CHUNK_SECONDS = 1.0


class LaneProgress(NamedTuple):
    """Progress of one run of a group."""

    run: str  # id of the run
    seed: int
    epoch: int  # number of epochs that the run has trained
    train: dict[str, float]  # means of its last epoch over the training rows
    validation: dict[str, float] | None  # means of its last validation; None before the first
    best_epoch: int  # 0 before the first validation
    best_loss: float | None  # validation loss of the best epoch; None before the first validation
    first_bad_step: int | None  # None as long as all numbers are finite
    is_live: bool  # False after it diverged, stopped early or was pruned


class Progress(NamedTuple):
    """Progress of a group, reported after each chunk of epochs."""

    group: Group
    epoch: int  # last epoch of the chunk, counted from 1
    epochs: int  # epochs of a whole run
    live: int  # number of lanes that ran this epoch
    first: int  # first epoch of this session
    seconds: float  # seconds of training in this session
    saved: bool  # whether a checkpoint was written after this chunk
    lanes: tuple[LaneProgress, ...] = ()  # the runs of the group


Observer = Callable[[Progress], bool]  # returns True to save and stop


class Halting(Protocol):
    """Protocol of an object that ends runs of a group before their last epoch, as a search that prunes does.

    It is called at epochs that it chooses, so that the result does not depend on the speed of the machine.
    """

    def border(self, epoch: int, epochs: int) -> int:
        """Return the next epoch after which `choose` must be called.

        Args:
            epoch: Number of epochs that are trained.
            epochs: Number of epochs of a whole run.

        Returns:
            The epoch, above `epoch` and at most `epochs`.
        """
        ...

    def choose(self, progress: Progress) -> Collection[str]:
        """Return the ids of the runs that train no further epoch."""
        ...


class Saved(NamedTuple):
    """Content of a group's checkpoint."""

    lanes: Lane  # [R, ...]
    seconds: np.ndarray  # f32[], seconds of training in all sessions


class Work(NamedTuple):
    """A group with the arrays that its programs need, on the device."""

    group: Group
    program: Program
    runs: list[Planned]
    layout: Layout
    experiments: Any  # leaves f32[R]
    seeds: jax.Array  # u32[R]

    @property
    def id(self) -> str:
        """Id of the group, which its checkpoints carry."""
        return self.group.id


def prepare(program: Program, group: Group) -> Work:
    """Return a group with its experiments and seeds as arrays on the device.

    Lanes without a run repeat the first run and are halted.

    Args:
        program: Program of the group.
        group: The group.

    Returns:
        The group with its arrays.

    Raises:
        JaxaeError: If the layout needs more devices than this process has.
    """
    available = jax.local_device_count()
    if group.devices > available:
        raise JaxaeError(
            f"the sweep was started on {group.devices} devices, but this process has {available}; "
            f"give --devices {group.devices}, or start a new sweep in another --run-dir"
        )
    known = {run.id: run for run in program.runs}
    planned = [known[name] for name in group.runs]
    # The group keeps its width even with fewer runs: another width is another program, with other bits.
    padded = planned + planned[:1] * (group.width - len(planned))
    layout = Layout(group.inside, group.devices, group.width)
    seeds = np.asarray([run.seed for run in padded], np.uint32)
    experiments = stack([run.experiment for run in padded])
    with precision.of(program.example):
        return Work(group, program, planned, layout, *layouts.place(layout, (experiments, seeds)))


_in_its_precision = precision.within(lambda work: work.program.example)


@_in_its_precision
def train(
    work: Work,
    folder: Path,
    observe: Observer,
    save_seconds: float = SAVE_SECONDS,
    halting: Halting | None = None,
    save: Callable[[], bool] = lambda: False,
) -> list[dict[str, Any]]:
    """Train the lanes of a group to their ends, from the last checkpoint if any, and return their rows.

    Args:
        work: The group.
        folder: Folder of the group, for its checkpoints.
        observe: Receives the progress; returns True to save and stop.
        save_seconds: Shortest time between two checkpoints, in seconds.
        halting: Ends runs before their last epoch; None lets all runs go on.
        save: Returns whether to save after this chunk although no checkpoint is due.

    Returns:
        One row for each run.

    Raises:
        Interrupted: If `observe` returned True; everything is saved.
        JaxaeError: If the disk is full or cannot be written.
    """
    directory.preflight(
        folder, sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(_abstract(work)))
    )
    dataset, layout = work.program.dataset, work.layout
    compile_ahead(work)
    with directory.disk_errors(folder):
        first, saved = _starting_point(work, folder)
        on_device = {name: loop.to_device(getattr(dataset, name)) for name in SPLITS}
        splits = layouts.place_rows(layout, on_device)
        rows = splits["train"], splits["validation"]
        lanes, seconds = _epochs(work, folder, saved, rows, first, observe, save_seconds, halting, save)
        start = time.perf_counter()
        scores = _scores(work, lanes, splits)
        seconds += time.perf_counter() - start
        _keep(work, folder, lanes)
    # Only the small fields go to the host: states and best states are R times a model.
    numbers: Any = lanes.carry._replace(state=(), best=())  # type: ignore[arg-type]
    host_lanes = jax.device_get(lanes._replace(carry=numbers))
    return lane_rows(work.runs, work.group, str(layout), host_lanes, scores, seconds)


def _epochs(
    work: Work,
    folder: Path,
    saved: Saved,
    rows: Any,
    first: int,
    observe: Observer,
    save_seconds: float,
    halting: Halting | None,
    save: Callable[[], bool],
) -> tuple[Lane, float]:
    """Return the lanes after their last epoch, and the seconds of training in all sessions."""
    lanes, before, number, epochs = saved.lanes, float(saved.seconds), first - 1, work.program.example.epochs
    start = last_save = time.perf_counter()
    span, save_cost, num_live = 1, 0.0, len(work.runs)
    while number < epochs and num_live:
        chunk = time.perf_counter()
        border = halting.border(number, epochs) if halting else epochs
        span = min(span, border - number)
        lanes = advance(work, lanes, rows, number + 1, number + span)
        number += span
        if debugging.is_on():
            _check_finite(work, lanes)
        reached = _lane_progress(work, lanes, number)  # waits for the device
        chosen: Collection[str] = ()
        if halting and number == border:
            # Before the checkpoint: a run that was halted must not go on when the group is resumed from it.
            chosen = halting.choose(Progress(work.group, number, epochs, 0, first, 0.0, False, reached))
            lanes = _halt(work, lanes, chosen)
        num_live = sum(lane.epoch == number and lane.run not in chosen for lane in reached)
        now = time.perf_counter()
        span = _next_span(span, now - chunk, epochs - number)
        # At most about a tenth of the time goes into saving, however large the state is. After the last epoch
        # the rows are written, and no checkpoint is needed.
        is_due = (save() or now - last_save > max(save_seconds, 10 * save_cost)) and number < epochs
        if is_due:
            _save(work, folder, number, lanes, before + now - start)
            last_save = time.perf_counter()
            save_cost = last_save - now
        progress = Progress(work.group, number, epochs, num_live, first, now - start, is_due, reached)
        if observe(progress) and number < epochs:
            if not is_due:
                _save(work, folder, number, lanes, before + now - start)
            raise Interrupted
    return lanes, before + time.perf_counter() - start


def _halt(work: Work, lanes: Lane, chosen: Collection[str]) -> Lane:
    """Return the lanes, of which those of the chosen runs train no further epoch."""
    if not chosen:
        return lanes
    is_chosen = [run.id in chosen for run in work.runs]
    padding = [False] * (work.layout.width - len(is_chosen))
    halted = np.asarray(lanes.halted) | np.asarray(is_chosen + padding)
    return lanes._replace(halted=layouts.place(work.layout, halted))


def _lane_progress(work: Work, lanes: Lane, number: int) -> tuple[LaneProgress, ...]:
    """Return the progress of the runs after epoch `number`, in one small transfer from the device."""
    small = lanes.carry.first_bad_step, lanes.carry.best_epoch, lanes.carry.best_score, lanes.halted
    lane_epochs, reports, *rest = jax.device_get((lanes.epochs, lanes.reports, *small))
    experiment = work.program.example
    has_validation = len(work.program.dataset.validation.x) > 0

    def read(lane: int, run: Planned) -> LaneProgress:
        bad, best_epoch, best_loss, halted = (values[lane] for values in rest)
        epoch = int(lane_epochs[lane])

        def numbers(at: int) -> tuple[dict[str, float], dict[str, float] | None]:
            report = jax.tree.map(lambda values: values[lane, at - 1], reports)
            return loop.numbers(experiment, at, report, has_validation)

        # Most epochs may have no validation: the last one that had is a multiple of `validate_every`.
        validated = epoch if epoch == experiment.epochs else epoch - epoch % experiment.validate_every
        return LaneProgress(
            run=run.id,
            seed=run.seed,
            epoch=epoch,
            train=numbers(epoch)[0] if epoch else {},
            validation=numbers(validated)[1] if validated else None,
            best_epoch=int(best_epoch),
            best_loss=float(best_loss) if best_epoch else None,
            first_bad_step=None if bad == NEVER else int(bad),
            is_live=bool(bad == NEVER and epoch == number and not halted),
        )

    return tuple(read(lane, run) for lane, run in enumerate(work.runs))


def _next_span(span: int, seconds: float, left: int) -> int:
    """Return the number of epochs of the next chunk, which should take about CHUNK_SECONDS."""
    wanted = int(span * CHUNK_SECONDS / max(seconds, 1e-9))
    # The first chunk is slow, because it waits for the compilation: from there the span grows at most 8-fold.
    return max(1, min(wanted, 8 * span, left))


@_in_its_precision
def compile_ahead(work: Work) -> None:
    """Start the compilation of all programs that the group needs."""
    programs.training(_inputs(work))
    programs.scoring(_inputs(work), work.program.num_steps)


def _inputs(work: Work) -> programs.Inputs:
    """Return the inputs that the group's programs are compiled for."""
    dataset = work.program.dataset
    return programs.inputs(work.layout, work.experiments, work.seeds, example_batch(dataset), dataset)


@_in_its_precision
def begin(work: Work) -> Lane:
    """Return the group's lanes before their first epoch.

    Each run is initialized by the compiled program of a single run, so that its bits are those of `fit`.
    """
    compiled = programs.training(_inputs(work)).begin.result()
    experiments, seeds = jax.device_get((work.experiments, work.seeds))

    def carry(number: int) -> Any:
        experiment = jax.tree.map(lambda leaf: leaf[number], experiments)
        return jax.device_get(compiled(experiment, keys.root(int(seeds[number])), _batch(work)))

    with debugging.unchecked():
        carries = jax.tree.map(lambda *leaves: np.stack(leaves), *map(carry, range(work.layout.width)))
        return layouts.place(work.layout, layouts.start(experiments, carries, _halted(work)))


@_in_its_precision
def advance(work: Work, lanes: Lane, rows: Any, first: int, last: int) -> Lane:
    """Return the group's lanes after the epochs first, ..., last.

    Args:
        work: The group.
        lanes: Lanes after epoch `first` - 1; donated, so the caller must not use them again.
        rows: (training rows, validation rows) on the device.
        first: First epoch, counted from 1.
        last: Last epoch.

    Returns:
        The lanes.
    """
    # np.int32, as the program was compiled for: a Python int would be i64[] in a float64 run.
    span = (np.asarray(number, np.int32) for number in (first, last))
    compiled = programs.training(_inputs(work)).advance.result()
    loop.has_started.set()
    with debugging.unchecked():
        return compiled(work.experiments, work.seeds, lanes, rows, *span)


def _check_finite(work: Work, lanes: Lane) -> None:
    """Raise FloatingPointError for the first run with a number that jax's debug flags forbid."""
    host = jax.device_get(lanes)
    for number, run in enumerate(work.runs):
        lane = jax.tree.map(lambda leaf: leaf[number], host)  # noqa: B023 (called at once)
        bad, epoch = int(lane.carry.first_bad_step), int(lane.epochs)
        if bad != NEVER and any(map(debugging.is_bad, jax.tree.leaves(lane.bad))):
            raise FloatingPointError(f"run {run.id}: {loop.describe_divergence(lane.bad, bad, epoch)}")
        if bad == NEVER:
            last = jax.tree.map(lambda row: row[epoch - 1], lane.reports)  # noqa: B023 (called at once)
            debugging.check((lane.carry.state, last), f"run {run.id}, epoch {epoch}")


def _abstract(work: Work) -> Saved:
    """Return the shapes and types of the group's checkpoint."""
    lanes = layouts.like(work.experiments, work.seeds, _halted(work), _batch(work))
    return Saved(lanes, np.zeros((), np.float32))


def _halted(work: Work) -> np.ndarray:
    """Return bool[R]: True for lanes that only pad the group."""
    return np.arange(work.group.width) >= len(work.runs)


def _batch(work: Work) -> Any:
    """Return a batch of one example, all zeros: initialization needs only its shapes."""
    shapes = example_batch(work.program.dataset)
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


def _starting_point(work: Work, folder: Path) -> tuple[int, Saved]:
    """Return (first epoch, lanes and seconds): new lanes, or those of the newest complete checkpoint."""
    checkpoints, warn = folder / CHECKPOINTS, functools.partial(directory.warn, folder)
    try:
        restored = checkpoint.resume(checkpoints, _abstract(work), work.id, warn)
    except JaxaeError as error:
        # No checkpoint is complete, but runs.json and the data are all that the group needs to start again.
        warn(f"{error}; starting the group again")
        checkpoint.set_aside(checkpoints, 0)
        restored = None
    if restored is None:
        return 1, Saved(begin(work), np.zeros((), np.float32))
    saved = Saved(*restored.state)
    return restored.epoch + 1, saved._replace(lanes=layouts.place(work.layout, saved.lanes))


def _save(work: Work, folder: Path, epoch: int, lanes: Lane, seconds: float) -> None:
    """Write a checkpoint of the lanes."""
    checkpoint.save(folder / CHECKPOINTS, epoch, Saved(lanes, np.asarray(seconds, np.float32)), work.id)


def _scores(work: Work, lanes: Lane, splits: dict[str, Any]) -> dict[str, Measured]:
    """Return {split: measurements [R, ...] on the host} for the splits that have rows."""
    scoring = programs.scoring(_inputs(work), work.program.num_steps)
    with debugging.unchecked():
        parts = {
            (name, part): jax.device_get(score.result()(work.experiments, work.seeds, lanes, splits[name]))
            for (name, part), score in scoring.items()
        }
    debugging.check(parts, f"group {work.id}")
    measured = {}
    for name in dict.fromkeys(name for name, _ in parts):
        terms, weights = parts[name, "terms"]
        columns = Columns(terms, parts[name, "rows"], parts.get((name, "draws")))
        measured[name] = Measured(columns, weights)
    return measured


class Kept(NamedTuple):
    """Data that is kept of a finished group."""

    best: Any  # TrainState [R, ...], or () if only numbers are kept
    reports: Any  # Report f32[R, E]


def _keep(work: Work, folder: Path, lanes: Lane) -> None:
    """Write the data that is kept of a finished group."""
    checkpoint.save(folder / KEPT, 1, _kept(work, lanes), work.id)


def _kept(work: Work, lanes: Lane) -> Kept:
    """Return the data that is kept of a group."""
    return Kept(_best_states(lanes.carry) if work.group.keep else (), lanes.reports)


# Jitted, because without jit every leaf would be selected by its own program.
_best_states = jax.jit(jax.vmap(single_lane.best_state))


@_in_its_precision
def restore(work: Work, folder: Path) -> Kept:
    """Return the data kept of a finished group, [R, ...].

    Args:
        work: The group.
        folder: Folder of the group.

    Returns:
        Best states, or () if they were not kept, and reports.

    Raises:
        JaxaeError: If nothing was kept, or the files are damaged.
    """
    target = jax.eval_shape(lambda lanes: _kept(work, lanes), _abstract(work).lanes)
    restored = checkpoint.restore(folder / KEPT, target, work.id)
    if restored is None:
        raise JaxaeError(f"{folder}: the states and histories of this group are missing ({KEPT})")
    return Kept(*restored.state)
