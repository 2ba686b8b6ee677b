"""Prepare runs from an experiment and data, and open runs that are on the disk."""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxae import data
from jaxae.data import Dataset, DataSpec, Unread
from jaxae.data.location import with_counts
from jaxae.data.own.given_rows import GivenRows, collect
from jaxae.errors import JaxaeError
from jaxae.maths import precision
from jaxae.runs import (
    comparison,
    directory,
    execution,
    initial,
    notes,
    provenance,
    recorded_data,
    references,
    run_record,
    seals,
    tokenizer,
)
from jaxae.runs.code import identity, kept, traces
from jaxae.runs.code.identity import Code
from jaxae.runs.compilation_cache import keep_compiled_programs
from jaxae.runs.experiment import Experiment, resolve
from jaxae.runs.notes import Notes
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
    x_validation: Any = None,
    y_validation: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    data_name: str | Path | None = None,
    data_folder: str | Path | None = None,
    accept_code_changes: bool = False,
) -> Result:
    """Load a run's directory as a `Result`, from its newest whole checkpoint; nothing is trained.

    Rows are read, and their hash is checked, at their first use. To decode, sample, encode and reconstruct,
    no data are needed. Rows that are given or have moved are checked at once.

    Args:
        path: The run's directory; or "SWEEP:best" or "SWEEP:ID" for a run of a sweep, whose directory is
            SWEEP. Ids may be shortened.
        x: The rows that were given to `fit`; None if the data were not given from Python.
        y: The labels that were given to `fit`.
        x_validation: The validation rows that were given to `fit`; so for the next three.
        y_validation: Labels of `x_validation`.
        x_test: Test rows.
        y_test: Labels of `x_test`.
        data_name: New `data.name` of data that has moved: a path or a name.
        data_folder: New `data.folder` of data that has moved.
        accept_code_changes: Whether to use the run although the code of your own classes has changed. The new
            code is recorded.

    Returns:
        The result.

    Raises:
        JaxaeError: If the run cannot be loaded: there is no record, its data or code has changed, there is no
            checkpoint yet, or none is whole.

    Example:
        >>> import tempfile
        >>> import jaxae
        >>> folder = f"{tempfile.mkdtemp()}/run"
        >>> experiment = jaxae.Experiment(model=jaxae.AE(latent_dim=2), epochs=1)
        >>> result = jaxae.fit(experiment, run_dir=folder)
        >>> jaxae.load(folder).scores == result.scores
        True
    """
    platforms.check()
    keep_compiled_programs()
    given = collect(x, y, x_validation, y_validation, x_test, y_test)
    if reference := references.parse(path):
        sweep = references.load_sweep(reference, given, data_name=data_name, data_folder=data_folder)
        return sweep.load(reference.run)
    folder, moved = references.check(path), recorded_data.moved_to(data_name, data_folder)
    run = without_rows(folder, moved) if given is None else None
    if run is None:
        run, _ = reopen(folder, given, moved=moved, accept_code_changes=accept_code_changes)
    else:
        _check_code(run, accept_code_changes)
    outcome = restore(run)
    return Result(run, outcome, _scores_of(run.folder, outcome))


def _scores_of(folder: Path, outcome: Outcome) -> dict[str, Any]:
    """Return the scores of a run; {} with a warning if they are those of a checkpoint that is damaged."""
    scores = directory.read_scores(folder)
    restored = len(outcome.history)
    # Scores of an older version may not say it.
    scored = scores.get("epochs_run", None if seals.are_required(folder) else restored)
    if not scores or scored == restored:
        return scores
    directory.warn(
        folder, f"{folder / directory.SCORES}: the scores of epoch {scored} are not those of epoch {restored}"
    )
    return {}


def without_rows(path: Path, moved: Moved = recorded_data.HERE) -> Run | None:
    """Return a recorded run whose rows are read at their first use.

    Args:
        path: The run's directory or its record.json.
        moved: New name and folder of the data.

    Returns:
        The run, or None if its record, of an older version, lacks facts of the data. None also for rows that
        have moved: only their content shows whether they are the same.
    """
    experiment, record = run_record.read_record(path)
    # Moved tokens need no rows: their record holds the hash of the
    # tokenizer's weights, which is checked instead.
    has_moved_rows = any(moved) and not tokenizer.is_of_tokens(experiment.data)
    if has_moved_rows or not recorded_data.has_facts(record):
        return None
    folder = path if path.is_dir() else path.parent
    dataset = unread(experiment.data, record, folder, moved=moved)
    return Run(experiment, dataset, record["seed"], folder, initial=initial.of_record(record, folder))


