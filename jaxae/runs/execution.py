"""A run from its beginning or its last checkpoint to its scores: data -> fit -> evaluate -> report."""

import contextlib
import dataclasses
import datetime
import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxae import keys, schedules
from jaxae.data import AnyDataset
from jaxae.errors import Diverged, JaxaeError
from jaxae.estimators.score_facts import as_columns
from jaxae.estimators.scores import facts_of_scores, score
from jaxae.maths import precision
from jaxae.protocols.capabilities import Model
from jaxae.runs import directory, provenance
from jaxae.runs.code import identity, kept
from jaxae.runs.experiment import Experiment, as_arrays, example_batch, num_steps
from jaxae.specs import old_records, renamed
from jaxae.specs.pytree import is_node, paths
from jaxae.specs.records import from_record, to_record
from jaxae.training import checkpoint, loop, parallel, processes
from jaxae.training.epoch import NEVER, Carry
from jaxae.training.loop import EpochResult
from jaxae.training.step import TrainState, evaluation_variables
from jaxae.types import Variables

FORMAT, READABLE = 2, (1, 2)  # of record.json, and those that are read; `old_records` has the difference
CHECKPOINTS = "checkpoints"


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is given: a resolved experiment, its data, one seed, and a directory or None.

    `mesh`: the devices that share each batch, None for one. Where it spans several processes only the
    first of them has the directory.
    """

    experiment: Experiment
    dataset: AnyDataset
    seed: int
    path: Path | None = None
    mesh: Mesh | None = None

    @property
    def key(self) -> jax.Array:
        """The key from which every other is derived."""
        return keys.root(self.seed)

    @property
    def folder(self) -> Path:
        """The directory of a run that has one."""
        assert self.path is not None
        return self.path

    def at(self, path: Path) -> "Run":
        """The same run, written to `path` by its first process."""
        return dataclasses.replace(self, path=path) if processes.is_first(self.mesh) else self


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run comes to: the last and the best state, and the history as in history.jsonl.

    `stopped_by`: "observe" where the observer stopped the run before its end, else None.
    """

    carry: Carry
    history: list[dict[str, Any]]
    stopped_by: str | None = None

    @property
    def best(self) -> TrainState:
        """The state with the best validation score; the last one where nothing was validated."""
        return self.carry.best if int(self.carry.best_epoch) else self.carry.state

    @property
    def variables(self) -> Variables:
        """What is evaluated: the best state's parameters, or their moving average where one is kept."""
        return evaluation_variables(self.best)


_in_its_precision = precision.within(lambda run: run.experiment)
Observer = Callable[[EpochResult, bool], bool]  # (an epoch, whether it was saved) -> whether to stop now


def train(run: Run, observe: Observer = lambda result, saved: False, *, resume: bool = False) -> Outcome:
    """Trains to the end, saving at every `checkpoint_every` epochs where the run has a directory.

    With `resume` it goes on from the newest whole checkpoint, and ends bitwise as if never interrupted.
    `observe` sees each epoch, and stops the run (after a save) by returning True: the outcome so far is
    returned, with `stopped_by`.
    Raises: Diverged (the last good state is kept), JaxaeError.
    """
    with directory.disk_errors(run.path) if run.path else contextlib.nullcontext():
        return _train(run, precision.as_here(observe), resume)


@_in_its_precision
def _train(run: Run, observe: Observer, resume: bool) -> Outcome:
    experiment = as_arrays(run.experiment)
    first, carry, history = _agreed_start(run, experiment, resume)
    train, validation = (
        loop.to_device(rows, run.mesh) for rows in (run.dataset.train, run.dataset.validation)
    )
    arguments = experiment, run.key, carry, train, validation, first, _reader(run), run.mesh
    stopped_by = None
    try:
        for result in loop.epochs(*arguments):
            carry = result.carry
            if _record(run, experiment, result, history, observe):
                stopped_by = "observe"
                break
    except Diverged:
        if len(history) >= first:  # a run that is found diverged already is saved as it is
            _save(run, len(history), carry, only_if_finite=True)
        raise
    return Outcome(parallel.gather(carry, run.mesh), history, stopped_by)


@_in_its_precision
def abstract(run: Run) -> Carry:
    """The shapes and types of what is saved."""
    return jax.eval_shape(loop.begin, as_arrays(run.experiment), run.key, example_batch(run.dataset))


def check_fits(run: Run, folder: Path) -> None:
    """Raises JaxaeError where `folder` has no room for the run's checkpoints."""
    directory.preflight(
        folder, sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(abstract(run)))
    )


def _reader(run: Run) -> loop.Reader | None:
    """How streamed rows are read; grain is imported only where it is used."""
    if not run.experiment.data.stream:
        return None
    from jaxae.data.stream import batches

    return batches


