"""Importance sampling where log p(x) is known, and its diagnostics against their definitions."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxae
from jaxae import keys, memory
from jaxae.estimators import importance as importance_module
from jaxae.estimators.importance import generalised_pareto_shape, importance, pareto_k
from jaxae.maths import bounds
from jaxae.types import Examples
from tests.linear_gaussian import COVARIANCE, EVIDENCE, GAIN, X, model

ROWS = Examples(jnp.asarray(X, jnp.float32), (), jnp.float32(1))
VAE, VARIABLES = model(jaxae.DiagonalGaussian(), 0.7 * GAIN, np.diag([0.4, 0.35]))


def test_the_bias_is_the_variance_of_the_weights_over_2_k() -> None:
    """log p(x) - E[IWELBO_k] -> Var(w / p(x)) / 2k, and E[(w / p)^2] = integral p(z|x)^2 / q(z|x)."""
    own = np.diag([0.4, 0.35]) ** 2
    difference = (X - np.asarray(VARIABLES.params["decoder"]["Dense_0"]["bias"])) @ (0.3 * GAIN).T
    precision, precision_q = np.linalg.inv(COVARIANCE), np.linalg.inv(own)
    both = 2 * precision - precision_q
    assert (np.linalg.eigvalsh(both) > 0).all(), "the weights have a variance"
    # p^2 / q is a Gaussian integral around z = E[z|x], with q's mean `difference` away.
    inner = np.linalg.inv(both)
    exponent = np.einsum(
        "bi,ij,bj->b", difference, precision_q @ inner @ precision_q + precision_q, difference
    )
    scale = np.linalg.det(precision) * np.sqrt(np.linalg.det(own) * np.linalg.det(inner))
    variance = scale * np.exp(0.5 * exponent) - 1
    k = 20
    seeds = [importance(VAE, VARIABLES, ROWS, keys.root(seed), k).iwelbo for seed in range(2000)]
    gaps = EVIDENCE - np.stack(seeds).astype(np.float64)
    error = gaps.std(axis=0) / np.sqrt(len(gaps))
    expected = variance / (2 * k)  # to first order
    assert (np.abs(gaps.mean(axis=0) - expected) < 5 * error + 0.1 * expected).all()
    assert (expected > 5 * error).any(), "the test can tell"


def test_neither_order_nor_chunks_change_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = importance(VAE, VARIABLES, ROWS, keys.root(0), 77)
    order = np.array([4, 2, 0, 5, 1])  # another order, one left out
    part = importance(VAE, VARIABLES, ROWS._replace(x=ROWS.x[order]), keys.root(0), 77)
    np.testing.assert_allclose(part.iwelbo, whole.iwelbo[order], rtol=1e-6)
    np.testing.assert_allclose(part.effective_sample_size, whole.effective_sample_size[order], rtol=1e-5)
    monkeypatch.setattr(memory, "MOST_AT_ONCE", {"cpu": 2})  # 39 chunks of two, the last sample not counted
    cut = importance(VAE, VARIABLES, ROWS, keys.root(0), 77)
    np.testing.assert_allclose(cut.iwelbo, whole.iwelbo, rtol=1e-6)
    np.testing.assert_allclose(cut.pareto_k, whole.pareto_k, rtol=1e-3)
    exact, variables = model(jaxae.FullGaussian(), GAIN, np.linalg.cholesky(COVARIANCE))
    weights = importance(exact, variables, ROWS, keys.root(0), 77)  # all are p(x)
    np.testing.assert_allclose(weights.iwelbo, EVIDENCE, atol=2e-3)
    np.testing.assert_allclose(weights.effective_sample_size, 77, rtol=2e-3)


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_pareto_k_finds_the_shape_of_a_pareto_tail(shape: float) -> None:
    draws = [stats.genpareto.rvs(shape, size=2000, random_state=seed) for seed in range(20)]
    found = [generalised_pareto_shape(each) for each in draws]
    fitted = [stats.genpareto.fit(each, floc=0)[0] for each in draws[:3]]
    assert np.mean(found) == pytest.approx(shape, abs=0.03)
    np.testing.assert_allclose(found[:3], fitted, atol=0.05)


def test_pareto_k_of_many_rows_is_that_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of any size; equal weights have no tail, and what is no number stays none."""
    largest = -np.sort(-np.random.RandomState(0).randn(7, 14).astype(np.float32), axis=1)
    largest[2], largest[3] = 0.5, np.nan
    whole = pareto_k(largest, 64)
    excesses = np.exp(largest.astype(np.float64) - largest[:, :1])
    excesses = excesses[:, :-1] - excesses[:, -1:]
    alone = [generalised_pareto_shape(each) for each in excesses]
    np.testing.assert_array_equal(whole, alone)
    assert whole[2] == -np.inf and np.isnan(whole[3]) and np.isfinite(np.delete(whole, [2, 3])).all()
    monkeypatch.setattr(importance_module, "MOST_NUMBERS", 500)
    np.testing.assert_array_equal(pareto_k(largest, 64), whole)


def test_pareto_k_tells_a_good_proposal_from_a_bad_one() -> None:
    wide, wide_variables = model(jaxae.DiagonalGaussian(), GAIN, np.diag([1.0, 1.0]))
    narrow, narrow_variables = model(jaxae.DiagonalGaussian(), GAIN, np.diag([0.05, 0.05]))
    good = importance(wide, wide_variables, ROWS, keys.root(0), 2000)
    bad = importance(narrow, narrow_variables, ROWS, keys.root(0), 2000)
    assert (good.pareto_k < 0.5).all() and (bad.pareto_k > 0.7).mean() > 0.5
    assert (good.effective_sample_size > bad.effective_sample_size).all()
    assert np.isnan(importance(wide, wide_variables, ROWS, keys.root(0), 10).pareto_k).all()


def test_the_effective_sample_size_is_bounds() -> None:
    vae, variables = model(jaxae.FullGaussian(), GAIN, np.linalg.cholesky(COVARIANCE))
    exact = importance(vae, variables, ROWS, keys.root(0), 40)
    np.testing.assert_allclose(exact.effective_sample_size, 40, rtol=1e-4)  # all weights are p(x)
    np.testing.assert_allclose(exact.iwelbo, EVIDENCE, rtol=1e-4)
    assert float(bounds.effective_sample_size(jnp.zeros((40, 1)))[0]) == pytest.approx(40)
