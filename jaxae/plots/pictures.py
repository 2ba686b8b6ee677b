"""Figures of what was measured: rows of images, spectra, bars, codes in the plane, posteriors. As PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from jaxae.errors import JaxaeError
from jaxae.plots.canvas import LETTER, UNIT, colour_bar, save, scatter, tiles

PANELS = 6  # beside each other, before the next row of them
MASSES = (0.5, 0.9, 0.99)  # that contours of a density hold
FLOOR = 1e-6  # of the largest singular value: what is below is rounding of float32
GREYS = ("0.88", "0.72", "0.5")


def image_grid(
    path: Path, images: np.ndarray, columns: int, title: str, span: tuple[float, float] = UNIT
) -> None:
    """Images [N, H, W, C], row by row; `span`: the values that are black and white."""
    figure, _ = tiles(images, columns, title, span=span)
    save(figure, path)


def beside(
    path: Path,
    rows: Sequence[np.ndarray],
    names: Sequence[str],
    title: str,
    span: tuple[float, float] = UNIT,
) -> None:
    """Named rows of equally many images [N, H, W, C], one below the other; `span`: black and white.

    For what belongs together column by column: samples and their nearest training images, queries and what
    was found; or row by row: interpolations, traversals, analogies. Raises: JaxaeError for unequal rows.
    """
    shapes = {row.shape for row in rows}
    if len(shapes) != 1 or len(names) != len(rows):
        raise JaxaeError(
            f"beside: got {len(names)} names for rows {sorted(shapes)}, expected one each, of one shape"
        )
    (columns, height, *_), margin = shapes.pop(), LETTER * max(map(len, names))
    figure, axes = tiles(np.concatenate(rows), columns, title, margin, span)
    axes.set_yticks([row * (height + 1) + (height - 1) / 2 for row in range(len(rows))], names, fontsize=9)
    axes.set_anchor("W")  # images in the middle of a wider place would push their names over the edge
    axes.tick_params(length=0)
    save(figure, path)


def spectrum(path: Path, values: Mapping[str, np.ndarray], title: str = "encoder's Jacobian, test") -> None:
    """Singular values, of each name [K] or of many examples [N, K]: their median, and 10 to 90 % of them."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    for color, (name, rows) in enumerate(values.items()):
        # Zeros have no logarithm: lines end there.
        low, middle, high = np.quantile(np.atleast_2d(rows), [0.1, 0.5, 0.9], axis=0)
        index = np.arange(1, len(middle) + 1)
        axes.plot(index, np.where(middle > 0, middle, np.nan), color=f"C{color}", marker=".", label=name)
        axes.fill_between(index, low, high, where=low > 0, color=f"C{color}", alpha=0.2, linewidth=0)
    every = np.concatenate([np.ravel(rows) for rows in values.values()])
    if (every > 0).any():
        axes.set_yscale("log")
        axes.set_ylim(max(every[every > 0].min() / 2, FLOOR * every.max()), 2 * every.max())
    axes.set(xlabel="index", ylabel="singular value, code / data unit", title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    _open(axes)
    save(figure, path)


def bars(path: Path, values: np.ndarray, title: str, ylabel: str, threshold: float | None = None) -> None:
    """A bar for each of `values` [L] in falling order, as of each dimension's KL; a line at `threshold`."""
    values = np.asarray(values)
    ranks = np.arange(1, len(values) + 1)
    order = np.argsort(-values, kind="stable")
    figure = Figure(figsize=(min(max(4.0, 0.3 * len(values)), 12.0), 3.0), layout="constrained")
    axes = figure.subplots()
    axes.bar(ranks, values[order], color="C0")
    if threshold is not None:
        axes.axhline(threshold, color="C3", linewidth=1.5, label=f"threshold {threshold:g}")
        axes.legend(frameon=False)
    if len(values) <= 40:
        axes.set_xticks(ranks, [f"z{unit + 1}" for unit in order], fontsize=8)
    axes.set(xlabel="dimension, in falling order", ylabel=ylabel, title=title)
    axes.set_xlim(0.4, len(values) + 0.6)
    _open(axes)
    save(figure, path)


def projections(
    path: Path, planes: Mapping[str, np.ndarray], labels: np.ndarray | None, title: str = "test codes"
) -> None:
    """The same codes in several planes [N, 2] side by side, coloured by label i32[N] where there is one."""
    figure = Figure(figsize=(3.4 * len(planes) + 0.6, 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(planes)))
    for axes, (name, points) in zip(panels, planes.items(), strict=True):
        dots = scatter(axes, points, labels)
        axes.set(title=name, xticks=[], yticks=[])
    if labels is not None:
        colour_bar(figure, dots, panels, labels)
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
    """Two densities of each of B examples over a plane of codes: exact p(z|x), [B, G, G], beside q(z|x).

    `grid_z` [G, G, 2], or [B, G, G, 2], holds the points, in equal steps; densities need not be normalised.
    Contours hold 50, 90 and 99 % of each density. Each panel shows what its contours span.
    """
    columns = min(PANELS, len(exact))
    rows = -(-len(exact) // columns)
    figure = Figure(figsize=(max(2.0 * columns, 4.2), 2.1 * rows + 0.9), layout="constrained")
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
    grids = np.broadcast_to(grid_z, (*np.shape(exact), 2))
    for index, axes in enumerate(panels[: len(exact)]):
        _panel(axes, grids[index], np.asarray(exact[index]), np.asarray(approximate[index]))
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
    """The heights above which 99, 90 and 50 % of a density on an equal grid lie, rising, without repeats."""
    falling = np.sort(density, axis=None)[::-1]
    masses = np.cumsum(falling) / falling.sum()
    return np.unique(falling[np.searchsorted(masses, MASSES)])


def _panel(axes: Axes, grid: np.ndarray, exact: np.ndarray, approximate: np.ndarray) -> None:
    first, second = grid[..., 0], grid[..., 1]
    levels, others = _seen(exact), _seen(approximate)
    axes.contourf(first, second, exact, [*levels, 1.01 * exact.max()], colors=GREYS[-len(levels) :])
    axes.contour(first, second, approximate, others, colors="C1", linewidths=1)
    inside = grid[(exact >= levels[0]) | (approximate >= others[0])]
    low, high = inside.min(axis=0), inside.max(axis=0)
    reach = 0.6 * max(float((high - low).max()), float(np.abs(np.diff(grid, axis=1)).max()) * 2)
    middle = (low + high) / 2
    axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach))
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)


def _seen(density: np.ndarray) -> np.ndarray:
    """Contours below the peak, so that a density within one step of the grid is a dot and not nothing."""
    return np.unique(np.minimum(contour_levels(density), 0.9 * density.max()))


def _open(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
