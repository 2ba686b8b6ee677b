"""Bounds and errors of whole splits against other routes to the same numbers."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys, memory, schedules
from jaxae.estimators import scores
from jaxae.estimators.bound_scores import ELBO_SAMPLES, noise_key
from jaxae.estimators.evidence import elbo, log_weights_of
from jaxae.estimators.importance import generalised_pareto_shape
from jaxae.estimators.reconstruction import reconstruct
from jaxae.estimators.score_facts import as_columns, from_record, names_of, to_record
from jaxae.estimators.scores import columns_of_rows, facts_of_scores, known_facts, score
from jaxae.estimators.terms import Stream, all_terms, map_alone
from jaxae.maths import bounds
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.types import Batch, Examples
from tests import linear_gaussian, small

VAE = jaxae.VAE(
    encoder=jaxae.MLP(widths=(16,)),
    decoder=jaxae.MLP(widths=(16,)),
    latent_dim=2,
    likelihood=jaxae.Bernoulli(),
    data_shape=(4, 4, 1),
)
ROWS = Examples(jnp.asarray(small.images(40) > 127, jnp.uint8), (), jnp.float32(1))
BATCH = Batch(ROWS.x.astype(jnp.float32))


@pytest.fixture(scope="module")
def variables() -> jaxae.Variables:
    """A VAE with a latent plane, trained a little, so that its posterior is not the prior."""
    data = jaxae.DataSpec(num_validation=0, num_test=0)
    experiment = small.experiment(VAE, data=data, epochs=30, optimizer=jaxae.Adam(learning_rate=0.01))
    return jaxae.fit(experiment, np.asarray(ROWS.x)).variables


def elbos(*arguments: Any) -> jax.Array:
    """The ELBO of each row with so many draws, f32[N]; unlike scores, equal rows have independent noise."""
    return by_number(elbo, *arguments)


def iwelbos(*arguments: Any) -> jax.Array:
    """The IWELBO of each row with so many draws, f32[N]."""
    return by_number(lambda *of_row: bounds.iwelbo(log_weights_of(*of_row)), *arguments)


def by_number(bound: Any, autoencoder: Any, variables: Any, rows: Examples, key: Any, num: int) -> jax.Array:
    """`bound` of each row with `num` draws, f32[N]."""

    def of_row(batch: Batch, stream: Stream) -> jax.Array:
        return bound(autoencoder, variables, batch, stream.draws(num), num)

    return jax.jit(lambda rows: map_alone(of_row, rows, key, 100, by_content=False))(rows)


def log_evidence(variables: jaxae.Variables) -> np.ndarray:
    """log p(x) = log integral p(x|z) p(z) dz by quadrature over the plane, float64[N]."""
    axis = np.linspace(-6, 6, 241)
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    logits = np.asarray(VAE.decode(variables, jnp.asarray(z, jnp.float32))["logits"], np.float64).reshape(
        len(z), -1
    )
    x = np.asarray(BATCH.x, np.float64).reshape(len(BATCH.x), -1)
    log_likelihood = x @ logits.T - np.logaddexp(0, logits).sum(axis=1)
    log_prior = -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi)
    area = (axis[1] - axis[0]) ** 2
    return np.logaddexp.reduce(log_likelihood + log_prior + np.log(area), axis=1)


def test_bounds_rise_from_the_elbo_to_the_evidence(variables: jaxae.Variables) -> None:
    truth = log_evidence(variables).mean()
    often = ROWS._replace(x=jnp.tile(ROWS.x, (100, 1, 1, 1)))  # so that the noise is far below the gaps
    bounds = [elbos(VAE, variables, often, keys.root(0), 10)]
    bounds += [iwelbos(VAE, variables, often, keys.root(1), k) for k in (1, 3, 10, 1000)]
    means, errors = np.array([mean_and_error(bound.reshape(100, -1).mean(axis=1)) for bound in bounds]).T
    gaps = truth - means
    assert gaps[0] > 10 * errors[0], "a posterior that is exact would test nothing"
    assert abs(gaps[0] - gaps[1]) < 5 * np.hypot(errors[0], errors[1])  # k = 1 is the ELBO
    assert gaps[1] > gaps[2] > gaps[3] > gaps[4]
    # To first order the gap is Var(w) / (2 k): a hundredth of that of k = 10 is left at 1,000.
    assert abs(gaps[4]) < gaps[3] / 100 + 5 * errors[4]


def test_the_elbo_with_the_closed_rate_is_the_mean_log_weight(variables: jaxae.Variables) -> None:
    elbo = np.asarray(elbos(VAE, variables, ROWS, keys.root(0), 2000), np.float64)
    weights = jax.jit(lambda v, b, k: VAE.log_weights(v, b, k, 2000))(variables, BATCH, keys.root(1))
    weights = np.asarray(weights, np.float64)
    error = weights.std(axis=0) / np.sqrt(2000)
    assert (np.abs(elbo - weights.mean(axis=0)) < 5 * np.sqrt(2) * error).all()


def test_the_elbo_is_minus_distortion_minus_rate_whatever_beta_is(variables: jaxae.Variables) -> None:
    by_beta = [
        score(jaxae.specs.pytree.replace(VAE, "beta", beta), variables, ROWS, keys.root(0))
        for beta in (0.1, 1.0, 7.0)
    ]
    assert by_beta[0] == by_beta[1] == by_beta[2]
    terms = by_beta[0]
    assert terms["elbo"] == -(terms["distortion"] + terms["rate"])


@pytest.mark.parametrize(
    "name",
    [
        "BetaTCVAE",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "IWAE",
                "TwoLayerVAE",
                "InfoVAE",
                "FactorVAE",
                "VAE, conditional",
                "VAE with a capacity",
                "VAE with free bits",
                "VAE, planar flow",
                "VAE, VampPrior",
                "VAE with 3 samples and a warm-up",
                "TwoLayerVAE with the IWELBO",
                "IWAE in groups, with the ELBO",
            )
        ),
    ],
)
def test_scores_of_a_member_with_an_elbo_add_up(name: str) -> None:
    """The ELBO's parts are of the ELBO's draws, whatever the loss is made of."""
    autoencoder = schedules.at(small.member(name), jnp.asarray(2))
    batch = Batch(BATCH.x, jnp.asarray(small.labels(40)))
    variables = autoencoder.init(keys.root(0), batch)
    found = score(autoencoder, variables, ROWS._replace(y=batch.y), keys.root(1), num_samples=2)
    assert found["elbo"] == -(found["distortion"] + found["rate"])
    parts = [found[f"{part}_standard_error"] for part in ("distortion", "rate")]
    assert min(parts) > 0
    weights = np.asarray(autoencoder.log_weights(variables, batch, keys.root(2), 400), np.float64)
    error = np.sqrt((weights.var(axis=0) * _shares(ROWS.x)).sum() / ELBO_SAMPLES)
    assert abs(found["elbo"] - weights.mean()) < 5 * error, "the mean log-weight is another route to it"


def _shares(x: Any) -> np.ndarray:
    """By how much each row's variance counts in that of the mean, f64[N]: equal rows have the same noise."""
    _, which, counts = np.unique(
        np.asarray(x).reshape(len(x), -1), axis=0, return_inverse=True, return_counts=True
    )
    return counts[which.reshape(-1)] / len(x) ** 2


