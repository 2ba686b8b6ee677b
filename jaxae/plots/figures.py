"""Figures of a run as PNG files: curves, reconstructions, samples, and codes in the plane."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxae.plots.canvas import UNIT, colour_bar, plain_text, robust_limits, save, scatter, tiles
from jaxae.plots.pictures import beside, image_grid

PANELS = 4  # curves next to each other before a new row starts
FIRST = 0.1  # share of the first epochs, at least one, that may lie outside of a curve's limits
STRIP = 0.35  # height of the white strip with an image's error, as a share of the image's height


class Plane(NamedTuple):
    """Codes in a plane, and the names of its axes."""

    points: np.ndarray  # [N, 2]
    names: tuple[str, str]


def curves(
    path: Path | None,
    history: list[dict[str, Any]],
    units: Mapping[str, str],
    title: str = "",
    best_epoch: int | None = None,
    panel: tuple[float, float] = (3.4, 2.8),
) -> Figure:
    """Plot each loss term over the epochs, for training and validation rows.

    If the first epochs would flatten the rest of a curve, they lie outside of its axis, and an arrow gives
    their most distant value.

    Args:
        path: The PNG file to write, or None.
        history: One dictionary for each epoch, with `epoch` and the terms of `train` and `validation`.
        units: The unit of each term, if known.
        title: The title of the figure.
        best_epoch: The epoch of the scores, which a vertical line marks; None for no line.
        panel: Width and height of each panel in inches.

    Returns:
        The figure.
    """
    # The gradient norm is logged with the terms, but it is not a term of the loss.
    names = [name for name in history[0]["train"] if name != "gradient_norm"]
    columns = min(PANELS, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(panel[0] * columns, panel[1] * rows), layout="constrained")
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes, name in zip(panels, names, strict=False):
        _draw_curves(axes, history, name)
        # A unit may have a remark after a comma, which is too long for an axis.
        axes.set(title=name, xlabel="epoch", ylabel=units.get(name, "").partition(",")[0])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        # From the first epoch to the last, without a tick at 0; a narrow margin keeps the lines at both ends.
        first, last = history[0]["epoch"], history[-1]["epoch"]
        margin = min(0.02 * (last - first), 0.9) or 0.5
        axes.set_xlim(first - margin, last + margin)
        axes.spines[["top", "right"]].set_visible(False)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="C1", linestyle=":", linewidth=1.5, label=f"best: {best_epoch}")
    for axes in panels[len(names) :]:
        axes.remove()
    panels[0].legend(frameon=False)
    if title:
        figure.suptitle(plain_text(title, len(title)), fontsize=9)
    return save(figure, path)


def _draw_curves(axes: Axes, history: list[dict[str, Any]], name: str) -> None:
    """Draw a term of training and validation rows, in limits that the first epochs do not stretch."""
    values = np.full((len(history), 2), np.nan)
    epochs = np.array([line["epoch"] for line in history])
    for column, (split, color) in enumerate((("train", "0.6"), ("validation", "C0"))):
        # Epochs without validation have no numbers for that split.
        values[:, column] = [line[split].get(name, np.nan) if line[split] else np.nan for line in history]
        is_known = np.isfinite(values[:, column])
        if is_known.any():
            # A line through a single point is invisible without a marker.
            marker = "o" if is_known.sum() == 1 else ""
            axes.plot(epochs[is_known], values[is_known, column], color=color, label=split, marker=marker)
    limits = robust_limits(values, max(1, round(FIRST * len(history))))
    if limits:
        axes.set_ylim(*limits)
        outside = values[(values < limits[0]) | (values > limits[1])]
        furthest = outside[np.argmax(np.abs(outside - np.mean(limits)))]
        text = f"{'↑' if furthest > limits[1] else '↓'} {furthest:.4g}"
        # Above the axis, where no curve and no legend is.
        style: Any = {"transform": axes.transAxes, "color": "0.4", "fontsize": 8}
        axes.text(0.0, 1.02, text, **style)


def reconstructions(
    path: Path | None,
    inputs: np.ndarray,
    outputs: np.ndarray,
    columns: int = 12,
    span: tuple[float, float] = UNIT,
    remark: str = "",
    title: str | None = None,
) -> Figure:
    """Plot inputs above their reconstructions, sorted from the best to the worst, with their errors.

    Args:
        path: The PNG file to write, or None.
        inputs: Images [N, H, W, C].
        outputs: Their reconstructions [N, H, W, C].
        columns: The number of images in a row.
        span: The values that are shown as black and white.
        remark: What a reader must know about the images, for the title.
        title: The title; None for a description of the figure.

    Returns:
        The figure.
    """
    errors = squared_errors(inputs, outputs)
    order = np.argsort(errors, kind="stable")
    columns = min(columns, len(inputs))
    height = inputs.shape[1]
    strip = max(1, math.ceil(STRIP * height))
    # White above each input, for its error, and a white line below it. The last row is filled with white.
    inputs_above = _white_above(inputs[order], strip, span)
    pairs = np.concatenate([inputs_above, _white_above(outputs[order], 1, span)], axis=1)
    missing = -len(pairs) % columns
    pairs = np.concatenate([pairs, np.full((missing, *pairs.shape[1:]), span[1], pairs.dtype)])
    if title is None:
        title = f"inputs above reconstructions, best to worst; numbers: squared error{remark}"
    figure, axes = tiles(pairs, columns, title, span=span)
    width, high = inputs.shape[2] + 1, pairs.shape[1] + 1
    for place, row in enumerate(order):
        left, top = place % columns * width, place // columns * high
        axes.text(left + (width - 2) / 2, top + strip - 1, f"{errors[row]:.3g}", **_ERROR_TEXT)
    return save(figure, path)


_ERROR_TEXT: Any = {"horizontalalignment": "center", "verticalalignment": "bottom", "fontsize": 6.5}


def _white_above(images: np.ndarray, strip: int, span: tuple[float, float]) -> np.ndarray:
    return np.pad(images, ((0, 0), (strip, 0), (0, 0), (0, 0)), constant_values=span[1])


def squared_errors(inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Compute the squared error of each row, summed over its values, as the score `squared_error`.

    Args:
        inputs: Rows [N, ...].
        outputs: Their reconstructions [N, ...].

    Returns:
        f64[N].
    """
    difference = np.asarray(inputs, np.float64) - outputs
    return (difference**2).reshape(len(difference), -1).sum(axis=1)


