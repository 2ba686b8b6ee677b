"""Training of one group from its last checkpoint to its rows, in this process or as a task in another one.

Only data and classes are sent to another process: runs as records, rows of data as arrays, the text of
configs, and the classes of a script or notebook, which another process could not import.
"""

import contextlib
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxae.data import Dataset
from jaxae.errors import Interrupted, JaxaeError
from jaxae.runs import compilation_cache, config, directory, provenance, status
from jaxae.runs.code import identity
from jaxae.runs.experiment import Experiment
from jaxae.specs import pytree
from jaxae.specs.records import from_record, to_record
from jaxae.sweeps.files import PROGRESS
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups.group_training import Observer, Progress
from jaxae.sweeps.plan import Planned, Program
from jaxae.sweeps.store import SAVE_SECONDS, Group, Store

_executed: dict[Path, bytes] = {}  # configs that this process has executed, with their text
HERE = "here"  # replaces the path of jax's cache: each worker uses the cache folder of its machine
# Flags of jax that workers copy: those that numbers depend on, and those of the compilation cache.
FLAGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_threefry_partitionable",
    "jax_enable_compilation_cache",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


class Code(NamedTuple):
    """Origin of the classes in the runs' experiments that are not jaxae's."""

    configs: tuple[tuple[Path, bytes], ...]  # files of configs and their text
    modules: tuple[str, ...]  # names of modules to import
    folders: tuple[str, ...]  # folders to add to sys.path for them
    classes: tuple[type, ...]  # classes of the script or notebook that runs the sweep


class Task(NamedTuple):
    """A group and the information that its worker needs."""

    store: Path
    group: Group
    planned: list[tuple[str, Any, int, str | None]]  # (id, record of the experiment, seed, digest of code)
    code: Code
    flags: dict[str, Any]
    folder: str  # working directory, used if it exists on the worker's machine
    save_seconds: float
    patience: float  # seconds to wait for the lock of a lost worker; network file systems release locks late


def train_group(
    store: Store,
    program: Program,
    group: Group,
    observe: Observer,
    save_seconds: float = SAVE_SECONDS,
    halting: groups.Halting | None = None,
    save: Callable[[], bool] = lambda: False,
) -> bool:
    """Train one group from its last checkpoint, and write its rows.

    Args:
        store: Directory of the sweep.
        program: Program of the group.
        group: The group.
        observe: Receives the progress; returns True to save and stop.
        save_seconds: Shortest time between two checkpoints, in seconds.
        halting: Ends runs before their last epoch; None lets all runs go on.
        save: Returns whether to save now although no checkpoint is due.

    Returns:
        True if the group is finished; False if another process is training it.

    Raises:
        Interrupted: If `observe` returned True; everything is saved.
    """
    with store.held(group) as is_ours:
        # Another process may have finished the group after this one made its schedule.
        if is_ours and not store.is_done(group):
            work = groups.prepare(program, group)
            store.describe(group, work.runs)
            reporting = _reporting(store.folder(group) / PROGRESS, observe)
            rows = groups.train(work, store.folder(group), reporting, save_seconds, halting, save)
            store.finish(group, rows)
        if is_ours:
            (store.folder(group) / PROGRESS).unlink(missing_ok=True)
        return is_ours


def _reporting(file: Path, observe: Observer) -> Observer:
    """Return the observer, extended so that it writes the progress to a file, which other processes read."""
    # The process that writes: a reader recognises by it that the progress is that of a killed one.
    writer = status.process()

    def report(progress: Progress) -> bool:
        lanes = [lane._asdict() for lane in progress.lanes]
        content = {**progress._asdict(), "group": progress.group.id, "lanes": lanes, "writer": writer}
        directory.replace_quickly(file, directory.as_json(content))
        return observe(progress)

    return report


def describe(store: Store, program: Program, group: Group, save_seconds: float, patience: float) -> Task:
    """Return a group as a task for a worker; the process that distributes the work calls it.

    Args:
        store: Directory of the sweep.
        program: Program of the group.
        group: The group.
        save_seconds: Shortest time between two checkpoints, in seconds.
        patience: Seconds to wait for a lost worker's lock.

    Returns:
        The task.

    Raises:
        JaxaeError: If a class of the runs cannot be found by another process.
    """
    wanted = set(group.runs)
    planned = [run for run in program.runs if run.id in wanted]
    # Fails here, not in every worker, if a class cannot be read back from its name.
    from_record(to_record(planned[0].experiment), Experiment)
    records = [(run.id, to_record(run.experiment), run.seed, run.code) for run in planned]
    environment = _code(planned[0].experiment), flags(), os.getcwd()
    return Task(store.path.absolute(), group, records, *environment, save_seconds, patience)


