"""Building blocks of all figures: grids of images, coloured points, colour bars, and writing a PNG file."""

from collections.abc import Sequence
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
LONGEST_NAME = 24  # letters of a label's name
STRETCH = 2.0  # a first epoch may stretch an axis to this multiple of what the other epochs need

FAR = 5.0  # interquartile ranges from the middle half, beyond which a value must not stretch an axis

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


def robust_limits(values: np.ndarray, first: int) -> tuple[float, float] | None:
    """Return limits of an axis that the first values of a curve do not stretch.

    Args:
        values: Values of one or more curves by epoch, f64[E, ...]; nan and infinite values are left out.
        first: Number of the first epochs that may lie outside of the limits.

    Returns:
        The lowest and highest value of the other epochs, with a margin of 5 %. None if no limits are needed:
        all epochs together span at most `STRETCH` times as much.
    """
    late = values[first:][np.isfinite(values[first:])]
    every = values[np.isfinite(values)]
    if not len(late) or np.ptp(every) <= STRETCH * np.ptp(late):
        return None
    margin = 0.05 * np.ptp(late) or 0.05 * abs(late[0])
    # A curve that is constant after its first epochs at 0 has no width to show.
    return (late.min() - margin, late.max() + margin) if margin else None


def outlier_limits(values: np.ndarray) -> tuple[float, float] | None:
    """Return limits of an axis that a few values far from the others do not stretch.

    A run that almost diverged may have a score of -10^6, next to which all other runs would look equal.

    Args:
        values: Values, f64[N]; nan and infinite values are left out.

    Returns:
        The lowest and highest of the values that are at most `FAR` interquartile ranges from the middle half,
        with a margin of 5 %. None if no limits are needed.
    """
    known = values[np.isfinite(values)]
    if len(known) < 4:
        return None
    low, high = np.quantile(known, [0.25, 0.75])
    reach = FAR * (high - low)
    near = known[(known >= low - reach) & (known <= high + reach)]
    # All values are near, or more than half of them are equal: then nothing is said about the others.
    if len(near) == len(known) or high == low:
        return None
    margin = 0.05 * np.ptp(near)
    return (float(near.min() - margin), float(near.max() + margin)) if margin else None


def outside_text(values: np.ndarray, limits: tuple[float, float] | None, noun: str = "run") -> str:
    """Return how many values lie outside of limits, `2 runs outside, down to -7.2e+05`.

    Args:
        values: Values, f64[N].
        limits: The limits; None for no limits.
        noun: The noun in the singular.

    Returns:
        The text; "" if no value lies outside.
    """
    if limits is None:
        return ""
    below, above = values[values < limits[0]], values[values > limits[1]]
    num = len(below) + len(above)
    ends = [*([f"down to {below.min():.4g}"] if len(below) else [])]
    ends += [f"up to {above.max():.4g}"] if len(above) else []
    return f"{num} {noun}{'' if num == 1 else 's'} outside, {' and '.join(ends)}" if num else ""


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


def colour_bar(figure: Figure, dots: Any, axes: Any, labels: np.ndarray, names: Sequence[str] = ()) -> None:
    """Add a colour bar for the labels of `scatter`, with a tick for each label if there are at most ten.

    Args:
        figure: The figure.
        dots: The result of `scatter`.
        axes: The axes next to which the bar is drawn, one or several.
        labels: The labels i32[N].
        names: The names of labels 0, 1, ...; () shows their numbers.
    """
    bar = figure.colorbar(dots, ax=axes, label="label")
    if labels.max() < 10:
        ticks = list(range(int(labels.max()) + 1))
        bar.set_ticks(ticks, labels=[label_text(label, names) for label in ticks])
        # Without the limits the bar would show all ten colours, also those of labels that do not occur.
        bar.ax.set_ylim(-0.5, labels.max() + 0.5)


def label_name(label: int, names: Sequence[str]) -> str:
    """Return the name of a label.

    Args:
        label: The label.
        names: The names of labels 0, 1, ...

    Returns:
        At most `LONGEST_NAME` letters of the name; the number of a label without a name.
    """
    return _cut(names[label] if label < len(names) else str(label), LONGEST_NAME)


def label_text(label: int, names: Sequence[str]) -> str:
    """Return the name of a label, as matplotlib shows it.

    Args:
        label: The label.
        names: The names of labels 0, 1, ...

    Returns:
        At most `LONGEST_NAME` letters of the name; the number of a label without a name.
    """
    return plain_text(label_name(label, names), LONGEST_NAME)


def plain_text(text: str, longest: int) -> str:
    """Return text that matplotlib shows as it is.

    Args:
        text: The text.
        longest: Number of letters above which it is cut.

    Returns:
        The text. Dollar signs have a backslash: matplotlib reads what is between two of them as a formula.
    """
    return _cut(text, longest).replace("$", r"\$")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def save(figure: Figure, path: Path | None) -> Figure:
    """Write the figure as a PNG file, and create its folder.

    Args:
        figure: The figure.
        path: The path of the file; None writes nothing.

    Returns:
        The figure.
    """
    if path is None:
        return figure
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(DPI)
    # The Agg canvas needs no display, so figures are written on servers too.
    FigureCanvasAgg(figure).print_png(path)
    return figure
