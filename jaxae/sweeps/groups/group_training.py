"""A group of lanes from its beginning, or its last checkpoint, to its rows: the host's side of a program."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxae import keys
from jaxae.errors import Interrupted, JaxaeError
from jaxae.estimators.scores import Columns
from jaxae.maths import precision
from jaxae.runs import directory
from jaxae.runs.experiment import example_batch
from jaxae.sweeps.groups import lanes as one
from jaxae.sweeps.groups import layouts, programs
from jaxae.sweeps.groups.lanes import Lane, Measured
from jaxae.sweeps.groups.layouts import Layout
from jaxae.sweeps.groups.programs import SPLITS
from jaxae.sweeps.plan import Planned, Program, stack
from jaxae.sweeps.store import CHECKPOINTS, KEPT, SAVE_SECONDS, Group
from jaxae.sweeps.tables.run_table import lane_rows
from jaxae.training import checkpoint, debugging, loop
from jaxae.training.epoch import NEVER

CHUNK_SECONDS = 1.0  # between two looks at the lanes: what a signal waits for


class Progress(NamedTuple):
    """What is told after each chunk of epochs."""

    group: Group
    epoch: int  # the last one
    epochs: int
    live: int  # lanes that ran it
    first: int  # the first epoch of this session, after which
    seconds: float  # so many have passed
    saved: bool


Observer = Callable[[Progress], bool]  # whether to stop now, with everything saved


class Saved(NamedTuple):
    """What a group's checkpoint holds."""

    lanes: Lane  # [R, ...]
    seconds: np.ndarray  # f32[], training so far


class Work(NamedTuple):
    """A group with what its program needs, all of it on the device."""

    group: Group
    program: Program
    runs: list[Planned]
    layout: Layout
    experiments: Any  # leaves f32[R]
    seeds: jax.Array  # u32[R]

    @property
    def id(self) -> str:
        """Names the group's checkpoints."""
        return self.group.id


def prepare(program: Program, group: Group) -> Work:
    """The group's experiments and seeds as arrays; lanes without a run repeat the first one, halted.

    Raises: JaxaeError where the layout needs more devices than there are.
    """
    available = jax.local_device_count()
    if group.devices > available:
        raise JaxaeError(
            f"the sweep was begun on {group.devices} devices, but there are {available}; "
            f"give --devices {group.devices}, or begin another --run-dir"
        )
    known = {run.id: run for run in program.runs}
    planned = [known[name] for name in group.runs]
    padded = planned + planned[:1] * (group.width - len(planned))
    layout = Layout(group.inside, group.devices, group.width)
    seeds = np.asarray([run.seed for run in padded], np.uint32)
    experiments = stack([run.experiment for run in padded])
    with precision.of(program.example):
        return Work(group, program, planned, layout, *layouts.place(layout, (experiments, seeds)))


_in_its_precision = precision.within(lambda work: work.program.example)


@_in_its_precision
def train(
    work: Work, folder: Path, observe: Observer, save_seconds: float = SAVE_SECONDS
) -> list[dict[str, Any]]:
    """Trains the group's lanes to their ends and returns their rows; what was saved before is gone on with.

    Raises: Interrupted after a save, when `observe` says so.
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
        lanes, seconds = _epochs(work, folder, saved, rows, first, observe, save_seconds)
        start = time.perf_counter()
        scores = _scores(work, lanes, splits)
        seconds += time.perf_counter() - start
        _keep(work, folder, lanes)
    numbers: Any = lanes.carry._replace(state=(), best=())  # type: ignore[arg-type]
    told = jax.device_get(lanes._replace(carry=numbers))
    return lane_rows(work.runs, work.group, str(layout), told, scores, seconds)


def _epochs(
    work: Work, folder: Path, saved: Saved, rows: Any, first: int, observe: Observer, save_seconds: float
) -> tuple[Lane, float]:
    """The lanes after their last epoch, and the seconds spent on them."""
    lanes, before, number, epochs = saved.lanes, float(saved.seconds), first - 1, work.program.example.epochs
    start = last_save = time.perf_counter()
    span, save_cost, live = 1, 0.0, len(work.runs)
    while number < epochs and live:
        chunk = time.perf_counter()
        lanes = advance(work, lanes, rows, number + 1, number + span)
        number += span
        if debugging.is_on():
            _check_finite(work, lanes)
        live = int((np.asarray(lanes.epochs) == number).sum())
        now = time.perf_counter()
        span = _next_span(span, now - chunk, epochs - number)
        due = now - last_save > max(save_seconds, 10 * save_cost) and number < epochs
        if due:
            _save(work, folder, number, lanes, before + now - start)
            last_save = time.perf_counter()
            save_cost = last_save - now
        told = Progress(work.group, number, epochs, live, first, now - start, due)
        if observe(told) and number < epochs:
            if not due:
                _save(work, folder, number, lanes, before + now - start)
            raise Interrupted
    return lanes, before + time.perf_counter() - start


def _next_span(span: int, seconds: float, left: int) -> int:
    """How many epochs come next: about CHUNK_SECONDS, growing slowly from the one that compiled."""
    wanted = int(span * CHUNK_SECONDS / max(seconds, 1e-9))
    return max(1, min(wanted, 8 * span, left))


@_in_its_precision
def compile_ahead(work: Work) -> None:
    """Starts the compilation of all that the group needs."""
    programs.training(_inputs(work))
    programs.scoring(_inputs(work), work.program.num_steps)


def _inputs(work: Work) -> programs.Inputs:
    dataset = work.program.dataset
    return programs.inputs(work.layout, work.experiments, work.seeds, example_batch(dataset), dataset)


@_in_its_precision
def begin(work: Work) -> Lane:
    """Return the group's lanes before their first epoch.

    Each run starts by the compiled program of a single run, so that its first bits are those of `fit`.
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
    """The group's lanes (which are given up) after the epochs first, ..., last."""
    span = (np.asarray(number, np.int32) for number in (first, last))
    compiled = programs.training(_inputs(work)).advance.result()
    with debugging.unchecked():
        return compiled(work.experiments, work.seeds, lanes, rows, *span)


