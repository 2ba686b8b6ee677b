"""jaxae from Python: `fit`, `resume` and `load`, each giving a `Result`."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxae import data, interrupts, precision, provenance, run, runs, tokenizer
from jaxae.data import Data, Dataset
from jaxae.errors import JaxaeError
from jaxae.experiment import Experiment, resolve
from jaxae.pytree import replace
from jaxae.result import Result
from jaxae.run import Observer, Outcome, Run
from jaxae.training import checkpoint, parallel, processes

ARRAYS = "arrays"  # data.name of a run whose rows came from Python


def quiet(result: Any, saved: bool) -> bool:
    """Watches a run without a word and never stops it."""
    return False


def fit(
    experiment: Experiment,
    x: Any = None,
    y: Any = None,
    *,
    seed: int = 0,
    run_dir: str | Path | None = None,
    observe: Observer = quiet,
    devices: int = 1,
    distributed: bool = False,
) -> Result:
    """Trains `experiment` on the data it names, or on rows x [N, ...] (and labels y [N]) of your own.

    uint8 rows are divided by 255, floats are taken as they are. With `run_dir` the run is written there
    as the command line does, and can be resumed. `observe(epoch, saved)` sees every epoch. Where it returns
    True the run stops and the result so far is returned; `scores["stopped_by"]` is "observe". With `run_dir`
    it is saved, and `resume` goes on from there. Ctrl-C with `run_dir` saves the epoch, then raises
    KeyboardInterrupt. Each batch is divided over `devices`: those of this process, or with
    `distributed` as many of every process, all of which have called jax.distributed.initialize() and
    now make the same call; the first of them alone needs `run_dir`.
    Raises: JaxaeError for a mistake in the input, Diverged where a number is not finite.
    """
    begun = prepare(experiment, seed, x, y, parallel.make_mesh(devices, distributed))
    if run_dir is not None:
        begun = start(begun, Path(run_dir), Path(run_dir).name, sys.argv)
    with held(begun):
        return finish(begun, observe)


def resume(
    path: str | Path,
    x: Any = None,
    y: Any = None,
    *,
    observe: Observer = quiet,
    devices: int = 1,
    distributed: bool = False,
) -> Result:
    """Goes on with an interrupted run and ends bitwise as if it had never stopped.

    A run that its observer stopped goes on too; one that has finished is scored again.
    `x`, `y`: the rows that the run was given, where they came from Python. `devices`, `distributed`: as
    for `fit`; other ones than before give the same numbers but for the order of sums.
    Raises: JaxaeError where it cannot (no record, other data, no whole checkpoint), Diverged.
    """
    begun, record = reopen(Path(path), x, y, parallel.make_mesh(devices, distributed))
    with held(begun):
        warn_of_changes(begun, record)
        return finish(begun, observe, resume=True)


def load(path: str | Path, x: Any = None, y: Any = None) -> Result:
    """A run's directory as a `Result`, from its newest whole checkpoint; nothing is trained.

    Raises: JaxaeError as `resume` does, and where there is no checkpoint yet.
    """
    begun, _ = reopen(Path(path), x, y)
    scores = begun.folder / runs.SCORES
    return Result(begun, restore(begun), runs.read_json(scores) if scores.exists() else {})


def prepare(
    experiment: Experiment,
    seed: int,
    x: Any = None,
    y: Any = None,
    mesh: Mesh | None = None,
    near: Path | None = None,
) -> Run:
    """The run that an experiment, a seed and its data make, checked; nothing is written.

    `near`: see `load_data`.
    Raises: JaxaeError for a mistake in any of them, in every process of the mesh, and where these differ.
    """
    prepared = processes.together(mesh, lambda: _checked(experiment, seed, x, y, mesh, near))
    processes.check_same(mesh, lambda: run.digest(run.numbers(prepared)))
    return prepared


def _checked(experiment: Experiment, seed: int, x: Any, y: Any, mesh: Mesh | None, near: Path | None) -> Run:
    if not isinstance(experiment, Experiment):
        raise JaxaeError(f"experiment: got {type(experiment).__name__}, expected a jaxae.Experiment")
    run.check_seed(seed)
    experiment = with_rows(experiment, x)
    dataset = load_data(experiment.data, x, y, near)
    experiment = resolve(experiment, dataset)
    parallel.check_batch(experiment.batch_size, mesh)
    return Run(experiment, dataset, seed, mesh=mesh)


def with_rows(experiment: Experiment, x: Any) -> Experiment:
    """The experiment, which says so where its rows x come from Python; those of tokens are their run's."""
    is_given = x is not None and not tokenizer.is_of_tokens(experiment.data)
    return replace(experiment, "data.name", ARRAYS) if is_given else experiment


