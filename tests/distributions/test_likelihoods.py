"""Oracles: decimals of 800 digits, scipy, numpyro, enumeration of all binary images, quadrature, PCA."""

import itertools
from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

from jaxae import distributions
from jaxae.distributions import Bernoulli, Gaussian, SquaredError
from jaxae.protocols import HasSupport, Likelihood, Reconstruction

EXTREME = [-800.0, -88.0, -30.0, -1.0, -0.0, 0.0, 1e-3, 1.0, 30.0, 88.0, 800.0]
PIXELS = [0.0, 0.3, 1.0]
SPECS = [Bernoulli(), Gaussian(std=0.7), SquaredError()]


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def exact_bernoulli(logit, x):
    """(log-probability, its gradient, its curvature) by the textbook formula in 800 digits."""
    with localcontext() as context:
        context.prec = 800
        logit, x = Decimal(float(logit)), Decimal(float(x))
        p = 1 / (1 + (-logit).exp())
        log_prob = x * p.ln() + (1 - x) * (1 - p).ln()
        return float(log_prob), float(x - p), float(-p * (1 - p))


def bernoulli(logit, x):
    return distributions.bernoulli_log_prob(logit, x, 0)


@pytest.mark.parametrize("x", PIXELS)
@pytest.mark.parametrize("logit", EXTREME)
def test_bernoulli_is_exact_with_its_derivatives_at_every_logit(logit, x):
    logit, x = jnp.float32(logit), jnp.float32(x)
    log_prob, gradient, curvature = exact_bernoulli(logit, x)
    np.testing.assert_allclose(bernoulli(logit, x), log_prob, rtol=1e-6, atol=1e-37)
    np.testing.assert_allclose(jax.grad(bernoulli)(logit, x), gradient, rtol=1e-6, atol=2e-7)
    np.testing.assert_allclose(jax.grad(jax.grad(bernoulli))(logit, x), curvature, rtol=1e-5, atol=1e-37)


def test_bernoulli_in_float64_is_exact(float64):
    for logit, x in itertools.product(EXTREME, PIXELS):
        expected = exact_bernoulli(logit, x)[0]
        np.testing.assert_allclose(bernoulli(jnp.asarray(logit), jnp.asarray(x)), expected, rtol=1e-14)


def test_bernoulli_is_numpyros(float64):
    rng = np.random.default_rng(0)
    logits, x = jnp.asarray(rng.normal(size=(5, 7)) * 3), jnp.asarray(rng.integers(0, 2, (5, 7)) * 1.0)
    expected = dist.Bernoulli(logits=logits).to_event(1).log_prob(x)
    np.testing.assert_allclose(distributions.bernoulli_log_prob(logits, x, 1), expected, rtol=1e-8)


def test_bernoulli_sums_to_one_over_all_binary_images(float64):
    images = jnp.asarray(list(itertools.product([0.0, 1.0], repeat=10)))
    logits = jnp.asarray(np.random.default_rng(1).normal(size=10) * 2)
    log_probs = distributions.bernoulli_log_prob(logits[None], images, 1)
    np.testing.assert_allclose(jnp.exp(log_probs).sum(), 1.0, rtol=1e-10)
    mean = Bernoulli().mean({"logits": logits})
    np.testing.assert_allclose(jnp.exp(log_probs) @ images, mean, rtol=1e-10)


def test_bernoulli_of_grey_pixels_has_their_entropy_as_floor(float64):
    x = jnp.asarray([0.1, 0.5, 0.8])
    best = jnp.log(x) - jnp.log1p(-x)
    entropy = stats.entropy([x, 1 - x]).sum()
    np.testing.assert_allclose(-distributions.bernoulli_log_prob(best, x, 1), entropy, rtol=1e-10)
    assert -distributions.bernoulli_log_prob(best + 0.1, x, 1) > entropy


def test_gaussian_is_scipys(float64):
    rng = np.random.default_rng(2)
    mean, log_var, x = rng.normal(size=(3, 4, 5))
    expected = stats.norm(mean, np.exp(0.5 * log_var)).logpdf(x).sum(axis=-1)
    actual = distributions.gaussian_log_prob(jnp.asarray(mean), jnp.asarray(log_var), jnp.asarray(x), 1)
    np.testing.assert_allclose(actual, expected, rtol=1e-8)


def test_gaussian_with_numbers_is_the_standard_normal(float64):
    z = np.random.default_rng(3).normal(size=(4, 5))
    expected = stats.multivariate_normal(np.zeros(5), np.eye(5)).logpdf(z)
    np.testing.assert_allclose(
        distributions.gaussian_log_prob(0.0, 0.0, jnp.asarray(z), 1), expected, rtol=1e-8
    )