def samples(
    path: Path | None,
    images: np.ndarray,
    columns: int = 12,
    span: tuple[float, float] = UNIT,
    names: Sequence[str] = (),
    remark: str = "",
    title: str | None = None,
) -> Figure:
    """Plot images of draws from the prior: means of p(x|z).

    Args:
        path: The PNG file to write, or None.
        images: Images [N, H, W, C].
        columns: The number of images in a row.
        span: The values that are shown as black and white.
        names: The condition of each row of images; () for draws without a condition.
        remark: What a reader must know about the images, for the title.
        title: The title; None for a description of the figure.

    Returns:
        The figure.
    """
    if title is None:
        title = f"means of p(x|z) at z from the prior{remark}"
    if names:
        rows = [images[row * columns : (row + 1) * columns] for row in range(len(names))]
        return beside(path, rows, names, title, span)
    return image_grid(path, images, columns, title, span)


def table_rows(path: Path, panels: Mapping[str, np.ndarray], title: str, signed: Sequence[str] = ()) -> None:
    """Plot rows of a table as heat maps side by side, such as inputs and their reconstructions.

    Args:
        path: The PNG file to write, or None.
        panels: For each name, rows [N, D]. All of them have one colour scale, except those in `signed`.
        title: The title.
        signed: Names of the panels whose values are differences: red above 0 and blue below.
    """
    figure = Figure(figsize=(max(3.2 * len(panels), len(title) * 0.075), 4.2), layout="constrained")
    every = np.concatenate([np.ravel(rows) for name, rows in panels.items() if name not in signed])
    low, high = np.nanmin(every), np.nanmax(every)
    for axes, (name, rows) in zip(
        np.ravel(figure.subplots(1, len(panels), squeeze=False)), panels.items(), strict=True
    ):
        reach = float(np.nanmax(np.abs(rows)))
        limits: dict[str, Any] = {"vmin": low, "vmax": high, "cmap": "viridis"}
        if name in signed:
            limits = {"vmin": -reach, "vmax": reach, "cmap": "RdBu_r"}
        image = axes.imshow(rows, aspect="auto", interpolation="nearest", **limits)
        axes.set(title=name, xlabel="column", yticks=[])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.colorbar(image, ax=axes, location="bottom", shrink=0.9)
    figure.suptitle(title, fontsize=9)
    save(figure, path)


def sequences(
    path: Path | None, inputs: np.ndarray, outputs: np.ndarray | None, numbers: Sequence[str], title: str
) -> Figure:
    """Plot sequences as lines over their positions, each in its own panel.

    Args:
        path: The PNG file to write, or None.
        inputs: Sequences [N, T, C], drawn in grey, or in colours if there are no outputs.
        outputs: Their reconstructions [N, T, C], a colour for each channel; None for none.
        numbers: A text above each panel, such as its error; () for none.
        title: The title.

    Returns:
        The figure.
    """
    # Ceiling division, with integers only.
    columns = min(PANELS, len(inputs))
    rows = -(-len(inputs) // columns)
    figure = Figure(figsize=(2.4 * columns, 1.5 * rows + 0.4), layout="constrained")
    # One scale for all panels, so that they can be compared.
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True))
    for number, (axes, sequence) in enumerate(zip(panels, inputs, strict=False)):
        for channel in range(sequence.shape[-1]):
            color = f"C{channel % 10}"
            axes.plot(sequence[:, channel], color=color if outputs is None else "0.6", linewidth=1.2)
            if outputs is not None:
                axes.plot(outputs[number, :, channel], color=color, linewidth=1.0)
        if numbers:
            axes.set_title(numbers[number], fontsize=7, pad=2)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axes in panels[len(inputs) :]:
        axes.remove()
    figure.suptitle(title, fontsize=9)
    return save(figure, path)


def codes(
    path: Path | None,
    planes: Sequence[Plane],
    labels: np.ndarray | None,
    names: Sequence[str] = (),
    title: str = "test codes",
    panel: tuple[float, float] = (4.4, 4.4),
) -> Figure:
    """Plot the same codes in one or more planes, coloured by label.

    Args:
        path: The PNG file to write, or None.
        planes: The codes in each plane.
        labels: Labels i32[N]; None for codes of one colour.
        names: The names of labels 0, 1, ...; () shows their numbers.
        title: The title.
        panel: Width and height of each plane in inches.

    Returns:
        The figure.
    """
    # A colour bar needs additional width.
    figure = Figure(figsize=(panel[0] * len(planes) + 0.6, panel[1]), layout="constrained")
    panels = np.ravel(figure.subplots(1, len(planes), squeeze=False))
    for axes, plane in zip(panels, planes, strict=True):
        dots = scatter(axes, plane.points, labels)
        axes.set(xlabel=plane.names[0], ylabel=plane.names[1])
        axes.spines[["top", "right"]].set_visible(False)
    if labels is not None:
        colour_bar(figure, dots, panels, labels, names)
    if title:
        figure.suptitle(title, fontsize=11)
    return save(figure, path)
