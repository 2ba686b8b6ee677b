"""The page of several runs: what differs, scores and curves side by side, the same test rows of each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.errors import JaxaeError
from jaxae.plots.figures import squared_errors
from jaxae.plots.pages import as_images
from jaxae.reports import texts
from jaxae.reports.blocks import Block, Command, Notices, Page, Picture, Section, Table, Text
from jaxae.reports.codes import png
from jaxae.reports.run_page import curve_charts
from jaxae.runs import directory, opening
from jaxae.runs.comparison import Comparison, compare
from jaxae.runs.recorded_data import HERE, Moved

NUM_ROWS = 12  # test rows that are shown side by side


def page_of(names: Sequence[str], folders: Sequence[Path], moved: Moved = HERE) -> Page:
    """Return the page of several runs.

    Args:
        names: Names of the runs, as the user gave them.
        folders: Their directories.
        moved: Present place of data that has moved.

    Returns:
        The page.

    Raises:
        JaxaeError: If there are fewer than two runs, or one of them cannot be read.
    """
    found = compare(*folders)
    # Paths would make columns wide; their last parts distinguish runs as a rule.
    short = _short(names, folders)
    histories = {
        name: directory.read_history(folder, directory.last_epoch(folder))
        for name, folder in zip(short, folders, strict=True)
    }
    units: dict[str, str] = {}
    for folder in folders:
        units |= directory.read_scores(folder).get("units", {})
    curves, rows = curve_charts(histories, units, None)
    warnings = [
        ("warning", f"{short[found.runs.index(run)]} is not compared row by row: {reason}")
        for run, reason in found.unpaired.items()
    ]
    sections = [
        Section("Warnings", [Notices(warnings)] if warnings else []),
        Section("Differences", _differences(found, short)),
        Section("Scores", _scores(found, short)),
        Section("Curves", curves),
        Section("The same test rows", _side_by_side(short, folders, moved)),
        Section("Commands", [Command("Compare in the terminal:", texts.shell("jaxae", "compare", *names))]),
    ]
    return Page(" and ".join(short), [f"comparison of {len(short)} runs"], "", sections, {"history": rows})


def _short(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Return the last parts of the runs' names, or the whole names if two of them would be equal."""
    last = [folder.resolve().name for folder in folders]
    return last if len(set(last)) == len(last) else list(names)


def _differences(found: Comparison, short: Sequence[str]) -> list[Block]:
    blocks: list[Block] = []
    for title, values in (
        ("Runs", found.facts),
        ("Settings that differ", found.differences),
        ("Data, code and machine that differ", found.circumstances),
    ):
        rows = [
            [name, *("-" if value is None else str(value) for value in each)] for name, each in values.items()
        ]
        if rows:
            blocks.append(Table(title, ["", *short], rows))
    if not found.differences:
        blocks.append(Text("The runs have the same settings."))
    return blocks


def _scores(found: Comparison, short: Sequence[str]) -> list[Block]:
    rows = [
        [
            f"{row['split']} {row['score']}",
            *(
                ("★ " if number == row["best"] else "") + texts.number(value, error)
                for number, (value, error) in enumerate(zip(row["values"], row["errors"], strict=True))
            ),
            row["unit"] or "",
        ]
        for row in found.score_rows
    ]
    blocks: list[Block] = []
    if rows:
        caption = "Means over rows ± standard error; ★ is the best"
        blocks.append(Table(caption, ["score", *short, "unit"], rows))
    pairs = [_pair(row, short[found.runs.index(row["run"])]) for row in found.pairs]
    if pairs:
        caption = (
            f"Differences to {short[0]} over the same test rows, in pairs; 95 % interval. "
            "They are often much narrower than the errors of both means."
        )
        blocks.append(Table(caption, ["run", "score", "difference", "unit", "verdict", "rows"], pairs))
    return blocks


def _pair(row: Mapping[str, Any], name: str) -> list[str]:
    difference = texts.interval(row["difference"], row["low"], row["high"])
    return [name, row["score"], difference, row["unit"], row["verdict"], f"{row['num']:,}"]


def _side_by_side(short: Sequence[str], folders: Sequence[Path], moved: Moved) -> list[Block]:
    """Return the first test rows, and below them their reconstructions by each run."""
    blocks: list[Block] = []
    for name, folder in zip(short, folders, strict=True):
        try:
            result = opening.load(folder, data_name=moved.name, data_folder=moved.folder)
            dataset = result.run.dataset
            # Each run sees the rows in its own unit, such as its own binarisation.
            examples = result.test._replace(
                x=result.test.x[:NUM_ROWS],
                y=() if isinstance(result.test.y, tuple) else result.test.y[:NUM_ROWS],
            )
            outputs = result.reconstruct(examples)
        except JaxaeError as error:
            blocks.append(Text(f"{name}: {error}"))
            continue
        inputs = np.asarray(examples.x, np.float32)
        if as_images(inputs) is None or not len(inputs):
            blocks.append(Text(f"{name}: its rows are no images."))
            continue
        # The same order for all runs, so that columns can be compared.
        errors = ", ".join(f"{error:.3g}" for error in squared_errors(inputs, outputs))
        strip = np.concatenate([_strip(inputs), _strip(outputs)])
        text = f"{len(inputs)} test rows above their reconstructions by {name}; squared errors: {errors}"
        blocks.append(Picture(name, text, png(strip, dataset.display_range), is_small=True))
    return blocks


def _strip(rows: np.ndarray) -> np.ndarray:
    """Return images next to each other as one image [H, N W, C]."""
    shown = as_images(rows)
    assert shown is not None
    return np.concatenate(list(shown[0][0]), axis=1)
