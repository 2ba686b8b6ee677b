"""The page of a sweep."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.display.words import count
from jaxae.errors import JaxaeError
from jaxae.plots.canvas import outlier_limits, outside_text
from jaxae.reports import charts, findings, sweep_rows, texts
from jaxae.reports.blocks import (
    Block,
    Chart,
    Command,
    Notices,
    Page,
    RunTable,
    Section,
    Table,
    Text,
)
from jaxae.reports.importance import importance
from jaxae.reports.limits import curve_limits
from jaxae.reports.sweep_rows import Axis
from jaxae.runs import notes
from jaxae.runs.recorded_data import HERE, Moved
from jaxae.sweeps import sweep_status
from jaxae.sweeps.sweep_results import Results
from jaxae.sweeps.tables import environments, plotted, run_table
from jaxae.sweeps.tables.summary import FAILED, is_used, on_test_rows
from jaxae.sweeps.tables.terminal import short_texts

MOST_CURVES, MOST_POINTS = 200, 150  # runs with a curve, and points of each
NARROW = 4  # values of a hyperparameter, above which a heat map takes the whole width
NUM_BEST = 10  # settings in the table of the best ones
MOST_IMPORTANT = 500  # runs from which importance is computed: a forest of more takes long and says the same


def page_of(folder: Path, moved: Moved = HERE) -> Page:
    """Return the page of a sweep.

    Args:
        folder: The sweep's directory.
        moved: Present place of data that has moved.

    Returns:
        The page of the runs that have finished so far.

    Raises:
        JaxaeError: If the directory holds no sweep, or no run has finished.
    """
    results = Results(folder, moved=moved)
    if not results.rows:
        raise JaxaeError(f"{folder}: no run has finished, so there is nothing to show")
    record, state, written = sweep_status.record(folder), sweep_status.read(folder), notes.read(folder)
    rows, score, swept = results.rows, results.score, results.swept
    axes = sweep_rows.axes_of(rows, swept)
    runs = sweep_rows.run_rows(rows, axes, swept, score)
    label = plotted.axis_label(score, results.facts)
    data: dict[str, Any] = {"runs": runs}
    used = [row for row in rows if is_used(row, score)]
    num_settings = len({row["setting"] for row in runs})
    lines = [
        f"{texts.model_name(record)} · "
        + "; ".join(dict.fromkeys(str(each["data"]) for each in record.get("data", []) if "data" in each)),
        f"{count(len(rows), 'run')} of {count(num_settings, 'setting')} · "
        f"{count(len({row['seed'] for row in rows}), 'seed')} · "
        f"{len(rows) - len(used)} without a score · compared by {label}",
        *texts.note_lines(written),
    ]
    warnings = findings.of_edits(record)
    warnings += findings.of_sweep(rows, environments.differences(rows), FAILED)
    shares = _shares(used, axes, score)
    # The heat map shows the two hyperparameters that matter most.
    important = sorted(axes, key=lambda axis: -shares.get(axis.column, 0.0))
    sections = [
        Section("Warnings", [Notices(warnings)] if warnings else []),
        Section("Best settings", _best(results, record, folder)),
        Section("Score by hyperparameter", _over(results, axes, runs, label, data) if used else []),
        Section("Relations", _relations(results, important, runs, label, shares, data) if used else []),
        Section("Curves", _curves(results, data)),
        Section("Runs", [_table(axes, label)]),
        Section("Setting", texts.settings(record)),
        Section("How to run it again", [*_commands(record, folder), *texts.circumstances(record)]),
    ]
    return Page(written.name or folder.resolve().name, lines, str(state["status"]), sections, data)


def _best(results: Results, record: Mapping[str, Any], folder: Path) -> list[Block]:
    """Return the best settings with their means and intervals, and the commands for the best one."""
    score, facts, swept = results.score, results.facts, results.swept
    try:
        summary = run_table.summary(results.rows, swept, results.options, facts)
    except JaxaeError as error:
        return [Text(str(error))]
    ranked = sorted((row for row in summary if row["rank"] is not None), key=lambda row: row["rank"])
    if not ranked:
        return [Text("No run has a finite score.")]
    # The score by which settings are chosen, and the same score on rows that had no part in the choice.
    columns = [column for column in dict.fromkeys((score, on_test_rows(score))) if column in summary[0]]
    names = [name.rpartition(".")[2] for name in swept]
    head = ["rank", *names, *(plotted.axis_label(column, facts) for column in columns), "n", "failed"]
    columns_of = [short_texts([row[name] for row in ranked[:NUM_BEST]]) for name in swept]
    settings = list(zip(*columns_of, strict=True)) if swept else [()] * NUM_BEST
    rows = [
        [
            str(row["rank"]),
            *values,
            *(texts.interval(row[column], row[f"{column}_low"], row[f"{column}_high"]) for column in columns),
            str(row["n_used"]),
            str(row["n_failed"]),
        ]
        for row, values in zip(ranked[:NUM_BEST], settings, strict=False)
    ]
    more = f"; {len(ranked) - NUM_BEST} more in summary.csv" if len(ranked) > NUM_BEST else ""
    method = "Student's t" if results.options.interval == "student" else "the bootstrap"
    caption = f"Mean over n seeds [95 % interval by {method}], the best first{more}"
    best = [row for row in summary if row["best"]]
    # `code` distinguishes versions of a user's classes, and is no option.
    values = [word for name in swept if name != "code" for word in (f"--{name}", best[0][name])]
    # A sweep from Python has no config; its command is that of the script.
    command = record.get("command") or []
    config = command[2] if command[:2] == ["jaxae", "sweep"] else "CONFIG"
    blocks: list[Block] = [Table(caption, head, rows, marked=[0])]
    # Without its state a run can be trained again, but not measured.
    if results.options.keep:
        blocks.append(
            Command(
                "Measure the best run:",
                texts.shell("jaxae", "evaluate", f"{folder}:best", "--measures", "all"),
            )
        )
    if values:
        blocks.append(
            Command("Train the best setting again:", texts.shell("jaxae", "train", config, *values))
        )
    return blocks


def _over(
    results: Results,
    axes: Sequence[Axis],
    runs: Sequence[Mapping[str, Any]],
    label: str,
    data: dict[str, Any],
) -> list[Block]:
    """Return a chart of the score over each hyperparameter."""
    blocks: list[Block] = []
    scores = _values(runs, "score")
    limits = outlier_limits(scores)
    outside = f" {text[0].upper()}{text[1:]}, at the edge." if (text := outside_text(scores, limits)) else ""
    # Once: both are read from the disk.
    swept, facts = results.swept, results.facts
    for axis in axes:
        series = plotted.series(results.rows, axis.column, results.score, None, swept)
        means = f"means_{axis.key}"
        others = [name for name in swept if name != axis.column]
        colours = {
            plotted.setting_text(row, others): run[f"colour_{axis.key}"]
            for row, run in zip(results.rows, runs, strict=True)
        }
        data[means] = sweep_rows.mean_rows(series, axis, colours)
        has_colours = any(each.label for each in series)
        chart = charts.scores_over(
            axis.key,
            axis.name,
            label,
            means,
            is_numeric=axis.is_numeric,
            is_log=axis.is_log,
            num_colours=sweep_rows.num_colours(runs, f"colour_{axis.key}") if has_colours else 1,
            limits=limits,
        )
        caption = plotted.caption(series, axis.name, results.score, "student", facts)
        marks = "Diamonds: means; bars: intervals; red crosses: failed runs."
        blocks.append(Chart(axis.name, f"{caption}. {marks}{outside}", chart))
    return blocks


def _values(runs: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """Return the numbers of runs under a key; runs without one are left out."""
    return np.array([run[key] for run in runs if run.get(key) is not None], float)


def _relations(
    results: Results,
    axes: Sequence[Axis],
    runs: Sequence[Mapping[str, Any]],
    label: str,
    shares: Mapping[str, float],
    data: dict[str, Any],
) -> list[Block]:
    """Return charts of several hyperparameters and scores together."""
    blocks: list[Block] = []
    # The most important hyperparameters first, next to each other.
    data["parallel"], data["ticks"] = sweep_rows.parallel_rows(runs, axes, results.score)
    if len(axes) > 1 or len(runs) > 1:
        text = (
            "A line for each run; light lines have high scores. Drag over a part of an axis to choose the "
            "runs that cross it: all charts and the table of runs then show only these. Click beside it to "
            "show all."
        )
        blocks.append(Chart("All hyperparameters and the score", text, charts.parallel(label), is_wide=True))
    if any("rate" in row for row in runs):
        unit = results.facts["rate"].unit.partition(",")[0] if "rate" in results.facts else "nats"
        text = "A dot for each run, on test rows. The ELBO is -(rate + distortion): it is better below left."
        num = sweep_rows.num_colours(runs, "setting")
        limits = [outlier_limits(_values(runs, key)) for key in ("rate", "distortion")]
        for key, each in zip(("rate", "distortion"), limits, strict=True):
            if outside := outside_text(_values(runs, key), each):
                text += f" {key}: {outside}, at the edge."
        blocks.append(Chart("Rate against distortion", text, charts.rate_distortion(unit, num, *limits)))
    if len(axes) > 1:
        first, second = axes[:2]
        data["cells"] = sweep_rows.cell_rows(runs, first, second)
        if data["cells"]:
            others = " and over all other hyperparameters" if len(axes) > 2 else ""
            text = f"Mean of {label} over seeds{others}. Failed runs are left out; hover to see their number."
            title = f"{first.name} and {second.name}"
            means = outlier_limits(_values(data["cells"], "mean"))
            chart = charts.heat_map((first.name, second.name), label, means)
            # The numbers in the cells need room.
            blocks.append(Chart(title, text, chart, is_wide=len(first.values) > NARROW))
    if shares:
        names = {axis.column: axis.name for axis in axes}
        data["importance"] = [
            {"name": charts.short(names[name]), "share": round(share, 4)} for name, share in shares.items()
        ]
        listed = ", ".join(f"{names[name]} {share:.0%}" for name, share in shares.items())
        text = (
            f"Share of the variance of {label} that each hyperparameter explains alone, by fANOVA "
            f"(Hutter et al., 2014): {listed}."
        )
        blocks.append(Chart("Importance", text, charts.importance()))
    return blocks


def _shares(used: Sequence[Mapping[str, Any]], axes: Sequence[Axis], score: str) -> dict[str, float]:
    """Return the importance of each hyperparameter; {} if it cannot be computed."""
    # Every nth run, so that all settings are among them.
    step = max(1, len(used) // MOST_IMPORTANT)
    try:
        return importance(used[::step], [axis.column for axis in axes], score)
    except JaxaeError:
        return {}


def _curves(results: Results, data: dict[str, Any]) -> list[Block]:
    """Return the loss of runs over the epochs."""
    try:
        histories = results.histories(MOST_CURVES)
    except JaxaeError as error:
        return [Text(f"The curves cannot be shown: {error}")]
    setting_of = {row["run"]: row["setting"] for row in data["runs"]}
    found: list[dict[str, Any]] = []
    split = "train"
    for run, history in histories.items():
        split = "validation" if any(line["validation"] for line in history) else "train"
        lines = [line for line in history if line[split] and line[split]["loss"] is not None]
        found += [
            {
                "run": run,
                "epoch": line["epoch"],
                "value": float(f"{line[split]['loss']:.6g}"),
                "setting": setting_of[run],
            }
            for line in texts.thinned(lines, MOST_POINTS)
            if math.isfinite(line[split]["loss"])
        ]
    if not found:
        return []
    data["curves"] = found
    limits, _ = curve_limits(found, "run")
    last = max(row["epoch"] for row in found)
    first = f" of the first {MOST_CURVES} runs" if len(results.rows) > MOST_CURVES else ""
    text = f"{split} loss by epoch, a line for each run{first}."
    num = sweep_rows.num_colours(found, "setting")
    chart = charts.run_curves(f"{split} loss", limits, num, last)
    return [Chart(f"{split} loss", text, chart, is_wide=True)]


def _table(axes: Sequence[Axis], label: str) -> Block:
    columns = [
        ("run", "run"),
        *((axis.key, axis.name) for axis in axes if axis.key != "seed"),
        ("seed", "seed"),
    ]
    columns += [("score", label), ("status", "status"), ("epochs", "epochs"), ("reason", "reason")]
    text = "All runs. Click on a heading to sort. The charts show the runs that search and filters keep."
    return RunTable(text, columns, "runs")


def _commands(record: Mapping[str, Any], folder: Path) -> list[Block]:
    command = (
        texts.shell(*record["command"]) if record.get("command") else texts.shell("jaxae", "sweep", "CONFIG")
    )
    return [
        Command("Run it again, or train missing runs:", command),
        Command("Load it in Python:", f"jaxae.load_sweep({str(folder)!r})"),
    ]