def _check_finite(work: Work, lanes: Lane) -> None:
    """Raise FloatingPointError for the first run that has met a number at which jax's flags are to stop."""
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
    """The shapes and types of what is saved."""
    lanes = layouts.like(work.experiments, work.seeds, _halted(work), _batch(work))
    return Saved(lanes, np.zeros((), np.float32))


def _halted(work: Work) -> np.ndarray:
    return np.arange(work.group.width) >= len(work.runs)


def _batch(work: Work) -> Any:
    shapes = example_batch(work.program.dataset)
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


def _starting_point(work: Work, folder: Path) -> tuple[int, Saved]:
    """(first epoch, lanes and seconds): fresh, or from the newest whole checkpoint."""
    checkpoints, warn = folder / CHECKPOINTS, functools.partial(directory.warn, folder)
    try:
        restored = checkpoint.resume(checkpoints, _abstract(work), work.id, warn)
    except JaxaeError as error:  # none is whole: the group has its whole plan, so it can begin again
        warn(f"{error}; beginning the group again")
        checkpoint.set_aside(checkpoints, 0)
        restored = None
    if restored is None:
        return 1, Saved(begin(work), np.zeros((), np.float32))
    saved = Saved(*restored.state)
    return restored.epoch + 1, saved._replace(lanes=layouts.place(work.layout, saved.lanes))


def _save(work: Work, folder: Path, epoch: int, lanes: Lane, seconds: float) -> None:
    checkpoint.save(folder / CHECKPOINTS, epoch, Saved(lanes, np.asarray(seconds, np.float32)), work.id)


def _scores(work: Work, lanes: Lane, splits: dict[str, Any]) -> dict[str, Measured]:
    """Split -> what is measured, [R, ...] on the host, of the splits that have rows."""
    scoring = programs.scoring(_inputs(work), work.program.num_steps)
    with debugging.unchecked():
        found = {
            (name, part): jax.device_get(score.result()(work.experiments, work.seeds, lanes, splits[name]))
            for (name, part), score in scoring.items()
        }
    debugging.check(found, f"group {work.id}")
    measured = {}
    for name in dict.fromkeys(name for name, _ in found):
        terms, weights = found[name, "terms"]
        columns = Columns(terms, found[name, "rows"], found.get((name, "draws")))
        measured[name] = Measured(columns, weights)
    return measured


class Kept(NamedTuple):
    """What stays of a group that is done."""

    best: Any  # TrainState [R, ...], or () where only numbers are kept
    reports: Any  # Report f32[R, E]


def _keep(work: Work, folder: Path, lanes: Lane) -> None:
    checkpoint.save(folder / KEPT, 1, _kept(work, lanes), work.id)


def _kept(work: Work, lanes: Lane) -> Kept:
    return Kept(_best_states(lanes.carry) if work.group.keep else (), lanes.reports)


_best_states = jax.jit(jax.vmap(one.best_state))


@_in_its_precision
def restore(work: Work, folder: Path) -> Kept:
    """What is kept of a group that is done, [R, ...]. Raises: JaxaeError where it is not whole."""
    target = jax.eval_shape(lambda lanes: _kept(work, lanes), _abstract(work).lanes)
    restored = checkpoint.restore(folder / KEPT, target, work.id)
    if restored is None:
        raise JaxaeError(f"{folder}: nothing is kept of this group")
    return Kept(*restored.state)
