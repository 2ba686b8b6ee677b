"""Figures of a sweep: for its directory, and for a paper."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from jaxae.errors import JaxaeError
from jaxae.plots.plot import Plot
from jaxae.sweeps.tables import plotted

MOST_CURVES = 200  # runs; more curves cannot be told apart
RATE, DISTORTION = "test.rate", "test.distortion"


class Swept(Protocol):
    """What the figures need of `Results`."""

    rows: list[dict[str, Any]]

    @property
    def swept(self) -> list[str]:
        """The columns that distinguish settings."""
        ...

    @property
    def score(self) -> str:
        """Column by which settings are compared."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """Facts of the scores by their names."""
        ...

    def histories(self, num: int) -> dict[str, list[dict[str, Any]]]:
        """Return the histories of the first `num` runs by their ids."""
        ...


def score_plot(
    results: Swept,
    x: str | None,
    y: str | None,
    hue: str | None,
    interval: str,
    size: tuple[float, float],
) -> Plot:
    """Plot a score over a hyperparameter.

    Args:
        results: The results.
        x: Column on the horizontal axis; None: the first swept name, or the seed.
        y: Column of the score; None: the score by which settings are compared.
        hue: Column of the colours; None: the other swept names, if they have at most ten combinations.
        interval: Confidence intervals of means: "student" or "bootstrap".
        size: Width and height in inches.

    Returns:
        The plot.

    Raises:
        JaxaeError: If there are no runs, no run has a column, or the interval is unknown.
    """
    from jaxae.plots.sweep_figures import score_figure  # here: matplotlib takes a second to import

    if not results.rows:
        raise JaxaeError("plot: no run has finished")
    x, y = x or next(iter(results.swept), "seed"), y or results.score
    found = plotted.series(results.rows, x, y, hue, results.swept, interval)
    if not any(each.y for each in found):
        raise JaxaeError(f"y: no run has a finite '{y}'")
    name = x.rpartition(".")[2]
    figure = score_figure(found, name, plotted.axis_label(y, results.facts), size)
    return Plot(figure, plotted.caption(found, name, y, interval, results.facts))


def draw(results: Swept, folder: Path) -> list[Path]:
    """Write the figures of a sweep: its score over each swept name, rate against distortion, all curves.

    Args:
        results: The results.
        folder: The folder to write PNG files to; it is created.

    Returns:
        The paths of the files; none if no run has a finite score.
    """
    from jaxae.plots.canvas import save

    if not any(plotted.is_used(row, results.score) for row in results.rows):
        return []
    figures: dict[str, Any] = {}
    names = results.swept or ["seed"]
    for name in names:
        figures[f"score_{_file_name(name, names)}"] = score_plot(
            results, name, None, None, "student", (4.4, 3.2)
        ).figure
    with contextlib.suppress(JaxaeError):  # models without a rate
        figures["rate_distortion"] = rate_plot(results, (4.4, 3.6)).figure
    with contextlib.suppress(JaxaeError):  # no run has an epoch
        figures["curves"] = curve_plot(results, (4.8, 3.2)).figure
    for stem, figure in figures.items():
        save(figure, folder / f"{stem}.png")
    return [folder / f"{stem}.png" for stem in figures]


def _file_name(name: str, names: Sequence[str]) -> str:
    """Return the last part of a dotted name, or the whole name if another one ends with the same part."""
    last = name.rpartition(".")[2]
    return name if sum(each.rpartition(".")[2] == last for each in names) > 1 else last


def rate_plot(results: Swept, size: tuple[float, float]) -> Plot:
    """Plot rate against distortion on test rows, a dot for each run.

    Args:
        results: The results.
        size: Width and height in inches.

    Returns:
        The plot.

    Raises:
        JaxaeError: If no run has both.
    """
    from jaxae.plots.sweep_figures import rate_figure

    settings = plotted.by_setting(results.rows, results.swept, (DISTORTION, RATE))
    if not settings:
        raise JaxaeError("plot_rates: no run has a rate and a distortion of test rows")
    groups = {
        name: ([row[DISTORTION] for row in rows], [row[RATE] for row in rows])
        for name, rows in settings.items()
    }
    unit = results.facts["rate"].unit.partition(",")[0] if "rate" in results.facts else "nats"
    num = sum(map(len, settings.values()))
    marks = f"dots: {num} runs; diamonds: means of {len(groups)} settings; dotted lines: equal ELBO"
    return Plot(rate_figure(groups, unit, size), f"rate against distortion of test rows, {unit}; {marks}")


def curve_plot(results: Swept, size: tuple[float, float]) -> Plot:
    """Plot the loss of each run over the epochs.

    Args:
        results: The results.
        size: Width and height in inches.

    Returns:
        The plot.

    Raises:
        JaxaeError: If no run has an epoch.
    """
    from jaxae.plots.sweep_figures import curves_figure

    rows = {row["run"]: row for row in results.rows}
    curves: dict[str, list[tuple[list[int], list[float]]]] = {}
    split = "train"
    for run, history in results.histories(MOST_CURVES).items():
        # Runs of a sweep share the data, so that all of them or none have validation rows.
        split = "validation" if any(line["validation"] for line in history) else "train"
        lines = [line for line in history if line[split]]
        points = [line["epoch"] for line in lines], [line[split]["loss"] for line in lines]
        if lines:
            curves.setdefault(plotted.setting_text(rows[run], results.swept), []).append(points)
    if not curves:
        raise JaxaeError("plot_curves: no run has an epoch")
    more = len(results.rows) - MOST_CURVES
    ylabel = f"{split} loss" + (f" of the first {MOST_CURVES} runs" if more > 0 else "")
    text = f"{ylabel} by epoch, a line for each of {sum(map(len, curves.values()))} runs"
    return Plot(curves_figure(curves, ylabel, size), text)
