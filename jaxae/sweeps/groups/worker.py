"""The training of one group of a sweep, from its last checkpoint to its rows: here, or as a task elsewhere.

Only data and classes travel to another process: runs as records, rows of data as arrays, the text of configs,
and the classes of a script or notebook, which no other process could import.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxae.data import Dataset
from jaxae.errors import Interrupted, JaxaeError
from jaxae.runs import config, directory, provenance
from jaxae.runs.code import identity
from jaxae.runs.experiment import Experiment
from jaxae.specs import pytree
from jaxae.specs.records import from_record, to_record
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups.group_training import Observer, Progress
from jaxae.sweeps.plan import Planned, Program
from jaxae.sweeps.store import SAVE_SECONDS, Group, Store

_executed: dict[Path, bytes] = {}  # configs, by this process
PROGRESS = "progress.json"  # in a group's folder while a worker trains it: how far it is
HERE = "here"  # as the folder of compiled programs: the one that jaxae keeps on that machine
FLAGS = (  # of jax: those that numbers depend on, and where compiled programs are kept
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_threefry_partitionable",
    "jax_enable_compilation_cache",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


class Code(NamedTuple):
    """Where the classes of the runs' experiments come from, other than jaxae."""

    configs: tuple[tuple[Path, bytes], ...]  # files and what they hold
    modules: tuple[str, ...]
    folders: tuple[str, ...]  # where the modules are found
    classes: tuple[type, ...]  # of the script or notebook that runs the sweep


class Task(NamedTuple):
    """A group and what its worker needs to know."""

    store: Path
    group: Group
    planned: list[tuple[str, Any, int, str | None]]  # id, record of the experiment, seed, digest of its code
    code: Code
    flags: dict[str, Any]
    folder: str  # to work in, where it exists
    save_seconds: float
    patience: float  # seconds to wait for a lost worker's lock, which a network's disk may keep for a while


def train_group(
    store: Store,
    program: Program,
    group: Group,
    observe: Observer,
    save_seconds: float = SAVE_SECONDS,
) -> bool:
    """Trains one group to its rows, from its last checkpoint; returns False where another process does.

    Raises: Interrupted after a save, when `observe` says so.
    """
    with store.held(group) as mine:
        if mine and not store.is_done(group):  # by another process, since this one began
            work = groups.prepare(program, group)
            store.describe(group, work.runs)
            store.finish(group, groups.train(work, store.folder(group), observe, save_seconds))
        return mine


def describe(store: Store, program: Program, group: Group, save_seconds: float, patience: float) -> Task:
    """The group as a task, described by the process that hands it out.

    Raises: JaxaeError for a class that another process cannot know.
    """
    wanted = set(group.runs)
    planned = [run for run in program.runs if run.id in wanted]
    from_record(to_record(planned[0].experiment), Experiment)
    records = [(run.id, to_record(run.experiment), run.seed, run.code) for run in planned]
    told = _code(planned[0].experiment), flags(), os.getcwd()
    return Task(store.path.absolute(), group, records, *told, save_seconds, patience)


def train(task: Task, dataset: Dataset) -> str:
    """Trains the group: "done", "held" by another process, or "stopped" by SIGINT with everything saved.

    To be called in the main thread of a process, with the data set of the group's program.
    """
    tell_jax(task.flags)
    with contextlib.suppress(OSError):
        os.chdir(task.folder)
    _learn(task.code)
    planned = [
        Planned(name, from_record(record, Experiment), seed, code)
        for name, record, seed, code in task.planned
    ]
    if not task.code.classes:  # those of a script travel without their source
        _check_code(planned[0])
    program = Program(task.group.program, dataset, planned)
    store, told = Store(task.store), Store(task.store).folder(task.group) / PROGRESS
    with _cancelled() as came:

        def observe(progress: Progress) -> bool:
            directory.write_json(told, {**progress._asdict(), "group": task.group.id})
            return bool(came)

        deadline = time.monotonic() + task.patience
        try:
            while not (mine := train_group(store, program, task.group, observe, task.save_seconds)):
                if came or time.monotonic() > deadline:
                    break
                time.sleep(0.5)
        except Interrupted:
            return "stopped"
    if mine:
        told.unlink(missing_ok=True)
    return "done" if mine else "held"


def progress_of(store: Store, group: Group) -> Progress | None:
    """Return how far another process is with a group; None before its first report."""
    try:
        told = json.loads((store.folder(group) / PROGRESS).read_text())
        return Progress(**{**told, "group": group})
    except (OSError, ValueError, TypeError):
        return None


def _check_code(planned: Planned) -> None:
    """Raises JaxaeError where a file that the worker imported is not what the sweep was begun with."""
    code = identity.describe(planned.experiment)
    if planned.code is not None and code is not None and code.digest != planned.code:
        files = ", ".join(code.shown.values())
        raise JaxaeError(f"{files}: the code is not what the sweep was started with; start it again")


@contextlib.contextmanager
def _cancelled() -> Iterator[list[int]]:
    """Not empty from when the task is cancelled: Ray interrupts the main thread as Ctrl-C does."""
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def _code(experiment: Experiment) -> Code:
    """Where the classes of an experiment come from; those of others of its structure are the same."""
    nodes = [experiment, *(value for _, _, value in pytree.paths(experiment) if pytree.is_node(value))]
    classes = list(dict.fromkeys(map(type, nodes)))
    here = tuple(cls for cls in classes if cls.__module__ == "__main__")
    names = list(dict.fromkeys(cls.__module__ for cls in classes if cls not in here))
    others = [name for name in names if name.partition(".")[0] != "jaxae" and not config.is_config(name)]
    folders = dict.fromkeys(map(_folder, others))
    return Code(tuple(config.sources(names)), tuple(others), tuple(folders), here)


def _folder(module: str) -> str:
    """Where a module is found: the folder that holds it, or the package that it is in."""
    file = Path(sys.modules[module.partition(".")[0]].__file__ or ".").resolve()
    return str(file.parent.parent if file.name == "__init__.py" else file.parent)


def _learn(code: Code) -> None:
    """Makes the classes known by their names, as they are where the sweep was begun."""
    sys.path.extend(folder for folder in code.folders if folder not in sys.path)
    for path, source in code.configs:
        if _executed.get(path) != source:  # again, and its classes and their programs would be new ones
            config.execute(path, source)
            _executed[path] = source
    for name in code.modules:
        importlib.import_module(name)
    for cls in code.classes:
        setattr(sys.modules["__main__"], cls.__name__, cls)
        if pytree.is_spec(cls):
            with contextlib.suppress(ValueError):  # jax knows it already, by an earlier task
                pytree.register(cls)


def flags() -> dict[str, Any]:
    """What workers are to tell their jax."""
    told = {name: jax.config.values[name] for name in FLAGS}
    if told["jax_compilation_cache_dir"] == str(provenance.cache_folder()):
        told["jax_compilation_cache_dir"] = HERE
    return told


def tell_jax(told: dict[str, Any]) -> None:
    """Sets the flags."""
    for name, value in told.items():
        jax.config.update(name, str(provenance.cache_folder()) if value == HERE else value)
