"""The published files, where they are at hand: known numbers."""

from pathlib import Path

import numpy as np
import pytest

from jaxae.data import DataSpec, load


def test_mnist(real_data: Path) -> None:
    dataset = load(DataSpec(name="mnist", folder=str(real_data), num_validation=0))
    assert dataset.description == "mnist: 60,000 train, 0 validation, 10,000 test, 28x28x1 uint8, 10 classes"
    x = dataset.train.x / np.float64(255)
    assert x.mean() == pytest.approx(0.1306604763, abs=1e-10) and x.std() == pytest.approx(
        0.3081078039, abs=1e-10
    )
    assert list(np.bincount(dataset.train.y)) == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert list(dataset.test.y[:5]) == [7, 2, 1, 0, 4]


def test_static_mnist(real_data: Path) -> None:
    dataset = load(DataSpec(name="binarized_mnist", folder=str(real_data)))
    assert [len(part.x) for part in (dataset.train, dataset.validation, dataset.test)] == [
        50_000,
        10_000,
        10_000,
    ]
    assert dataset.test.x.mean() == pytest.approx(0.13251224, abs=1e-8)


def test_our_own_binarisation_of_mnist_has_the_mean_of_the_pixels(real_data: Path) -> None:
    grey = load(DataSpec(name="mnist", folder=str(real_data), num_validation=10_000))
    for mode in ("static", "dynamic"):
        dataset = load(DataSpec(name="mnist", folder=str(real_data), num_validation=10_000, binarize=mode))  # type: ignore[arg-type]
        for part, source in ((dataset.validation, grey.validation), (dataset.test, grey.test)):
            probs = source.x / np.float64(255)
            assert abs((part.x / part.scale - probs).sum()) < 5 * np.sqrt((probs * (1 - probs)).sum())
        assert dataset.hash == grey.hash


def test_fashion_mnist(real_data: Path) -> None:
    dataset = load(DataSpec(name="fashion_mnist", folder=str(real_data), stream=True))
    assert len(dataset.train.x) == 59_800 and list(np.bincount(dataset.test.y)) == [1000] * 10
    x = dataset.train.x.take(np.arange(59_800))
    assert (
        (x.sum(dtype=np.int64) + dataset.validation.x.sum(dtype=np.int64)) / (60_000 * 784 * 255)
    ) == pytest.approx(0.2860, abs=1e-4)
