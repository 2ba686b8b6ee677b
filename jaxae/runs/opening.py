"""Prepare a run from its experiment and data, and open the runs that are on the disk."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxae import data
from jaxae.data import Dataset, DataSpec, Unread
from jaxae.errors import JaxaeError
from jaxae.maths import precision
from jaxae.runs import directory, execution, provenance, recorded_data, run_record, tokenizer
from jaxae.runs.code import identity, kept, traces
from jaxae.runs.code.identity import Code
from jaxae.runs.experiment import Experiment, resolve
from jaxae.runs.recorded_data import Moved
from jaxae.runs.result import Result
from jaxae.runs.run_types import Outcome, Run
from jaxae.specs.pytree import replace
from jaxae.training import checkpoint, parallel, platforms, processes


def load(
    path: str | Path,
    x: Any = None,
    y: Any = None,
    *,
    data_name: str | Path | None = None,
    data_folder: str | Path | None = None,
    accept_code_changes: bool = False,
) -> Result:
    """A run's directory as a `Result`, from its newest whole checkpoint; nothing is trained.

    Rows are read, and their hash is checked, when they are first asked for: to decode, sample, encode and
    reconstruct no data is needed. `x`, `y`: the rows that the run was given, where they came from Python.
    `data_name`, `data_folder`: where data that has moved is now. Rows given or moved are checked at once.
    `accept_code_changes`: as for `resume`.
    Raises: JaxaeError as `resume` does, and where there is no checkpoint yet.
    """
    platforms.check()
    folder, moved = Path(path), recorded_data.moved_to(data_name, data_folder)
    begun = without_rows(folder, moved) if x is None else None
    if begun is None:
        begun, _ = reopen(folder, x, y, moved=moved, accept_code_changes=accept_code_changes)
    else:
        _check_code(begun, accept_code_changes)
    scores = begun.folder / directory.SCORES
    return Result(begun, restore(begun), directory.read_json(scores) if scores.exists() else {})


def without_rows(path: Path, moved: Moved = recorded_data.HERE) -> Run | None:
    """A run whose rows are read when they are asked for; None where its record lacks facts of the data.

    None as well for rows that have moved: only their content says whether they are the same.
    """
    experiment, record = run_record.read_record(path)
    has_moved_rows = any(moved) and not tokenizer.is_of_tokens(experiment.data)
    if has_moved_rows or not recorded_data.has_facts(record):
        return None
    folder = path if path.is_dir() else path.parent
    dataset = unread(experiment.data, record, folder, moved=moved)
    return Run(experiment, dataset, record["seed"], folder)


def unread(
    asked: DataSpec,
    record: dict[str, Any],
    folder: Path,
    x: Any = None,
    y: Any = None,
    moved: Moved = recorded_data.HERE,
) -> Unread:
    """The data of a recorded run, whose rows are read and checked when they are asked for.

    `asked`: as its experiment names it; `folder`: the run's directory; `x`, `y`, `moved`: as for `load`.
    """
    maker = None
    if tokenizer.is_of_tokens(asked):
        maker = recorded_data.find_tokenizer(
            lambda place: _tokenizer(place, x, y), asked, record, folder, moved
        )
    # No closure: a result can be pickled.
    read = functools.partial(_read_rows, asked, record, folder, x, y, moved, maker)
    return recorded_data.unread(read, asked, record, folder, maker)


def _read_rows(
    asked: DataSpec,
    record: dict[str, Any],
    folder: Path,
    x: Any,
    y: Any,
    moved: Moved,
    maker: tokenizer.TrainedTokenizer | None,
) -> Dataset:
    if maker:
        return recorded_data.checked(tokenizer.tokenized(maker, asked), record, folder)
    if x is not None:
        return recorded_data.checked(load_data(asked, x, y), record, folder)
    return recorded_data.read(load_data, recorded_data.places(asked, record, folder, moved), record, folder)


def prepare(
    experiment: Experiment,
    seed: int,
    x: Any = None,
    y: Any = None,
    mesh: Mesh | None = None,
    read: Callable[[DataSpec], Dataset] | None = None,
) -> Run:
    """The run that an experiment, a seed and its data make, checked; nothing is written.

    `read`: gives the data, in place of `load_data`.
    Raises: JaxaeError for a mistake in any of them, in every process of the mesh, and where these differ.
    """
    platforms.check()
    prepared = processes.together(mesh, lambda: _checked(experiment, seed, x, y, mesh, read))
    processes.check_same(mesh, lambda: run_record.digest(run_record.numbers(prepared)))
    return prepared


def _checked(experiment: Experiment, seed: int, x: Any, y: Any, mesh: Mesh | None, read: Any) -> Run:
    if not isinstance(experiment, Experiment):
        raise JaxaeError(f"experiment: got {type(experiment).__name__}, expected a jaxae.Experiment")
    run_record.check_seed(seed)
    traces.forget_changed(identity.describe(experiment))
    experiment = with_rows(experiment, x)
    dataset = read(experiment.data) if read else load_data(experiment.data, x, y)
    experiment = resolve(experiment, dataset)
    parallel.check_batch(experiment.batch_size, mesh)
    return Run(experiment, dataset, seed, mesh=mesh)


def with_rows(experiment: Experiment, x: Any) -> Experiment:
    """The experiment, which says so where its rows x come from Python; those of tokens are their run's."""
    is_given = x is not None and not tokenizer.is_of_tokens(experiment.data)
    return replace(experiment, "data.name", recorded_data.ARRAYS) if is_given else experiment


