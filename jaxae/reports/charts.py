"""Charts of the pages in Vega-Lite, by Altair. Each function names the data that the chart draws.

Keys of rows are short names that jaxae chooses (`score`, `h0`), and texts of users are values or titles:
neither is ever a part of an expression that a browser evaluates.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

HEIGHT, SMALL = 280, 190  # pixels
MOST_TICKS = 8  # of an axis of epochs
MOST_COLOURS = 10  # names in a legend; more are drawn in one colour
LONGEST = 40  # letters of a name in a chart
# A view shows only the runs that the table of runs shows. The page sets this parameter.
CHOSEN = "chosen"
_IS_CHOSEN = f"!{CHOSEN} || {CHOSEN}[datum.run]"
Spec = dict[str, Any]
Limits = tuple[float, float] | None


def short(text: Any) -> str:
    """Return a text with at most `LONGEST` letters, for axes and legends.

    Args:
        text: Any value.

    Returns:
        The text; a longer one ends with an ellipsis.
    """
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def epoch_axis(last: int) -> alt.X:
    """Return the horizontal axis of epochs 1 to `last`, with whole numbers at about eight ticks.

    Args:
        last: The last epoch.

    Returns:
        The axis.
    """
    steps = (digit * 10**power for power in range(12) for digit in (1, 2, 5))
    step = next(step for step in steps if last / step <= MOST_TICKS)
    # Vega would repeat a whole number for each tick between two of them.
    ticks = [1, *range(step, last + 1, step)] if step > 1 else list(range(1, last + 1))
    return alt.X(
        "epoch:Q", title="epoch", axis=alt.Axis(values=ticks, format=",d"), scale=alt.Scale(zero=False)
    )


def curve(term: int, unit: str, limits: Limits, best_epoch: int | None, last: int) -> Spec:
    """Return curves of one term over the epochs, one for each series.

    The rows of the data `history` have epoch, value, series, and the number of the term.

    Args:
        term: Number of the term.
        unit: Unit of the term.
        limits: Limits of the vertical axis; None for those of the data.
        best_epoch: Epoch that a vertical line marks; None for no line.
        last: The last epoch.

    Returns:
        The chart.
    """
    # Losses are far from 0 as a rule: an axis with 0 would flatten their curves.
    scale = alt.Scale(domain=list(limits), zero=False) if limits else alt.Scale(zero=False)
    base = alt.Chart(alt.NamedData("history")).transform_filter(f"datum.term === {term}")
    # The point that is nearest by epoch: a reader need not hit a thin line.
    near = alt.selection_point(
        name="near", nearest=True, on="pointermove", encodings=["x"], empty=False, clear="pointerout"
    )
    y = alt.Y("value:Q", title=unit or None, scale=scale)
    x = epoch_axis(last)
    color = alt.Color("series:N", title=None, legend=alt.Legend(orient="top", columns=2), sort=None)
    lines = base.mark_line(clip=True, strokeWidth=1.6).encode(x=x, y=y, color=color)
    tooltip = [
        alt.Tooltip("series:N"),
        alt.Tooltip("epoch:Q", format=",d"),
        alt.Tooltip("value:Q", format=".6g"),
    ]
    dots = (
        base.mark_point(clip=True, filled=True, size=45)
        .encode(
            x=x, y=y, color=color, tooltip=tooltip, opacity=alt.condition(near, alt.value(1), alt.value(0))
        )
        .add_params(near)
    )
    # The line of the best epoch lies above the curves, which it crosses.
    layers = [lines, dots]
    if best_epoch is not None:
        mark = alt.Chart(alt.InlineData(values=[{"epoch": best_epoch}]))
        layers.append(mark.mark_rule(strokeDash=[4, 3], color="#d9822b").encode(x=x))
    return _finished(alt.layer(*layers), SMALL)


def codes(x: str, y: str, names: tuple[str, str], num_labels: int) -> Spec:
    """Return codes in a plane, coloured by label, with the image of a row on hover.

    The rows of the data `codes` have two numbers, row, label and image.

    Args:
        x: Key of the horizontal coordinate.
        y: Key of the vertical coordinate.
        names: Names of the axes.
        num_labels: Number of labels; 0 for codes without labels.

    Returns:
        The chart.
    """
    # Vega's tooltip shows a field of the name `image` as a picture.
    tooltip = [alt.Tooltip("image:N"), alt.Tooltip("row:Q", title="test row")]
    chart = alt.Chart(alt.NamedData("codes")).mark_circle(size=28)
    encoding: dict[str, Any] = {
        "x": alt.X(f"{x}:Q", title=names[0], scale=alt.Scale(zero=False)),
        "y": alt.Y(f"{y}:Q", title=names[1], scale=alt.Scale(zero=False)),
        "opacity": alt.value(0.75),
    }
    params = []
    if num_labels:
        tooltip.insert(1, alt.Tooltip("label:N"))
        # More labels than colours become a gradient, whose legend cannot be clicked.
        is_few = num_labels <= MOST_COLOURS
        picked = alt.selection_point(name="picked", fields=["label"], bind="legend")
        color = (
            alt.Color("label:N", title="label", sort=None) if is_few else alt.Color("place:Q", title="label")
        )
        encoding["color"] = color if is_few else color.scale(scheme="turbo")
        if is_few:
            params.append(picked)
            encoding["opacity"] = alt.condition(picked, alt.value(0.8), alt.value(0.06))
    return _finished(chart.encode(**encoding, tooltip=tooltip).add_params(*params), 380)


def scores_over(
    key: str,
    name: str,
    score: str,
    means: str,
    *,
    is_numeric: bool,
    is_log: bool,
    num_colours: int,
    limits: Limits = None,
) -> Spec:
    """Return a score over a hyperparameter: a dot for each run, means with intervals, crosses for failures.

    The rows of the data `runs` have run, score (null if the run has failed) and the value under `key`.

    Args:
        key: Key of the hyperparameter.
        name: Name of the hyperparameter.
        score: Name and unit of the score.
        means: Name of the data with x, mean, low, high and colour.
        is_numeric: Whether the values are numbers.
        is_log: Whether the horizontal axis is logarithmic.
        num_colours: Number of colours; 1 for none.
        limits: Limits of the score, at which values outside are drawn; None for no limits.

    Returns:
        The chart.
    """
    x_scale = alt.Scale(type="log", nice=False, padding=12)
    if not is_log:
        x_scale = alt.Scale(zero=False, nice=False, padding=12)
    x = _axis(key, name, is_numeric, x_scale)
    y = alt.Y("score:Q", title=score, scale=_limited(limits))
    tooltip = _run_tooltip([(key, name)], [("score", score)])
    colour = _colour(f"colour_{key}", num_colours)
    runs = alt.Chart(alt.NamedData("runs"))
    dots = (
        runs.transform_filter("isValid(datum.score)")
        .mark_circle(size=36)
        .encode(
            x=x,
            y=y,
            tooltip=tooltip,
            **colour,
            opacity=alt.condition(_IS_CHOSEN, alt.value(0.6), alt.value(0.06)),
        )
    )
    # At the upper edge, so that a failed run is seen whatever the scores are.
    failed = (
        runs.transform_filter("datum.failed")
        .mark_point(shape="cross", angle=45, size=60, strokeWidth=2, color="#c0392b")
        .encode(x=x, y=alt.value(6), tooltip=_run_tooltip([(key, name)], [("status", "status")]))
    )
    # Means have their own data: a browser cannot compute Student's intervals.
    of_means = alt.Chart(alt.NamedData(means))
    at = _axis("x", name, is_numeric, x_scale)
    shared = _colour("colour", num_colours)
    # A fixed size: a band of intervals would join values that no run has between them.
    interval = of_means.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2)
    interval = interval.encode(
        x=at, y=alt.Y("low:Q", title=score, scale=_limited(limits)), y2="high:Q", **shared
    )
    middle = of_means.mark_point(filled=True, shape="diamond", size=90)
    middle = middle.encode(
        x=at,
        y="mean:Q",
        **shared,
        tooltip=[
            alt.Tooltip("x", type="quantitative" if is_numeric else "nominal", title=short(name)),
            alt.Tooltip("mean:Q", format=".6g"),
            alt.Tooltip("low:Q", title="95 % interval from", format=".6g"),
            alt.Tooltip("high:Q", title="to", format=".6g"),
            alt.Tooltip("n:Q", title="seeds"),
        ],
    )
    return _finished(alt.layer(dots, failed, interval, middle).add_params(_chosen()), HEIGHT)


def rate_distortion(unit: str, num_colours: int, rate: Limits = None, distortion: Limits = None) -> Spec:
    """Return rate against distortion, a dot for each run.

    The rows of the data `runs` have distortion, rate and setting.

    Args:
        unit: Unit of both.
        num_colours: Number of settings.
        rate: Limits of the rate, at which values outside are drawn; None for no limits.
        distortion: Limits of the distortion.

    Returns:
        The chart.
    """
    # Runs of models without an ELBO, and failed ones, have no rate.
    chart = alt.Chart(alt.NamedData("runs")).transform_filter("isValid(datum.rate)").mark_circle(size=45)
    colour = _colour("setting", num_colours) if num_colours <= MOST_COLOURS else {}
    chart = chart.encode(
        x=alt.X("distortion:Q", title=f"distortion, {unit}", scale=_limited(distortion)),
        y=alt.Y("rate:Q", title=f"rate, {unit}", scale=_limited(rate)),
        opacity=alt.condition(_IS_CHOSEN, alt.value(0.8), alt.value(0.06)),
        tooltip=_run_tooltip([("setting", "setting")], [("distortion", "distortion"), ("rate", "rate")]),
        **colour,
    )
    return _finished(chart.add_params(_chosen()), HEIGHT)


def parallel(score: str) -> Spec:
    """Return parallel coordinates: a line for each run over its hyperparameters and its score.

    The rows of the data `parallel` have run, axis, place (0 to 1 on the axis), text and quality (the place of
    the run's score). Those of `ticks` have axis, place and text. A reader drags over an axis to choose runs.

    Args:
        score: Name of the score.

    Returns:
        The chart.
    """
    axis = alt.X(
        "axis:N",
        title=None,
        sort=None,
        scale=alt.Scale(type="point", padding=0.35),
        axis=alt.Axis(labelAngle=0, domain=False, ticks=False, labelLimit=120, grid=True),
    )
    # A margin above and below, so that the ends of the axes can be inside of a drag.
    place = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[-0.04, 1.04], nice=False))
    base = alt.Chart(alt.NamedData("parallel"))
    colour = alt.Color("quality:Q", title=score, scale=alt.Scale(scheme="viridis"), legend=None)
    lines = base.mark_line(strokeWidth=1.2).encode(
        x=axis,
        y=place,
        detail="run:N",
        color=colour,
        opacity=alt.condition(_IS_CHOSEN, alt.value(0.55), alt.value(0.03)),
    )
    # Both directions: the axes under the rectangle choose, and within them its height.
    brush = alt.selection_interval(name="brush", encodings=["x", "y"])
    dots = (
        base.mark_circle(size=30)
        .encode(
            x=axis,
            y=place,
            color=colour,
            opacity=alt.condition(_IS_CHOSEN, alt.value(0.9), alt.value(0.03)),
            tooltip=[alt.Tooltip("run:N"), alt.Tooltip("axis:N"), alt.Tooltip("text:N", title="value")],
        )
        .add_params(brush)
    )
    ticks = (
        alt.Chart(alt.NamedData("ticks"))
        .mark_text(align="left", dx=6, fontSize=10, fontWeight="bold")
        .encode(x=axis, y=place, text="text:N")
    )
    return _finished(alt.layer(lines, dots, ticks).add_params(_chosen()), 320)


def heat_map(names: tuple[str, str], score: str, limits: Limits = None) -> Spec:
    """Return the mean score for each pair of values of two hyperparameters.

    The rows of the data `cells` have a and b (texts), mean, n, failed and text.

    Args:
        names: Names of the two hyperparameters.
        score: Name and unit of the score.
        limits: Scores of the darkest and the lightest colour; None for those of the data.

    Returns:
        The chart.
    """
    base = alt.Chart(alt.NamedData("cells")).encode(
        x=alt.X("a:N", title=short(names[0]), sort=None, axis=alt.Axis(labelAngle=-30, labelLimit=90)),
        y=alt.Y("b:N", title=short(names[1]), sort=None, axis=alt.Axis(labelLimit=90)),
        tooltip=[
            alt.Tooltip("a:N", title=short(names[0])),
            alt.Tooltip("b:N", title=short(names[1])),
            alt.Tooltip("mean:Q", title=score, format=".6g"),
            alt.Tooltip("n:Q", title="runs with a score"),
            alt.Tooltip("failed:Q", title="failed runs"),
        ],
    )
    cells = base.mark_rect().encode(
        color=alt.Color("mean:Q", title=None, scale=_limited(limits, scheme="viridis"))
    )
    # White letters with a dark edge are readable on every colour.
    texts = base.mark_text(fontSize=11, color="white", stroke="black", strokeWidth=0.4).encode(text="text:N")
    return _finished(alt.layer(cells, texts), HEIGHT)


def importance() -> Spec:
    """Return bars of the importance of hyperparameters: data `importance` with name and share.

    Returns:
        The chart.
    """
    chart = (
        alt.Chart(alt.NamedData("importance"))
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of the variance of the score", axis=alt.Axis(format="%")),
            y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=150)),
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return _finished(chart, alt.Step(28))


def run_curves(ylabel: str, limits: Limits, num_colours: int, last: int) -> Spec:
    """Return a curve for each run over the epochs: data `curves` with run, epoch, value and setting.

    Args:
        ylabel: Name of the values.
        limits: Limits of the vertical axis; None for those of the data.
        num_colours: Number of settings.
        last: The last epoch.

    Returns:
        The chart.
    """
    scale = alt.Scale(domain=list(limits), zero=False) if limits else alt.Scale(zero=False)
    colour = _colour("setting", num_colours) if num_colours <= MOST_COLOURS else {}
    chart = alt.Chart(alt.NamedData("curves")).mark_line(clip=True, strokeWidth=1.1)
    chart = chart.encode(
        x=epoch_axis(last),
        y=alt.Y("value:Q", title=ylabel, scale=scale),
        detail="run:N",
        opacity=alt.condition(_IS_CHOSEN, alt.value(0.7), alt.value(0.03)),
        tooltip=[
            alt.Tooltip("run:N"),
            alt.Tooltip("setting:N"),
            alt.Tooltip("epoch:Q", format=",d"),
            alt.Tooltip("value:Q", format=".6g"),
        ],
        **colour,
    )
    return _finished(chart.add_params(_chosen()), HEIGHT)


def _limited(limits: Limits, **options: Any) -> alt.Scale:
    """Return a scale without 0; values outside of the limits are drawn at their ends."""
    if limits is None:
        return alt.Scale(zero=False, **options)
    return alt.Scale(domain=list(limits), clamp=True, nice=False, zero=False, **options)


def _chosen() -> Any:
    return alt.param(name=CHOSEN, value=None)


def _axis(key: str, name: str, is_numeric: bool, scale: Any) -> Any:
    """Return the horizontal axis of a hyperparameter."""
    if is_numeric:
        return alt.X(f"{key}:Q", title=short(name), scale=scale)
    return alt.X(f"{key}:N", title=short(name), sort=None, axis=alt.Axis(labelLimit=110))


def _colour(key: str, num: int) -> Mapping[str, Any]:
    """Return the encoding of colours by a text; none for a single colour."""
    # One colour needs no legend; more than ten cannot be told apart.
    if not 1 < num <= MOST_COLOURS:
        return {}
    return {"color": alt.Color(f"{key}:N", title=None, sort=None, legend=alt.Legend(orient="top", columns=1))}


def _run_tooltip(names: Sequence[tuple[str, str]], numbers: Sequence[tuple[str, str]]) -> list[Any]:
    """Return the tooltip of a run: id, seed, texts and numbers."""
    found = [alt.Tooltip("run:N"), alt.Tooltip("seed:Q")]
    found += [alt.Tooltip(key, type="nominal", title=short(name)) for key, name in names]
    for key, name in numbers:
        is_text = key == "status"
        kind: dict[str, Any] = {"type": "nominal"} if is_text else {"type": "quantitative", "format": ".6g"}
        found.append(alt.Tooltip(key, title=short(name), **kind))
    return found


def _finished(chart: Any, height: Any) -> Spec:
    """Return a chart of the full width as a dictionary; the page adds the colours of its theme."""
    spec = chart.properties(width="container", height=height).to_dict()
    # Altair's own theme would fix the size and the colours.
    spec.pop("config", None)
    return spec
