"""Oracles: numpyro's closed forms, quadrature of q log(q / p), Monte Carlo, and the values known by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from jaxae import distributions
from jaxae.maths import divergences

B, L = 5, 4


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def gaussians(float64):
    """mean, log_var, prior_mean, prior_log_var: f64[B, L] each."""
    draws = np.random.default_rng(0).normal(size=(4, B, L))
    return tuple(jnp.asarray(draw) for draw in draws)


@pytest.fixture
def scale_tril(float64):
    draws = np.tril(np.random.default_rng(1).normal(size=(B, L, L)))
    diagonal = np.einsum("bll->bl", draws)
    diagonal[:] = np.exp(diagonal)
    return jnp.asarray(draws)


def normal(mean, log_var):
    return dist.Normal(mean, jnp.exp(0.5 * log_var)).to_event(1)


def test_gaussian_kl_is_numpyros(gaussians):
    mean, log_var, *_ = gaussians
    expected = dist.kl_divergence(normal(mean, log_var), normal(jnp.zeros((B, L)), jnp.zeros((B, L))))
    np.testing.assert_allclose(divergences.gaussian_kl(mean, log_var), expected, rtol=1e-8)


def test_gaussian_kl_between_is_numpyros(gaussians):
    mean, log_var, prior_mean, prior_log_var = gaussians
    expected = dist.kl_divergence(normal(mean, log_var), normal(prior_mean, prior_log_var))
    actual = divergences.gaussian_kl_between(mean, log_var, prior_mean, prior_log_var)
    np.testing.assert_allclose(actual, expected, rtol=1e-8)


def test_gaussian_kl_full_is_numpyros(gaussians, scale_tril):
    mean = gaussians[0]
    prior = dist.MultivariateNormal(jnp.zeros(L), scale_tril=jnp.eye(L))
    for b in range(B):
        expected = dist.kl_divergence(dist.MultivariateNormal(mean[b], scale_tril=scale_tril[b]), prior)
        actual = divergences.gaussian_kl_full(mean[b], scale_tril[b])
        np.testing.assert_allclose(actual, expected, rtol=1e-8)
    assert divergences.gaussian_kl_full(mean, scale_tril).shape == (B,)


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, 0.0), (1.5, -1.0), (-0.3, 1.2), (0.0, -4.0)])
def test_gaussian_kl_is_the_integral_of_its_definition(float64, mean, log_var):
    q, p = stats.norm(mean, np.exp(0.5 * log_var)), stats.norm()
    integral, _ = integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), *q.interval(1 - 1e-15), epsabs=1e-11
    )
    actual = divergences.gaussian_kl(jnp.asarray([mean]), jnp.asarray([log_var]))
    np.testing.assert_allclose(actual, integral, atol=1e-8)


def test_gaussian_kl_is_the_mean_of_log_q_minus_log_p(gaussians):
    mean, log_var, prior_mean, prior_log_var = gaussians
    noise = jax.random.normal(jax.random.key(0), (200_000, B, L))
    z = mean[None] + jnp.exp(0.5 * log_var)[None] * noise
    log_q = distributions.gaussian_log_prob(mean[None], log_var[None], z, 1)
    for log_p, kl in [
        (distributions.gaussian_log_prob(0.0, 0.0, z, 1), divergences.gaussian_kl(mean, log_var)),
        (
            distributions.gaussian_log_prob(prior_mean[None], prior_log_var[None], z, 1),
            divergences.gaussian_kl_between(mean, log_var, prior_mean, prior_log_var),
        ),
    ]:
        draws = np.asarray(log_q - log_p)
        standard_error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
        np.testing.assert_array_less(np.abs(draws.mean(axis=0) - kl), 4.5 * standard_error)


def test_values_known_by_hand(float64):
    # A unit shift costs 1/2 nat a dimension; halving the standard deviation costs log 2 - 3/8.
    ones, zeros = jnp.ones((2, 3)), jnp.zeros((2, 3))
    np.testing.assert_allclose(divergences.gaussian_kl(ones, zeros), 1.5, rtol=1e-12)
    halved = divergences.gaussian_kl(zeros, zeros - 2 * np.log(2))
    np.testing.assert_allclose(halved, 3 * (np.log(2) - 0.375), rtol=1e-12)


def test_per_dim_sums_to_the_whole(gaussians):
    mean, log_var, *_ = gaussians
    per_dim = divergences.gaussian_kl_per_dim(mean, log_var)
    assert per_dim.shape == (B, L)
    np.testing.assert_allclose(per_dim.sum(axis=-1), divergences.gaussian_kl(mean, log_var), rtol=1e-12)
    alone = divergences.gaussian_kl(mean[:, 2:3], log_var[:, 2:3])
    np.testing.assert_allclose(per_dim[:, 2], alone, rtol=1e-12)


def test_full_with_a_diagonal_factor_is_the_diagonal_one(gaussians):
    mean, log_var, *_ = gaussians
    scale_tril = jnp.exp(0.5 * log_var)[:, :, None] * jnp.eye(L)[None]
    expected = divergences.gaussian_kl(mean, log_var)
    np.testing.assert_allclose(divergences.gaussian_kl_full(mean, scale_tril), expected, rtol=1e-10)


def test_full_does_not_change_under_rotation(gaussians, scale_tril):
    mean = gaussians[0]
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(L, L)))[0]
    covariance = rotation @ np.asarray(scale_tril @ scale_tril.mT) @ rotation.T
    rotated = divergences.gaussian_kl_full(mean @ rotation.T, jnp.asarray(np.linalg.cholesky(covariance)))
    np.testing.assert_allclose(rotated, divergences.gaussian_kl_full(mean, scale_tril), rtol=1e-8)


def test_between_itself_is_zero_and_between_the_prior_is_gaussian_kl(gaussians):
    mean, log_var, *_ = gaussians
    assert np.all(divergences.gaussian_kl_between(mean, log_var, mean, log_var) == 0.0)
    zeros = jnp.zeros((B, L))
    expected = divergences.gaussian_kl(mean, log_var)
    np.testing.assert_allclose(divergences.gaussian_kl_between(mean, log_var, zeros, zeros), expected)


def test_gradients_are_the_closed_ones(gaussians):
    mean, log_var, *_ = gaussians
    gradients = jax.grad(lambda *q: divergences.gaussian_kl(*q).sum(), argnums=(0, 1))(mean, log_var)
    np.testing.assert_allclose(gradients[0], mean, rtol=1e-10)
    np.testing.assert_allclose(gradients[1], 0.5 * (np.exp(log_var) - 1), rtol=1e-10)


def test_float32_keeps_a_collapsed_dimension():
    # With exp(log_var) - 1 this is 0 or 6e-8 in float32: nothing, or twenty times too much.
    kl = divergences.gaussian_kl_per_dim(jnp.zeros(1), jnp.full(1, 1e-3))
    np.testing.assert_allclose(kl, 2.5008336e-07, rtol=1e-3)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.floats(-8, 8, width=32), min_size=4, max_size=4))
def test_never_negative_in_float32(values):
    mean, log_var, prior_mean, prior_log_var = (jnp.full(1, value) for value in values)
    assert divergences.gaussian_kl(mean, log_var) >= -1e-7 * (1 + abs(values[1]))
    assert divergences.gaussian_kl_between(mean, log_var, prior_mean, prior_log_var) >= -1e-5
