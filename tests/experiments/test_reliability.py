"""The studies of reliability: a short run of the damage to files, the table of counts, the bounds."""

import random
import sys
from pathlib import Path

import pytest

RELIABILITY = Path(__file__).resolve().parents[2] / "experiments" / "reliability"
sys.path.insert(0, str(RELIABILITY))

import counts  # noqa: E402
import damage  # noqa: E402
import soaking  # noqa: E402


@pytest.mark.slow
def test_no_damage_is_read_as_other_numbers(tmp_path: Path) -> None:
    for number, subject in enumerate(damage.subjects(tmp_path)):
        told = damage.run(subject, 60, random.Random(number))
        assert [row for row in told if "broken" in row] == []
        outcomes = {outcome for row in told for outcome in row["outcomes"].values()}
        assert outcomes >= {"equal", "refused"}, "the damage is noticed, and what is not concerned is read"


def test_each_kind_of_damage_changes_a_file() -> None:
    content = b'{"a": 1.25, "b": -3, "digest": "0123456789abcdef"}\n{"a": 2.5, "b": 4}\n{"a": 3}\n'
    for change in {*damage.ANY, *damage.TEXT}:
        damaged = [change(content, random.Random(seed)) for seed in range(20)]
        assert sum(each != content for each in damaged) >= 10, change
        assert len(set(damaged)) > 1 or change is damage.empty, change


def test_bounds_are_those_of_the_rule_of_three_and_of_the_binomial_distribution() -> None:
    """With k failures of n, at the bound the probability of at most k failures is 5 %."""
    from scipy.stats import binom

    assert soaking.bound(0, 300) == "1 %"
    assert soaking.bound(0, 2) == "100 %"
    rate = float(soaking.bound(2, 100).split()[0]) / 100
    assert binom.cdf(2, 100, rate) == pytest.approx(0.05, rel=0.1)


def test_the_page_has_the_table_of_the_committed_results() -> None:
    assert counts.table() in counts.PAGE.read_text(), "run python experiments/reliability/counts.py"
