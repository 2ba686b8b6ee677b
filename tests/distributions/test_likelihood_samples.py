"""Samples of p(x|z) are distributed as log p(x|z) says."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxae
from jaxae import keys

NUM = 20_000


def draws(likelihood: Any, outputs: list[float]) -> tuple[dict[str, Any], np.ndarray]:
    """The parameters of one example of one pixel, and many x drawn from them, [NUM, 1]."""
    many = jnp.broadcast_to(jnp.asarray(outputs, jnp.float32), (NUM, len(outputs)))
    parameters = likelihood.parameters(many, likelihood.init())
    x = np.asarray(likelihood.sample(parameters, keys.root(0)))
    assert x.shape == (NUM, 1)
    return {name: value[:1] for name, value in parameters.items()}, x


@pytest.mark.parametrize(
    "likelihood, outputs, num_levels",
    [
        (jaxae.Bernoulli(), [0.7], 2),
        (jaxae.Bernoulli(), [-3.0], 2),
        (jaxae.DiscretisedLogistic(num_levels=5), [0.6, -1.5], 5),
        (jaxae.DiscretisedLogistic(num_levels=5), [1.1, -1.0], 5),
        (jaxae.Categorical(num_levels=4), [0.1, -0.5, 2.0, 0.7], 4),
    ],
)
def test_levels_come_as_often_as_their_probability(
    likelihood: Any, outputs: list[float], num_levels: int
) -> None:
    parameters, x = draws(likelihood, outputs)
    levels = np.arange(num_levels) / (num_levels - 1)
    expected = np.exp(
        [float(likelihood.log_prob(parameters, jnp.full((1, 1), level), 1)[0]) for level in levels]
    )
    counts = (np.abs(x - levels) < 1e-6).sum(axis=0)
    assert counts.sum() == NUM
    assert stats.chisquare(counts, NUM * expected / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize(
    "likelihood, outputs, mean, std",
    [
        (jaxae.Gaussian(std=0.3), [0.5], 0.5, 0.3),
        (jaxae.Gaussian(std=0.3, link="sigmoid"), [0.0], 0.5, 0.3),
        (jaxae.LearnedGaussian(initial_std=0.2), [0.1], 0.1, np.sqrt(0.2**2 + 1e-6)),
        (jaxae.PixelGaussian(), [0.4, np.log(0.25)], 0.4, np.sqrt(0.25 + 1e-4)),
    ],
)
def test_real_pixels_are_gaussian(likelihood: Any, outputs: list[float], mean: float, std: float) -> None:
    _, x = draws(likelihood, outputs)
    assert stats.kstest(x[:, 0], stats.norm(mean, std).cdf).pvalue > 1e-3