@jaxae.spec
class Halved(jaxae.VAE):
    """A user's member whose `distortion` is half of the ELBO's."""

    def terms(self, variables: jaxae.Variables, batch: Batch, key: jax.Array) -> tuple[Any, Any]:
        terms, extra = jaxae.VAE.terms(self, variables, batch, key)
        return {**terms, "distortion": 0.5 * terms["distortion"]}, extra


def test_a_loss_term_of_another_meaning_keeps_its_name(variables: jaxae.Variables) -> None:
    plain = score(VAE, variables, ROWS, keys.root(0), num_samples=2)
    halved = Halved(**{field.name: getattr(VAE, field.name) for field in dataclasses.fields(VAE)})
    found = score(halved, variables, ROWS, keys.root(0), num_samples=2)
    term = all_terms(VAE, variables, ROWS, keys.named(keys.root(0), "terms"))["distortion"]
    assert found["distortion"] == pytest.approx(0.5 * float(term.mean()), rel=1e-6)
    assert found["elbo"] == plain["elbo"]
    assert "rate_standard_error" not in found, "a term of one draw, as `distortion` is"


def test_nats_are_the_unit_of_densities_only() -> None:
    units = {name: as_columns(facts_of_scores(small.member(name)))["units"] for name in small.MEMBERS}
    for name, found in units.items():
        terms = small.member(name).weights(jnp.zeros((), jnp.int32))
        assert set(terms) <= set(found), f"{name}: each term has a unit"
    squared = "data unit squared, summed over an example"
    assert units["AE"] == dict.fromkeys(("loss", "distortion", "squared_error"), squared)
    assert units["AE with Bernoulli"]["distortion"] == units["AE with Bernoulli"]["loss"] == "nats"
    assert units["AE with Bernoulli"]["squared_error"] == squared
    nats = {"loss", "elbo", "iwelbo_64", "distortion", "rate"}
    assert {name for name, unit in units["VAE"].items() if unit == "nats"} == nats
    assert units["VAE"]["squared_error"] == squared and units["VAE"]["iwelbo_64_ess"] == "draws"
    assert "loss" not in units["VQVAE"], "of terms of two units"
    assert units["VQVAE"]["codebook_perplexity"] == "codes"
    assert units["InfoVAE"]["mmd"] == "no unit" and units["L1SparseAE"]["sparsity"] == "code unit"
    assert units["Stacked"]["error_rate"] == "share"
    assert "code below" in units["Stacked"]["stage_1_distortion"]
    assert "nats" not in {units["Stacked"][f"stage_{stage}_distortion"] for stage in (0, 1)}


