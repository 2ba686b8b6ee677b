"""Warm start: a run whose initial variables are those of a trained run, by matching names and shapes."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from jaxae.errors import JaxaeError, warn
from jaxae.protocols.capabilities import Classifier, Conditional, TokenModel
from jaxae.runs import directory, execution, initial, opening, run_record, seals
from jaxae.runs.result import Result
from jaxae.runs.run_types import Run


def start_from(run: Run, source: str | Path | Result) -> Run:
    """Return the run with the variables of a trained run as its initial ones, where names and shapes match.

    The optimiser starts as usual, and so do the variables without a match.

    Args:
        run: The prepared run, which has not started.
        source: Directory of the trained run, or its result; its best epoch counts, or that of `result.last`.

    Returns:
        The run.

    Raises:
        JaxaeError: If the source cannot be loaded, or none of its arrays matches.
    """
    result = source if isinstance(source, Result) else opening.load(source)
    _warn_of_meanings(run, result.run)
    shapes = execution.abstract(run).state.variables
    variables = {name: np.asarray(leaf) for name, leaf in initial.named(result.variables).items()}
    start = initial.match(shapes, variables, _origin(result))
    if not start.record["taken"]:
        names = f"{type(run.experiment.model).__name__} and {type(result.experiment.model).__name__}"
        raise JaxaeError(f"{initial.KEY}: no array of {result.run.path or 'the result'} matches: {names}")
    return dataclasses.replace(run, initial=start)


def start_as_recorded(run: Run, record: dict[str, Any], folder: Path) -> Run:
    """Return a run of a record with the initial variables that the recorded run had.

    Args:
        run: The prepared run, which has not started.
        record: The record.
        folder: The directory of the recorded run, which holds a copy of these variables.

    Returns:
        The run; unchanged if the recorded run started as usual.

    Raises:
        JaxaeError: If the copy is missing or none of its arrays matches.
    """
    start = initial.of_record(record, folder)
    # Its data need not be there: shapes are known from the record.
    recorded = opening.without_rows(folder) if start else None
    if start is None or recorded is None:
        return run
    arrays = start.read(execution.abstract(recorded).state.variables)
    matched = initial.match(execution.abstract(run).state.variables, arrays, start.record)
    if not matched.record["taken"]:
        raise JaxaeError(f"{initial.KEY}: no array of {folder / initial.FOLDER} matches the new model")
    # The copy holds only what was taken: the reasons for the other arrays are those of the record.
    left = {name: start.record["left"].get(name, shape) for name, shape in matched.record["left"].items()}
    record = {**matched.record, "left": left}
    return dataclasses.replace(run, initial=dataclasses.replace(matched, record=record))


def report(run: Run, file: TextIO) -> None:
    """Print in one or two lines which initial variables were taken from another run, and which were left.

    Args:
        run: The run; nothing is printed if it starts as usual.
        file: The file to print to.
    """
    for line in run.initial.lines if run.initial else []:
        print(f"jaxae: {line}" if file is sys.stderr else line, file=file, flush=True)


def _origin(result: Result) -> dict[str, Any]:
    """Return the entries of a record about the run that variables are taken from."""
    folder = result.run.path
    record = seals.read(folder / directory.RECORD) if folder else run_record.numbers(result.run)
    commits = {name: record.get(name) for name in ("name", "commit", "jaxae_commit")}
    fingerprint = run_record.digest(record)
    return {
        "run": str(folder) if folder else None,
        **commits,
        "fingerprint": fingerprint,
        "epoch": result.outcome.epoch,
    }


def _warn_of_meanings(run: Run, source: Run) -> None:
    """Warn if equal shapes mean something else in the two runs: labels, tokens or the unit of the data."""
    model, here, there = run.experiment.model, run.dataset, source.dataset
    has_labels = isinstance(model, Conditional | Classifier) and model.num_classes
    if has_labels and here.classes != there.classes and here.classes and there.classes:
        warn(
            f"{initial.KEY}: labels have other names: {_few(there.classes)} there, {_few(here.classes)} here"
        )
    if isinstance(model, TokenModel) and _tokens(here) != _tokens(there):
        warn(f"{initial.KEY}: the tokens there are those of another tokenizer")
    widths = [float(span[1]) - float(span[0]) for span in (here.span, there.span)]
    if min(widths) > 0 and max(widths) > 2 * min(widths):
        spans = " and ".join(f"{low:g} to {high:g}" for low, high in (there.span, here.span))
        warn(f"{initial.KEY}: the models see data in other units: {spans} (there and here)")


def _tokens(dataset: Any) -> str | None:
    return dataset.tokenizer.weights_hash if dataset.tokenizer else None


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
