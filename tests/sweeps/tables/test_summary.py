"""Tables made by hand, whose summaries are known; means and intervals by scipy.stats."""

import math

import numpy as np
import pytest
from scipy import stats

from jaxae.errors import JaxaeError
from jaxae.estimators.bound_scores import bound_scores
from jaxae.estimators.score_facts import Score, by_name
from jaxae.sweeps.tables.statistics import bootstrap_interval
from jaxae.sweeps.tables.summary import KNOWN, default_score, higher_is_better, summarize
from jaxae.sweeps.tables.terminal import lines

BETA, WIDTHS, ELBO, TEST = "model.beta", "model.encoder.widths", "validation.elbo", "test.elbo"
NAN = float("nan")


def run(seed, beta, elbo, status="finished", **scores):
    """A row: a run whose validation ELBO is `elbo`; what it has else, with __ for the dot."""
    told = {name.replace("__", "."): value for name, value in scores.items()}
    bad = 7 if status == "diverged" else None
    row = {"run": f"{beta}-{seed}", "seed": seed, "status": status, "first_bad_step": bad, BETA: beta}
    return {**row, ELBO: elbo, "seconds": 1.5, **told}


def setting(beta, elbos, status="finished", **scores):
    return [run(seed, beta, elbo, status, **scores) for seed, elbo in enumerate(elbos)]


@pytest.fixture
def rows():
    """Three settings of five seeds; what a seed does is the same for each, beta 4.0 has one that diverged."""
    rng = np.random.default_rng(0)
    of_seed = rng.normal(-100.0, 10.0, 5)
    rows = []
    for beta, gain in ((1.0, 0.0), (4.0, -2.0), (0.5, 1.0)):
        for seed, value in enumerate(of_seed + gain + rng.normal(0.0, 0.2, 5)):
            test = {"test__elbo": value - 1, "test__iwelbo_64": value + 1, "test__squared_error": 9.0}
            rows.append(run(seed, beta, value, **test))
    rows[7] = run(2, 4.0, None, "diverged", test__elbo=None, test__iwelbo_64=None, test__squared_error=None)
    return rows


def column(rows, name, beta):
    return np.array([row[name] for row in rows if row[BETA] == beta and row[name] is not None])


@pytest.mark.parametrize(
    ("score", "higher"),
    [
        ("validation.elbo", True),
        ("test.iwelbo_64", True),
        ("test.iwelbo_64_ess", True),
        ("test.iwelbo_64_pareto_k", False),
        ("test.iwelbo_64_unreliable", False),
        ("test.log_prob", True),
        ("test.codebook_perplexity", True),
        ("test.codebook_usage", True),
        ("test.error_rate", False),
        ("test.active_units", False),
        ("test.dead_units", False),
        ("validation.loss", False),
        ("test.distortion", False),
        ("test.rate", False),
        ("test.squared_error", False),
        ("test.elbo_standard_error", False),
        ("test.accuracy", False),
        ("elbo.loss", False),
        ("train.gradient_norm", False),
        ("seconds", False),
    ],
)
def test_the_definition_of_a_score_says_which_direction_is_better(score, higher):
    """What no score is called is a model's own term, which it minimises."""
    assert higher_is_better(score) is higher


def test_the_record_of_a_sweep_says_that_a_models_own_term_is_minimised(rows):
    """Whatever the term is called."""
    facts = {**KNOWN, "elbo": Score("elbo", "", False, "loss term", has_error=False)}
    assert [row["rank"] for row in summarize(rows, [BETA])] == [2, 3, 1]
    assert [row["rank"] for row in summarize(rows, [BETA], facts=facts)] == [2, 1, 3]
    table = lines(summarize(rows, [BETA], facts=facts), [BETA], ELBO, facts)
    assert table[1].startswith("4") and table[1].endswith(" better") and table[3].endswith(" worse")