def test_squared_error_is_the_sum_over_pixels(variables: jaxae.Variables) -> None:
    errors = columns_of_rows(VAE, variables, ROWS).rows["squared_error"]
    image = np.asarray(reconstruct(VAE, variables, BATCH), np.float64)
    np.testing.assert_allclose(errors, ((np.asarray(BATCH.x) - image) ** 2).sum(axis=(1, 2, 3)), rtol=1e-5)
    assert image.min() >= 0 and image.max() <= 1, "an image, not logits"


def test_the_standard_error_is_that_of_the_mean() -> None:
    values = np.random.RandomState(0).randn(400) * 3 + 1
    mean, error = mean_and_error(jnp.asarray(values, jnp.float32))
    assert float(mean) == pytest.approx(values.mean(), rel=1e-5)
    assert float(error) == pytest.approx(values.std(ddof=1) / 20, rel=1e-5)
    mean, error = mean_and_error([np.inf, 1.0])
    assert mean == np.inf and np.isnan(error), "told, not warned of"


def test_scores_say_how_many_draws_they_took(variables: jaxae.Variables) -> None:
    few = score(VAE, variables, ROWS, keys.root(0), num_samples=2)
    many = score(VAE, variables, ROWS, keys.root(0), num_samples=200)
    assert few["iwelbo_2"] < many["iwelbo_200"]
    assert few["elbo"] == pytest.approx(many["elbo"], rel=1e-6), "of the same 16 draws, in other chunks"


def test_a_plain_autoencoder_has_no_bound() -> None:
    autoencoder = small.member("AE")
    fresh = autoencoder.init(keys.root(0), Batch(jnp.zeros((1, 4, 4, 1))))
    assert set(score(autoencoder, fresh, ROWS, keys.root(0))) == {
        "distortion",
        "squared_error",
        "squared_error_standard_error",
    }


