"""Building blocks of all figures: grids of images, coloured points, colour bars, and writing a PNG file."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

DPI = 120
TILE = 0.7  # inches for each image
LETTER = 0.075  # approximate inches for each letter of a title; a narrow grid must not cut off its title


UNIT = (0.0, 1.0)  # black and white of images whose pixels are in [0, 1]


def mosaic(images: np.ndarray, columns: int, span: tuple[float, float] = UNIT) -> np.ndarray:
    """Arrange images in rows, with a white line of one pixel between them.

    Args:
        images: Images [N, H, W, C].
        columns: The number of images in a row.
        span: The values that are shown as black and white. Values outside are clipped.

    Returns:
        One image f64[h, w, C] in [0, 1]. Places that are left over in the last row are white.
    """
    # Ceiling division, with integers only.
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
    """Make a figure of a `mosaic` of images, without ticks or frame.

    Args:
        images: Images [N, H, W, C]; C is 1 for grey or 3 for RGB.
        columns: The number of images in a row.
        title: The title of the figure.
        margin: Inches to leave free for names next to the images.
        span: The values that are shown as black and white.

    Returns:
        The figure and its axes.
    """
    rows, (height, width) = -(-len(images) // columns), images.shape[1:3]
    figure_width = max(columns * TILE + margin, len(title) * LETTER)
    # Figure and not pyplot, which keeps every figure in memory and is not thread-safe.
    figure = Figure(figsize=(figure_width, rows * TILE * height / width + 0.35), layout="constrained")
    axes = figure.subplots()
    canvas = mosaic(images, columns, span)
    shown = canvas if canvas.shape[-1] == 3 else canvas[..., 0]
    # vmin and vmax are given, since imshow would stretch the contrast of each grey figure.
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    figure.suptitle(title, fontsize=9)
    return figure, axes


def scatter(axes: Axes, points: np.ndarray, labels: np.ndarray | None) -> Any:
    """Draw points in the plane, coloured by label.

    Args:
        axes: The axes to draw into.
        points: Points [N, 2].
        labels: Labels i32[N]; None for points of one colour.

    Returns:
        The points as matplotlib's collection, which `colour_bar` needs.
    """
    if labels is None:
        return axes.scatter(points[:, 0], points[:, 1], s=8, linewidths=0)
    # Up to ten labels get distinct colours, with label k at the middle of its colour; more get a gradient.
    cmap, limits = ("tab10", (-0.5, 9.5)) if labels.max() < 10 else ("turbo", (labels.min(), labels.max()))
    norm = Normalize(*limits)
    return axes.scatter(points[:, 0], points[:, 1], s=8, linewidths=0, c=labels, cmap=cmap, norm=norm)


def colour_bar(figure: Figure, dots: Any, axes: Any, labels: np.ndarray) -> None:
    """Add a colour bar for the labels of `scatter`, with a tick for each label if there are at most ten.

    Args:
        figure: The figure.
        dots: The result of `scatter`.
        axes: The axes next to which the bar is drawn, one or several.
        labels: The labels i32[N].
    """
    bar = figure.colorbar(dots, ax=axes, label="label")
    if labels.max() < 10:
        bar.set_ticks(list(range(int(labels.max()) + 1)))
        # Without the limits the bar would show all ten colours, also those of labels that do not occur.
        bar.ax.set_ylim(-0.5, labels.max() + 0.5)


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG file, and create its folder.

    Args:
        figure: The figure.
        path: The path of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(DPI)
    # The Agg canvas needs no display, so figures are written on servers too.
    FigureCanvasAgg(figure).print_png(path)