def test_the_diagnostics_of_an_iwelbo_stand_next_to_it(rows):
    """In summary.csv, and in the table for a terminal if it is the score."""
    told = {"ess": 30.0, "pareto_k": 0.4, "unreliable": 0.1}
    names = [f"test.iwelbo_64_{name}" for name in told]
    more = [
        row
        | {
            f"{split}.iwelbo_64_{name}": value
            for split in ("validation", "test")
            for name, value in told.items()
        }
        for row in rows
    ]
    summary = summarize(more, [BETA])
    means = [
        name.removesuffix("_low") for name in summary[0] if name.endswith("_low") and "_minus_" not in name
    ]
    assert means[2:6] == ["test.iwelbo_64", *names] and summary[0][names[0]] == 30.0
    summary = summarize(more, [BETA], score="test.iwelbo_64")
    head = lines(summary, [BETA], "test.iwelbo_64")[0].split()
    assert head[2:6] == ["test.iwelbo_64", *told]
    assert not set(told) & set(lines(summarize(more, [BETA]), [BETA], ELBO)[0].split())


def test_the_default_score_is_the_validation_elbo_where_every_run_has_one(rows):
    assert default_score(rows) == ELBO


def test_a_run_without_an_elbo_makes_the_validation_loss_the_default_score():
    vae = run(0, 1.0, -99.0, validation__loss=99.0)
    ae = {"seed": 0, "status": "finished", "validation.loss": 3.0, "train.loss": 2.0}
    assert default_score([vae, ae]) == "validation.loss"
    assert default_score([vae, ae, ae | {"validation.elbo": None}]) == "validation.loss"


def test_without_validation_rows_the_default_score_is_the_training_loss():
    unvalidated = {"seed": 0, "status": "finished", "train.loss": 2.0}
    assert default_score([unvalidated]) == "train.loss"
    assert default_score([unvalidated, run(0, 1.0, -99.0, validation__loss=99.0)]) == "train.loss"


@pytest.mark.parametrize(
    "failed",
    [
        run(1, 1.0, None, "diverged"),
        run(1, 1.0, None, "diverged", validation__loss=1e30),
        run(1, 1.0, None, validation__loss=None),
    ],
)
def test_a_run_that_failed_has_no_say_in_the_default_score(failed):
    well = run(0, 1.0, -99.0, validation__loss=99.0, train__loss=98.0)
    assert default_score([well, failed]) == default_score([failed]) == ELBO


def test_columns_stand_in_their_order_in_every_row(rows):
    parts = ("", "_low", "_high", "_std")
    measured = [
        f"{name}{part}" for name in (ELBO, TEST, "test.iwelbo_64", "test.squared_error") for part in parts
    ]
    pairs = [f"{ELBO}_minus_baseline{part}" for part in parts[:3]] + ["n_pairs"]
    test_pairs = [f"{TEST}_minus_baseline{part}" for part in parts[:3]] + [f"{TEST}_n_pairs"]
    expected = [BETA, "n", "n_used", "n_failed", "seeds", *measured, *pairs, *test_pairs]
    for row in summarize(rows, [BETA]):
        assert list(row) == [*expected, "baseline", "rank", "best"]


def test_settings_stand_as_first_met_even_where_their_runs_are_mixed(rows):
    mixed = [rows[number] for number in (3, 12, 5, 0, 10, 7, 1, 2, 4, 6, 8, 9, 11, 13, 14)]
    summary = summarize(mixed, [BETA], interval="bootstrap")
    assert [row[BETA] for row in summary] == [1.0, 0.5, 4.0]
    assert [row["seeds"] for row in summary] == ["0 1 2 3 4"] * 3
    straight = {row[BETA]: row for row in summarize(rows, [BETA], interval="bootstrap")}
    assert all(row == straight[row[BETA]] for row in summary)


