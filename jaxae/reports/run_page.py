"""The page of a run."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxae.errors import JaxaeError
from jaxae.estimators.row_values import has_zeros
from jaxae.evaluation.measure_groups import GROUPS
from jaxae.evaluation.measure_table import plus_minus
from jaxae.evaluation.subject import Row
from jaxae.plots import pages
from jaxae.protocols.capabilities import JointDensity
from jaxae.reports import charts, findings, texts
from jaxae.reports.blocks import (
    Block,
    Chart,
    Command,
    Facts,
    Folded,
    Notices,
    Page,
    Picture,
    Section,
    Table,
    Text,
)
from jaxae.reports.codes import Codes, codes
from jaxae.reports.limits import curve_limits
from jaxae.runs import directory, notes, opening, seals, status
from jaxae.runs.comparison import record_of
from jaxae.runs.recorded_data import HERE, Moved

MOST_POINTS = 400  # of a curve; the best and the last epoch are always among them
SPLITS = ("validation", "test")


class Loaded(NamedTuple):
    """Values from the trained model; they are missing if the model or the data cannot be read."""

    result: Any = None
    codes: Codes | None = None
    is_variational: bool = False
    reason: str = ""  # why there are no codes, or pictures of codes


def page_of(folder: Path, moved: Moved = HERE) -> Page:
    """Return the page of a run.

    Args:
        folder: The run's directory.
        moved: Present place of data that has moved.

    Returns:
        The page. If the model or the data cannot be read, it has no codes, and says why.

    Raises:
        JaxaeError: If the directory holds no run, or a file of it is damaged.
    """
    record = record_of(folder)
    state, written = status.read(folder), notes.read(folder)
    history = directory.read_history(folder, directory.last_epoch(folder))
    scores = directory.read_scores(folder)
    loaded = _loaded(folder, moved)
    warnings = findings.of_edits(record) + findings.of_run(
        state, history, scores, loaded.codes and loaded.codes.values, loaded.is_variational
    )
    curves, rows = curve_charts({"": history}, scores.get("units", {}), scores.get("epoch"))
    data = {"history": rows, "codes": loaded.codes.rows if loaded.codes else []}
    lines = [
        f"{texts.model_name(record)} · {record.get('data', '')}",
        f"seed {record.get('seed')} · {len(history)} of {record['experiment'].get('epochs', '?')} epochs"
        + (f" · best epoch {scores['epoch']}" if scores.get("epoch") else ""),
        *texts.note_lines(written),
    ]
    sections = [
        Section("Warnings", [Notices(warnings)] if warnings else []),
        Section("Scores", _scores(scores)),
        Section("Curves", curves),
        Section("Codes", _codes(loaded)),
        Section("Pictures", _pictures(folder, loaded)),
        Section("Measures", _measures(folder)),
        Section("Setting", texts.settings(record)),
        Section("How to run it again", [*_commands(folder), *texts.circumstances(record)]),
    ]
    return Page(written.name or folder.resolve().name, lines, state["status"], sections, data)


def _loaded(folder: Path, moved: Moved) -> Loaded:
    """Return the codes of the run's test rows."""
    # A page without codes is better than none: data may have moved, and classes may be missing.
    try:
        result = opening.load(folder, data_name=moved.name, data_folder=moved.folder)
        computed = pages.compute(result)
    except JaxaeError as error:
        return Loaded(reason=str(error))
    if computed is None:
        return Loaded(result)
    model = result.experiment.model
    is_variational = isinstance(model, JointDensity) and not has_zeros(model)
    return Loaded(result, codes(result, computed), is_variational)


def _pictures(folder: Path, loaded: Loaded) -> list[Picture]:
    """Return the figures of the run; they are drawn for a run from Python, which has none."""
    left_out = ["curves", *(["codes"] if loaded.codes else [])]
    found = texts.pictures(folder / directory.FIGURES, left_out)
    # The command line draws the curves of each run; a run from Python has figures of measures at most.
    if (
        (folder / directory.FIGURES / "curves.png").exists()
        or loaded.result is None
        or not loaded.result.history
    ):
        return found
    # Not into the run's directory: a page only reads it.
    with tempfile.TemporaryDirectory() as temporary:
        pages.draw(loaded.result, Path(temporary))
        return [*texts.pictures(Path(temporary), left_out), *found]


def curve_charts(
    histories: Mapping[str, Sequence[Mapping[str, Any]]], units: Mapping[str, str], best_epoch: int | None
) -> tuple[list[Block], list[dict[str, Any]]]:
    """Return a chart for each term, and the rows that they draw.

    Args:
        histories: The epochs of each run. The name is "" on a page of one run.
        units: Unit of each term, if known.
        best_epoch: Epoch that is marked, or None.

    Returns:
        (the charts, rows with term, epoch, series and value).
    """
    terms = list(
        dict.fromkeys(name for lines in histories.values() for line in lines for name in line["train"])
    )
    blocks: list[Block] = []
    rows: list[dict[str, Any]] = []
    for number, term in enumerate(terms):
        drawn = [
            row for run, lines in histories.items() for row in _points(run, lines, term, number, best_epoch)
        ]
        if not drawn:
            continue
        unit = units.get(term, "").partition(",")[0]
        last_epoch = max(row["epoch"] for row in drawn)
        limits, remark = curve_limits(drawn, "series")
        mark = f" Dashed: epoch {best_epoch}, whose variables are scored." if best_epoch else ""
        last = ", ".join(f"{row['series']} {row['value']:.5g}" for row in _last_of_each(drawn))
        caption = f"{term} by epoch; last values: {last}.{mark}{remark}"
        blocks.append(Chart(term, caption, charts.curve(number, unit, limits, best_epoch, last_epoch)))
        rows += drawn
    return blocks, rows


