"""What all figures are made of: tiles of images, coloured points, and the one way to a PNG file."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

DPI = 120
TILE = 0.7  # inches an image
LETTER = 0.075  # inches a letter of a title, about; a narrow grid must not cut its title off


UNIT = (0.0, 1.0)  # black and white of images whose pixels are in [0, 1]


def mosaic(images: np.ndarray, columns: int, span: tuple[float, float] = UNIT) -> np.ndarray:
    """Images [N, H, W, C] row by row with a white line between them; float64[h, w, C] in [0, 1].

    `span`: the values that are black and white; values outside are clipped.
    """
    rows = -(-len(images) // columns)
    height, width, channels = images.shape[1:]
    canvas = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, channels))
    shown = (np.asarray(images, np.float64) - span[0]) / (span[1] - span[0])
    for index, image in enumerate(np.clip(shown, 0, 1)):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        canvas[top : top + height, left : left + width] = image
    return canvas


def tiles(
    images: np.ndarray, columns: int, title: str, margin: float = 0.0, span: tuple[float, float] = UNIT
) -> tuple[Figure, Axes]:
    """A figure of `mosaic`, without axes; `margin` inches are left free beside it."""
    rows, (height, width) = -(-len(images) // columns), images.shape[1:3]
    wide = max(columns * TILE + margin, len(title) * LETTER)
    figure = Figure(figsize=(wide, rows * TILE * height / width + 0.35), layout="constrained")
    axes = figure.subplots()
    canvas = mosaic(images, columns, span)
    shown = canvas if canvas.shape[-1] == 3 else canvas[..., 0]
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    figure.suptitle(title, fontsize=9)
    return figure, axes


def scatter(axes: Axes, points: np.ndarray, labels: np.ndarray | None) -> Any:
    """Points [N, 2], coloured by label i32[N] where there is one: what `colour_bar` takes."""
    if labels is None:
        return axes.scatter(points[:, 0], points[:, 1], s=8, linewidths=0)
    cmap, ends = ("tab10", (-0.5, 9.5)) if labels.max() < 10 else ("turbo", (labels.min(), labels.max()))
    colours = Normalize(*ends)
    return axes.scatter(points[:, 0], points[:, 1], s=8, linewidths=0, c=labels, cmap=cmap, norm=colours)


def colour_bar(figure: Figure, dots: Any, axes: Any, labels: np.ndarray) -> None:
    """What the colours of `scatter` mean: a tick for each label, where they are ten or fewer."""
    bar = figure.colorbar(dots, ax=axes, label="label")
    if labels.max() < 10:
        bar.set_ticks(list(range(int(labels.max()) + 1)))
        bar.ax.set_ylim(-0.5, labels.max() + 0.5)


def save(figure: Figure, path: Path) -> None:
    """The figure as a PNG file, in a folder that is made for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(DPI)
    FigureCanvasAgg(figure).print_png(path)
