"""The mathematics of a user's own classes, each by another route: SciPy, a sum over all values, a grid."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import jaxae
from jaxae import keys, protocols
from tests import small
from tests.outside import members, parts

B, L, S = 4, 3, 5
RANDOM = np.random.RandomState(0)


def numbers(*shape: int) -> jax.Array:
    return jnp.asarray(RANDOM.randn(*shape), jnp.float32)


def batch(num: int = B) -> jaxae.Batch:
    return jaxae.Batch(jnp.asarray(small.images(num) / 255, jnp.float32), jnp.asarray(small.labels(num)))


def close(found: Any, expected: Any, rtol: float = 2e-5) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=rtol, atol=1e-5)


def test_a_decay_is_an_exponential() -> None:
    steps = np.array([0, 3, 70])
    close(parts.Decay(start=2.0, rate=0.1)(steps), 2 * np.exp(-0.1 * steps))


def test_sign_descent_moves_by_its_rate() -> None:
    optimizer = parts.SignDescent(learning_rate=parts.Decay(start=0.5, rate=np.log(2))).build()
    state, params = optimizer.init(jnp.zeros(3)), jnp.zeros(3)
    for expected in (0.5, 0.25):
        updates, state = optimizer.update(jnp.array([3.0, -0.1, 0.0]), state, params)
        close(updates, [-expected, expected, 0])


def test_the_laplace_likelihood_is_that_of_scipy() -> None:
    x, mean = numbers(B, 2, 2, 1), numbers(B, 2, 2, 1)
    likelihood = parts.Laplace(initial_scale=0.4)
    parameters = likelihood.parameters(mean, likelihood.init())
    expected = st.laplace(np.asarray(mean), 0.4).logpdf(np.asarray(x)).sum(axis=(1, 2, 3))
    close(likelihood.log_prob(parameters, x, 3), expected)
    close(likelihood.distortion(parameters, x, 3), -expected)
    many = likelihood.parameters(jnp.full((4000, 1), 0.3), likelihood.init())
    assert st.kstest(likelihood.sample(many, keys.root(0))[:, 0], st.laplace(0.3, 0.4).cdf).pvalue > 1e-3


@pytest.mark.parametrize("tilt", [-40.0, -0.3, -0.19, 1e-4, 0.0, 0.21, 5.0])
def test_the_tilted_uniform_is_a_density_with_its_mean(tilt: float) -> None:
    """On a grid of 20,001 points by Simpson's rule."""
    x, likelihood = np.linspace(0, 1, 20_001), parts.TiltedUniform()
    parameters = likelihood.parameters(jnp.full(x.shape, tilt))
    density = np.exp(np.asarray(likelihood.log_prob(parameters, jnp.asarray(x, jnp.float32), 0), np.float64))
    weights = np.r_[1, np.tile([4, 2], 10_000)[:-1], 1] / (3 * 20_000)
    close(weights @ density, 1, rtol=1e-4)
    close(likelihood.mean(parameters)[0], weights @ (density * x), rtol=1e-4)
    close(likelihood.distortion(parameters, jnp.asarray(x, jnp.float32), 0)[0], -np.log(density[0]))


def test_the_binomial_is_that_of_scipy_and_sums_to_one() -> None:
    likelihood, levels = parts.Binomial(num_levels=6), np.arange(6)
    parameters = likelihood.parameters(jnp.full(6, 0.7))
    log_prob = likelihood.log_prob(parameters, jnp.asarray(levels / 5, jnp.float32), 0)
    close(log_prob, st.binom(5, 1 / (1 + np.exp(-0.7))).logpmf(levels))
    close(np.exp(log_prob).sum(), 1)
    close(likelihood.mean(parameters)[0], np.exp(log_prob) @ (levels / 5))


def test_the_absolute_error_is_a_sum() -> None:
    x, mean = numbers(B, 5), numbers(B, 5)
    error = parts.AbsoluteError()
    close(
        error.distortion(error.parameters(mean), x, 1), np.abs(np.asarray(x) - np.asarray(mean)).sum(axis=1)
    )


