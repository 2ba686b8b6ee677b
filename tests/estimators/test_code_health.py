"""The health of codes by hand, by identity and by quadrature."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import jaxae
from jaxae import keys
from jaxae.estimators import code_health
from jaxae.types import Batch, Examples, Variables

LAYER = jaxae.MLP(widths=())


def line(slope: float, std: float, rows: Any) -> tuple[Any, Variables, Examples]:
    """q(z|x) = N(slope x, std^2) of numbers x, one latent dimension."""
    vae = jaxae.VAE(encoder=LAYER, decoder=LAYER, latent_dim=1, data_shape=(1,), likelihood=jaxae.Gaussian())
    variables = vae.init(keys.root(0), Batch(jnp.zeros((1, 1))))
    variables.params["encoder"]["Dense_0"] = {
        "kernel": jnp.asarray([[slope, 0.0]]),
        "bias": jnp.asarray([0.0, 2 * np.log(std)]),
    }
    return vae, variables, Examples(jnp.asarray(rows, jnp.float32)[:, None], (), jnp.float32(1))


def test_the_rate_is_information_and_marginal_kl_of_every_draw() -> None:
    found = code_health.aggregate_posterior(*line(1.0, 0.5, np.linspace(-2, 2, 37)), keys.root(1))
    np.testing.assert_allclose(found.rate, found.information + found.marginal_kl, atol=1e-5)


@pytest.mark.parametrize("slope, expected", [(0.0, 0.0), (1000.0, np.log(50))])
def test_information_is_nothing_or_all_of_log_n(slope: float, expected: float) -> None:
    found = code_health.aggregate_posterior(*line(slope, 0.5, np.arange(50)), keys.root(1))
    np.testing.assert_allclose(found.information, expected, atol=1e-4)


def test_the_parts_are_the_integrals() -> None:
    """20 posteriors: KL(q(z) || p(z)) by quadrature, at 5 standard errors of 20,000 draws."""
    centres, std = np.linspace(-1.5, 1.0, 20), 0.3
    # Equal rows would have equal noise.
    rows = np.tile(centres, 1000) + 1e-4 * np.random.RandomState(0).randn(20_000)
    found = code_health.aggregate_posterior(*line(1.0, std, rows), keys.root(2))

    def integrand(z: float) -> float:
        density = stats.norm(centres, std).pdf(z).mean()
        return float(density * (np.log(density) - stats.norm.logpdf(z)))

    exact = integrate.quad(integrand, -4, 4, limit=200)[0]
    error = float(found.marginal_kl.std()) / np.sqrt(len(rows))
    assert float(found.marginal_kl.mean()) == pytest.approx(exact, abs=5 * error)


def test_rates_of_dimensions_are_the_closed_ones() -> None:
    rows = np.array([0.0, 1.0, 2.0])
    expected = 0.5 * (rows**2 + 0.25 - 1 - np.log(0.25)).mean()
    np.testing.assert_allclose(code_health.rate_per_dimension(*line(1.0, 0.5, rows)), [expected], rtol=1e-5)


def test_dimensions_are_active_whose_mean_varies() -> None:
    random = np.random.RandomState(0)
    means = np.stack([random.randn(1000), 0.05 * random.randn(1000), np.full(1000, 3.0)], axis=1)
    assert code_health.active_dimensions(means).tolist() == [True, False, False]
    assert code_health.active_dimensions(means, threshold=1e-3).tolist() == [True, True, False]


def test_sparsity_of_one_of_all_and_of_none() -> None:
    codes = np.array([[1.0, 0, 0, 0], [2.0, 2, 2, 2], [0.0, 0, 0, 0], [1.0, 1, 0, 0]])
    # (1 - (mean |a|)^2 / mean a^2) / (1 - 1/4): 1, 0, none speaks, (1 - (1/4) / (1/2)) / (3/4)
    np.testing.assert_allclose(code_health.population_sparsity(codes), [1, 0, np.nan, 2 / 3])
    np.testing.assert_allclose(code_health.lifetime_sparsity(codes.T), [1, 0, np.nan, 2 / 3])


def test_saturated_is_the_share_near_the_ends() -> None:
    assert code_health.saturated([[0.01, 0.5, 0.99, 0.96]]) == 0.75
