"""Figures of a run for a paper: in the width of a column, with a caption that says how to cite them."""

from collections.abc import Sequence
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.plots import figures, pages
from jaxae.plots.canvas import TILE, label_text
from jaxae.plots.pages import NUM_EACH, NUM_SHOWN, as_images
from jaxae.plots.plot import COLUMN, Plot


def curves(result: Any, terms: str | Sequence[str] = "loss", *, size: tuple[float, float] = COLUMN) -> Plot:
    """Plot terms of the loss over the epochs, for training and validation rows.

    Args:
        result: The result of a run.
        terms: Name of a term, or several; each has its own panel.
        size: Width and height of a panel in inches.

    Returns:
        The plot.

    Raises:
        JaxaeError: If the run has no epoch yet, or no such term.

    Example:
        >>> jaxae.plots.curves(result, ["loss", "rate"]).save("curves.pdf")  # doctest: +SKIP
    """
    if not result.history:
        raise JaxaeError("curves: the run has no epoch yet")
    names = [terms] if isinstance(terms, str) else list(terms)
    known = list(result.history[0]["train"])
    for name in names:
        if name not in known:
            raise JaxaeError(f"terms: the run has no '{name}'; {nearest(name, known)}")
    history = [
        {
            **line,
            "train": {name: line["train"][name] for name in names},
            "validation": {name: (line["validation"] or {}).get(name) for name in names}
            if line["validation"]
            else {},
        }
        for line in result.history
    ]
    # A number that was not finite is null in the history.
    history = [_without_none(line) for line in history]
    units, epoch = result.scores.get("units", {}), result.scores.get("epoch")
    figure = figures.curves(None, history, units, best_epoch=epoch, panel=size)
    num = result.run.dataset.num_rows
    text = (
        f"{', '.join(names)} by epoch: means over {num['train']:,} training rows while they are trained on, "
        f"and over {num['validation']:,} validation rows after each epoch"
    )
    mark = f"; dotted line: epoch {epoch}, whose variables are scored" if epoch else ""
    return Plot(figure, f"{text}{mark}; one run, seed {result.run.seed}")


def _without_none(line: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in line["validation"].items() if value is not None}
    return {**line, "validation": kept}


def codes(result: Any, *, size: tuple[float, float] = (COLUMN[0], COLUMN[0])) -> Plot:
    """Plot the codes of test rows, coloured by label.

    Codes of more than two dimensions are shown by their first two principal components.

    Args:
        result: The result of a run.
        size: Width and height in inches.

    Returns:
        The plot.

    Raises:
        JaxaeError: If the model has no codes, or the data have no held-out rows.

    Example:
        >>> jaxae.plots.codes(result).save("codes.pdf")  # doctest: +SKIP
    """
    computed = _computed(result, "codes")
    plane = pages.planes(computed.codes)[0]
    labels = pages.single(computed.y)
    figure = figures.codes(None, [plane], labels, result.run.dataset.classes, title="", panel=size)
    dimensions = computed.codes.shape[1]
    how = "" if dimensions <= 2 else f", {dimensions} dimensions projected by PCA"
    return Plot(
        figure, f"codes of {len(computed.codes):,} held-out rows{how}; one run, seed {result.run.seed}"
    )


def reconstructions(result: Any, num: int = 12, *, width: float = COLUMN[0]) -> Plot:
    """Plot test images above their reconstructions, sorted from the best to the worst.

    Args:
        result: The result of a run on images.
        num: Number of images, the first held-out rows; at most 36.
        width: Width in inches.

    Returns:
        The plot.

    Raises:
        JaxaeError: If the model has no codes, or the rows are no images.

    Example:
        >>> jaxae.plots.reconstructions(result, 8).save("reconstructions.pdf")  # doctest: +SKIP
    """
    if not 1 <= num <= NUM_SHOWN:
        raise JaxaeError(f"num: got {num}, expected 1 to {NUM_SHOWN}")
    computed = _computed(result, "reconstructions")
    shown = as_images(computed.x[:num], computed.reconstructions[:num])
    if shown is None:
        raise JaxaeError(f"reconstructions: rows of shape {computed.x.shape[1:]} are no images")
    (inputs, outputs), remark = shown
    span = result.run.dataset.display_range
    figure = figures.reconstructions(None, inputs, outputs, _columns(width), span, remark, title="")
    text = f"the first {len(inputs)} held-out rows above the means of p(x|z) at their codes, best to worst"
    numbers = "numbers: squared error, summed over an example"
    return Plot(figure, f"{text}; {numbers}{remark}; one run, seed {result.run.seed}")


def samples(result: Any, num: int = 24, seed: int = 0, *, width: float = COLUMN[0]) -> Plot:
    """Plot images of draws from the prior, a row for each label of a conditional model.

    Args:
        result: The result of a run on images.
        num: Number of draws; a conditional model has a row for each label instead.
        seed: Seed of the draws.
        width: Width in inches.

    Returns:
        The plot.

    Raises:
        JaxaeError: If the model has no prior, or the rows are no images.

    Example:
        >>> jaxae.plots.samples(result, seed=1).save("samples.pdf")  # doctest: +SKIP
    """
    columns, conditions = _columns(width), pages.conditions_of(result)
    dataset = result.run.dataset
    each = min(columns, NUM_EACH)
    labels = [label for label in conditions for _ in range(each)] or None
    drawn = result.sample(len(labels) if labels else num, seed=seed, y=labels)
    shown = as_images(drawn)
    if shown is None:
        raise JaxaeError(f"samples: rows of shape {drawn.shape[1:]} are no images")
    ((images,), remark) = shown
    names = [label_text(label, dataset.classes) for label in conditions]
    span = dataset.display_range
    figure = figures.samples(None, images, each if names else columns, span, names, remark, title="")
    by = ", a row for each label" if names else ""
    text = f"means of p(x|z) at {len(images)} draws from the prior with seed {seed}{by}{remark}"
    return Plot(figure, f"{text}; one run, seed {result.run.seed}; not selected")


def _columns(width: float) -> int:
    # Images of one size in all figures of a paper, whatever the width of its columns.
    return max(1, round(width / TILE))


def _computed(result: Any, figure: str) -> Any:
    """Return codes and reconstructions. Raises: JaxaeError if the run has none."""
    computed = pages.compute(result)
    if computed is None:
        raise JaxaeError(f"{figure}: the model has no codes, or the data have no held-out rows")
    return computed