def _agreed_start(run: Run, experiment: Experiment, resume: bool) -> tuple[int, Carry, list[dict[str, Any]]]:
    """The first process's starting point in every process: it alone has the files."""

    def find() -> tuple[int, Carry, list[dict[str, Any]]]:
        if run.path:
            check_fits(run, run.path)
        return _starting_point(run, experiment, resume)

    first, carry, history = processes.together(run.mesh, find)
    first, history = processes.told(run.mesh, lambda: [first, history])
    return first, processes.shared(run.mesh, carry), history


def _starting_point(
    run: Run, experiment: Experiment, resume: bool
) -> tuple[int, Carry, list[dict[str, Any]]]:
    """(first epoch, carry, history so far): fresh, or from the newest whole checkpoint."""
    folder = run.path / CHECKPOINTS if resume and run.path else None
    if folder and not directory.is_finished(run.folder):
        (run.folder / directory.SCORES).unlink(
            missing_ok=True
        )  # of an epoch where an observer stopped the run
    restored = None
    if folder:
        warn = functools.partial(directory.warn, run.folder)
        restored = checkpoint.resume(folder, abstract(run), fingerprint(run.folder), warn)
    if restored is None:
        history = directory.keep_history(run.folder, 0) if folder else []
        batch = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), example_batch(run.dataset))
        return 1, loop.begin(experiment, run.key, batch), history
    history = named_as_today(directory.keep_history(run.folder, restored.epoch), run.experiment)
    return restored.epoch + 1, restored.state, history


def named_as_today(history: list[dict[str, Any]], experiment: Experiment) -> list[dict[str, Any]]:
    """Return the lines of a history, which an older version may have written, with today's names of terms."""
    cls = type(experiment.model)
    parts = ("train", "validation")
    return [
        {**line, **{part: renamed.with_terms(cls, line[part]) for part in parts if line.get(part)}}
        for line in history
    ]


def _record(
    run: Run, experiment: Experiment, result: EpochResult, history: list[dict[str, Any]], observe: Observer
) -> bool:
    """Writes the epoch down, saves where it is due, tells the observer; returns whether to stop.

    A failure, and the wish to stop, of one process is that of all.
    """
    names = ("epoch", "step", "train", "validation", "best_epoch", "seconds")
    line = {name: getattr(result, name) for name in names}
    if result.stopped_early:
        line["stopped_early"] = True
    history.append(line)
    diverged = int(result.carry.first_bad_step) != NEVER
    last = result.stopped_early or result.epoch == experiment.epochs
    due = (last or result.epoch % experiment.checkpoint_every == 0) and not diverged

    def act() -> bool:
        if run.path:
            directory.append_history(run.path, line)
            if due:
                _save(run, result.epoch, result.carry)
        return bool(observe(result, bool(due and run.path)))

    stop = processes.anyone(run.mesh, act) and not last and not diverged
    if stop and run.path and not due:
        _save(run, result.epoch, result.carry)
    return stop


def _save(run: Run, epoch: int, carry: Carry, *, only_if_finite: bool = False) -> None:
    if run.path is None:
        return
    if only_if_finite and not all(
        np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(carry.state))
    ):
        return  # the checkpoint before it is the last good state
    directory.sync_history(run.path)
    checkpoint.save(run.path / CHECKPOINTS, epoch, carry, fingerprint(run.path))


@_in_its_precision
def scores(run: Run, outcome: Outcome, num_samples: int | None = None) -> dict[str, Any]:
    """The best state's scores on validation and test rows, and what they mean."""
    arguments = {"num_samples": num_samples} if num_samples else {}
    result: dict[str, Any] = {
        "epoch": int(outcome.carry.best_epoch) or len(outcome.history),
        "chosen_by": "validation loss" if int(outcome.carry.best_epoch) else "last epoch",
        "epochs_run": len(outcome.history),
        "stopped_early": _has_stopped_early(run, outcome),
        **({"stopped_by": outcome.stopped_by} if outcome.stopped_by else {}),
        "binarize": run.experiment.data.binarize,
    }
    autoencoder = last_autoencoder(run)
    result |= as_columns(facts_of_scores(autoencoder, **arguments))
    for name in ("validation", "test"):
        examples = loop.to_device(getattr(run.dataset, name))
        if len(examples.x):
            key = keys.named(keys.named(run.key, "eval"), name)
            size = run.experiment.batch_size
            result[name] = score(autoencoder, outcome.variables, examples, key, batch_size=size, **arguments)
    return result


def _has_stopped_early(run: Run, outcome: Outcome) -> bool:
    """Return whether early stopping, and not an observer or a kill, ended the run before its last epoch."""
    exhausted = loop.has_stopped(run.experiment, int(outcome.carry.since_improved))
    return exhausted and len(outcome.history) < run.experiment.epochs


@_in_its_precision
def last_autoencoder(run: Run) -> Model:
    """The autoencoder with its schedules at their last step: what is evaluated."""
    an_epoch = num_steps(run.experiment, run.dataset.num_rows["train"])
    return schedules.at(run.experiment.model, run.experiment.epochs * an_epoch)