def test_means_and_intervals_are_those_of_scipy(rows):
    for row in summarize(rows, [BETA], confidence=0.9):
        for name in (ELBO, TEST, "test.iwelbo_64"):
            values = column(rows, name, row[BETA])
            low, high = stats.t.interval(0.9, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
            found = [row[f"{name}{part}"] for part in ("", "_low", "_high", "_std")]
            np.testing.assert_allclose(found, [values.mean(), low, high, values.std(ddof=1)], rtol=1e-9)


def test_bootstrap_intervals_of_means_where_they_are_asked_for(rows):
    for row in summarize(rows, [BETA], interval="bootstrap", confidence=0.8):
        found = [row[f"{ELBO}{part}"] for part in ("", "_low", "_high")]
        assert found == pytest.approx(bootstrap_interval(column(rows, ELBO, row[BETA]), 0.8))


def test_differences_to_the_baseline_are_students_over_the_seeds_that_both_have(rows):
    summary = {row[BETA]: row for row in summarize(rows, [BETA], confidence=0.9)}
    for name, pairs in ((ELBO, "n_pairs"), (TEST, f"{TEST}_n_pairs")):
        baseline = column(rows, name, 1.0)
        for beta, kept in ((0.5, [0, 1, 2, 3, 4]), (4.0, [0, 1, 3, 4])):  # seed 2 of beta 4.0 diverged
            interval = stats.ttest_rel(column(rows, name, beta), baseline[kept]).confidence_interval(0.9)
            low, high = (summary[beta][f"{name}_minus_baseline_{end}"] for end in ("low", "high"))
            np.testing.assert_allclose((low, high), (interval.low, interval.high), rtol=1e-9)
            np.testing.assert_allclose(summary[beta][f"{name}_minus_baseline"], (low + high) / 2, rtol=1e-9)
            assert summary[beta][pairs] == len(kept)
    wide = summary[0.5][f"{ELBO}_high"] - summary[0.5][f"{ELBO}_low"]
    narrow = summary[0.5][f"{ELBO}_minus_baseline_high"] - summary[0.5][f"{ELBO}_minus_baseline_low"]
    assert narrow < 0.2 * wide  # what a seed does cancels
    assert summary[1.0][f"{ELBO}_minus_baseline"] == summary[1.0][f"{ELBO}_minus_baseline_high"] == 0.0


def test_any_setting_can_be_the_baseline(rows):
    summary = summarize(rows, [BETA], baseline={BETA: 4})
    assert [row["baseline"] for row in summary] == [False, True, False]
    forth, back = summary[0], summarize(rows, [BETA])[1]
    assert forth[f"{ELBO}_minus_baseline"] == pytest.approx(-back[f"{ELBO}_minus_baseline"])


def test_a_part_of_the_names_is_enough_for_a_baseline_where_one_setting_has_it():
    rows = [
        run(0, beta, -1.0) | {WIDTHS: widths} for beta, widths in ((1.0, "[64]"), (1.0, None), (2.0, None))
    ]
    assert summarize(rows, [BETA, WIDTHS], baseline={BETA: 2.0})[2]["baseline"]
    assert summarize(rows, [BETA, WIDTHS], baseline={BETA: 1.0, WIDTHS: None})[1]["baseline"]
    with pytest.raises(JaxaeError, match=rf"baseline: {BETA}=1.0 matches 2 settings, expected one; valid: "):
        summarize(rows, [BETA, WIDTHS], baseline={BETA: 1.0})


def test_failed_runs_stay_in_the_counts_and_out_of_the_means():
    rows = [
        *setting(1.0, [-3.0, -5.0]),
        run(2, 1.0, -1e9, "diverged"),  # its number is no score
        run(3, 1.0, NAN),
        run(4, 1.0, None),
        run(5, 1.0, math.inf, "stopped"),
        run(6, 1.0, -4.0, "stopped"),  # early stopping is no failure
    ]
    (row,) = summarize(rows, [BETA])
    assert (row["n"], row["n_used"], row["n_failed"]) == (7, 3, 4)
    assert row["seeds"] == "0 1 2 3 4 5 6"
    assert row[ELBO] == -4.0
    assert "n_pruned" not in row


def test_pruned_runs_are_counted_where_there_are_any_and_are_in_no_mean():
    rows = setting(1.0, [-3.0, -5.0]) + setting(2.0, [-8.0, -9.0], "pruned") + [run(2, 2.0, -1.0)]
    first, second = summarize(rows, [BETA])
    assert [first[name] for name in ("n", "n_used", "n_failed", "n_pruned")] == [2, 2, 0, 0]
    assert [second[name] for name in ("n", "n_used", "n_failed", "n_pruned")] == [3, 1, 0, 2]
    assert list(first).index("n_pruned") == list(first).index("n_failed") + 1
    assert second[ELBO] == -1.0


def test_a_setting_of_which_every_run_failed_is_there_without_numbers_and_last():
    rows = setting(9.0, [None, None], "diverged") + setting(1.0, [-3.0, -5.0])
    first, second = summarize(rows, [BETA], baseline={BETA: 1.0})
    assert (first["n"], first["n_used"], first["n_failed"]) == (2, 0, 2)
    assert (first["rank"], first["best"], second["rank"], second["best"]) == (None, False, 1, True)
    for name in (ELBO, f"{ELBO}_low", f"{ELBO}_std", f"{ELBO}_minus_baseline"):
        assert math.isnan(first[name])
    assert first["n_pairs"] == 0


def test_a_sweep_of_which_every_run_failed_still_has_its_counts():
    first, second = summarize(setting(1.0, [None], "diverged") + setting(2.0, [None], "diverged"), [BETA])
    assert [row["n_failed"] for row in (first, second)] == [1, 1]
    assert [row["rank"] for row in (first, second)] == [None, None]


def test_one_seed_has_a_mean_and_a_difference_but_no_interval():
    _, row = summarize([run(0, 1.0, -3.0), run(0, 2.0, -1.0)], [BETA])
    assert (row[ELBO], row[f"{ELBO}_minus_baseline"], row["n_pairs"], row["rank"]) == (-1.0, 2.0, 1, 1)
    for name in ("_low", "_high", "_std", "_minus_baseline_low", "_minus_baseline_high"):
        assert math.isnan(row[f"{ELBO}{name}"])


def test_seeds_that_a_setting_lacks_are_in_no_pair():
    rows = [*setting(1.0, [-1.0, -2.0, -3.0]), run(2, 2.0, -2.5), run(0, 2.0, 0.0), run(10, 2.0, 50.0)]
    summary = summarize(rows, [BETA])
    row = summary[1]
    assert (row["seeds"], row["n_used"], row["n_pairs"]) == ("0 2 10", 3, 2)
    assert lines(summary, [BETA], ELBO)[1].endswith("+0.8 ± 3.2 (n=2)")
    assert row[f"{ELBO}_minus_baseline"] == pytest.approx((0.5 + 1.0) / 2)


def test_runs_that_share_setting_and_seed_count_as_one_value():
    once, (twice,) = setting(1.0, [-1.0, -2.0, -4.0]), summarize(setting(1.0, [-1.0, -2.0, -4.0]) * 2, [BETA])
    assert (twice["n"], twice["n_used"], twice["seeds"]) == (6, 6, "0 0 1 1 2 2")
    assert twice[f"{ELBO}_low"] == summarize(once, [BETA])[0][f"{ELBO}_low"]


def test_the_mean_of_runs_that_share_setting_and_seed_is_the_same_in_any_order():
    orders = ([1e16, 1.0, -1e16, 1.0], [1.0, 1.0, -1e16, 1e16], [1e16, -1e16, 1.0, 1.0])
    means = [summarize([run(0, 1.0, value) for value in order], [BETA])[0][ELBO] for order in orders]
    assert means == [0.5] * 3


def test_ranks_follow_the_score_and_equal_means_share_one():
    rows = setting(1.0, [-0.1, -0.2, -0.3]) + setting(2.0, [-9.0]) + setting(3.0, [-0.3, -0.1, -0.2])
    summary = summarize(rows, [BETA])
    assert [row["rank"] for row in summary] == [1, 3, 1]
    assert [row["best"] for row in summary] == [True, False, True]
    loss = [row | {"validation.loss": -row[ELBO]} for row in rows]
    assert [row["rank"] for row in summarize(loss, [BETA], score="validation.loss")] == [1, 3, 1]
    worst_first = summarize(rows, [BETA], score="seconds")
    assert [row["rank"] for row in worst_first] == [1, 1, 1]


def test_the_lower_loss_is_the_better_one():
    rows = [run(0, 1.0, -1.0, validation__loss=5.0), run(0, 2.0, -2.0, validation__loss=4.0)]
    assert [row["rank"] for row in summarize(rows, [BETA])] == [1, 2]
    assert [row["rank"] for row in summarize(rows, [BETA], score="validation.loss")] == [2, 1]


def test_settings_are_told_apart_by_all_names_none_and_texts_among_them():
    cells = [(None, "[64]"), (None, None), ("Linear", "[64]"), (1.0, "[64]")]
    rows = [run(seed, beta, float(-seed)) | {WIDTHS: widths} for seed in (0, 1) for beta, widths in cells]
    for row in rows[1::4]:
        del row[WIDTHS]  # a name that a part of the settings does not have
    summary = summarize(rows, [BETA, WIDTHS])
    assert [(row[BETA], row[WIDTHS]) for row in summary] == cells
    assert [row["n"] for row in summary] == [2] * 4
    assert [row[BETA] for row in summarize(rows, [BETA])] == [None, "Linear", 1.0]


def test_without_names_there_is_one_setting(rows):
    (row,) = summarize(rows, [])
    assert (row["n"], row["n_failed"], row["rank"], row["baseline"]) == (15, 1, 1, True)


def test_without_rows_there_is_no_summary():
    assert summarize([], [BETA]) == []
    assert lines([], [BETA], ELBO) == []


def test_the_report_is_the_scores_test_column_and_what_a_reader_asks_for_first(rows):
    extra = {"test.distortion": 1.0, "test.iwelbo_5000": -1.0, "test.loss": 3.0, "validation.distortion": 2.0}
    known = by_name([*bound_scores(64), *bound_scores(5000), *KNOWN.values()])
    more = [row | extra | {"test.elbo_standard_error": 0.1} for row in rows]

    def means(**asked):
        found = summarize(more, [BETA], facts=known, **asked)[0]
        return [
            name.removesuffix("_low") for name in found if name.endswith("_low") and "_minus_" not in name
        ]

    rest = ["test.iwelbo_64", "test.iwelbo_5000", "test.squared_error", "test.loss"]
    assert means() == [ELBO, TEST, *rest]
    distortion = ["validation.distortion", "test.distortion"]
    assert means(score="validation.distortion") == [*distortion, TEST, *rest]
    assert means(report=["seconds", "test.distortion"]) == [ELBO, "seconds", "test.distortion"]
    assert f"{TEST}_minus_baseline" not in summarize(more, [BETA], report=[])[0]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_test_column_of_a_score_is_compared_with_the_baseline_too(split):
    rows = [run(0, beta, -1.0, test__loss=3 * beta) | {f"{split}.loss": beta} for beta in (1.0, 2.0)]
    _, row = summarize(rows, [BETA], score=f"{split}.loss")
    assert (row[f"{split}.loss_minus_baseline"], row["test.loss_minus_baseline"]) == (1.0, 3.0)


def test_a_reported_column_that_some_used_runs_lack_tells_over_how_many_it_is():
    rows = [run(seed, beta, -1.0, test__elbo=-2.0) for beta in (1.0, 2.0) for seed in (0, 1, 2)]
    assert f"{TEST}_n" not in summarize(rows, [BETA])[0]
    of_one_kind = [row if row[BETA] == 1.0 else {**row, "test.elbo": None} for row in rows]
    assert f"{TEST}_n" not in summarize(of_one_kind, [BETA])[1]  # what has none at all needs no number
    rows[4]["test.elbo"] = None
    first, second = summarize(rows, [BETA])
    assert (first[f"{TEST}_n"], second[f"{TEST}_n"], second["n_used"]) == (3, 2, 3)
    assert second[f"{TEST}_n_pairs"] == 2
    assert "-2 ± 0 (n=2)" in "\n".join(lines([first, second], [BETA], ELBO))


def test_numpy_numbers_are_numbers():
    (row,) = summarize(setting(1.0, [np.float32(-1.0), np.float64(-2.0), np.float32(NAN)]), [BETA])
    assert (row["n_used"], row[ELBO]) == (2, -1.5)
    assert type(row[ELBO]) is float


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"score": "validation.elbow"},
            "score: no run has 'validation.elbow'; did you mean 'validation.elbo'?",
        ),
        ({"score": "status"}, "score: no run has 'status'; "),
        ({"score": BETA}, f"score: no run has '{BETA}'; "),
        ({"report": ["test.elb"]}, "report: no run has 'test.elb'; did you mean 'test.elbo'?"),
        (
            {"interval": "students"},
            "interval: got 'students'; did you mean 'student'? valid: bootstrap, student",
        ),
        ({"confidence": 95}, "confidence: got 95, expected a number between 0 and 1"),
        ({"baseline": {"beta": 1.0}}, f"baseline: 'beta' is not swept over; did you mean '{BETA}'?"),
        (
            {"baseline": {BETA: 3.0}},
            f"baseline: {BETA}=3.0 matches no setting; valid: {BETA}=1.0; {BETA}=4.0; {BETA}=0.5",
        ),
    ],
)
def test_a_mistake_is_told_with_what_is_valid(rows, asked, message):
    with pytest.raises(JaxaeError) as caught:
        summarize(rows, [BETA], **asked)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_standard_error_can_be_reported_but_is_not_proposed(rows):
    more = [row | {"test.elbo_standard_error": 0.1} for row in rows]
    assert summarize(more, [BETA], report=["test.elbo_standard_error"])[0]["test.elbo_standard_error"] == 0.1
    with pytest.raises(JaxaeError, match="^((?!_standard_error).)*$"):
        summarize(more, [BETA], report=["test.nothing"])