def load_data(asked: DataSpec, x: Any = None, y: Any = None) -> Dataset:
    """The data that `asked` names: rows, those given from Python, or a run's tokens.

    `x`, `y`: for tokens the rows that the run was given, where they came from Python.
    Raises: JaxaeError of one line for every mistake in it.
    """
    if tokenizer.is_of_tokens(asked):
        return tokenizer.tokenized(_tokenizer(asked, x, y), asked)
    return data.load(asked) if x is None else data.from_arrays(x, y, asked)


def _tokenizer(asked: DataSpec, x: Any = None, y: Any = None) -> tokenizer.TrainedTokenizer:
    return tokenizer.of_run(load(tokenizer.run_of(asked), x, y), asked)


def start(prepared: Run, path: Path | None, name: str, command: list[str]) -> Run:
    """The run with a new directory and its record in it, by its first process; nothing is trained yet."""
    if not processes.is_first(prepared.mesh):
        return processes.together(prepared.mesh, lambda: prepared)
    return processes.together(prepared.mesh, lambda: _recorded(prepared, path, name, command))


def _recorded(prepared: Run, path: Path | None, name: str, command: list[str]) -> Run:
    record = run_record.make_record(prepared, name, command)
    execution.check_fits(prepared, path or Path("runs"))
    begun = prepared.at(directory.create(path, name, prepared.seed))
    with directory.lock(begun.folder):
        directory.refuse_existing(
            begun.folder
        )  # another process may have been faster with the same directory
        run_record.write_record(begun, record)
    return begun


@contextlib.contextmanager
def held(begun: Run) -> Iterator[None]:
    """Holds the run's directory, where it has one, for one writer. Raises: JaxaeError naming another."""
    with contextlib.ExitStack() as stack:
        lock = directory.lock(begun.path) if begun.path else contextlib.nullcontext()
        processes.together(begun.mesh, lambda: stack.enter_context(lock))
        yield


def reopen(
    path: Path,
    x: Any = None,
    y: Any = None,
    mesh: Mesh | None = None,
    moved: Moved = recorded_data.HERE,
    accept_code_changes: bool = False,
    trains: bool = False,
) -> tuple[Run, dict[str, Any]]:
    """An existing run with its data, and its record.

    `moved`: where the data is now, if it has moved. `trains`: whether the run will be trained on.
    """
    experiment, record = run_record.read_record(path, mesh)
    folder, asked = path if path.is_dir() else path.parent, experiment.data
    code = identity.describe(experiment)
    how = {"accept": accept_code_changes, "trains": trains}
    accepted = processes.together(mesh, lambda: kept.check(folder, record, code, **how))

    def read(_: DataSpec) -> Dataset:
        where = recorded_data.places(asked, record, folder, moved)
        return recorded_data.read(lambda place: load_data(place, x, y), where, record, folder)

    is_named = x is None or tokenizer.is_of_tokens(asked)
    begun = prepare(experiment, record["seed"], x, y, mesh, read if is_named else None).at(folder)
    processes.together(mesh, lambda: run_record.check_data(begun, record))
    if accepted and begun.path:
        _record_code(folder, record, code, trains=trains)
    return begun, record


def _check_code(begun: Run, accept: bool) -> None:
    """Compare the code of a run's classes with its record, as `reopen` does."""
    folder, record = begun.folder, directory.read_json(begun.folder / directory.RECORD)
    code = identity.describe(begun.experiment)
    traces.forget_changed(code)
    if kept.check(folder, record, code, accept=accept):
        _record_code(folder, record, code)


def _record_code(folder: Path, record: dict[str, Any], code: Code | None, *, trains: bool = False) -> None:
    """Write down that changed code was accepted."""
    with directory.lock(folder):
        kept.record_changes(folder, record, code, sys.argv, trains=trains)


def remember(begun: Run, moved: Moved) -> None:
    """Writes where moved data is now to the record of a run that is held."""
    if any(moved) and begun.path:
        recorded_data.remember(begun.path, begun.dataset)


def warn_of_changes(begun: Run, record: dict[str, Any]) -> None:
    """Says where the machine or its versions are not those of the record: the bitwise promise is off."""
    changed = provenance.differences(record, parallel.devices_by_process(begun.mesh))
    if changed and begun.path:
        directory.warn(begun.folder, f"not bitwise the run that was interrupted: {', '.join(changed)}")


@precision.within(lambda begun: begun.experiment)
def restore(begun: Run) -> Outcome:
    """The newest whole checkpoint of a run, and the history up to it."""
    folder = begun.folder
    warn = functools.partial(directory.warn, folder)
    shapes, run = execution.abstract(begun), run_record.fingerprint(folder)
    restored = checkpoint.restore(folder / execution.CHECKPOINTS, shapes, run, warn)
    if restored is None:
        raise JaxaeError(f"{folder}: has no checkpoint yet; `jaxae resume {folder}` trains it")
    history = execution.named_as_today(directory.read_history(folder, restored.epoch), begun.experiment)
    return Outcome(restored.state, history, directory.stopped_by(folder))
