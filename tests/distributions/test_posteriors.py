"""q(z|x) and p(z) against densities by other routes: scipy, Jacobians, quadrature, Monte Carlo."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxae
from jaxae import keys
from jaxae.distributions import priors
from jaxae.types import Batch
from tests import small

L, ROWS, DRAWS = 3, 4, 20_000


def outputs(posterior: Any, scale: float = 0.7) -> jax.Array:
    return jnp.asarray(scale * np.random.RandomState(0).randn(ROWS, posterior.num_outputs(L)), jnp.float32)


@pytest.mark.parametrize("posterior", [jaxae.DiagonalGaussian(), jaxae.FullGaussian()])
def test_gaussian_log_densities_are_scipys(posterior: Any) -> None:
    given = outputs(posterior)
    is_full = isinstance(posterior, jaxae.FullGaussian)
    read = posterior.mean_and_tril if is_full else posterior.mean_and_log_var
    mean, spread = (np.asarray(part, np.float64) for part in read(given))
    z, log_prob = posterior.sample(given, keys.root(0), 5)
    for row in range(ROWS):
        full = isinstance(posterior, jaxae.FullGaussian)
        covariance = spread[row] @ spread[row].T if full else np.diag(np.exp(spread[row]))
        expected = stats.multivariate_normal(mean[row], covariance).logpdf(np.asarray(z[:, row]))
        np.testing.assert_allclose(log_prob[:, row], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(posterior.log_prob(given, z), log_prob)


@pytest.mark.parametrize("posterior", [jaxae.DiagonalGaussian(), jaxae.FullGaussian()])
def test_samples_have_the_mean_and_covariance_and_the_closed_kl_is_their_mean(posterior: Any) -> None:
    given = outputs(posterior, 0.5)
    z, log_prob = posterior.sample(given, keys.root(1), DRAWS)
    each = np.asarray(log_prob - jaxae.StandardNormal().log_prob({}, z, None))
    error = each.std(axis=0) / DRAWS**0.5
    assert (np.abs(each.mean(axis=0) - posterior.kl(given)) < 5 * error).all()
    spread = z.std(axis=0) / DRAWS**0.5
    assert bool((jnp.abs(z.mean(axis=0) - posterior.mean(given)) < 5 * spread).all())


def test_the_diagonal_is_a_case_of_the_full_covariance() -> None:
    diagonal, full = jaxae.DiagonalGaussian(), jaxae.FullGaussian()
    given = outputs(diagonal)
    mean, log_var = diagonal.mean_and_log_var(given)
    entries = jnp.zeros((ROWS, L, L)).at[:, jnp.arange(L), jnp.arange(L)].set(0.5 * log_var)
    same = jnp.concatenate([mean, entries[:, *jnp.tril_indices(L)]], axis=-1)
    np.testing.assert_allclose(full.kl(same), diagonal.kl(given), rtol=1e-5)


def test_a_planar_flows_log_determinant_is_that_of_its_jacobian() -> None:
    flow = jaxae.PlanarFlow(num_layers=3)
    _, layers = flow._split(outputs(flow, 1.5))
    z = jnp.asarray(np.random.RandomState(1).randn(1, ROWS, L), jnp.float32)
    _, log_det = flow._apply_layers(z, layers)

    def one(row: jax.Array, number: int) -> jax.Array:
        return flow._apply_layers(row[None, None], layers[:, number : number + 1])[0][0, 0]

    for number in range(ROWS):
        jacobian = jax.jacfwd(one)(z[0, number], number)
        sign, expected = np.linalg.slogdet(np.asarray(jacobian, np.float64))
        assert sign > 0 and float(log_det[0, number]) == pytest.approx(expected, abs=1e-4)


def test_a_planar_flows_density_integrates_to_one() -> None:
    """One dimension: q(z) = q_0(z_0) |dz_0/dz| on the grid that the flow makes of a grid of z_0."""
    flow = jaxae.PlanarFlow(num_layers=4)
    given = jnp.asarray(2.0 * np.random.RandomState(3).randn(1, flow.num_outputs(1)), jnp.float32)
    start, layers = flow._split(given)
    mean, log_var = jaxae.DiagonalGaussian().mean_and_log_var(start)
    width = float(jnp.exp(0.5 * log_var)[0, 0])
    grid = jnp.linspace(float(mean[0, 0]) - 10 * width, float(mean[0, 0]) + 10 * width, 200_001)[
        :, None, None
    ]
    z, log_det = flow._apply_layers(grid, layers)
    density = jnp.exp(jaxae.DiagonalGaussian().log_prob(start, grid) - log_det)[:, 0]
    z = np.asarray(z[:, 0, 0], np.float64)
    assert (np.diff(z) > 0).all(), "the flow can be undone"
    assert np.trapezoid(np.asarray(density, np.float64), z) == pytest.approx(1, abs=1e-3)


def test_samples_of_a_flow_have_the_density_it_tells() -> None:
    """E_q[p(z) / q(z)] = 1 for any density p that q covers."""
    flow = jaxae.PlanarFlow(num_layers=2)
    given = outputs(flow, 0.3)
    z, log_prob = flow.sample(given, keys.root(2), DRAWS)
    log_ratio = stats.norm(0, 0.7).logpdf(np.asarray(z)).sum(axis=-1) - np.asarray(log_prob)
    ratio = np.exp(log_ratio)
    assert (np.abs(ratio.mean(axis=0) - 1) < 5 * ratio.std(axis=0) / DRAWS**0.5).all()


def test_the_mixture_is_scipys_and_its_samples_have_its_mean() -> None:
    random = np.random.RandomState(4)
    mean, log_var, logits = random.randn(5, L), 0.5 * random.randn(5, L), random.randn(5)
    z = random.randn(7, 2, L)
    weights = np.exp(logits) / np.exp(logits).sum()
    each = [stats.norm(mean[k], np.exp(0.5 * log_var[k])).pdf(z).prod(axis=-1) for k in range(5)]
    arrays = (jnp.asarray(part, jnp.float32) for part in (mean, log_var, logits))
    arrays = tuple(arrays)
    found = priors.mixture_log_prob(*arrays, jnp.asarray(z, jnp.float32))
    np.testing.assert_allclose(found, np.log(np.tensordot(weights, each, 1)), rtol=1e-4)
    draws = np.asarray(priors.mixture_sample(*arrays, keys.root(5), (DRAWS, L)))
    error = draws.std(axis=0) / DRAWS**0.5
    assert (np.abs(draws.mean(axis=0) - weights @ mean) < 5 * error).all()


def test_the_vamp_prior_is_the_mean_of_its_pseudo_inputs_posteriors() -> None:
    autoencoder = small.member("VAE, VampPrior")
    batch = Batch(jnp.asarray(small.images(3) / 255, jnp.float32))
    variables = autoencoder.init(keys.root(0), batch)
    z = jax.random.normal(keys.root(1), (2, 3, 3))
    pseudo = Batch(jnp.clip(variables.params["prior"]["pseudo_inputs"], 0, 1))
    mean, log_var = autoencoder.posterior.mean_and_log_var(autoencoder.infer(variables, pseudo))
    each = [
        stats.norm(m, np.exp(0.5 * v)).pdf(np.asarray(z)).prod(axis=-1)
        for m, v in zip(mean, log_var, strict=True)
    ]
    np.testing.assert_allclose(autoencoder.log_prior(variables, z), np.log(np.mean(each, axis=0)), rtol=1e-4)


@pytest.mark.parametrize("name", ["VAE", "VAE, full covariance"])
def test_the_sampled_rate_is_the_closed_one_on_average(name: str) -> None:
    autoencoder = small.member(name)
    batch = Batch(jnp.asarray(small.images(4) / 255, jnp.float32))
    variables = autoencoder.init(keys.root(0), batch)
    draw = autoencoder.draw(variables, batch, keys.root(1), DRAWS)
    each = np.asarray(draw.log_posterior - draw.log_prior)
    np.testing.assert_allclose(autoencoder.rate(draw, closed=False), each.mean(axis=0), rtol=1e-5)
    closed = np.asarray(autoencoder.rate(draw, closed=True))
    assert (np.abs(each.mean(axis=0) - closed) < 5 * each.std(axis=0) / DRAWS**0.5).all()


def test_what_does_not_fit_together_is_refused() -> None:
    for wrong, said in (
        ({"prior": jaxae.VampPrior(), "posterior": jaxae.FullGaussian()}, "VampPrior"),
        ({"prior": jaxae.VampPrior(), "num_classes": 3}, "num_classes"),
        ({"kl": "closed", "prior": jaxae.MixturePrior()}, "kl: closed"),
        ({"capacity": 1.0, "free_bits": 1.0}, "capacity"),
        ({"free_bits": 1.0, "posterior": jaxae.FullGaussian()}, "free_bits"),
    ):
        with pytest.raises(ValueError, match=said):
            jaxae.VAE(**wrong).check()
    with pytest.raises(ValueError, match="estimator"):
        jaxae.IWAE(posterior=jaxae.PlanarFlow(), estimator="dreg").check()
