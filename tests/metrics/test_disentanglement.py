"""Scores of disentanglement by hand, and on codes that are perfect or useless."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy

from jaxae.errors import JaxaeError
from jaxae.metrics import disentanglement as measures

RANDOM = np.random.RandomState(0)
FACTORS = np.stack(np.meshgrid(range(3), range(4), range(2), range(5)), axis=-1).reshape(-1, 4)
FACTORS = np.tile(FACTORS, (25, 1))  # 3,000 rows, independent
PERFECT = FACTORS + 0.01 * RANDOM.randn(*FACTORS.shape)
ROTATED = PERFECT @ np.linalg.qr(RANDOM.randn(4, 4))[0]
USELESS = RANDOM.randn(len(FACTORS), 4)
CONSTANT = np.ones_like(PERFECT)
ALL = {
    "mig": measures.mutual_information_gap,
    "modularity": measures.modularity,
    "factor_vae": lambda codes, factors: measures.factor_vae_score(
        codes, factors, num_train=500, num_test=500
    ),
}


def test_mig_is_three_quarters_where_one_factor_is_known_and_one_half_erased() -> None:
    """I(u0; v0) = H, I(u1; v1) = H / 2 since every second value is erased, all others 0: (1 + 1/2) / 2."""
    rows = np.array([(a, b, erased) for a in (0, 1) for b in (0, 1) for erased in (0, 1)])
    codes = np.stack([rows[:, 0], np.where(rows[:, 2], 2, rows[:, 1])], axis=1)
    assert measures.mutual_information_gap(codes, rows[:, :2]) == pytest.approx(0.75, abs=1e-12)
    information = measures.mutual_information(codes, rows[:, :2])
    np.testing.assert_allclose(information, np.log(2) * np.array([[1, 0], [0, 0.5]]), atol=1e-12)


def test_a_duplicated_unit_leaves_no_gap() -> None:
    assert measures.mutual_information_gap(PERFECT, FACTORS) > 0.95
    assert measures.mutual_information_gap(np.hstack([PERFECT, PERFECT]), FACTORS) == pytest.approx(
        0, abs=0.02
    )


@pytest.mark.parametrize("name", ALL)
def test_perfect_codes_score_near_one_rotated_ones_less_and_constant_ones_nothing(name: str) -> None:
    measure: Any = ALL[name]
    perfect, rotated, constant = (measure(codes, FACTORS) for codes in (PERFECT, ROTATED, CONSTANT))
    assert perfect > 0.95 and rotated < perfect - 0.2
    assert constant == pytest.approx(0.0, abs=1e-9)


def test_useless_codes_score_by_chance() -> None:
    floor = 19 * np.mean([(levels - 1) / np.log(levels) for levels in (3, 4, 2, 5)]) / (2 * len(FACTORS))
    assert measures.mutual_information_gap(USELESS, FACTORS) < 2 * floor
    chance = measures.factor_vae_score(USELESS, FACTORS, num_train=2000, num_test=2000)
    assert chance == pytest.approx(0.25, abs=0.1)


def test_modularity_by_hand() -> None:
    """One unit tells of both factors alike: 1 - 1 / 1; the other of one only: 1. Their mean is a half."""
    rows = np.array([(a, b) for a in (0, 1) for b in (0, 1)])
    both = 2 * rows[:, 0] + rows[:, 1]
    codes = np.stack([both, rows[:, 1]], axis=1)
    assert measures.modularity(codes, rows) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(
    "importances, expected",
    [
        (np.eye(3), (1.0, 1.0)),
        (np.ones((3, 3)), (0.0, 0.0)),
        (np.zeros((2, 2)), (0.0, 0.0)),
        # Two units share the first factor: each is disentangled, the factor is not complete.
        (np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), (1.0, 0.5 * (1 - np.log(2) / np.log(3)) + 0.5)),
        # One unit holds both factors: complete, not disentangled; the other unit is idle.
        (np.array([[1.0, 1.0], [0.0, 0.0]]), (0.0, 1.0)),
        # Units weigh 4/8, 1/8 and 3/8, factors 5/8 and 3/8, by what is important of them.
        (
            np.array([[4.0, 0.0], [0.0, 1.0], [1.0, 2.0]]),
            (
                5 / 8 + 3 / 8 * (1 - entropy([1 / 3, 2 / 3]) / np.log(2)),
                1 - (5 / 8 * entropy([0.8, 0.2]) + 3 / 8 * entropy([1 / 3, 2 / 3])) / np.log(3),
            ),
        ),
    ],
)
def test_concentrations_by_hand(importances: np.ndarray, expected: tuple[float, float]) -> None:
    np.testing.assert_allclose(measures.concentrations(importances), expected, atol=1e-12)


def test_dci_of_perfect_and_useless_codes() -> None:
    rows, test_rows = np.arange(0, 1000), np.arange(1000, 1500)

    def score(codes: np.ndarray) -> measures.DCI:
        return measures.dci(codes[rows], FACTORS[rows, :2], codes[test_rows], FACTORS[test_rows, :2])

    shuffled = RANDOM.permutation(len(FACTORS))
    perfect = score(PERFECT[:, :2])
    assert min(perfect) > 0.97
    useless = measures.dci(
        USELESS[rows, :2], FACTORS[rows, :2], USELESS[test_rows, :2], FACTORS[test_rows, :2]
    )
    assert useless.disentanglement < 0.1 and useless.informativeness < 0.5
    assert len(shuffled) == len(FACTORS)


def test_dci_where_two_units_share_one_factor_and_a_third_has_the_other() -> None:
    """Completeness 1 - log 2 / log 4 and 1 of factors of equal weight: 3/4. Each unit has one factor: 1."""
    codes = np.random.RandomState(1).uniform(-1, 1, (1500, 4))  # the last unit has nothing
    signs = (codes[:, :3] > 0).astype(int)
    factors = np.stack([signs[:, 0] + 2 * signs[:, 1], signs[:, 2]], axis=1)
    found = measures.dci(codes[:1000], factors[:1000], codes[1000:], factors[1000:])
    assert found == pytest.approx((1.0, 0.75, 1.0), abs=0.02)


def test_sap_of_binary_factors_by_hand() -> None:
    """A unit that is the factor is right always, another unit half of the time: the gap is a half."""
    rows = np.tile([(a, b) for a in (0, 1) for b in (0, 1)], (500, 1))
    assert measures.separated_attributes(rows, rows, rows, rows) == pytest.approx(0.5, abs=1e-12)
    twice = np.hstack([rows, rows])
    assert measures.separated_attributes(twice, rows, twice, rows) == 0.0


def test_beta_vae_score_of_perfect_and_useless_codes() -> None:
    numbers = {"num_train": 500, "num_test": 300, "batch_size": 32}
    assert measures.beta_vae_score(PERFECT, FACTORS, **numbers) > 0.97
    assert measures.beta_vae_score(ROTATED, FACTORS, **numbers) > 0.7  # nearly blind to rotations
    assert measures.beta_vae_score(USELESS, FACTORS, **numbers) < 0.45


def test_the_order_of_rows_changes_nothing() -> None:
    order = RANDOM.permutation(len(FACTORS))
    for measure in (measures.mutual_information_gap, measures.modularity):
        assert measure(ROTATED[order], FACTORS[order]) == pytest.approx(measure(ROTATED, FACTORS), abs=1e-9)


@pytest.mark.parametrize(
    "codes, factors, reason",
    [
        (PERFECT[:10], FACTORS, "shapes"),
        (PERFECT, FACTORS.astype(float), "whole numbers"),
        (PERFECT * np.nan, FACTORS, "not finite"),
        (PERFECT, 0 * FACTORS, "one value only"),
        (PERFECT[:, :1], FACTORS, "two or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(codes: Any, factors: Any, reason: str) -> None:
    with pytest.raises(JaxaeError, match=reason):
        measures.mutual_information_gap(codes, factors)