def unread(
    data_spec: DataSpec,
    record: dict[str, Any],
    folder: Path,
    given: GivenRows | None = None,
    moved: Moved = recorded_data.HERE,
) -> Unread:
    """Return the data of a recorded run, whose rows are read and checked at their first use.

    Args:
        data_spec: The data as the run's experiment names it.
        record: The run's record.
        folder: The run's directory.
        given: The rows that were given to `fit`, or None.
        moved: New name and folder of the data.

    Returns:
        The data.
    """
    trained_tokenizer = None
    if tokenizer.is_of_tokens(data_spec):
        trained_tokenizer = recorded_data.find_tokenizer(
            lambda place: _load_tokenizer(place, given), data_spec, record, folder, moved
        )
    # A partial, since a closure cannot be pickled: results travel between processes with their data.
    read = functools.partial(_read_rows, data_spec, record, folder, given, moved, trained_tokenizer)
    return recorded_data.unread(read, data_spec, record, folder, trained_tokenizer)


def _read_rows(
    data_spec: DataSpec,
    record: dict[str, Any],
    folder: Path,
    given: GivenRows | None,
    moved: Moved,
    trained_tokenizer: tokenizer.TrainedTokenizer | None,
) -> Dataset:
    if trained_tokenizer:
        return recorded_data.checked(tokenizer.tokenized(trained_tokenizer, data_spec), record, folder)
    if given is not None:
        return recorded_data.checked(load_data(data_spec, given), record, folder)
    return recorded_data.read(
        load_data, recorded_data.places(data_spec, record, folder, moved), record, folder
    )


def prepare(
    experiment: Experiment,
    seed: int,
    given: GivenRows | None = None,
    mesh: Mesh | None = None,
    read: Callable[[DataSpec], Dataset] | None = None,
) -> Run:
    """Return the run that an experiment, a seed and its data define, checked; nothing is written.

    Args:
        experiment: The experiment.
        seed: The seed, from 0 to 2^32 - 1.
        given: Rows from Python, or None.
        mesh: The devices that share each batch; None for one device.
        read: Function that returns the data, instead of `load_data`.

    Returns:
        The run, with its experiment resolved.

    Raises:
        JaxaeError: If an argument has a mistake, in every process of the mesh, or if the processes have
            different runs.
    """
    platforms.check()
    keep_compiled_programs()
    # A failure in one process raises in all, which would otherwise wait for it in the next collective.
    prepared = processes.call_in_all(mesh, lambda: _prepare_here(experiment, seed, given, mesh, read))
    # Otherwise the first all-reduce would mix gradients of two experiments, or wait forever.
    processes.check_same(mesh, lambda: run_record.digest(run_record.numbers(prepared)))
    return prepared


def _prepare_here(
    experiment: Experiment, seed: int, given: GivenRows | None, mesh: Mesh | None, read: Any
) -> Run:
    if not isinstance(experiment, Experiment):
        raise JaxaeError(f"experiment: got {type(experiment).__name__}, expected a jaxae.Experiment")
    run_record.check_seed(seed)
    # Before anything is traced: in a notebook, classes may have other code than in the run before.
    traces.forget_changed(identity.describe(experiment))
    experiment = with_rows(experiment, given)
    dataset = read(experiment.data) if read else load_data(experiment.data, given)
    experiment = resolve(experiment, dataset)
    parallel.check_batch(experiment.batch_size, mesh)
    return Run(experiment, dataset, seed, mesh=mesh)


def with_rows(experiment: Experiment, given: GivenRows | None) -> Experiment:
    """Return the experiment with the `data.name` of rows from Python, or the default counts of named data.

    Args:
        experiment: The experiment.
        given: The rows, or None. For tokens they are the rows of the tokenizer's run: the name is unchanged.

    Returns:
        The experiment.
    """
    if tokenizer.is_of_tokens(experiment.data):
        # The directory of a sweep's run instead of SWEEP:best, which may be another run tomorrow.
        experiment = replace(experiment, "data.name", tokenizer.with_directory(experiment.data.name))
    elif given is not None:
        experiment = replace(experiment, "data.name", recorded_data.ARRAYS)
        # Recorded, so that other frames are encoded without this column, and a file can replace the frame.
        return replace(experiment, "data.label", given.y) if isinstance(given.y, str) else experiment
    return replace(experiment, "data", with_counts(experiment.data))


