"""Oracles: a linear Gaussian model, in which log p(x), the posterior and every gap have a closed form."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import special, stats

from jaxae import distributions
from jaxae.errors import JaxaeError
from jaxae.maths import bounds, divergences

B, D, L, STD = 3, 6, 2, 0.8
INF = np.inf


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


class Model(NamedTuple):
    """z ~ N(0, I), x|z ~ N(W z + b, STD^2 I); W has orthogonal columns, so the posterior is diagonal."""

    w: np.ndarray  # [D, L]
    b: np.ndarray  # [D]
    x: np.ndarray  # [B, D]
    log_p: np.ndarray  # [B]
    posterior_mean: np.ndarray  # [B, L]
    posterior_log_var: np.ndarray  # [B, L]


@pytest.fixture
def model(float64):
    rng = np.random.default_rng(0)
    w = np.linalg.qr(rng.normal(size=(D, L)))[0] * np.array([1.5, 0.6])
    b = rng.normal(size=D)
    covariance = w @ w.T + STD**2 * np.eye(D)
    x = rng.multivariate_normal(b, covariance, size=B)
    log_p = stats.multivariate_normal(b, covariance).logpdf(x)
    posterior_covariance = np.linalg.inv(np.eye(L) + w.T @ w / STD**2)
    np.testing.assert_allclose(posterior_covariance[0, 1], 0.0, atol=1e-12)
    posterior_mean = (x - b) @ w @ posterior_covariance / STD**2
    posterior_log_var = np.tile(np.log(np.diag(posterior_covariance)), (B, 1))
    return Model(w, b, x, log_p, posterior_mean, posterior_log_var)


@pytest.fixture
def q(model):
    """A wrong posterior, wide enough for light-tailed weights: (mean, log_var), f64[B, L] each."""
    return jnp.asarray(model.posterior_mean + 0.2), jnp.asarray(model.posterior_log_var + 0.3)


def sample_log_weights(model, q, num_samples, seed=0):
    mean, log_var = (jnp.asarray(part)[None] for part in q)
    z = mean + jnp.exp(0.5 * log_var) * jax.random.normal(jax.random.key(seed), (num_samples, B, L))
    decoded = z @ model.w.T + model.b[None, None]
    return bounds.log_weight(
        distributions.gaussian_log_prob(decoded, 2 * np.log(STD), model.x[None], 1),
        distributions.gaussian_log_prob(0.0, 0.0, z, 1),
        distributions.gaussian_log_prob(mean, log_var, z, 1),
    )


def exact_elbo(model, q):
    """E_q[log p(x|z)] - KL(q || prior), by the moments of q."""
    mean, log_var = q
    residual = ((model.x - model.b - mean @ model.w.T) ** 2).sum(axis=-1)
    spread = (np.exp(log_var) * (model.w**2).sum(axis=0)).sum(axis=-1)
    log_likelihood = -0.5 * (D * np.log(2 * np.pi * STD**2) + (residual + spread) / STD**2)
    return log_likelihood - divergences.gaussian_kl(mean, log_var)


def test_with_the_exact_posterior_every_log_weight_is_log_p(model):
    log_weights = sample_log_weights(model, (model.posterior_mean, model.posterior_log_var), 7)
    np.testing.assert_allclose(log_weights, np.tile(model.log_p, (7, 1)), rtol=1e-8)
    for bound in (bounds.elbo, bounds.iwelbo, lambda w: bounds.iwelbo_of_groups(w, 7)):
        np.testing.assert_allclose(bound(log_weights), model.log_p, rtol=1e-8)
    np.testing.assert_allclose(bounds.effective_sample_size(log_weights), 7.0, rtol=1e-8)


def test_the_gap_of_the_exact_elbo_is_the_divergence_from_the_posterior(model, q):
    posterior = jnp.asarray(model.posterior_mean), jnp.asarray(model.posterior_log_var)
    gap = divergences.gaussian_kl_between(*q, *posterior)
    np.testing.assert_allclose(model.log_p - exact_elbo(model, q), gap, rtol=1e-8)


def test_elbo_estimates_the_exact_elbo(model, q):
    log_weights = sample_log_weights(model, q, 100_000)
    standard_error = log_weights.std(axis=0, ddof=1) / np.sqrt(len(log_weights))
    error = np.abs(bounds.elbo(log_weights) - exact_elbo(model, q))
    np.testing.assert_array_less(error, 4.5 * standard_error)
    assert np.all(standard_error < 0.01)


def test_bounds_rise_with_k_and_stay_below_log_p(model, q):
    log_weights = sample_log_weights(model, q, 64_000)
    curve = np.stack([bounds.iwelbo_of_groups(log_weights, k) for k in (1, 2, 10, 50)])
    np.testing.assert_array_less(curve[:-1], curve[1:])
    np.testing.assert_array_less(curve[:3], np.tile(model.log_p, (3, 1)))
    np.testing.assert_allclose(bounds.iwelbo(log_weights), model.log_p, atol=0.02)


def second_moment_of_weights(model, q):
    """E_q[(p(z|x) / q(z|x))^2], f64[B]."""
    mean, var = np.asarray(q[0]), np.exp(q[1])
    post_mean, post_var = model.posterior_mean, np.exp(model.posterior_log_var)
    a, b = 2 / post_var - 1 / var, 2 * post_mean / post_var - mean / var
    exponent = 0.5 * (b**2 / a - 2 * post_mean**2 / post_var + mean**2 / var)
    return (np.sqrt(var / a) / post_var * np.exp(exponent)).prod(axis=-1)


def test_the_bias_of_iwelbo_falls_as_the_variance_of_the_weights_over_2k(model, q):
    k, groups = 64, 4000
    expected = (second_moment_of_weights(model, q) - 1) / (2 * k)
    log_weights = sample_log_weights(model, q, k * groups).reshape(groups, k, B)
    excess = jax.vmap(bounds.iwelbo)(log_weights) - model.log_p[None]  # log of the mean weight
    # E[weight] = 1 makes the mean weight a control variate: the same mean, a hundredth of the variance.
    bias = np.asarray(jnp.expm1(excess) - excess)
    standard_error = bias.std(axis=0, ddof=1) / np.sqrt(groups)
    np.testing.assert_array_less(np.abs(bias.mean(axis=0) - expected), 4.5 * standard_error + 0.05 * expected)
    np.testing.assert_array_less(standard_error, 0.05 * expected)


def test_effective_sample_size_is_s_over_the_second_moment(model, q):
    log_weights = sample_log_weights(model, q, 100_000)
    share = bounds.effective_sample_size(log_weights) / len(log_weights)
    np.testing.assert_allclose(share, 1 / second_moment_of_weights(model, q), rtol=0.03)


@pytest.fixture
def log_weights(float64):
    return jnp.asarray(np.random.default_rng(1).normal(size=(12, B)) * 3)


def test_bounds_are_their_textbook_formulas(log_weights):
    np.testing.assert_allclose(bounds.elbo(log_weights), np.mean(log_weights, axis=0), rtol=1e-10)
    expected = np.log(np.mean(np.exp(log_weights), axis=0))
    np.testing.assert_allclose(bounds.iwelbo(log_weights), expected, rtol=1e-10)
    expected = special.logsumexp(log_weights, axis=0) - np.log(12)
    np.testing.assert_allclose(bounds.iwelbo(log_weights), expected, rtol=1e-10)
    weights = np.exp(log_weights)
    expected = weights.sum(axis=0) ** 2 / (weights**2).sum(axis=0)
    np.testing.assert_allclose(bounds.effective_sample_size(log_weights), expected, rtol=1e-10)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_a_factor_on_every_weight_shifts_the_bounds_and_keeps_the_sample_size(log_weights, shift):
    for bound in (bounds.elbo, bounds.iwelbo):
        np.testing.assert_allclose(bound(log_weights + shift), bound(log_weights) + shift, rtol=1e-12)
    size = bounds.effective_sample_size(log_weights)
    np.testing.assert_allclose(bounds.effective_sample_size(log_weights + shift), size, rtol=1e-8)


def test_iwelbo_of_equal_chunks_is_iwelbo_of_all(log_weights):
    chunks = jnp.stack([bounds.iwelbo(chunk) for chunk in jnp.split(log_weights, 3)])
    np.testing.assert_allclose(bounds.iwelbo(chunks), bounds.iwelbo(log_weights), rtol=1e-12)


def test_groups_of_one_are_the_elbo_and_one_group_is_iwelbo(log_weights):
    np.testing.assert_allclose(bounds.iwelbo_of_groups(log_weights, 1), bounds.elbo(log_weights))
    np.testing.assert_allclose(bounds.iwelbo_of_groups(log_weights, 12), bounds.iwelbo(log_weights))
    expected = np.log(np.exp(log_weights).reshape(3, 4, B).mean(axis=1)).mean(axis=0)
    np.testing.assert_allclose(bounds.iwelbo_of_groups(log_weights, 4), expected, rtol=1e-10)


@pytest.mark.parametrize("k", [-1, 0, 5, 13])
def test_groups_must_divide_the_samples(log_weights, k):
    with pytest.raises(JaxaeError, match=f"k: got {k}, expected a divisor of the number of samples, 12"):
        bounds.iwelbo_of_groups(log_weights, k)


def test_the_gradient_of_iwelbo_gives_the_better_sample_the_larger_weight(log_weights):
    gradient = jax.grad(lambda w: bounds.iwelbo(w).sum())(log_weights)
    np.testing.assert_allclose(gradient, special.softmax(log_weights, axis=0), rtol=1e-8)


# log-weights of one example, its ELBO, its IWELBO, its effective sample size
EDGES = [
    ([0.0, -INF], -INF, -np.log(2), 1.0),
    ([-INF, -INF], -INF, -INF, 0.0),
    ([np.log(1), np.log(2), np.log(3)], np.log(6) / 3, np.log(2), 36 / 14),
    ([0.0, -2000.0], -1000.0, -np.log(2), 1.0),
    ([-3.0], -3.0, -3.0, 1.0),
    ([0.0, np.nan], np.nan, np.nan, np.nan),
]


@pytest.mark.parametrize(("log_weights", "elbo", "iwelbo", "size"), EDGES)
def test_edges(log_weights, elbo, iwelbo, size):
    column = jnp.asarray(log_weights)[:, None]
    np.testing.assert_allclose(bounds.elbo(column), [elbo], rtol=1e-6)
    np.testing.assert_allclose(bounds.iwelbo(column), [iwelbo], rtol=1e-6)
    np.testing.assert_allclose(bounds.effective_sample_size(column), [size], rtol=1e-5)


def test_a_weight_of_zero_has_no_gradient_and_spoils_no_other():
    gradient = jax.grad(lambda w: bounds.iwelbo(w).sum())(jnp.asarray([[0.0], [-INF], [0.0]]))
    np.testing.assert_allclose(gradient, [[0.5], [0.0], [0.5]], rtol=1e-6)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(arrays.arrays(np.float32, (8, 2), elements=st.floats(-100, 100, width=32)))
def test_elbo_below_iwelbo_below_the_largest_and_nested_groups_in_order(log_weights):
    log_weights = jnp.asarray(log_weights)
    curve = np.stack([bounds.iwelbo_of_groups(log_weights, k) for k in (1, 2, 4, 8)])
    assert np.all(curve[:-1] <= curve[1:] + 1e-4)
    assert np.all(curve[-1] <= log_weights.max(axis=0) + 1e-4)
    assert np.all(curve[-1] >= log_weights.max(axis=0) - np.log(8) - 1e-4)
    size = bounds.effective_sample_size(log_weights)
    assert np.all((size >= 1 - 1e-3) & (size <= 8 + 1e-2))


def test_bits_per_dim():
    # A uniform choice of 256 grey values for each of 784 pixels costs 8 bits a pixel; the sign stays.
    np.testing.assert_allclose(bounds.bits_per_dim(784 * np.log(256), 784), 8.0, rtol=1e-6)
    np.testing.assert_allclose(bounds.bits_per_dim(jnp.asarray([-np.log(2) * 5]), 5), [-1.0], rtol=1e-6)