@pytest.mark.parametrize("log_var", [-3.0, 0.0, 1.3])
def test_gaussian_integrates_to_one(float64, log_var):
    def density(x):
        return np.exp(distributions.gaussian_log_prob(0.4, log_var, jnp.asarray(x), 0))

    grid = np.linspace(-15, 15, 20_001)
    np.testing.assert_allclose(integrate.simpson(density(grid), x=grid), 1.0, atol=1e-10)


@pytest.mark.parametrize("event", [(), (6,), (4, 3, 2)])
@pytest.mark.parametrize("batch", [(5,), (3, 5)])
def test_only_the_axes_of_an_example_are_summed(batch, event):
    ones = jnp.ones((*batch, *event))
    squared = distributions.SquaredError().distortion({"mean": 0 * ones}, ones, len(event))
    assert squared.shape == batch
    assert np.all(squared == np.prod(event))
    assert distributions.bernoulli_log_prob(ones, ones, len(event)).shape == batch
    assert distributions.gaussian_log_prob(ones, 0.0, ones, len(event)).shape == batch


@pytest.mark.parametrize("likelihood", SPECS)
def test_samples_of_images_meet_the_image(likelihood):
    rng = np.random.default_rng(4)
    outputs = jnp.asarray(rng.normal(size=(3, 5, 4, 4, 1)), jnp.float32)
    x = jnp.asarray(rng.uniform(size=(5, 4, 4, 1)), jnp.float32)
    distortion = likelihood.distortion(likelihood.parameters(outputs), x[None], 3)
    assert distortion.shape == (3, 5)
    alone = likelihood.distortion(likelihood.parameters(outputs[1]), x, 3)
    np.testing.assert_allclose(distortion[1], alone, rtol=1e-6)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian(std=0.7)])
def test_distortion_of_a_density_is_minus_its_log_prob(likelihood):
    outputs, x = jnp.asarray([[0.3, -2.0]]), jnp.asarray([[1.0, 0.0]])
    parameters = likelihood.parameters(outputs)
    distortion = likelihood.distortion(parameters, x, 1)
    np.testing.assert_array_equal(distortion, -likelihood.log_prob(parameters, x, 1))
    assert distortion > 0


def test_specs_say_what_they_are():
    assert [isinstance(spec, Likelihood) for spec in SPECS] == [True, True, False]
    assert [isinstance(spec, Reconstruction) for spec in SPECS] == [True, True, True]
    assert [isinstance(spec, HasSupport) for spec in SPECS] == [True, False, False]
    assert SPECS[0].support == "unit interval"
    assert [hasattr(spec, "log_prob") for spec in SPECS] == [True, True, False]
    assert [list(spec.parameters(jnp.zeros(1))) for spec in SPECS] == [["logits"], ["mean"], ["mean"]]
    assert jax.tree.leaves(SPECS) == [0.7]


@pytest.mark.parametrize("likelihood", SPECS)
def test_distortion_is_least_where_the_mean_is_the_image(likelihood):
    x = jnp.asarray([0.2, 0.9])
    outputs = jnp.log(x) - jnp.log1p(-x) if isinstance(likelihood, Bernoulli) else x
    np.testing.assert_allclose(likelihood.mean(likelihood.parameters(outputs)), x, rtol=1e-5)
    slope = jax.grad(lambda outputs: likelihood.distortion(likelihood.parameters(outputs), x, 1))(outputs)
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)


def test_gaussian_distortion_is_the_squared_error_over_twice_the_variance_and_a_constant(float64):
    rng = np.random.default_rng(5)
    mean, x = jnp.asarray(rng.normal(size=(2, 3, 8)))
    energy = SquaredError().distortion({"mean": mean}, x, 1)
    for std in (0.1, 1.0, 2.5):
        expected = energy / (2 * std**2) + 4 * np.log(2 * np.pi * std**2)
        actual = Gaussian(std=std).distortion({"mean": mean}, x, 1)
        np.testing.assert_allclose(actual, expected, rtol=1e-8)


def test_the_best_std_is_the_root_mean_squared_error(float64):
    # Rybkin et al., 2021 (arXiv 2006.13202): a closed form in which every constant of the density counts.
    mean, x = jnp.asarray(np.random.default_rng(6).normal(size=(2, 1, 50)))
    best = Gaussian(std=float(jnp.sqrt(jnp.mean((x - mean) ** 2))))
    slope = jax.grad(lambda spec: spec.distortion({"mean": mean}, x, 1).sum())(best)
    np.testing.assert_allclose(slope.std, 0.0, atol=1e-8)