def make_record(run: Run, name: str, command: list[str]) -> dict[str, Any]:
    """What record.json holds: everything needed to run this again, and where it was run.

    Raises: JaxaeError for a value that cannot be written.
    """
    return {
        "format": FORMAT,
        "name": name,
        **numbers(run),
        **facts_of(run.dataset),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **provenance.provenance(command, parallel.devices_by_process(run.mesh)),
    }


def facts_of(dataset: AnyDataset) -> dict[str, Any]:
    """What a record holds of a data set: for people, for a model without rows, and where the data are."""
    place = dataset.location
    return {
        "data": dataset.description,
        "data_hash": dataset.hash,
        "data_facts": dataclasses.asdict(dataset.facts),
        "data_location": place and {"name": place.name, "folder": place.folder},
    }


def numbers(run: Run) -> dict[str, Any]:
    """What makes a run's numbers. Raises: JaxaeError for a value that cannot be written."""
    check_recordable(run.experiment)
    code = identity.describe(run.experiment)
    return {
        "experiment": to_record(run.experiment),
        "seed": run.seed,
        "data_hash": run.dataset.hash,
        **({kept.KEY: code.record()} if code else {}),
    }


def write_record(run: Run, record: dict[str, Any]) -> None:
    """Write record.json, after the code of a user's own classes and the diffs that it names."""
    diffs = provenance.uncommitted()
    directory.keep_files(run.folder / kept.FOLDER, diffs)
    kept.keep(run.folder, identity.describe(run.experiment))
    named = {"uncommitted": [f"{kept.FOLDER}/{name}" for name in diffs]} if diffs else {}
    directory.write_json(run.folder / directory.RECORD, {**record, **named})


def check_recordable(experiment: Experiment) -> None:
    """Raises JaxaeError for a value that JSON cannot hold: a function, an array, a number of numpy."""
    for path, _, value in paths(experiment):
        try:
            json.dumps(None if is_node(value) else to_record(value))
        except TypeError as error:
            raise JaxaeError(f"{path}: got {value!r}, which no record can hold ({error})") from None


def read_record(path: Path, mesh: Mesh | None = None) -> tuple[Experiment, dict[str, Any]]:
    """The experiment of a run's directory or record.json, and the whole record; the first process reads it.

    Raises: JaxaeError naming the file and what is wrong with it.
    """
    file = path / directory.RECORD if path.is_dir() else path
    record = processes.told(mesh, lambda: directory.read_json(file))
    if not isinstance(record, dict) or not isinstance(record.get("experiment"), dict):
        raise JaxaeError(f"{file}: is no record of a run (the key 'experiment' is missing)")
    if record.get("format") not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise JaxaeError(f"{file}: has format {record.get('format')!r}, this version reads {known}")
    try:
        _check_record(record)
        return from_record(record["experiment"], Experiment), record
    except JaxaeError as error:
        raise JaxaeError(f"{file}: {error}{kept.hint(file.parent, record)}") from None
    except (TypeError, RecursionError) as error:  # TypeError: a class lacks a field without default
        raise JaxaeError(f"{file}: {error}") from None


def _check_record(record: dict[str, Any]) -> None:
    check_seed(record.get("seed"))
    kinds = {"name": str, "data_hash": str, "versions": dict, "device": dict, "flags": dict}
    for name, kind in kinds.items():
        if not isinstance(record.get(name), kind):
            expected = "a text" if kind is str else "an object"
            raise JaxaeError(f"{name}: got {record.get(name)!r}, expected {expected}")
    kept.check_record(record)


def check_seed(seed: Any) -> None:
    """Raises JaxaeError for what is no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise JaxaeError(f"seed: got {seed!r}, expected a whole number from 0 to {2**32 - 1}")


def fingerprint(folder: Path) -> str:
    """SHA-256 of what makes a run's numbers (experiment, seed, data, code), as its record.json has it."""
    return digest(directory.read_json(folder / directory.RECORD))


def digest(record: dict[str, Any]) -> str:
    """Return the SHA-256 of what makes a run's numbers, from a record of any format.

    It does not depend on the modules that classes live in, nor on later names of classes.
    """
    parts = [old_records.identity(record.get("experiment")), record.get("seed"), record.get("data_hash")]
    code = kept.digest(record)
    text = json.dumps([*parts, code] if code else parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_data(run: Run, record: dict[str, Any]) -> None:
    """Raises JaxaeError where the data is not what the recorded run had."""
    if difference := data_difference(run.dataset, record):
        raise JaxaeError(f"{run.path or 'the run'}: the data has changed: {difference}")


def data_difference(dataset: AnyDataset, record: dict[str, Any]) -> str | None:
    """Return both hashes in one line where the content is not the recorded one, else None."""
    expected = str(record.get("data_hash"))
    if dataset.hash == expected:
        return None
    made_with = f"the run was made with {expected[:12]} ({record.get('data')})"
    return f"its hash is {dataset.hash[:12]}, but {made_with}"