def test_a_baseline_that_is_no_setting_is_told_with_a_few_of_many():
    rows = [run(0, float(beta), -1.0) for beta in range(30)]
    with pytest.raises(JaxaeError, match=rf"; {BETA}=4.0; and 25 more$"):
        summarize(rows, [BETA], baseline={BETA: 99.0})


def test_the_rows_are_left_as_they_were(rows):
    before = [dict(row) for row in rows]
    summarize(rows, [BETA], interval="bootstrap")
    assert rows == before


def test_the_table_for_a_terminal():
    rows = setting(1.0, [-100.0, -102.0, -104.0], test__elbo=-7.0) + setting(4.0, [-90.25, -92.5, -94.5])
    rows += [*setting(8.0, [-200.0, -203.0]), run(2, 8.0, None, "diverged")]
    rows += [*setting(2.0, [None], "diverged"), run(7, 16.0, -99.0), run(8, 16.0, -98.0, "pruned")]
    table = lines(summarize(rows, [BETA]), [BETA], ELBO)
    # beta 4: s = 2.127 and t = 4.303 make 5.28; its differences 9.75, 9.5, 9.5 have s = 0.144: 0.36
    assert table == [
        "beta  n                validation.elbo  test.elbo  minus baseline",
        "4     3             *   -92.4 ± 5.3      -            +9.58 ± 0.36 better",
        "16    1 (1 pruned)        -99            -                -",
        "1     3                -102.0 ± 5.0     -7 ± 0     baseline",
        "8     2 (1 failed)       -202 ± 19       -           -100.5 ± 6.4 worse",
        "2     0 (1 failed)          -            -                -",
    ]