def load_data(data_spec: DataSpec, given: GivenRows | None = None) -> Dataset:
    """Return the data that `data_spec` names: rows of a data set, rows from Python, or the tokens of a run.

    Args:
        data_spec: The data.
        given: Rows from Python, or None. For tokens: the rows that the tokenizer's run was given.

    Returns:
        The data.

    Raises:
        JaxaeError: If there is a mistake in the data; the message is one line.
    """
    if tokenizer.is_of_tokens(data_spec):
        return tokenizer.tokenized(_load_tokenizer(data_spec, given), data_spec)
    return data.load(data_spec) if given is None else data.from_given(given, data_spec)


def _load_tokenizer(data_spec: DataSpec, given: GivenRows | None = None) -> tokenizer.TrainedTokenizer:
    parts = given._asdict() if given else {}
    return tokenizer.of_run(load(tokenizer.run_of(data_spec), **parts), data_spec)


def start(prepared: Run, path: Path | None, name: str, command: list[str], labels: Notes = notes.NONE) -> Run:
    """Make a directory for a run and write its record; nothing is trained yet.

    Args:
        prepared: The run.
        path: The directory; None chooses one under runs/.
        name: The run's name in its record.
        command: The command that started the run.
        labels: Name, tags and note of the user.

    Returns:
        The run with its directory, in the first process; the same run in the others.
    """
    # `together` in every process: a failure of the first one, such as a full disk, ends all of them.
    if not processes.is_first(prepared.mesh):
        return processes.call_in_all(prepared.mesh, lambda: prepared)
    return processes.call_in_all(prepared.mesh, lambda: _write_new_run(prepared, path, name, command, labels))


def _write_new_run(prepared: Run, path: Path | None, name: str, command: list[str], labels: Notes) -> Run:
    # The directory comes last, so a run that cannot be recorded or does not fit leaves none behind.
    record = run_record.make_record(prepared, name, command)
    execution.check_fits(prepared, path or Path("runs"))
    run = prepared.at(directory.create(path, labels.name or name, prepared.seed))
    with directory.lock(run.folder):
        # Again, under the lock: another process may have taken the same directory in the meantime.
        directory.refuse_existing(run.folder)
        notes.write(run.folder, labels)
        if run.initial:
            # Before the record, which makes the directory a run.
            run.initial.save(run.folder, execution.abstract(run).state.variables)
        run_record.write_record(run, record)
    return run


def same_run(prepared: Run, folder: Path) -> tuple[Run, dict[str, Any]]:
    """Return the run of a directory, if it is the run that `prepared` would start there.

    Args:
        prepared: The run, which has not started.
        folder: The directory of a run.

    Returns:
        (run with its directory, record).

    Raises:
        JaxaeError: If the directory holds a run of another experiment, seed, data or code.
    """
    _, record = run_record.read_record(folder, prepared.mesh)
    new = run_record.numbers(prepared)
    if run_record.digest(record) != run_record.digest(new):
        raise JaxaeError(
            f"--run-dir {folder}: holds another run: {_difference(record, new)}; "
            "repeat its command, or choose another directory"
        )
    return dataclasses.replace(prepared.at(folder), initial=initial.of_record(record, folder)), record


def _difference(record: dict[str, Any], new: dict[str, Any]) -> str:
    """Return in words what differs between the record of a run and the entries of another one."""
    settings = [{"seed": each["seed"], **comparison.flat(each["experiment"])} for each in (record, new)]
    for name, (old, other) in comparison.differing(settings).items():
        return f"{name} is {old}, and {other} was given"
    if record["data_hash"] != new["data_hash"]:
        return "its data differ"
    return f"{'the code of your own classes' if kept.KEY in new else initial.KEY} differs"


@contextlib.contextmanager
def hold(run: Run) -> Iterator[None]:
    """Hold the lock of a run's directory, if it has one.

    Raises:
        JaxaeError: If another process holds it; the message names that process.
    """
    with contextlib.ExitStack() as stack:
        lock = directory.lock(run.path) if run.path else contextlib.nullcontext()
        processes.call_in_all(run.mesh, lambda: stack.enter_context(lock))
        yield


