"""Figures of a run as PNG files: curves, reconstructions, samples, and codes in the plane."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxae.plots.canvas import UNIT, colour_bar, save, scatter
from jaxae.plots.pictures import image_grid


def curves(path: Path, history: list[dict[str, Any]], units: Mapping[str, str]) -> None:
    """Plot each loss term over the epochs, for training and validation rows.

    Args:
        path: The PNG file to write.
        history: One dictionary for each epoch, with `epoch` and the terms of `train` and `validation`.
        units: The unit of each term, if known.
    """
    # The gradient norm is logged with the terms, but it is not a term of the loss.
    names = [name for name in history[0]["train"] if name != "gradient_norm"]
    figure = Figure(figsize=(3.4 * len(names), 2.8), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for split, color in (("train", "0.6"), ("validation", "C0")):
            # Epochs without validation have no numbers for that split.
            rows = [(line["epoch"], line[split].get(name)) for line in history if line[split]]
            if rows:
                x, y = np.array(rows, dtype=float).T
                axes.plot(x, y, color=color, label=split, linewidth=1.5)
        # A unit may have a remark after a comma, which is too long for an axis.
        axes.set(title=name, xlabel="epoch", ylabel=units.get(name, "").partition(",")[0])
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    save(figure, path)


def reconstructions(
    path: Path,
    inputs: np.ndarray,
    outputs: np.ndarray,
    columns: int = 12,
    span: tuple[float, float] = UNIT,
) -> None:
    """Plot rows of inputs, each above the row of its reconstructions.

    Args:
        path: The PNG file to write.
        inputs: Images [N, H, W, C].
        outputs: Their reconstructions [N, H, W, C].
        columns: The number of images in a row.
        span: The values that are shown as black and white.
    """
    rows = []
    # Only full rows, so that each input is directly above its reconstruction.
    for start in range(0, len(inputs) - columns + 1, columns):
        rows += [inputs[start : start + columns], outputs[start : start + columns]]
    # Fewer images than columns: one shorter row of each.
    tiles = np.concatenate(rows) if rows else np.concatenate([inputs, outputs])
    width = columns if rows else len(inputs)
    image_grid(path, tiles, width, "odd rows: test inputs; even rows: their reconstructions", span)


def samples(path: Path, images: np.ndarray, columns: int = 12, span: tuple[float, float] = UNIT) -> None:
    """Plot images of draws from the prior: means of p(x|z), [N, H, W, C].

    Args:
        path: The PNG file to write.
        images: Images [N, H, W, C].
        columns: The number of images in a row.
        span: The values that are shown as black and white.
    """
    image_grid(path, images, columns, "means of p(x|z) at z from the prior", span)


def codes(path: Path, points: np.ndarray, labels: np.ndarray | None, axes_names: tuple[str, str]) -> None:
    """Plot codes in the plane, coloured by label.

    Args:
        path: The PNG file to write.
        points: Codes in the plane, [N, 2].
        labels: Labels i32[N]; None for codes of one colour.
        axes_names: The names of the two axes.
    """
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    dots = scatter(axes, points, labels)
    if labels is not None:
        colour_bar(figure, dots, axes, labels)
    axes.set(xlabel=axes_names[0], ylabel=axes_names[1], title="test codes")
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)
