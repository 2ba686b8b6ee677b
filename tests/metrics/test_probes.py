"""Measures on codes whose answer is known: perfect, constant, rotated, and PCA by another route."""

import numpy as np
import pytest

from jaxae.errors import JaxaeError
from jaxae.metrics import probes as measures

RANDOM = np.random.RandomState(0)
LABELS = RANDOM.randint(4, size=600)
CENTRES = 10 * RANDOM.randn(4, 5)
CODES = CENTRES[LABELS] + RANDOM.randn(600, 5)
TRAIN, TEST = slice(0, 400), slice(400, 600)
SPLIT = CODES[TRAIN], LABELS[TRAIN], CODES[TEST], LABELS[TEST]
ROTATION = np.linalg.qr(RANDOM.randn(5, 5))[0]


def test_separate_classes_are_read_without_an_error_and_constant_codes_by_chance() -> None:
    assert measures.linear_probe(*SPLIT) == 0
    constant = np.ones((400, 5)), LABELS[TRAIN], np.ones((200, 5)), LABELS[TEST]
    most_frequent = np.bincount(LABELS[TRAIN]).argmax()
    assert measures.linear_probe(*constant) == pytest.approx((LABELS[TEST] != most_frequent).mean())
    assert measures.linear_probe(1e4 * SPLIT[0], SPLIT[1], 1e4 * SPLIT[2], SPLIT[3]) == 0, "in any unit"


def test_few_shots_err_more_than_many() -> None:
    noisy = CODES + 8 * RANDOM.randn(*CODES.shape)
    split = noisy[TRAIN], LABELS[TRAIN], noisy[TEST], LABELS[TEST]
    one, ten = (measures.few_shot_probe(*split, per_class=number, repeats=10) for number in (1, 10))
    assert one[0] > ten[0] > measures.linear_probe(*split) - 0.05 and one[1] > 0
    with pytest.raises(JaxaeError, match="per_class: got 500, expected at most"):
        measures.few_shot_probe(*split, per_class=500)


def test_neighbours_are_those_of_all_distances() -> None:
    found = measures.retrieval(*SPLIT, k=7)
    distances = ((CODES[TEST][:, None] - CODES[TRAIN][None]) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(found.neighbours, np.argsort(distances, axis=1)[:, :7])
    assert found.precisions.mean() == (LABELS[TRAIN][found.neighbours] == LABELS[TEST][:, None]).mean() == 1
    rotated = measures.retrieval(
        CODES[TRAIN] @ ROTATION, LABELS[TRAIN], CODES[TEST] @ ROTATION, LABELS[TEST], k=7
    )
    np.testing.assert_array_equal(rotated.neighbours, found.neighbours)


@pytest.mark.parametrize("method", ["k-means", pytest.param("mixture", marks=pytest.mark.slow)])
def test_clusters_of_separate_classes_are_the_classes(method: str) -> None:
    assert measures.clusters(CODES, LABELS, method) == pytest.approx((1, 1))  # type: ignore[arg-type]
    useless = measures.clusters(RANDOM.randn(600, 5), LABELS, method)  # type: ignore[arg-type]
    assert useless.nmi < 0.05 and abs(useless.ari) < 0.05


def test_only_the_mixture_finds_long_clusters() -> None:
    long = np.stack([4 * RANDOM.randn(600), LABELS % 2 * 4.0 + 0.3 * RANDOM.randn(600)], axis=1)
    assert measures.clusters(long, LABELS % 2, "mixture").ari > 0.95
    assert measures.clusters(long, LABELS % 2, "k-means").ari < 0.2


def test_neighbourhoods_are_kept_by_rotations_and_lost_by_projections() -> None:
    assert measures.trustworthiness(CODES, CODES @ ROTATION) == pytest.approx(1)
    assert measures.continuity(CODES, CODES @ ROTATION) == pytest.approx(1)
    x = RANDOM.randn(300, 6)
    flat = x[:, :1]
    assert measures.trustworthiness(x, flat) < 0.75 < measures.continuity(x, flat) + 0.2
    torn = np.where(x[:, :1] > 0, x + 100, x)  # neighbours over the cut are lost, none is added
    assert measures.trustworthiness(x, torn) > measures.continuity(x, torn)


def test_pca_is_the_singular_value_decomposition() -> None:
    x, test_x = RANDOM.randn(100, 4, 3) @ RANDOM.randn(3, 3), RANDOM.randn(20, 4, 3)
    flat, mean = x.reshape(100, 12), x.reshape(100, 12).mean(axis=0)
    components = np.linalg.svd(flat - mean)[2][:5]
    centred = test_x.reshape(20, 12) - mean
    expected = ((centred - centred @ components.T @ components) ** 2).sum(axis=1)
    np.testing.assert_allclose(measures.pca_errors(x, test_x, 5), expected, rtol=1e-8)
    found = measures.baselines(x, test_x, 5)
    np.testing.assert_allclose(np.abs(found.pca[1]), np.abs(centred @ components.T), rtol=1e-6)
    assert [each.shape for each in found.random] == [(100, 5), (20, 5)]


def test_random_projections_keep_squared_distances_on_average() -> None:
    x = RANDOM.randn(2, 400)
    distances = [
        ((projected[0] - projected[1]) ** 2).sum()
        for projected in (measures.baselines(x, x, 50, seed).random[0] for seed in range(200))
    ]
    exact = ((x[0] - x[1]) ** 2).sum()
    assert np.mean(distances) == pytest.approx(exact, abs=5 * np.std(distances) / 200**0.5)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_uniform_codes_cost_their_bits_and_err_by_a_twelfth_of_a_step(bits: int) -> None:
    codes = RANDOM.rand(100_000, 3)
    found, cost = measures.quantised(codes, bits)
    assert cost == pytest.approx(3 * bits, rel=0.01)
    assert ((found - codes) ** 2).mean() == pytest.approx(2.0 ** (-2 * bits) / 12, rel=0.02)
    constant, nothing = measures.quantised(np.full((10, 2), 0.3), bits)
    np.testing.assert_allclose(constant, 0.3, rtol=1e-6)
    assert nothing == 0
