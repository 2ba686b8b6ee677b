"""Numbers of a sweep's figures and of its table for LaTeX."""

import re
from typing import Any

import numpy as np
import pytest
from scipy import stats

from jaxae.errors import JaxaeError
from jaxae.sweeps.tables import latex, plotted
from jaxae.sweeps.tables.summary import KNOWN

BETA, LATENT, ELBO = "model.beta", "model.latent_dim", "test.elbo"


def row(
    beta: Any, seed: int, elbo: float | None, latent: int = 2, status: str = "finished"
) -> dict[str, Any]:
    return {BETA: beta, LATENT: latent, "seed": seed, "status": status, ELBO: elbo}


ROWS = [row(beta, seed, 10 * beta + seed) for beta in (4.0, 1.0) for seed in range(3)]


def test_means_are_over_seeds_with_students_interval() -> None:
    (series,) = plotted.series(ROWS, BETA, ELBO, None, [BETA])
    assert series.label == "" and series.x == [4.0] * 3 + [1.0] * 3 and not series.failed
    assert [mean.x for mean in series.means] == [1.0, 4.0]  # by size
    values = np.array([40.0, 41.0, 42.0])
    expected = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    np.testing.assert_allclose(series.means[1][1:], (41.0, *expected), rtol=1e-9)


def test_runs_of_one_seed_count_as_one() -> None:
    rows = [*ROWS, row(1.0, 0, 100.0)]
    (series,) = plotted.series(rows, BETA, ELBO, None, [BETA])
    assert series.means[0].y == pytest.approx((55 + 11 + 12) / 3)


@pytest.mark.parametrize("hue", [None, LATENT])
def test_other_names_are_colours(hue: str | None) -> None:
    rows = [*ROWS, *(row(1.0, seed, 5.0, latent=8) for seed in range(2))]
    series = plotted.series(rows, BETA, ELBO, hue, [BETA, LATENT])
    assert [(each.label, len(each.y)) for each in series] == [("latent_dim=2", 6), ("latent_dim=8", 2)]
    assert series[1].means[0].y == 5.0


def test_names_that_change_together_need_no_colours() -> None:
    rows = [row(float(latent), seed, float(latent), latent=latent) for latent in (2, 8) for seed in range(2)]
    (series,) = plotted.series(rows, BETA, ELBO, None, [BETA, LATENT])
    assert not series.label and [mean.y for mean in series.means] == [2.0, 8.0]


def test_a_colour_that_does_not_tell_settings_apart_gives_no_means() -> None:
    rows = [*ROWS, *(row(1.0, seed, 5.0, latent=8) for seed in range(2))]
    series = plotted.series(rows, BETA, ELBO, "status", [BETA, LATENT])
    assert [each.means for each in series] == [[]]


def test_without_a_colour_for_every_other_name_no_mean_mixes_settings() -> None:
    rows = [row(1.0, seed, float(latent), latent=latent) for latent in range(11) for seed in range(2)]
    (series,) = plotted.series(rows, BETA, ELBO, None, [BETA, LATENT])
    assert len(series.y) == 22 and not series.means


def test_failed_runs_are_counted_and_pruned_ones_are_not() -> None:
    lost = [
        row(1.0, 7, None, status="diverged"),
        row(4.0, 7, float("nan")),
        row(4.0, 8, 1.0, status="pruned"),
    ]
    (series,) = plotted.series([*ROWS, *lost], BETA, ELBO, None, [BETA])
    assert series.failed == [1.0, 4.0] and len(series.y) == 6
    assert plotted.caption([series], "beta", ELBO, "student", KNOWN) == (
        "test elbo, nats over beta; dots: 6 runs; lines: mean of n = 3 seeds and its 95 % interval by "
        "Student's t; 2 of 8 runs failed"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": "model.bata"}, "x: no run has 'model.bata'; did you mean 'model.beta'?"),
        ({"y": "test.elbow"}, "y: no run has 'test.elbow'; did you mean 'test.elbo'?"),
        ({"hue": "sed"}, "hue: no run has 'sed'; did you mean 'seed'?"),
        ({"interval": "studnt"}, "interval: got 'studnt'; did you mean 'student'?"),
    ],
)
def test_mistakes_name_what_is_valid(arguments: dict[str, str], message: str) -> None:
    given = {"x": BETA, "y": ELBO, "hue": None, "interval": "student", **arguments}
    with pytest.raises(JaxaeError, match=re.escape(message)):
        plotted.series(ROWS, given["x"], given["y"], given["hue"], [BETA], given["interval"])  # type: ignore[arg-type]


def test_a_table_for_latex() -> None:
    table = latex.to_latex(ROWS, [BETA], [ELBO], KNOWN)
    half = stats.t.ppf(0.975, 2) * 1.0 / np.sqrt(3)
    assert table.splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"beta & test elbo, nats $\uparrow$ \\",
        r"\midrule",
        rf"4.0 & $\mathbf{{41.0}} \pm {half:.1f}$ \\",
        rf"1.0 & $11.0 \pm {half:.1f}$ \\",
        r"\bottomrule",
        r"\end{tabular}",
        "% mean and 95 % interval by Student's t over n = 3 seeds; bold: better than each other setting, "
        "95 % interval of paired differences by seed excludes 0; 0 of 6 runs failed",
    ]


@pytest.mark.parametrize(
    ("difference", "score", "is_bold"),
    [
        ([1.0, 1.1, 0.9], ELBO, True),
        ([1.0, -1.0, 0.3], ELBO, False),
        ([-1.0, -1.1, -0.9], "test.loss", True),  # a loss is better if it is lower
    ],
)
def test_the_best_is_bold_only_if_its_paired_differences_are_significant(
    difference: list[float], score: str, is_bold: bool
) -> None:
    # The runs of a seed have much in common, so that intervals of the means overlap in every case.
    common = [100.0, 0.0, -100.0]
    rows = [{BETA: 1.0, "seed": seed, "status": "finished", score: common[seed]} for seed in range(3)]
    rows += [
        {BETA: 2.0, "seed": seed, "status": "finished", score: common[seed] + difference[seed]}
        for seed in range(3)
    ]
    significant = stats.ttest_1samp(difference, 0).pvalue < 0.05
    assert significant == is_bold
    table = latex.to_latex(rows, [BETA], [score], KNOWN)
    assert [r"\mathbf" in line for line in table.splitlines()[4:6]] == [False, is_bold]


def test_a_single_seed_has_no_interval_and_is_never_bold() -> None:
    table = latex.to_latex(
        [row(1.0, 0, 1.0), row(2.0, 0, 2.0), row(3.0, 0, None, status="diverged")], [BETA], [ELBO], KNOWN
    )
    assert r"2.0 & $2.00$ \\" in table and r"3.0 & -- \\" in table and "mathbf" not in table
    assert table.endswith("1 of 3 runs failed\n")


def test_hostile_settings_are_printed_as_they_are() -> None:
    text = latex.escaped("50% of $x_1$ & {a}\n\\input{/etc/passwd} ^~#")
    first = r"50\% of \$x\_1\$ \& \{a\} \textbackslash{}input\{/etc/passwd\} "
    assert text == first + r"\textasciicircum{}\textasciitilde{}\#"


@pytest.mark.parametrize(("rows", "scores"), [([], [ELBO]), (ROWS, [])])
def test_no_runs_or_no_scores_are_refused(rows: Any, scores: Any) -> None:
    with pytest.raises(JaxaeError, match="expected one or more of both"):
        latex.to_latex(rows, [BETA], scores, KNOWN)