def test_squared_error_of_pca_is_the_sum_of_the_variances_left_out(float64):
    data = np.random.default_rng(7).normal(size=(60, 9)) @ np.random.default_rng(8).normal(size=(9, 9))
    centred = data - data.mean(axis=0)
    _, singular, components = np.linalg.svd(centred, full_matrices=False)
    reconstruction = data.mean(axis=0) + centred @ components[:4].T @ components[:4]
    errors = SquaredError().distortion({"mean": jnp.asarray(reconstruction)}, jnp.asarray(data), 1)
    np.testing.assert_allclose(errors.mean(), (singular[4:] ** 2).sum() / 60, rtol=1e-8)


def test_discretised_logistic_masses_sum_to_one_over_the_levels() -> None:
    """Scales from a thousandth to a hundred times the range, locations far outside it too."""
    with jax.enable_x64():
        levels = jnp.arange(256)[:, None] / 255
        mean = jnp.asarray([[-3.0, 0.0, 0.2, 0.5, 1.0, 4.0]])
        for log_scale in (-7.0, -3.0, 0.0, 4.6):
            log_mass = distributions.discretised_logistic_log_prob(
                mean, jnp.full((1, 6), log_scale), levels, 0
            )
            assert bool(jnp.isfinite(log_mass).all())
            np.testing.assert_allclose(jnp.exp(log_mass).sum(axis=0), 1, rtol=1e-8)


def test_discretised_logistic_is_scipys_difference() -> None:
    levels, mean, scale = np.arange(4) / 3, 0.4, 0.2
    logistic = stats.logistic(mean, scale)
    edges = np.array([-np.inf, *((np.arange(3) + 0.5) / 3), np.inf])
    expected = np.log(np.diff(logistic.cdf(edges)))
    mass = distributions.discretised_logistic_log_prob(
        jnp.full(4, mean), jnp.full(4, np.log(scale)), jnp.asarray(levels), 0, num_levels=4
    )
    np.testing.assert_allclose(mass, expected, rtol=1e-5)


def test_categorical_is_the_softmax_at_the_level() -> None:
    logits = np.random.RandomState(0).randn(2, 3, 5)
    x = np.array([[0, 2, 4], [1, 1, 3]]) / 4
    log_softmax = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = [sum(log_softmax[row, i, round(4 * x[row, i])] for i in range(3)) for row in range(2)]
    found = distributions.categorical_log_prob(jnp.asarray(logits), jnp.asarray(x), 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("cls", [distributions.DiscretisedLogistic, distributions.Categorical])
def test_the_mean_of_a_discrete_likelihood_is_its_expectation(cls: type) -> None:
    likelihood = cls(num_levels=5)
    shape = likelihood.output_shape((2, 2, 1))
    outputs = jnp.asarray(np.random.RandomState(1).randn(3, *shape), jnp.float32)
    parameters = likelihood.parameters(outputs)
    levels = np.arange(5) / 4
    mass = [
        np.exp(
            likelihood.log_prob(jax.tree.map(lambda leaf: leaf, parameters), jnp.full((3, 2, 2, 1), level), 0)
        )
        for level in levels
    ]
    np.testing.assert_allclose(
        likelihood.mean(parameters), np.tensordot(levels, mass, 1), rtol=1e-4, atol=1e-5
    )


def test_the_learned_std_is_best_at_the_root_of_the_mean_squared_error() -> None:
    """sigma-VAE: sigma*^2 = MSE, here by the gradient's root."""
    random = np.random.RandomState(2)
    x, outputs = (jnp.asarray(random.rand(40, 4, 4, 1), jnp.float32) for _ in range(2))
    likelihood = distributions.LearnedGaussian(min_std=1e-4)
    best = float(jnp.log(((x - outputs) ** 2).mean()))

    def loss(log_var: jax.Array) -> jax.Array:
        return likelihood.distortion(likelihood.parameters(outputs, {"log_var": log_var}), x, 3).mean()

    assert abs(float(jax.grad(loss)(jnp.float32(best)))) < 1e-3
    assert float(jax.grad(loss)(jnp.float32(best + 0.1))) > 0 > float(jax.grad(loss)(jnp.float32(best - 0.1)))


def test_a_pixels_variance_has_its_floor() -> None:
    likelihood = distributions.PixelGaussian(min_std=0.1)
    outputs = jnp.concatenate([jnp.zeros((1, 4, 4, 1)), jnp.full((1, 4, 4, 1), -200.0)], axis=-1)
    np.testing.assert_allclose(jnp.exp(0.5 * likelihood.parameters(outputs)["log_var"]), 0.1, rtol=1e-5)
