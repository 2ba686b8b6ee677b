"""Figures of measures as PNG files: rows of images, spectra, bars, codes in the plane, posteriors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from jaxae.errors import JaxaeError
from jaxae.plots.canvas import LETTER, UNIT, colour_bar, save, scatter, tiles

MARK = "tab:red"  # frame of a marked image
PANELS = 6  # panels next to each other before a new row starts
MASSES = (0.5, 0.9, 0.99)  # share of a density's mass inside each contour
FLOOR = 1e-6  # share of the largest singular value; smaller ones are rounding errors of float32
GREYS = ("0.88", "0.72", "0.5")


def image_grid(
    path: Path | None,
    images: np.ndarray,
    columns: int,
    title: str,
    span: tuple[float, float] = UNIT,
    marks: Mapping[int, str] | None = None,
) -> Figure:
    """Plot images row by row.

    Args:
        path: The PNG file to write, or None.
        images: Images [N, H, W, C].
        columns: The number of images in a row.
        title: The title.
        span: The values that are shown as black and white.
        marks: A letter or word for some images, by their number; it is written into a frame around the image.

    Returns:
        The figure.
    """
    figure, axes = tiles(images, columns, title, span=span)
    height, width = images.shape[1:3]
    for number, mark in (marks or {}).items():
        left, top = number % columns * (width + 1) - 0.5, number // columns * (height + 1) - 0.5
        axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=MARK, linewidth=2.5))
        style: Any = {"color": "white", "backgroundcolor": MARK, "fontsize": 8, "weight": "bold"}
        axes.text(left, top, mark, verticalalignment="top", **style)
    return save(figure, path)


def beside(
    path: Path | None,
    rows: Sequence[np.ndarray],
    names: Sequence[str],
    title: str,
    span: tuple[float, float] = UNIT,
    columns: Sequence[str] = (),
) -> Figure:
    """Plot named rows of images, one below the other.

    The images belong together by column (samples and their nearest training images, queries and their
    results), or by row (interpolations, traversals, analogies).

    Args:
        path: The PNG file to write, or None.
        rows: For each name, images [N, H, W, C] with the same N in all rows.
        names: The name of each row.
        title: The title.
        span: The values that are shown as black and white.
        columns: The name of each column, which is written above it; () for no names.

    Returns:
        The figure.

    Raises:
        JaxaeError: If rows differ in shape, or if their number is not that of the names.
    """
    shapes = {row.shape for row in rows}
    if len(shapes) != 1 or len(names) != len(rows):
        raise JaxaeError(
            f"beside: got {len(names)} names for rows {sorted(shapes)}, expected one each, of one shape"
        )
    (number, height, width, *_), margin = shapes.pop(), LETTER * max(map(len, names))
    figure, axes = tiles(np.concatenate(rows), number, title, margin, span)
    # A row is H pixels and a white line high: the tick is in its middle.
    axes.set_yticks([row * (height + 1) + (height - 1) / 2 for row in range(len(rows))], names, fontsize=9)
    if columns:
        places = [column * (width + 1) + (width - 1) / 2 for column in range(number)]
        axes.set_xticks(places, columns, fontsize=8)
        axes.xaxis.tick_top()
    axes.set_anchor("W")  # centred images in a wider place would push their names over the edge
    axes.tick_params(length=0)
    return save(figure, path)


def spectrum(path: Path, values: Mapping[str, np.ndarray], title: str = "encoder's Jacobian, test") -> None:
    """Plot singular values by rank: the median over examples, and the range from 10 to 90 %.

    Args:
        path: The PNG file to write.
        values: For each name, singular values [K], or [N, K] of N examples, in falling order.
        title: The title.
    """
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    for color, (name, rows) in enumerate(values.items()):
        # Zeros have no logarithm, so lines end at the first zero.
        low, middle, high = np.quantile(np.atleast_2d(rows), [0.1, 0.5, 0.9], axis=0)
        index = np.arange(1, len(middle) + 1)
        axes.plot(index, np.where(middle > 0, middle, np.nan), color=f"C{color}", marker=".", label=name)
        axes.fill_between(index, low, high, where=low > 0, color=f"C{color}", alpha=0.2, linewidth=0)
    all_values = np.concatenate([np.ravel(rows) for rows in values.values()])
    positive = all_values[all_values > 0]
    if len(positive):
        highest = positive.max()
        axes.set_yscale("log")
        # Without the floor, rounding errors of float32 would take most of the axis.
        axes.set_ylim(max(positive.min() / 2, FLOOR * highest), 2 * highest)
    axes.set(xlabel="index", ylabel="singular value, code / data unit", title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    _hide_frame(axes)
    save(figure, path)


def bars(path: Path, values: np.ndarray, title: str, ylabel: str, threshold: float | None = None) -> None:
    """Plot values as bars in falling order, such as the KL of each dimension.

    Args:
        path: The PNG file to write.
        values: Values [L], one for each dimension.
        title: The title.
        ylabel: The name and unit of the values.
        threshold: The height of a horizontal line; None for no line.
    """
    values = np.asarray(values)
    ranks = np.arange(1, len(values) + 1)
    # The stable sort keeps equal values in the order of their dimensions.
    order = np.argsort(-values, kind="stable")
    figure = Figure(figsize=(min(max(4.0, 0.3 * len(values)), 12.0), 3.0), layout="constrained")
    axes = figure.subplots()
    axes.bar(ranks, values[order], color="C0")
    if threshold is not None:
        axes.axhline(threshold, color="C3", linewidth=1.5, label=f"threshold {threshold:g}")
        axes.legend(frameon=False)
    # More names would overlap.
    if len(values) <= 40:
        axes.set_xticks(ranks, [f"z{dimension + 1}" for dimension in order], fontsize=8)
    axes.set(xlabel="dimension, in falling order", ylabel=ylabel, title=title)
    axes.set_xlim(0.4, len(values) + 0.6)
    _hide_frame(axes)
    save(figure, path)


def projections(
    path: Path,
    planes: Mapping[str, np.ndarray],
    labels: np.ndarray | None,
    title: str = "test codes",
    label_names: Sequence[str] = (),
) -> None:
    """Plot the same codes in several planes side by side, coloured by label.

    Args:
        path: The PNG file to write.
        planes: For each name, points [N, 2].
        labels: Labels i32[N]; None for codes of one colour.
        title: The title.
        label_names: The names of labels 0, 1, ...; () shows their numbers.
    """
    figure = Figure(figsize=(3.4 * len(planes) + 0.6, 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(planes)))
    for axes, (name, points) in zip(panels, planes.items(), strict=True):
        dots = scatter(axes, points, labels)
        axes.set(title=name, xticks=[], yticks=[])
    if labels is not None:
        colour_bar(figure, dots, panels, labels, label_names)
    figure.suptitle(title)
    save(figure, path)


def posteriors(
    path: Path,
    grid_z: np.ndarray,
    exact: np.ndarray,
    approximate: np.ndarray,
    names: Sequence[str] = (),
    title: str = "exact p(z|x) and q(z|x)",
) -> None:
    """Plot the exact posterior p(z|x) and q(z|x) of each example, over a plane of codes.

    Contours hold 50, 90 and 99 % of each density. The range of each panel is the range of its contours.

    Args:
        path: The PNG file to write.
        grid_z: The codes of the grid, [G, G, 2] or [B, G, G, 2], in equal steps.
        exact: The densities p(z|x) of B examples, [B, G, G]. They need not be normalised.
        approximate: The densities q(z|x), [B, G, G]. They need not be normalised.
        names: The title of each panel; () for "example 1", "example 2", ...
        title: The title.
    """
    columns = min(PANELS, len(exact))
    rows = -(-len(exact) // columns)
    figure = Figure(figsize=(max(2.0 * columns, 4.2), 2.1 * rows + 0.9), layout="constrained")
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
    grids = np.broadcast_to(grid_z, (*np.shape(exact), 2))
    for index, axes in enumerate(panels[: len(exact)]):
        _draw_panel(axes, grids[index], np.asarray(exact[index]), np.asarray(approximate[index]))
        axes.set_title(names[index] if len(names) else f"example {index + 1}", fontsize=9)
        axes.set_ylabel("z2" if index % columns == 0 else "", fontsize=8)
        axes.set_xlabel("z1" if index + columns >= len(exact) else "", fontsize=8)
    for axes in panels[len(exact) :]:
        axes.axis("off")
    figure.suptitle(f"{title}: contours hold 50, 90, 99 %", fontsize=9)
    figure.legend(
        handles=[Patch(color=GREYS[1], label="exact p(z|x)"), Line2D([], [], color="C1", label="q(z|x)")],
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=8,
    )
    save(figure, path)


def contour_levels(density: np.ndarray) -> np.ndarray:
    """Return the heights above which 99, 90 and 50 % of a density lie, rising, without repeats.

    `density` is given on a grid of equal steps.
    """
    # On an equal grid, mass is a sum of heights: no cell areas are needed.
    falling = np.sort(density, axis=None)[::-1]
    masses = np.cumsum(falling) / falling.sum()
    return np.unique(falling[np.searchsorted(masses, MASSES)])


def _draw_panel(axes: Axes, grid: np.ndarray, exact: np.ndarray, approximate: np.ndarray) -> None:
    first, second = grid[..., 0], grid[..., 1]
    # The levels rise, so the first one (99 %) has the largest contour.
    p_levels, q_levels = _find_visible_levels(exact), _find_visible_levels(approximate)
    # Filled areas need an upper bound: 1.01 times the peak contains it.
    axes.contourf(first, second, exact, [*p_levels, 1.01 * exact.max()], colors=GREYS[-len(p_levels) :])
    axes.contour(first, second, approximate, q_levels, colors="C1", linewidths=1)
    inside_points = grid[(exact >= p_levels[0]) | (approximate >= q_levels[0])]
    low, high = inside_points.min(axis=0), inside_points.max(axis=0)
    # 0.6 of the longest side leaves a margin. At least two steps of the grid are shown.
    reach = 0.6 * max(float((high - low).max()), float(np.abs(np.diff(grid, axis=1)).max()) * 2)
    middle = (low + high) / 2
    axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach))
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)


def _find_visible_levels(density: np.ndarray) -> np.ndarray:
    """Return contour levels below the peak, so that a density narrower than the grid is a visible dot."""
    return np.unique(np.minimum(contour_levels(density), 0.9 * density.max()))


def _hide_frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