def _points(
    run: str, lines: Sequence[Mapping[str, Any]], term: str, number: int, best_epoch: int | None
) -> list[dict[str, Any]]:
    """Return the values of a term in a run, at most `MOST_POINTS` for each split."""
    kept = texts.thinned(lines, MOST_POINTS)
    best = [line for line in lines if line["epoch"] == best_epoch and line not in kept]
    return [
        {
            "term": number,
            "epoch": line["epoch"],
            "series": f"{run}, {split}" if run else split,
            # Seven digits are more than a chart shows, and half of the text of a double.
            "value": float(f"{value:.7g}"),
        }
        for split in ("train", "validation")
        for line in sorted([*kept, *best], key=lambda line: line["epoch"])
        if (value := (line.get(split) or {}).get(term)) is not None and math.isfinite(value)
    ]


def _last_of_each(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({row["series"]: row for row in rows}.values())


def _scores(scores: Mapping[str, Any]) -> list[Block]:
    """Return the scores with units and errors, and how each of them was made."""
    splits = [split for split in SPLITS if scores.get(split)]
    if not splits:
        return [Text("The run has no scores yet.")]
    names = dict.fromkeys(name for split in splits for name in scores[split])
    names = {name: None for name in names if not name.endswith("_standard_error")}
    units, how = scores.get("units", {}), scores.get("how", {})
    higher = scores.get("higher_is_better", {})
    rows = [
        [
            name,
            *(
                texts.number(scores[split].get(name), scores[split].get(f"{name}_standard_error"))
                for split in splits
            ),
            units.get(name, ""),
            {True: "higher", False: "lower"}.get(higher.get(name), ""),
        ]
        for name in names
    ]
    caption = f"Means over rows ± standard error, of epoch {scores.get('epoch')} by {scores.get('chosen_by')}"
    explained = [[name, how[name]] for name in names if name in how]
    return [
        Table(caption, ["score", *splits, "unit", "better"], rows),
        *(
            [Folded("How each score is computed", [Table("Scores", ["score", "how"], explained)])]
            if explained
            else []
        ),
    ]


def _codes(loaded: Loaded) -> list[Block]:
    if loaded.codes is None:
        return [Text(f"The codes cannot be shown: {loaded.reason}")] if loaded.reason else []
    found = loaded.codes
    hover = "Point at a dot to see its row. " if "image" in (found.rows[0] if found.rows else {}) else ""
    pick = "Click on a label to show its rows only." if 0 < found.num_labels <= charts.MOST_COLOURS else ""
    return [
        Chart(
            " and ".join(name.partition(",")[0] for name in names if name),
            f"Codes of {len(found.rows)} test rows. {hover}{pick}".strip(),
            charts.codes(f"x{place}", f"y{place}", names, found.num_labels),
        )
        for place, names in enumerate(found.names)
    ]


def _measures(folder: Path) -> list[Block]:
    """Return a table for each group of measures in measures.json."""
    content = seals.read_if_there(folder / directory.MEASURES)
    groups = [name for name, rows in content.items() if _is_group(rows)]
    # In the order of the terminal's tables; a user's own groups come last.
    groups.sort(key=lambda name: list(GROUPS).index(name) if name in GROUPS else len(GROUPS))
    blocks: list[Block] = []
    for name in groups:
        cells = [_measure_cells(row) for row in content[name]]
        blocks.append(Folded(name, [Table(name, ["measure", "value", "unit", "n", "how"], cells)]))
    if not groups:
        return [
            Command(
                "No measures yet. This command computes likelihoods, health of codes, probes and more:",
                texts.shell("jaxae", "evaluate", folder, "--measures", "all"),
            )
        ]
    options = content.get("settings") or {}
    facts = [("date", str(content.get("date", ""))), *((name, str(options[name])) for name in options)]
    return [*blocks, Folded("Options of the measures", [Facts(facts)])]


def _is_group(rows: Any) -> bool:
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, dict) and "measure" in row for row in rows)
    )


def _measure_cells(entry: Mapping[str, Any]) -> list[str]:
    # A number that was not finite is null in the file.
    value = entry.get("value")
    row = Row(
        entry["measure"],
        math.nan if value is None else value,
        entry.get("standard_error"),
        entry.get("unit", ""),
        entry.get("num", 0),
        entry.get("how", ""),
    )
    return [row.measure, plus_minus(row), row.unit, f"{row.num:,}", row.how]


def _commands(folder: Path) -> list[Block]:
    """Return the commands that repeat, continue and measure a run."""
    return [
        Command("Train it again, with the same seed:", texts.shell("jaxae", "train", folder)),
        Command("Load it in Python:", f"jaxae.load({str(folder)!r})"),
        Command("Compare it with another run:", texts.shell("jaxae", "report", folder, "OTHER_RUN")),
    ]