def test_units_of_codes_with_exact_zeros_are_counted() -> None:
    autoencoder = jaxae.AE(**small.NETS, latent_dim=3, activation="relu", data_shape=(4, 4, 1))
    variables = autoencoder.init(keys.root(0), Batch(jnp.zeros((1, 4, 4, 1))))
    variables.params["encoder"]["Dense_1"]["bias"] = jnp.asarray([0.0, -100.0, 100.0])
    found = score(autoencoder, variables, ROWS, keys.root(0))
    codes = np.asarray(autoencoder.encode(variables, BATCH))
    assert found["dead_units"] == 1.0
    assert found["active_units"] == pytest.approx((codes != 0).sum(axis=1).mean(), rel=1e-6)


def test_a_heads_error_rate_is_the_share_of_wrong_labels() -> None:
    stack = small.member("Stacked")
    batch = Batch(BATCH.x, jnp.asarray(small.labels(40)))
    variables = stack.init(keys.root(0), batch)
    found = score(stack, variables, ROWS._replace(y=batch.y), keys.root(0))
    guesses = np.asarray(stack.logits(variables, batch)).argmax(axis=1)
    assert found["error_rate"] == pytest.approx((guesses != small.labels(40)).mean())
    assert 0 < found["error_rate"] < 1


FEW = "VAE", "VQVAE"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in small.MEMBERS]
)
def test_chunks_change_no_score(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One code at once, seven, or all: within 1e-6, since products of other shapes round otherwise."""
    autoencoder = small.member(name)
    rows = Examples(jnp.asarray(small.images(11)), jnp.asarray(small.labels(11)), jnp.float32(255))
    variables = jax.jit(autoencoder.init)(keys.root(0), Batch(rows.x / 255.0, rows.y))
    found = {}
    for at_once in (1, 7, 200):
        monkeypatch.setattr(memory, "MOST_AT_ONCE", {"cpu": at_once})
        found[at_once] = score(autoencoder, variables, rows, keys.root(1), num_samples=5, batch_size=4)
    for at_once in (1, 7):
        assert set(found[at_once]) == set(found[200])
        for score_name, value in found[200].items():
            # A standard error rounds as the values do that it is the error of.
            size = max(1.0, abs(value), abs(found[200][score_name.removesuffix("_standard_error")]))
            # Weights are exponentials of log-weights, whose rounding grows with the log-weight.
            rounding = 1e-5 if "_ess" in score_name else 1e-6
            near = pytest.approx(value, abs=rounding * size)
            assert found[at_once][score_name] == near, (at_once, score_name)


def test_the_memory_of_scores_grows_neither_with_rows_nor_with_draws() -> None:
    """What XLA plans for 10 and 1,000 rows, 64 and 5,000 draws; nothing is run."""
    shape = (24, 24, 1)  # the numbers that are returned, f32[N, 20], are far below one image
    autoencoder = jaxae.VAE(**small.CONVOLUTIONS, latent_dim=3, data_shape=shape)
    variables = jax.eval_shape(autoencoder.init, keys.root(0), Batch(jnp.zeros((1, *shape))))

    def planned(num_rows: int, num_samples: int) -> float:
        rows = Examples(jax.ShapeDtypeStruct((num_rows, *shape), jnp.uint8), (), jnp.float32(255))
        arguments = autoencoder, variables, rows, keys.root(0)
        sizes = {"num_samples": num_samples, "at_once": 64}
        return memory.bytes_taken(scores._draws.lower(*arguments, **sizes).compile())

    few = planned(10, 64)
    assert few > 64 * 24 * 24 * 4, "it holds 64 images at least"
    assert planned(1000, 64) < 1.1 * few and planned(10, 5000) < 1.1 * few


@pytest.mark.parametrize("num_rows", [1, 40])
def test_scores_stay_within_a_bound_that_is_far_below_a_first_guess(
    num_rows: int, variables: jaxae.Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one chunk would hold more codes than there are, so that the first cuts change nothing."""
    rows = ROWS._replace(x=ROWS.x[:num_rows])
    expected = score(VAE, variables, rows, keys.root(0))
    monkeypatch.setattr(memory, "BOUND", 12_000)  # of which 3,000 are the numbers themselves
    at_once = scores.first_guess(rows, 64)
    arguments = VAE, variables, rows, noise_key()
    _, compiled = memory.fitting(scores._draws, *arguments, at_once=at_once, num_samples=64)
    assert memory.bytes_taken(compiled) <= memory.BOUND
    monkeypatch.setattr(memory, "_chosen", {})
    found = score(VAE, variables, rows, keys.root(0))
    tail = "iwelbo_64_pareto_k"  # a fit to excesses, which are differences of exponentials
    assert found.pop(tail) == pytest.approx(expected.pop(tail), abs=1e-4)
    assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_scores_are_the_same_numbers_after_memory_ran_out(
    variables: jaxae.Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = score(VAE, variables, ROWS, keys.root(0), num_samples=20)
    program, sizes = scores._draws, []

    class Failing:
        lower = staticmethod(program.lower)

        def __call__(self, *arguments: Any, at_once: int, **static: Any) -> Any:
            sizes.append(at_once)
            if at_once > 9:
                raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
            return program(*arguments, at_once=at_once, **static)

    monkeypatch.setattr(scores, "_draws", Failing())
    assert score(VAE, variables, ROWS, keys.root(0), num_samples=20) == pytest.approx(expected, rel=1e-6)
    assert sizes == [200, 100, 50, 25, 12, 6]


def test_a_bound_that_is_exact_is_exact_in_chunks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where q(z|x) is p(z|x) every weight is p(x): of a linear Gaussian model, known in closed form."""
    model, parameters = linear_gaussian.model(
        jaxae.FullGaussian(), linear_gaussian.GAIN, np.linalg.cholesky(linear_gaussian.COVARIANCE)
    )
    rows = Examples(jnp.asarray(linear_gaussian.X, jnp.float32), (), jnp.float32(1))
    monkeypatch.setattr(memory, "MOST_AT_ONCE", {"cpu": 4})
    found = score(model, parameters, rows, keys.root(0), num_samples=30)
    assert found["iwelbo_30_ess"] == pytest.approx(30, rel=2e-3)
    assert found["iwelbo_30_pareto_k"] == -np.inf and found["iwelbo_30_unreliable"] == 0
    exact = linear_gaussian.EVIDENCE.mean()
    assert found["iwelbo_30"] == pytest.approx(exact, abs=2e-3)
    assert found["elbo"] == pytest.approx(exact, abs=0.5)  # the closed rate leaves the noise of 16 draws


def test_loss_terms_are_listed_in_the_order_of_their_weights() -> None:
    model = small.member("FactorVAE")
    terms = list(model.weights(jnp.zeros((), jnp.int32)))
    assert terms != sorted(terms)
    assert [name for name in facts_of_scores(model) if name in terms] == terms


def test_every_score_has_a_unit_a_direction_and_says_how_it_is_made() -> None:
    for name in small.MEMBERS:
        facts = facts_of_scores(small.member(name))
        for score_name, fact in facts.items():
            assert fact.name == score_name and fact.how and isinstance(fact.higher_is_better, bool), name
            assert fact.unit or score_name == "loss", (name, score_name)
            assert set(fact.companions) <= set(facts), (name, score_name)
            unlike = known_facts().get(score_name, fact).higher_is_better != fact.higher_is_better
            assert not unlike, f"{name}: {score_name} is the same of a member and of an old sweep"
        told = as_columns(facts)
        assert set(told["higher_is_better"]) == set(told["how"]) == set(facts)
        assert from_record(to_record(facts)) == facts


@jaxae.spec
class Accurate(jaxae.AE):
    """A user's member with a term that has the name of a bound."""

    def terms(self, variables: jaxae.Variables, batch: Batch, key: jax.Array) -> tuple[Any, Any]:
        terms, extra = jaxae.AE.terms(self, variables, batch, key)
        return {"elbo": terms["distortion"]}, extra

    def weights(self, step: jax.Array) -> dict[str, Any]:
        return {"elbo": 1.0}

    def term_units(self) -> dict[str, str]:
        return {"elbo": "apples"}


def test_a_models_own_term_is_minimised_in_its_own_unit_whatever_it_is_called() -> None:
    facts = facts_of_scores(Accurate(**small.NETS))
    assert not facts["elbo"].higher_is_better and facts["elbo"].unit == facts["loss"].unit == "apples"
    assert "iwelbo_64" not in facts


@pytest.mark.parametrize("num_samples", [30, 5])
def test_an_iwelbo_has_its_effective_sample_size_and_pareto_k(
    num_samples: int, variables: jaxae.Variables
) -> None:
    """By hand from the weights of each row: its noise is that of its content and the draw's number."""
    found = score(VAE, variables, ROWS, keys.root(0), num_samples=num_samples)
    ours = [name for name in found if name.startswith("iwelbo_") and not name.endswith("_error")]

    def log_weight(row: jax.Array, number: jax.Array) -> jax.Array:
        key = keys.of_draw(keys.of_row(noise_key(), row), jnp.zeros((), jnp.int32), ELBO_SAMPLES + number)
        return VAE.log_weights(variables, Batch(row[None].astype(jnp.float32)), key, 1)[0, 0]

    of_draws = jax.vmap(jax.vmap(log_weight, (None, 0)), (0, None))
    shares = np.exp(np.float64(jax.jit(of_draws)(ROWS.x, jnp.arange(num_samples))))
    sizes = shares.sum(axis=1) ** 2 / (shares**2).sum(axis=1)
    name = f"iwelbo_{num_samples}"
    assert found[name] == pytest.approx(np.log(shares.mean(axis=1)).mean(), rel=1e-6)
    assert found[f"{name}_ess"] == pytest.approx(sizes.mean(), rel=1e-5)
    if num_samples == 5:
        assert ours == [name, f"{name}_ess"], "so few weights have no tail"
        return
    tails = np.sort(shares, axis=1)[:, -6:] - np.sort(shares, axis=1)[:, -7:-6]
    k = np.array([generalised_pareto_shape(tail) for tail in tails])
    assert found[f"{name}_pareto_k"] == pytest.approx(np.median(k), abs=1e-4)
    assert found[f"{name}_unreliable"] == pytest.approx((k > 0.7).mean())
    assert ours == [name, *(f"{name}_{end}" for end in ("ess", "pareto_k", "unreliable"))]


def test_scores_of_a_model_that_diverged_are_no_numbers_and_no_errors(variables: jaxae.Variables) -> None:
    bad = jax.tree.map(lambda leaf: leaf * jnp.nan, variables)
    found = score(VAE, bad, ROWS, keys.root(0))
    assert np.isnan(list(found.values())).all() and set(found) == set(
        score(VAE, variables, ROWS, keys.root(0))
    )


@pytest.mark.parametrize(
    "name",
    ["AE", "L1SparseAE", "TopKAE", "Stacked", "VAE", "VQVAE", pytest.param("IWAE", marks=pytest.mark.slow)],
)
def test_the_names_of_scores_are_known_before_there_are_any(name: str) -> None:
    """A sweep refuses a score that its runs will not have, so it must know those that they will."""
    autoencoder = small.member(name)
    rows = ROWS._replace(y=jnp.asarray(small.labels(40)))
    fresh = autoencoder.init(keys.root(0), Batch(BATCH.x, rows.y))
    found = score(autoencoder, fresh, rows, keys.root(0))
    assert {"loss", *found} == set(names_of(facts_of_scores(autoencoder)))
