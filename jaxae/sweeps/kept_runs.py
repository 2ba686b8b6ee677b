"""A run of a sweep in the form of a single run: history, state, scores and record."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxae.estimators.score_facts import as_columns
from jaxae.estimators.scores import facts_of_scores
from jaxae.maths import precision
from jaxae.runs import directory, seals
from jaxae.runs.execution import last_autoencoder
from jaxae.runs.experiment import Experiment, num_steps, total_steps
from jaxae.runs.run_types import Run
from jaxae.training.epoch import NEVER, Carry, Report
from jaxae.training.loop import numbers


def history_of(run: Run, reports: Report, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a lane's reports in the form that the history of a single run has.

    Args:
        run: The run.
        reports: Its reports, f32[E] each.
        row: Its row in the table.

    Returns:
        One dictionary for each epoch.
    """
    experiment, epochs = run.experiment, int(row["epochs_run"])
    steps_per_epoch = num_steps(experiment, run.dataset.num_rows["train"])
    lines: list[dict[str, Any]] = []
    best, best_epoch = np.inf, 0
    for number in range(1, epochs + 1):
        report = jax.tree.map(lambda column: column[number - 1], reports)  # noqa: B023 (called at once)
        train, validation = numbers(experiment, number, report, run.dataset.num_rows["validation"] > 0)
        if validation and validation["loss"] < best:
            best, best_epoch = validation["loss"], number
        line = {
            "epoch": number,
            "step": min(number * steps_per_epoch, total_steps(experiment, run.dataset.num_rows["train"])),
            "train": train,
            "validation": validation,
            "best_epoch": best_epoch,
            "seconds": row["seconds"] / epochs,
        }
        lines.append(line)
    if row["first_bad_step"] is not None:
        lines[-1]["step"] = row["first_bad_step"] - 1  # steps with finite numbers; the column counts from 1
    if row["status"] == "stopped":
        lines[-1]["stopped_early"] = True
    return lines


def carry_of(experiment: Experiment, best: Any, row: dict[str, Any]) -> Carry:
    """Return the state of a run after its best epoch, in the form that a single run has.

    Args:
        experiment: The experiment.
        best: The best state.
        row: The run's row in the table.

    Returns:
        The carry, with the best state as the last one too.
    """
    bad = NEVER if row["first_bad_step"] is None else row["first_bad_step"] - 1
    dtype = precision.dtype(experiment)
    score = np.asarray(np.inf if row["chosen_by"] == "last epoch" else row["best_score"], dtype)
    best_epoch = np.int32(0 if row["chosen_by"] == "last epoch" else row["best_epoch"])
    stopped = experiment.early_stopping if row["status"] == "stopped" else None
    since_improved = np.int32(stopped.patience if stopped else 0)
    # `best` twice: the last state is not kept.
    return Carry(best, best, score, best_epoch, score, since_improved, np.int32(bad))  # type: ignore[arg-type]


def scores_of(run: Run, row: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of a run in the form of scores.json.

    Args:
        run: The run.
        row: Its row in the table.

    Returns:
        The scores, with their facts.
    """
    scores: dict[str, Any] = {
        "epoch": row["best_epoch"],
        "chosen_by": row["chosen_by"],
        "epochs_run": row["epochs_run"],
        "stopped_early": row["status"] == "stopped",
        "binarize": run.experiment.data.binarize,
        **as_columns(facts_of_scores(last_autoencoder(run))),
    }
    for split in ("validation", "test"):
        inside = {
            name.partition(".")[2]: value for name, value in row.items() if name.startswith(f"{split}.")
        }
        if inside:
            scores[split] = inside
    return scores


def record_of(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    """Return the record of an extracted run, with the circumstances of its training, not of this process.

    Args:
        folder: Directory of the run, with a record.
        row: Its row in the table.

    Returns:
        The content of record.json.
    """
    record = seals.read(folder / directory.RECORD)
    recorded = {"commit": row.get("commit"), "jaxae_commit": row.get("jaxae_commit")}
    for group, prefix in (("versions", "version."), ("flags", "flag.")):
        known = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
        recorded[group] = {**record[group], **known}
    names = {"kind": "device", "count": "device_count", "processor": "processor"}
    device = {name: row[column] for name, column in names.items() if column in row}
    recorded["device"] = {**record["device"], **device}
    return {**record, **recorded, "started": row.get("finished_at") or record["started"]}
