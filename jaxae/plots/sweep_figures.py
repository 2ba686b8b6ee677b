"""Figures of a sweep: a score over a hyperparameter with every seed, rate against distortion, all curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from jaxae.plots.canvas import LETTER, outlier_limits, outside_text, plain_text, robust_limits
from jaxae.plots.series import Series, is_log_axis, is_number

MOST_NAMED = 10  # colours that a legend names; there are ten distinct ones
MOST_TICKS = 8  # values of a hyperparameter that all have a tick
LONGEST_TICK = 40  # letters of a value at a tick
FAINT = 0.45  # opacity of single runs


def score_figure(
    series: Sequence[Series], xlabel: str, ylabel: str, size: tuple[float, float] = (4.4, 3.2)
) -> Figure:
    """Plot a score over a hyperparameter: a dot for each run, the mean and its interval for each setting.

    Failed runs are crosses at the upper edge.

    Args:
        series: Runs of each colour.
        xlabel: Name of the hyperparameter.
        ylabel: Name and unit of the score.
        size: Width and height in inches.

    Returns:
        The figure.
    """
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    positions = _Places([x for each in series for x in [*each.x, *each.failed]])
    for number, each in enumerate(series):
        # Colours of one hyperparameter's series lie next to each other, so that no dot hides another one.
        shift = positions.shift(number, len(series))
        color, at = f"C{number % 10}", lambda values, shift=shift: positions.of(values) + shift
        axes.plot(at(each.x), each.y, "o", color=color, alpha=FAINT, markersize=3.5, markeredgewidth=0)
        if each.means:
            x = at([mean.x for mean in each.means])
            y, low, high = np.array([mean[1:] for mean in each.means], float).T
            errors = np.nan_to_num([y - low, high - y])
            style: Any = {"linewidth": 1.2, "capsize": 2.5, "markersize": 4.5}
            axes.errorbar(x, y, errors, fmt="o-", color=color, label=each.label or None, **style)
        else:
            axes.plot([], [], "o", color=color, label=each.label or None)
        if each.failed:
            # In units of the axes' height, so that failed runs are seen whatever the scores are.
            axes.plot(
                at(each.failed),
                np.full(len(each.failed), 0.985),
                "x",
                color=color,
                markersize=6,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )
    positions.label(axes)
    scores = np.array([value for each in series for value in each.y], float)
    _limit(axes, scores)
    num_failed = sum(len(each.failed) for each in series)
    if num_failed:
        axes.plot([], [], "x", color="0.4", label=f"failed: {num_failed}")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    _finish(axes)
    return figure


def rate_figure(
    groups: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    unit: str = "nats",
    size: tuple[float, float] = (4.4, 3.6),
) -> Figure:
    """Plot rate against distortion: a dot for each run, and the mean of each setting.

    Dotted lines join points of equal ELBO, -(distortion + rate) (Alemi et al., 2018, figure 1).

    Args:
        groups: For each setting, the distortion and the rate of its runs.
        unit: Unit of both.
        size: Width and height in inches.

    Returns:
        The figure.
    """
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    for number, (name, (distortion, rate)) in enumerate(groups.items()):
        color = f"C{number % 10}" if len(groups) <= MOST_NAMED else "C0"
        axes.plot(distortion, rate, "o", color=color, alpha=FAINT, markersize=3.5, markeredgewidth=0)
        label = name if 1 < len(groups) <= MOST_NAMED else None
        axes.plot(np.mean(distortion), np.mean(rate), "D", color=color, markersize=6, label=label)
    for side, number in (("x", 0), ("y", 1)):
        _limit(axes, np.concatenate([np.asarray(pair[number], float) for pair in groups.values()]), side)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for total in MaxNLocator(8).tick_values(left + bottom, right + top):
        axes.plot([left, right], [total - left, total - right], ":", color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set(xlabel=f"distortion, {unit}", ylabel=f"rate, {unit}")
    axes.set_title("dotted: equal ELBO", fontsize=8, color="0.4", loc="right")
    _finish(axes)
    return figure


def curves_figure(
    curves: Mapping[str, Sequence[tuple[Sequence[int], Sequence[float]]]],
    ylabel: str,
    size: tuple[float, float] = (4.8, 3.2),
) -> Figure:
    """Plot one curve for each run over the epochs, in the colour of its setting.

    The first epochs may lie outside of the axis, if they would flatten the others.

    Args:
        curves: For each setting, the epochs and the values of each of its runs.
        ylabel: Name and unit of the values.
        size: Width and height in inches.

    Returns:
        The figure.
    """
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    longest = max(len(epochs) for runs in curves.values() for epochs, _ in runs)
    every: list[np.ndarray] = []
    for number, (name, runs) in enumerate(curves.items()):
        color = f"C{number % 10}" if len(curves) <= MOST_NAMED else "C0"
        for place, (epochs, values) in enumerate(runs):
            label = name if place == 0 and 1 < len(curves) <= MOST_NAMED else None
            axes.plot(epochs, values, color=color, linewidth=0.8, alpha=0.7, label=label)
            every.append(
                np.pad(np.asarray(values, float), (0, longest - len(values)), constant_values=np.nan)
            )
    limits = robust_limits(np.stack(every, axis=1), max(1, round(0.1 * longest)))
    if limits:
        axes.set_ylim(*limits)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", ylabel=ylabel)
    _finish(axes)
    return figure


def _limit(axes: Axes, values: np.ndarray, side: str = "y") -> None:
    """Limit an axis to the values that are not far from the others, and say what lies outside."""
    limits = outlier_limits(values)
    if limits is None:
        return
    axes.set(**{f"{side}lim": limits})
    style: Any = {"transform": axes.transAxes, "color": "0.4", "fontsize": 7}
    axes.text(0.0, 1.02 if side == "y" else 1.08, f"{side}: {outside_text(values, limits)}", **style)


class _Places:
    """Places of a hyperparameter's values on an axis: the numbers themselves, or 0, 1, ... for others."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.is_numeric = bool(values) and all(is_number(value) for value in values)
        # Values that are no numbers keep the order in which runs have them.
        self.names = [] if self.is_numeric else list(dict.fromkeys(map(str, values)))
        self.values = sorted(set(values)) if self.is_numeric else []
        self.is_log = self.is_numeric and is_log_axis(values)

    def of(self, values: Sequence[Any]) -> np.ndarray:
        if self.is_numeric:
            return np.array(values, float)
        return np.array([self.names.index(str(value)) for value in values], float)

    def shift(self, number: int, count: int) -> float:
        """Return how far a series is moved aside; only names have room between them."""
        return 0.0 if self.is_numeric or count == 1 else 0.5 * (number / (count - 1) - 0.5)

    def label(self, axes: Axes) -> None:
        if self.is_log:
            axes.set_xscale("log")
        if self.is_numeric and len(self.values) <= MOST_TICKS:
            axes.set_xticks(self.values, [f"{value:g}" for value in self.values])
            axes.xaxis.set_minor_locator(NullLocator())
        elif not self.is_numeric:
            angle = 30 if sum(map(len, self.names)) * LETTER > 3.5 else 0
            style: Any = {"rotation": angle, "ha": "right"} if angle else {}
            axes.set_xticks(
                range(len(self.names)), [plain_text(name, LONGEST_TICK) for name in self.names], **style
            )


def _finish(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)