def reopen(
    path: Path,
    given: GivenRows | None = None,
    mesh: Mesh | None = None,
    moved: Moved = recorded_data.HERE,
    accept_code_changes: bool = False,
    trains: bool = False,
) -> tuple[Run, dict[str, Any]]:
    """Return an existing run with its data, and its record.

    Args:
        path: The run's directory or its record.json.
        given: The rows that were given to `fit`, or None.
        mesh: The devices that share each batch; None for one device.
        moved: New name and folder of the data.
        accept_code_changes: Whether changed code of the user's classes is used and recorded.
        trains: Whether the run will be trained further. Code that was accepted for reading only then does not
            count.

    Returns:
        (run, record).

    Raises:
        JaxaeError: If the record, the data or the code is not that of the run.
    """
    experiment, record = run_record.read_record(path, mesh)
    folder, data_spec = path if path.is_dir() else path.parent, experiment.data
    code = identity.describe(experiment)
    options = {"accept": accept_code_changes, "trains": trains}
    # Code before data: comparing digests takes no time, reading and hashing the rows may take long.
    accepted = processes.call_in_all(mesh, lambda: kept.check(folder, record, code, **options))

    def read(_: DataSpec) -> Dataset:
        possible_places = recorded_data.places(data_spec, record, folder, moved)
        return recorded_data.read(lambda place: load_data(place, given), possible_places, record, folder)

    # Rows given from Python have no places to look in: `load_data` takes them and `check_data` compares them.
    is_named = given is None or tokenizer.is_of_tokens(data_spec)
    run = prepare(experiment, record["seed"], given, mesh, read if is_named else None).at(folder)
    run = dataclasses.replace(run, initial=initial.of_record(record, folder))
    processes.call_in_all(mesh, lambda: run_record.check_data(run, record))
    if accepted and run.path:
        _record_code(folder, record, code, trains=trains)
    return run, record


def _check_code(run: Run, accept: bool) -> None:
    """Compare the code of a run's classes with its record, as `reopen` does."""
    folder, record = run.folder, seals.read(run.folder / directory.RECORD)
    code = identity.describe(run.experiment)
    traces.forget_changed(code)
    if kept.check(folder, record, code, accept=accept):
        _record_code(folder, record, code)


def _record_code(folder: Path, record: dict[str, Any], code: Code | None, *, trains: bool = False) -> None:
    """Record that changed code was accepted."""
    with directory.lock(folder):
        kept.record_changes(folder, record, code, sys.argv, trains=trains)


def remember(run: Run, moved: Moved) -> None:
    """Write the new place of data that has moved to the record of a run that is held.

    Args:
        run: The run.
        moved: New name and folder of the data; nothing is written if both are None.
    """
    if any(moved) and run.path:
        recorded_data.remember(run.path, run.dataset)


def warn_of_changes(run: Run, record: dict[str, Any]) -> None:
    """Warn if the machine or its versions are not those of the record, which ends the bitwise promise.

    Args:
        run: The run.
        record: Its record.
    """
    differences = provenance.differences(record, parallel.devices_by_process(run.mesh))
    if differences and run.path:
        directory.warn(run.folder, f"not bitwise equal to an uninterrupted run: {', '.join(differences)}")


@precision.within(lambda run: run.experiment)
def restore(run: Run) -> Outcome:
    """Restore the newest whole checkpoint of a run, and the history up to it.

    Raises:
        JaxaeError: If there is no checkpoint yet, or none is whole.
    """
    folder = run.folder
    warn = functools.partial(directory.warn, folder)
    identity, earlier = run_record.fingerprint(folder), run_record.earlier_fingerprints(folder)
    shapes = execution.abstract(run)
    restored = checkpoint.restore(folder / execution.CHECKPOINTS, shapes, identity, warn, earlier)
    if restored is None:
        raise JaxaeError(f"{folder}: has no checkpoint yet; `jaxae resume {folder}` trains it")
    # Without the later epochs: their lines may exist although their checkpoint was damaged, or not yet due.
    history = execution.named_as_today(directory.read_history(folder, restored.epoch), run.experiment)
    return Outcome(restored.state, history, directory.stopped_by(folder))