def load_data(asked: Data, x: Any = None, y: Any = None, near: Path | None = None) -> Dataset:
    """The data that `asked` names: rows, those given from Python, or a run's tokens.

    `x`, `y`: for tokens the rows that the run was given, where they came from Python. `near`: a folder in
    which to look for that run too.
    Raises: JaxaeError of one line for every mistake in it.
    """
    if tokenizer.is_of_tokens(asked):
        return tokenizer.tokenized(load(tokenizer.run_of(asked, near), x, y), asked)
    return data.load(asked) if x is None else data.from_arrays(x, y, asked)


def start(prepared: Run, path: Path | None, name: str, command: list[str]) -> Run:
    """The run with a new directory and its record in it, by its first process; nothing is trained yet."""
    if not processes.is_first(prepared.mesh):
        return processes.together(prepared.mesh, lambda: prepared)
    return processes.together(prepared.mesh, lambda: _recorded(prepared, path, name, command))


def _recorded(prepared: Run, path: Path | None, name: str, command: list[str]) -> Run:
    record = run.make_record(prepared, name, command)
    run.check_fits(prepared, path or Path("runs"))
    begun = prepared.at(runs.create(path, name, prepared.seed))
    with runs.lock(begun.folder):
        runs.refuse_existing(begun.folder)  # another process may have been faster with the same directory
        runs.write_json(begun.folder / runs.RECORD, record)
    return begun


@contextlib.contextmanager
def held(begun: Run) -> Iterator[None]:
    """Holds the run's directory, where it has one, for one writer. Raises: JaxaeError naming another."""
    with contextlib.ExitStack() as stack:
        lock = runs.lock(begun.path) if begun.path else contextlib.nullcontext()
        processes.together(begun.mesh, lambda: stack.enter_context(lock))
        yield


def reopen(path: Path, x: Any = None, y: Any = None, mesh: Mesh | None = None) -> tuple[Run, dict[str, Any]]:
    """An existing run with its data, and its record."""
    experiment, record = run.read_record(path, mesh)
    folder = path if path.is_dir() else path.parent
    if x is None and experiment.data.name == ARRAYS:
        raise JaxaeError(
            f"{folder}: was trained on rows given from Python; "
            f"give them again: jaxae.resume({str(folder)!r}, x)"
        )
    begun = prepare(experiment, record["seed"], x, y, mesh, folder.parent).at(folder)
    processes.together(mesh, lambda: run.check_data(begun, record))
    return begun, record


def warn_of_changes(begun: Run, record: dict[str, Any]) -> None:
    """Says where the machine or its versions are not those of the record: the bitwise promise is off."""
    changed = provenance.differences(record, parallel.devices_by_process(begun.mesh))
    if changed and begun.path:
        runs.warn(begun.folder, f"not bitwise the run that was interrupted: {', '.join(changed)}")


@precision.within(lambda begun: begun.experiment)
def restore(begun: Run) -> Outcome:
    """The newest whole checkpoint of a run, and the history up to it."""
    folder = begun.folder
    restored = checkpoint.restore(folder / run.CHECKPOINTS, run.abstract(begun), run.fingerprint(folder))
    if restored is None:
        raise JaxaeError(f"{folder}: has no checkpoint yet; `jaxae resume {folder}` trains it")
    for line in restored.passed_over:
        runs.warn(folder, f"{line}; reading epoch {restored.epoch} instead")
    return Outcome(restored.state, runs.read_history(folder, restored.epoch), runs.stopped_by(folder))


def finish(begun: Run, observe: Observer = quiet, *, resume: bool = False) -> Result:
    """Train to the end, or until `observe` stops the run, and score the best state so far.

    scores.json is the last thing written. Raises: KeyboardInterrupt after a save, on Ctrl-C in a run with a
    directory.
    """
    with interrupts.deferred(begun.path is not None) as pending:
        outcome = run.train(begun, lambda *seen: bool(observe(*seen)) or pending.came, resume=resume)
    if pending.came:
        hint = f"jaxae.resume({str(begun.path)!r}) goes on"
        raise KeyboardInterrupt(f"stopped after epoch {len(outcome.history)}, saved; {hint}")
    result = scored(begun, outcome)
    if begun.path:
        write_scores(result)
    return result


def scored(begun: Run, outcome: Outcome, num_samples: int | None = None) -> Result:
    """The result of a run that has been trained, with the scores of its best state."""
    return Result(begun, outcome, run.scores(begun, outcome, num_samples))


def write_scores(result: Result) -> None:
    """Write scores.json: the run is finished, or its observer stopped it and `stopped_by` says so."""
    with runs.disk_errors(result.run.folder):
        runs.write_json(result.run.folder / runs.SCORES, result.scores)
