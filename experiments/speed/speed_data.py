"""Rows of the works: MNIST, the digits of scikit-learn, synthetic images and rows of numbers."""

import functools

import numpy as np

from jaxae import data

NAMES = ("mnist", "digits", "blobs32", "blobs64", "activations")


@functools.cache
def rows(name: str, num: int) -> np.ndarray:
    """Return the first `num` rows: u8[num, H, W, C], or f32[num, D] for activations.

    The content hardly matters for the time, but losses can be compared only if something is learned.
    """
    if name in ("mnist", "digits"):
        # The digits have no test rows of their own: all 1,797 are training rows here.
        spec = data.DataSpec(name=name, num_validation=0, num_test=0 if name == "digits" else None)
        dataset = data.load(spec)
        return np.round(dataset.train.x[:num] * (255.0 / dataset.scale)).astype(np.uint8)
    draws = np.random.default_rng(0)
    if name == "activations":
        return _activations(draws, num)
    return _blobs(draws, num, int(name.removeprefix("blobs")))


def _blobs(draws: np.random.Generator, num: int, side: int) -> np.ndarray:
    """Return images of three coloured Gaussian blobs, u8[num, side, side, 3]."""
    grid = np.arange(side) / side
    images = np.zeros((num, side, side, 3))
    for _ in range(3):
        row, column = draws.uniform(0.1, 0.9, (2, num, 1))
        width = draws.uniform(0.05, 0.2, (num, 1))
        across = np.exp(-0.5 * ((grid - column) / width) ** 2)
        down = np.exp(-0.5 * ((grid - row) / width) ** 2)
        images += np.einsum("nh,nw,nc->nhwc", down, across, draws.uniform(0, 1, (num, 3)))
    return np.round(255 * images.clip(0, 1)).astype(np.uint8)


def _activations(draws: np.random.Generator, num: int, inputs: int = 512) -> np.ndarray:
    """Return sums of 8 of 1000 random directions, f32[num, inputs]."""
    directions = draws.normal(size=(1000, inputs)) / inputs**0.5
    chosen = draws.integers(0, len(directions), (num, 8))
    weights = draws.uniform(0.5, 2.0, (num, 8, 1))
    return (directions[chosen] * weights).sum(axis=1).astype(np.float32)