def drawn(posterior: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs, five draws of each example and their log q, of moderate scale."""
    outputs = 0.5 * numbers(B, posterior.num_outputs(L))
    z, log_prob = posterior.sample(outputs, keys.root(1), S)
    assert z.shape == (S, B, L) and log_prob.shape == (S, B)
    return np.asarray(outputs, np.float64), np.asarray(z, np.float64), np.asarray(log_prob)


SCIPY: dict[Any, Any] = {
    parts.IsotropicGaussian(): lambda out: st.norm(out[:, :L], np.exp(out[:, L:] / 2)),
    parts.LaplacePosterior(): lambda out: st.laplace(out[:, :L], np.exp(out[:, L:])),
    parts.LogisticPosterior(): lambda out: st.logistic(out[:, :L], np.exp(out[:, L:])),
}


@pytest.mark.parametrize("posterior", SCIPY, ids=lambda each: type(each).__name__)
def test_densities_of_posteriors_are_those_of_scipy(posterior: Any) -> None:
    outputs, z, log_prob = drawn(posterior)
    expected = SCIPY[posterior](outputs)
    close(log_prob, expected.logpdf(z).sum(axis=-1))
    close(posterior.log_prob(jnp.asarray(outputs, jnp.float32), jnp.asarray(z, jnp.float32)), log_prob)
    close(posterior.mean(jnp.asarray(outputs, jnp.float32)), expected.mean())
    many, _ = posterior.sample(jnp.asarray(outputs[:1], jnp.float32), keys.root(3), 4000)
    assert st.kstest(np.asarray(many)[:, 0, 0], _first_of(posterior, outputs).cdf).pvalue > 1e-3


def _first_of(posterior: Any, outputs: np.ndarray) -> Any:
    """The distribution of the first example's first dimension."""
    spread = outputs[0, L]
    kinds = {
        "IsotropicGaussian": st.norm(outputs[0, 0], np.exp(spread / 2)),
        "LaplacePosterior": st.laplace(outputs[0, 0], np.exp(spread)),
        "LogisticPosterior": st.logistic(outputs[0, 0], np.exp(spread)),
    }
    return kinds[type(posterior).__name__]


def test_shared_noise_is_a_gaussian_of_its_covariance() -> None:
    outputs, z, log_prob = drawn(parts.SharedNoise())
    for row, (mean, direction, log_std) in enumerate(
        zip(outputs[:, :L], outputs[:, L:-1], outputs[:, -1], strict=True)
    ):
        covariance = np.exp(2 * log_std) * np.eye(L) + np.outer(direction, direction)
        close(log_prob[:, row], st.multivariate_normal(mean, covariance).logpdf(z[:, row]))
        trace, log_det = np.trace(covariance), np.linalg.slogdet(covariance)[1]
        kl = parts.SharedNoise().kl(jnp.asarray(outputs, jnp.float32))[row]
        close(kl, (trace + mean @ mean - L - log_det) / 2)


def test_the_sinh_posterior_is_a_change_of_variables() -> None:
    outputs, z, log_prob = drawn(parts.SinhPosterior())
    start = st.norm(outputs[:, :L], np.exp(outputs[:, L:] / 2))
    close(log_prob, (start.logpdf(np.arcsinh(z)) - np.log1p(z**2) / 2).sum(axis=-1))
    grid = np.linspace(-12, 12, 20_001)[:, None, None]
    mean = (start.pdf(grid) * np.sinh(grid)).sum(axis=0) * (grid[1] - grid[0])
    close(parts.SinhPosterior().mean(jnp.asarray(outputs, jnp.float32)), mean)


@pytest.mark.parametrize("posterior", [parts.IsotropicGaussian(), parts.LaplacePosterior()], ids=str)
def test_closed_kls_are_those_of_a_grid(posterior: Any) -> None:
    outputs = np.asarray(0.5 * numbers(B, posterior.num_outputs(L)), np.float64)
    q, grid = SCIPY[posterior](outputs), np.linspace(-30, 30, 400_001)[:, None, None]
    kl = (q.pdf(grid) * (q.logpdf(grid) - st.norm.logpdf(grid))).sum(axis=0) * (grid[1] - grid[0])
    close(posterior.kl_per_dim(jnp.asarray(outputs, jnp.float32)), kl, rtol=1e-4)
    close(posterior.kl(jnp.asarray(outputs, jnp.float32)), kl.sum(axis=-1), rtol=1e-4)


def test_priors_are_those_of_scipy() -> None:
    z, mean, log_var = numbers(S, B, L), numbers(3, L), numbers(3, L)

    def components(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        assert x.shape == (3, 2)
        return mean, log_var

    each = [st.norm(m, np.exp(v / 2)).logpdf(z).sum(axis=-1) for m, v in zip(mean, log_var, strict=True)]
    expected = {
        parts.UnitNormal(): st.norm.logpdf(z).sum(axis=-1),
        parts.LogisticPrior(): st.logistic(0, np.exp(-0.5)).logpdf(z).sum(axis=-1),
        parts.PseudoInputs(): np.log(np.mean(np.exp(each), axis=0)),
    }
    for prior, log_prob in expected.items():
        params = prior.init(keys.root(0), L, (2,))
        close(prior.log_prob(params, z, components), log_prob)
        many = np.asarray(prior.sample(params, keys.root(1), (3000, L), components))
        mixture = np.mean(
            [[m[0], m[0] ** 2 + np.exp(v[0])] for m, v in zip(mean, log_var, strict=True)], axis=0
        )
        moments = {"UnitNormal": (0, 1), "LogisticPrior": (0, np.pi**2 / 3 / np.e), "PseudoInputs": mixture}
        first, second = moments[type(prior).__name__]
        error = 5 * many[:, 0].std() / np.sqrt(3000)
        assert many.shape == (3000, L) and abs(many[:, 0].mean() - first) < error
        assert abs((many[:, 0] ** 2).mean() - second) < 5 * (many[:, 0] ** 2).std() / np.sqrt(3000)


def test_quantisers_give_the_nearest_of_their_codes() -> None:
    vectors = numbers(B, 2, 2)
    for quantiser in (parts.SignQuantiser(), parts.CountingCodebook()):
        variables = quantiser.init(keys.root(0), 2)
        table = quantiser.embed(variables, jnp.arange(quantiser.num_codes)[None])[0]
        nearest = ((np.asarray(vectors)[:, :, None] - np.asarray(table)) ** 2).sum(axis=-1).argmin(axis=-1)
        found = quantiser.quantise(variables, vectors, keys.root(1))
        assert (np.asarray(found.tokens) == nearest).all()
        close(found.values, np.asarray(table)[nearest])
        assert set(found.terms) == set(quantiser.weights(jnp.zeros((), jnp.int32)))
    assert np.asarray(found.extra["uses"]).tolist() == np.bincount(nearest.ravel(), minlength=4).tolist()


def test_conditions_give_ids_below_their_size() -> None:
    assert parts.Parity().ids(jnp.array([0, 1, 2])).tolist() == [[0], [1], [0]]
    pair = parts.WordPair(num_words=3)
    assert pair.ids(jnp.array([[0, 0], [2, 1]])).tolist() == [[0, 3], [2, 4]] and pair.size == 6
    words = members.ROWS._replace(
        train=members.ROWS.train._replace(y=jnp.zeros((5, 2), jnp.int32)), tokenizer=members.TOKENS
    )
    assert parts.WordPair().fitted(words) == parts.WordPair(num_words=4)
    with pytest.raises(jaxae.JaxaeError, match="captions of two words"):
        parts.WordPair().fitted(members.ROWS)


def test_erased_rows_are_neighbours_and_as_many_as_asked_for() -> None:
    x = jnp.ones((200, 4, 4, 1))
    corrupted, chosen = map(np.asarray, parts.ErasedRows(least=1, most=3).corrupt(x, keys.root(0)))
    assert (corrupted == np.where(chosen, 0, 1)).all() and (chosen == chosen[:, :, :1]).all()
    rows = chosen[:, :, 0, 0]
    assert set(rows.sum(axis=1)) == {1, 2, 3} and rows.any(axis=0).all()
    assert (np.abs(np.diff(np.pad(rows.astype(int), ((0, 0), (1, 1))), axis=1)).sum(axis=1) == 2).all()


def test_perceptual_losses_are_zero_for_equal_images_and_learn_by_themselves() -> None:
    x, y = batch().x, batch().x[::-1]
    for loss in (parts.EdgeDistance(), parts.BrightnessFeatures()):
        variables = loss.init(keys.root(0), x)
        close(loss.distances(variables, x, x), np.zeros(B))
        assert (np.asarray(loss.distances(variables, x, y)) > 0).all()

        def total(params: Any, x: Any, variables: Any = variables, loss: Any = loss) -> Any:
            own = variables._replace(params=params)
            return loss.distances(own, x, y).sum()

        of_params, of_x = jax.grad(total, argnums=(0, 1))(variables.params, x)
        assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(of_params))
        assert (np.asarray(of_x) != 0).any()


def test_what_is_taken_from_the_data_is_their_mean_and_the_tokens_size() -> None:
    close(members.ProbabilisticPCA().fitted(members.ROWS).pixel_mean, np.full(16, 51 / 255))
    found = members.MarkovTokens().fitted(members.ROWS._replace(tokenizer=members.TOKENS))
    assert (found.num_codes, found.num_positions) == (4, 2)
    with pytest.raises(jaxae.JaxaeError, match="MarkovTokens learns tokens"):
        members.MarkovTokens().fitted(members.ROWS)


def test_probabilistic_pca_has_the_density_of_its_covariance() -> None:
    model = members.ProbabilisticPCA(pixel_mean=tuple(map(float, range(16))), num_examples=50)
    variables = model.init(keys.root(0), batch())
    w, std = (np.asarray(variables.params["decoder"][name], np.float64) for name in ("w", "log_std"))
    covariance = w.T @ w + np.exp(2 * std) * np.eye(16)
    rows = np.asarray(batch().x, np.float64).reshape(B, -1)
    expected = st.multivariate_normal(np.arange(16.0), covariance).logpdf(rows)
    close(model.log_prob(variables, batch()), expected, rtol=1e-4)
    terms, _ = model.terms(variables, batch(), keys.root(1))
    close(terms["decay"], np.full(B, (w**2).sum() / (2 * 9 * 50)))


def test_a_density_without_codes_is_that_of_scipy() -> None:
    model = members.IndependentPixels()
    variables = jaxae.Variables({"logits": numbers(4, 4, 1)})
    x = jnp.round(batch().x)
    chance = st.bernoulli(1 / (1 + np.exp(-np.asarray(variables.params["logits"], np.float64))))
    close(model.log_prob(variables, jaxae.Batch(x)), chance.logpmf(np.asarray(x)).sum(axis=(1, 2, 3)))


def test_batch_normalisation_is_evaluated_by_running_averages() -> None:
    """By NumPy, from the weights alone."""
    model = members.NormalisedAE(data_shape=(4, 4, 1))
    variables = model.init(keys.root(0), batch())
    _, extra = model.terms(variables, batch(), keys.root(1))
    code = np.asarray(batch().x).reshape(B, -1) @ np.asarray(variables.params["net"]["code"]["kernel"])
    close(extra["norm"]["mean"], 0.1 * code.mean(axis=0))
    close(extra["norm"]["var"], 0.9 + 0.1 * code.var(axis=0))
    normal = (code - np.asarray(extra["norm"]["mean"])) / np.sqrt(np.asarray(extra["norm"]["var"]) + 1e-5)
    evaluated = variables._replace(extra=extra)
    close(model.encode(evaluated, batch()), np.maximum(normal, 0), rtol=1e-4)
    again = np.maximum(normal, 0) @ np.asarray(variables.params["net"]["out"]["kernel"])
    error = np.abs(np.asarray(batch().x).reshape(B, -1) - again).sum(axis=1)
    close(model.evaluation_terms(evaluated, batch(), keys.root(2))["distortion"], error, rtol=1e-4)


@pytest.mark.parametrize("condition", [None, parts.Parity(), parts.WordPair(num_words=2)], ids=str)
@pytest.mark.parametrize("cls", [members.MarkovTokens, members.SummingTokens])
def test_probabilities_of_all_sequences_sum_to_one(cls: Any, condition: Any) -> None:
    model = cls(condition=condition, num_codes=3, num_positions=3)
    tokens = np.array(list(itertools.product(range(3), repeat=3)), np.float32)
    y: Any = () if condition is None else jnp.ones((27, 2) if condition.length == 2 else 27, jnp.int32)
    variables = model.init(keys.root(0), jaxae.Batch(jnp.asarray(tokens), y))
    log_prob = np.asarray(model.log_prob(variables, jaxae.Batch(jnp.asarray(tokens), y)), np.float64)
    close(np.exp(log_prob).sum(), 1)
    assert isinstance(model, protocols.TokenModel)
