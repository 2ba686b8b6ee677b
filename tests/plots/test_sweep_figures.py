"""Figures of a sweep: what is drawn where, read back from matplotlib."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxae.plots import canvas, sweep_figures
from jaxae.plots.series import Mean, Series

NAN = float("nan")


def lines(figure: Figure) -> dict[str, list[tuple[list[float], list[float]]]]:
    """Points of the lines of a figure by their marker."""
    found: dict[str, list[tuple[list[float], list[float]]]] = {}
    for line in figure.axes[0].lines:
        x, y = (list(np.asarray(values, float)) for values in line.get_data())
        found.setdefault(f"{line.get_marker()}{line.get_linestyle()}", []).append((x, y))
    return found


def legend(figure: Figure) -> list[str]:
    box = figure.axes[0].get_legend()
    return [text.get_text() for text in box.get_texts()] if box else []


def test_every_run_every_mean_and_every_failure_is_drawn() -> None:
    means = [Mean(0.1, 2.0, 1.5, 2.5), Mean(10.0, 4.0, NAN, NAN)]
    series = [Series("k=1", [0.1, 0.1, 10.0], [1.5, 2.5, 4.0], [10.0, 10.0], means)]
    figure = sweep_figures.score_figure(series, "beta", "elbo, nats")
    (axes,), drawn = figure.axes, lines(figure)
    assert ([0.1, 0.1, 10.0], [1.5, 2.5, 4.0]) in drawn["oNone"]
    assert ([0.1, 10.0], [2.0, 4.0]) in drawn["o-"]
    assert ([10.0, 10.0], [0.985, 0.985]) in drawn["xNone"]
    (bars,) = (container for container in axes.containers if hasattr(container, "has_yerr"))
    (segments,) = bars[2]
    np.testing.assert_allclose([segment[:, 1] for segment in segments.get_segments()], [[1.5, 2.5], [4, 4]])
    assert sorted(legend(figure)) == ["failed: 2", "k=1"]
    assert axes.get_xscale() == "log" and [tick.get_text() for tick in axes.get_xticklabels()] == [
        "0.1",
        "10",
    ]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("beta", "elbo, nats")


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1.0, 19.0], "linear"), ([1.0, 20.0], "log"), ([0.0, 100.0], "linear"), ([-1.0, 50.0], "linear")],
)
def test_values_that_span_much_have_a_logarithmic_axis(values: list[float], scale: str) -> None:
    figure = sweep_figures.score_figure([Series("", values, [1.0, 2.0], [], [])], "x", "y")
    assert figure.axes[0].get_xscale() == scale and not legend(figure)


def test_values_that_are_no_numbers_are_named_and_series_lie_next_to_each_other() -> None:
    first = Series("a", ["Adam", None], [1.0, 2.0], [], [])
    second = Series("b", ["Adam"], [3.0], [None], [])
    figure = sweep_figures.score_figure([first, second], "optimizer", "loss")
    drawn = lines(figure)
    assert [x for x, _ in drawn["oNone"] if x] == [[-0.25, 0.75], [0.25]]
    assert [x for x, _ in drawn["xNone"] if x] == [[1.25]]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["Adam", "None"]


def test_booleans_are_names() -> None:
    figure = sweep_figures.score_figure([Series("", [True, False], [1.0, 2.0], [], [])], "x", "y")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["True", "False"]


def test_lines_of_equal_elbo_have_one_sum() -> None:
    groups = {"beta=1": ([10.0, 12.0], [5.0, 5.0]), "beta=4": ([20.0], [1.0])}
    figure = sweep_figures.rate_figure(groups)
    drawn = lines(figure)
    assert drawn["DNone"] == [([11.0], [5.0]), ([20.0], [1.0])]
    sums = [np.add(x, y) for x, y in drawn["None:"]]
    assert len(sums) > 2 and all(np.ptp(total) < 1e-9 for total in sums)
    assert legend(figure) == ["beta=1", "beta=4"]


def test_curves_have_the_colour_of_their_setting() -> None:
    runs: Any = {
        "a": [([1, 2, 3], [900.0, 2.0, 1.0]), ([1, 2], [800.0, 3.0])],
        "b": [([1, 2, 3], [9.0, 1.0, 1.0])],
    }
    figure = sweep_figures.curves_figure(runs, "validation loss")
    (axes,) = figure.axes
    colours = [line.get_color() for line in axes.lines]
    assert colours[0] == colours[1] != colours[2] and legend(figure) == ["a", "b"]
    assert axes.get_ylim()[1] < 4  # the first epochs do not flatten the others


def test_more_settings_than_colours_have_no_names() -> None:
    curves: Any = {str(number): [([1, 2], [2.0, 1.0])] for number in range(11)}
    assert not legend(sweep_figures.curves_figure(curves, "loss"))


def test_text_of_a_setting_is_no_formula() -> None:
    series = Series("", ["$a$", "b" * 50], [1.0, 2.0], [], [])
    figure = sweep_figures.score_figure([series], "x", "y")
    texts = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert texts == [r"\$a\$", "b" * 39 + "…"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_value_far_from_the_others_does_not_stretch_the_axis(sign: float) -> None:
    near = [sign * value for value in (1.0, 1.5, 2.0, 2.5, 3.0)]
    values = [*near, sign * -7e5, NAN, np.inf]
    limits = canvas.outlier_limits(np.array(values))
    assert limits is not None and limits == pytest.approx(tuple(sorted((sign * 0.9, sign * 3.1))))
    series = [Series("", [1.0] * 6, values[:6], [], [])]
    axes = sweep_figures.score_figure(series, "beta", "elbo").axes[0]
    assert axes.get_ylim() == pytest.approx(limits)
    end = "down to -7e+05" if sign > 0 else "up to 7e+05"
    assert [text.get_text() for text in axes.texts] == [f"y: 1 run outside, {end}"]


def test_values_near_each_other_have_no_limits() -> None:
    for values in ([1.0, 2.0, 3.0, 4.0, 9.0], [1.0, 1.0, 1.0, 1.0, 5.0], [1.0, 1e9], [NAN] * 5):
        assert canvas.outlier_limits(np.array(values)) is None
    assert canvas.outside_text(np.array([1.0]), None) == ""
    assert canvas.outside_text(np.array([-5.0, 1.0, 9.0, 8.0]), (0.0, 2.0)) == (
        "3 runs outside, down to -5 and up to 9"
    )