def train(task: Task, dataset: Dataset) -> str:
    """Train the group of a task. Call it in the main thread of a process.

    Args:
        task: The task, as `describe` returns it.
        dataset: Data set of the group's program.

    Returns:
        "done"; "held" if another process is training the group; "stopped" if SIGINT came and everything is
        saved.

    Raises:
        JaxaeError: If the user's code on this machine differs from the code that the sweep was started with.
    """
    tell_jax(task.flags)
    with contextlib.suppress(OSError):
        os.chdir(task.folder)
    _learn(task.code)
    planned = [
        Planned(name, from_record(record, Experiment), seed, code)
        for name, record, seed, code in task.planned
    ]
    # Classes of a script were sent as objects, without their source: there is nothing to compare.
    if not task.code.classes:
        _check_code(planned[0])
    program = Program(task.group.program, dataset, planned)
    store = Store(task.store)
    with _cancelled() as signals:
        # `train_group` writes the progress to a file, which the process that distributes the work reads.
        observe: Observer = lambda progress: bool(signals)  # noqa: E731
        deadline = time.monotonic() + task.patience
        try:
            # After a lost worker its lock may remain for a while; without patience one attempt is made.
            while not (is_ours := train_group(store, program, task.group, observe, task.save_seconds)):
                if signals or time.monotonic() > deadline:
                    break
                time.sleep(0.5)
        except Interrupted:
            return "stopped"
    return "done" if is_ours else "held"


def progress_of(store: Store, group: Group) -> Progress | None:
    """Return the progress of a group that another process trains.

    Args:
        store: Directory of the sweep.
        group: The group.

    Returns:
        The last reported progress; None before the first report.
    """
    fields = status.read_quickly(store.folder(group) / PROGRESS, store.path)
    if fields is None:
        return None
    try:
        fields.pop("writer", None)
        lanes = tuple(groups.LaneProgress(**lane) for lane in fields.pop("lanes", ()))
        return Progress(**{**fields, "group": group, "lanes": lanes})
    except TypeError:  # of another version
        return None


def _check_code(planned: Planned) -> None:
    """Raise JaxaeError if a file that the worker imported has changed since the sweep was started."""
    code = identity.describe(planned.experiment)
    if planned.code is not None and code is not None and code.digest != planned.code:
        files = ", ".join(code.shown.values())
        raise JaxaeError(
            f"{files}: the code differs from the code that the sweep was started with; start the sweep again"
        )


@contextlib.contextmanager
def _cancelled() -> Iterator[list[int]]:
    """Yield a list that is not empty after SIGINT: Ray cancels a task by interrupting its main thread."""
    signals: list[int] = []
    previous_handler = signal.signal(signal.SIGINT, lambda number, _: signals.append(number))
    try:
        yield signals
    finally:
        signal.signal(signal.SIGINT, previous_handler)


def _code(experiment: Experiment) -> Code:
    """Return the origin of an experiment's classes; all experiments of a structure have the same classes."""
    nodes = [experiment, *(value for _, _, value in pytree.paths(experiment) if pytree.is_node(value))]
    classes = list(dict.fromkeys(map(type, nodes)))
    here = tuple(cls for cls in classes if cls.__module__ == "__main__")
    names = list(dict.fromkeys(cls.__module__ for cls in classes if cls not in here))
    others = [name for name in names if name.partition(".")[0] != "jaxae" and not config.is_config(name)]
    folders = dict.fromkeys(map(_folder, others))
    return Code(tuple(config.sources(names)), tuple(others), tuple(folders), here)


def _folder(module: str) -> str:
    """Return the folder that must be on sys.path to import a module."""
    file = Path(sys.modules[module.partition(".")[0]].__file__ or ".").resolve()
    return str(file.parent.parent if file.name == "__init__.py" else file.parent)


def _learn(code: Code) -> None:
    """Make the user's classes available under the names that they have where the sweep was started."""
    sys.path.extend(folder for folder in code.folders if folder not in sys.path)
    for path, source in code.configs:
        # Executing a config again would create new classes, and jax would compile their programs again.
        if _executed.get(path) != source:
            config.execute(path, source)
            _executed[path] = source
    for name in code.modules:
        importlib.import_module(name)
    for cls in code.classes:
        setattr(sys.modules["__main__"], cls.__name__, cls)
        if pytree.is_spec(cls):
            with contextlib.suppress(ValueError):  # an earlier task has registered the class with jax
                pytree.register(cls)


def flags() -> dict[str, Any]:
    """Return the flags of jax that workers shall set."""
    values = {name: jax.config.values[name] for name in FLAGS}
    if values["jax_compilation_cache_dir"] == str(provenance.cache_folder()):
        values["jax_compilation_cache_dir"] = HERE
    return values


def tell_jax(values: dict[str, Any]) -> None:
    """Set flags of jax."""
    for name, value in values.items():
        jax.config.update(name, str(provenance.cache_folder()) if value == HERE else value)
    compilation_cache.check_entries()