def test_a_difference_is_marked_only_where_its_interval_excludes_0_and_by_the_scores_direction(rows):
    better, baseline, worse = lines(summarize(rows, [BETA]), [BETA], ELBO)[1:]
    assert better.endswith(" better") and baseline.endswith(" baseline") and worse.endswith(" worse")
    loss = [row | {"validation.loss": None if row[ELBO] is None else -row[ELBO]} for row in rows]
    same = lines(summarize(loss, [BETA], score="validation.loss"), [BETA], "validation.loss")
    assert same[1].endswith(" better") and same[3].endswith(" worse")
    by_chance = setting(1.0, [-1.0, -2.0, -3.0]) + setting(2.0, [-2.0, -1.0, -2.5])
    assert not any(
        "better" in line or "worse" in line for line in lines(summarize(by_chance, [BETA]), [BETA], ELBO)
    )


def test_names_are_as_short_as_they_can_be_told_apart():
    names = ["model.encoder.widths", "model.decoder.widths", "optimizer.learning_rate", "beta"]
    rows = [run(0, 1.0, -1.0) | dict.fromkeys(names, 1e-4)]
    (header, row) = lines(summarize(rows, names), names, ELBO)
    assert header.split()[:4] == ["encoder.widths", "decoder.widths", "learning_rate", "beta"]
    assert row.split()[:4] == ["0.0001"] * 4
    assert "minus" not in header  # one setting has nothing to be compared with


def test_numbers_have_the_digits_that_tell_settings_apart():
    values = [0.123456789, 0.123456711, 1000.0, 1e-7]
    table = lines(summarize([run(0, value, -value) for value in values], [BETA]), [BETA], ELBO)
    assert {line.split()[0] for line in table[1:]} == {"0.1234568", "0.1234567", "1000", "1e-07"}


def test_numbers_of_any_size_stay_short():
    for scale in (1e-12, 1e-3, 1.0, 1e6, 1e12, 1e30):
        rows = setting(1.0, [scale, 2 * scale, 4 * scale]) + setting(2.0, [scale, 3 * scale, 3 * scale])
        assert max(map(len, lines(summarize(rows, [BETA]), [BETA], ELBO))) < 75


def test_of_many_settings_the_best_twenty_are_shown():
    rows = [run(seed, float(beta), -abs(beta - 17.0) - seed) for beta in range(32) for seed in (0, 1)]
    table = lines(summarize(rows, [BETA]), [BETA], ELBO)
    assert len(table) == 1 + 20 + 1
    assert table[1].split()[0] == "17" and "*" in table[1]
    assert table[-1] == "... and 12 more in summary.csv"
    assert len(lines(summarize(rows[:40], [BETA]), [BETA], ELBO)) == 1 + 20


def test_a_wide_table_is_cut_to_fit_but_settings_stay_apart():
    texts = [
        f"MLP(widths=(64, {number}, 64, 64), activation=leaky_relu, normalization=None)"
        for number in range(6)
    ]
    rows = [run(seed, 1.0, -seed - 1.0) | {WIDTHS: text} for text in texts for seed in (0, 1)]
    table = lines(summarize(rows, [BETA, WIDTHS]), [BETA, WIDTHS], ELBO)
    assert max(map(len, table)) <= 110
    assert all("..." in line for line in table[1:])
    assert len({line.split("  ")[1] for line in table[1:]} | {line[:60] for line in table[1:]}) >= 6
    hidden = [f"{'a' * 60}{number}{'b' * 60}" for number in range(6)]  # the difference is in the middle
    rows = [row | {WIDTHS: hidden[number // 2]} for number, row in enumerate(rows)]
    table = "\n".join(lines(summarize(rows, [BETA, WIDTHS]), [BETA, WIDTHS], ELBO))
    assert all(text in table for text in hidden)
