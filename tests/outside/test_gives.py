"""What the docstring of each protocol says after "Gives:", had by a user's own class."""

import functools
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.data import from_arrays
from jaxae.evaluation.subject import Settings, Subject, pixels
from jaxae.runs.experiment import fill, resolve
from jaxae.runs.result import Result
from jaxae.sweeps.plan import plan
from jaxae.tokens.sampling import Sampling, sample, sample_by_recomputation
from jaxae.types import Batch
from tests import small
from tests.outside import cases, members, parts

LEVELS = "sampled likelihood, factorised posterior, schedule, optimiser"


@functools.cache
def trained(name: str) -> Result:
    return cases.fitted(name, epochs=2)


@functools.cache
def measured(name: str, groups: str) -> dict[str, float]:
    """The measures of some groups, by name; none fails."""
    found = jaxae.measure(trained(name), groups, **cases.QUICK)
    assert not found.failed
    return {row.measure: row.value for rows in found.values() for row in rows}


def absent(name: str, measure: str) -> str:
    return jaxae.measure(trained(name), measure.partition(".")[0], **cases.QUICK).absent[measure]


def checked(model: Any, x: Any = None, **changes: Any) -> jaxae.Experiment:
    """The experiment as it is before training, 50 training rows in batches of 10."""
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    experiment = small.experiment(model, data=data, **changes)
    return resolve(experiment, from_arrays(small.images() if x is None else x, small.labels(90), data))


def refused(model: Any, x: Any = None, **changes: Any) -> str:
    with pytest.raises(jaxae.JaxaeError) as caught:
        checked(model, x, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Before training: what is checked, and what is filled in.


def test_support_and_levels_are_checked_against_the_data() -> None:
    x = np.linspace(-1, 1, 90 * 16, dtype=np.float32).reshape(90, 4, 4, 1)
    likelihood = "model.likelihood: TiltedUniform needs data in [0, 1], but it spans [-1, 1]"
    assert likelihood in refused(cases.vae(likelihood=parts.TiltedUniform()), x)
    message = refused(cases.vae(likelihood=parts.Binomial(num_levels=5)))
    assert "model.likelihood: Binomial has 5 levels k / 4, but the data hold" in message


def test_kinds_of_posteriors_decide_what_is_trained_with_them() -> None:
    assert refused(cases.vae(posterior=parts.SinhPosterior(), kl="closed")).startswith("model: kl: closed")
    assert refused(cases.vae(posterior=parts.SharedNoise(), free_bits=0.1)).startswith("model: free_bits")
    checked(cases.vae(posterior=parts.LaplacePosterior(), kl="closed", free_bits=0.1))
    assert "VampPrior" in refused(cases.vae(posterior=parts.LaplacePosterior(), prior=jaxae.VampPrior()))
    isotropic = parts.IsotropicGaussian()
    checked(cases.vae(posterior=isotropic, prior=jaxae.VampPrior(num_components=3)))
    checked(jaxae.BetaTCVAE(**cases.NETS, latent_dim=2, posterior=isotropic))
    iwae = functools.partial(jaxae.IWAE, **cases.NETS, latent_dim=2, estimator="dreg")
    assert "estimator" in refused(iwae(posterior=parts.SinhPosterior()))


def test_a_prior_that_is_not_standard_has_no_closed_rate() -> None:
    assert refused(cases.vae(prior=parts.LogisticPrior(), kl="closed")).startswith("model: kl: closed")
    assert cases.vae(prior=parts.UnitNormal()).has_closed_rate


def test_a_fixed_code_dim_is_compared_with_that_of_the_model() -> None:
    model = jaxae.VQVAE(**cases.NETS, grid=(2,), code_dim=3, quantiser=parts.SignQuantiser())
    assert "code_dim: got 3, expected 2, that of SignQuantiser(code_dim=2)" in refused(model)


def test_batch_statistics_need_rows_and_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    @jaxae.spec
    class OneRow(members.NormalisedAE):
        min_batch: ClassVar[int] = 1

    assert "batch_size: got 1, but distortion of NormalisedAE needs 2 rows" in refused(
        members.NormalisedAE(), batch_size=1
    )
    checked(OneRow(), batch_size=1)
    assert "batch_size is 1: distortion of OneRow depends on the batch" in capsys.readouterr().err


def test_fields_are_filled_in_from_the_data() -> None:
    model: Any = checked(members.ProbabilisticPCA()).model
    x = small.images() / 255
    assert model.num_examples == 50 and len(model.pixel_mean) == 16
    data = from_arrays(small.images(), None, jaxae.DataSpec(num_validation=20, num_test=20))
    np.testing.assert_allclose(model.pixel_mean, data.train.x.reshape(50, 16).mean(axis=0) / 255, rtol=1e-6)
    assert abs(np.mean(model.pixel_mean) - x.mean()) < 0.1
    filled: Any = checked(members.NormalisedAE()).model
    assert filled.data_shape == (4, 4, 1)
    message = refused(members.NormalisedAE(data_shape=(2, 2, 1)))
    assert message.startswith("model.data_shape: got (2, 2, 1), but the data's examples are (4, 4, 1)")


def test_labels_of_a_condition_and_of_a_head_are_checked() -> None:
    for model in (members.LinearVAE(num_classes=2), members.GreedyClassifier(num_classes=2)):
        assert "model.num_classes: got 2, but the data's labels are 0 to 2" in refused(model)


def test_a_stage_of_a_stack_may_be_a_users_own() -> None:
    stages = (
        members.NormalisedAE(activation="sigmoid"),
        jaxae.AE(reconstruction=jaxae.Bernoulli(), latent_dim=2),
    )
    checked(jaxae.Stacked(stages=stages))
    checked(jaxae.Stacked(stages=(members.LinearVAE(), jaxae.AE(latent_dim=2))))
    relu = jaxae.Stacked(stages=(members.NormalisedAE(), stages[1]))
    assert "needs codes in [0, 1] from the stage before, whose activation is relu" in refused(relu)
    assert "BitTokenizer lacks latent_dim or data_shape" in refused(
        jaxae.Stacked(stages=(members.BitTokenizer(),))
    )


def test_a_sweeps_memory_counts_the_codes_of_each_example() -> None:
    def load(asked: jaxae.DataSpec) -> Any:
        return from_arrays(small.images(), None, asked)

    base = cases.experiment("exact likelihood")
    programs = plan(base, [{"model.num_samples": num} for num in (1, 50)], [0], load)
    assert sorted(each.lane_bytes for each in programs)[1] > 2 * min(each.lane_bytes for each in programs)


def test_tokens_are_for_models_of_tokens_of_their_size() -> None:
    dataset = from_arrays(small.images(), None, jaxae.DataSpec(num_validation=20, num_test=20))
    tokens = members.Tokens(num_codes=4, grid=(4, 4, 1))
    object.__setattr__(dataset, "tokenizer", tokens)

    @jaxae.spec
    class Unfitted(members.MarkovTokens):
        fitted: ClassVar[None] = None  # type: ignore[assignment]

    unfitted = functools.partial(Unfitted, num_positions=16)
    fill(small.experiment(unfitted(num_codes=4), data=jaxae.DataSpec()), dataset)
    with pytest.raises(jaxae.JaxaeError, match="model.num_codes: got 3, but the tokens have 4"):
        fill(small.experiment(unfitted(num_codes=3), data=jaxae.DataSpec()), dataset)
    filled = fill(small.experiment(members.MarkovTokens(), data=jaxae.DataSpec()), dataset)
    assert filled.model.num_codes == 4  # type: ignore[attr-defined]
    with pytest.raises(jaxae.JaxaeError, match="model: got AE, expected a model of tokens such as"):
        fill(small.experiment(jaxae.AE(), data=jaxae.DataSpec()), dataset)


# Of a trained run.


@pytest.mark.slow
def test_an_exact_likelihood_is_what_quadrature_and_annealing_find() -> None:
    """Probabilistic PCA: log p(x) in closed form, on a grid, and by chains; each bound is below it."""
    name = "exact likelihood"
    result = trained(name)
    subject = Subject(result, Settings(**cases.QUICK))
    model, rows = subject.model, Batch(jnp.asarray(pixels(subject.slow_rows)))
    exact = np.asarray(model.log_prob(result.variables, rows), np.float64).mean()
    found = measured(name, "exact,annealing,likelihood")
    assert found["log_evidence"] == pytest.approx(exact, abs=1e-3)
    assert abs(found["ais"] - exact) < 0.5
    scores = result.scores["test"]
    assert scores["elbo"] < scores["iwelbo_64"] < scores["log_prob"] + 5 * scores["iwelbo_64_standard_error"]
    assert absent(name, "annealing.ais_sandwich").startswith(
        "rows cannot be simulated from p(x|z): the model has no `likelihood` with `sample`"
    )


@pytest.mark.slow
def test_parts_of_the_elbo_are_by_its_draws() -> None:
    for name in ("exact likelihood", LEVELS):
        scores = trained(name).scores["test"]
        assert scores["elbo"] == pytest.approx(-scores["distortion"] - scores["rate"], rel=1e-5)


@pytest.mark.slow
def test_a_likelihood_gives_bounds_and_one_with_sample_the_enclosure() -> None:
    found = measured(LEVELS, "likelihood,annealing")
    assert {"elbo", "iwelbo_20", "ais", "ais_sandwich"} <= set(found) and found["ais_sandwich"] > -0.5
    reason = absent("likelihood of the unit interval, plain posterior", "annealing.ais_sandwich")
    assert reason.startswith("rows cannot be simulated from p(x|z)")


@pytest.mark.slow
def test_kinds_of_posteriors_decide_what_is_measured() -> None:
    density, plain = LEVELS, "likelihood of the unit interval, plain posterior"
    assert {"information", "marginal_kl"} <= set(measured(density, "health"))
    assert "density is known" in absent(plain, "health.information")


@pytest.mark.slow
def test_units_are_those_of_the_user() -> None:
    units = trained("corruption, reconstruction").scores["units"]
    assert units["distortion"] == "data unit, summed over an example"
    assert trained("batch normalisation").scores["units"]["distortion"] == "data unit, summed over an example"
    assert trained("exact likelihood").scores["units"]["decay"] == "nats"


@pytest.mark.slow
def test_validation_is_by_the_evaluation_terms() -> None:
    result = trained("batch normalisation")
    model: Any = result.experiment.model
    x = jnp.asarray(result.validation.x)
    last = result.outcome.carry.state.variables
    terms = model.evaluation_terms(last, Batch(x), keys.root(0))
    assert result.history[-1]["validation"]["distortion"] == pytest.approx(
        float(terms["distortion"].mean()), rel=1e-5
    )


@pytest.mark.slow
def test_codes_give_what_is_counted_of_them() -> None:
    assert {"active_units", "dead_units"} <= set(trained("batch normalisation").scores["test"])
    sigmoid = jaxae.fit(
        cases.experiment("batch normalisation", model=members.NormalisedAE(activation="sigmoid"), epochs=1),
        small.images(),
    )
    rows = jaxae.measure(sigmoid, "health").get("health", [])
    assert "saturated" in [row.measure for row in rows] and "active_units" not in sigmoid.scores["test"]
    assert "error_rate" in trained("optimiser and phases").scores["test"]
    for name in ("tokenizer", "tokenizer without grid", "quantiser"):
        assert {"codebook_usage", "codebook_perplexity"} <= set(trained(name).scores["test"])


@pytest.mark.slow
def test_groups_learn_in_their_phases_by_their_optimisers() -> None:
    """5 steps an epoch and a start at step 7: the head moves by three steps of 0.01, by its sign."""
    result = trained("optimiser and phases")
    last = result.outcome.carry.state.variables.params
    steps = np.asarray(last["head"]) / 0.01
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert set(np.unique(np.abs(np.round(steps)))) <= {1.0, 3.0} and np.abs(steps).max() > 0
    only_greedy = cases.fitted("optimiser and phases", epochs=1).outcome.carry.state.variables.params
    assert (np.asarray(only_greedy["head"]) == 0).all()
    assert not np.array_equal(only_greedy["encoder"], last["encoder"])


@pytest.mark.slow
def test_features_learn_by_their_own_optimiser() -> None:
    name = "quantiser of one code_dim, learned perceptual loss"
    readout = np.asarray(trained(name).outcome.carry.state.variables.params["perceptual"]["readout"]) / 0.01
    np.testing.assert_allclose(readout, np.round(readout), atol=1e-3)
    assert np.abs(readout).max() >= 1 and "perceptual" in trained(name).scores["test"]


@pytest.mark.slow
def test_a_condition_and_a_prior_are_sampled() -> None:
    result = trained("own VAE, own parts")
    images = result.sample(6, y=[0, 1, 2, 0, 1, 2])
    assert images.shape == (6, 4, 4, 1)
    with pytest.raises(jaxae.JaxaeError, match="y: is missing; LinearVAE is conditional"):
        result.sample(3)
    code = result.encode(result.test)
    assert not np.allclose(result.decode(code[:1], [0]), result.decode(code[:1], [1]))
    assert trained("exact likelihood").sample(4).shape == (4, 4, 4, 1)


@pytest.mark.slow
def test_a_corruption_chooses_what_is_emphasised() -> None:
    model = jaxae.DenoisingAE(**cases.NETS, corruption=parts.ErasedRows(), emphasis=jaxae.Emphasis(alpha=2.0))
    result = jaxae.fit(cases.experiment("corruption, reconstruction", model=model, epochs=1), small.images())
    assert {"distortion_corrupted", "distortion_kept"} <= set(result.scores["test"])


@pytest.mark.slow
def test_tokens_with_a_density_of_x_have_an_elbo_and_others_the_reason() -> None:
    """Under uniform tokens: log p(x | tokens) - P log K."""
    found = measured("tokenizer", "likelihood")
    assert found["rate"] == pytest.approx(2 * np.log(4)) and found["elbo"] == pytest.approx(
        -found["distortion"] - found["rate"], rel=1e-6
    )
    assert "has no reconstruction or likelihood" in absent("tokenizer without grid", "likelihood.elbo")


@pytest.mark.slow
def test_figures_are_drawn_of_a_users_model(tmp_path: Path) -> None:
    """The plane of codes, the posteriors and the rates of each dimension."""
    from jaxae.evaluation.attempts import Measured
    from jaxae.evaluation.measure_figures import draw
    from jaxae.plots import pages

    model = members.LinearVAE(posterior=parts.IsotropicGaussian())
    result = jaxae.fit(cases.experiment("exact likelihood", model=model, epochs=1), small.images())
    drawn, notes = (
        draw(Subject(result, Settings()), ["exact", "health", "generation"], tmp_path, found := Measured()),
        found,
    )
    assert {"manifold", "posteriors", "rates"} <= {path.stem for path in drawn}
    assert not notes.failed
    assert [path.stem for path in pages.draw(trained("density without codes"), tmp_path)] == ["curves"]


@pytest.mark.slow
@pytest.mark.parametrize("condition", [None, parts.Parity()], ids=str)
@pytest.mark.parametrize("cls", [members.MarkovTokens, members.SummingTokens])
def test_tokens_are_sampled_as_likely_as_they_are_and_with_a_cache_alike(cls: Any, condition: Any) -> None:
    """20,000 draws of two tokens of three codes: each of 9 sequences within 5 standard deviations."""
    model, num = cls(condition=condition, num_codes=3, num_positions=2), 20_000
    pairs = jnp.asarray(np.stack(np.meshgrid(range(3), range(3), indexing="ij"), -1).reshape(9, 2), float)
    y: Any = () if condition is None else jnp.ones(9, jnp.int32)
    variables = model.init(keys.root(3), Batch(pairs, y))
    chance = np.exp(np.asarray(model.log_prob(variables, Batch(pairs, y)), np.float64))
    labels: Any = () if condition is None else np.ones(num, np.int32)
    drawn = np.asarray(sample(model, variables, keys.root(4), labels, num, Sampling()))
    counts = np.bincount(drawn @ np.array([3, 1]), minlength=9)
    assert (np.abs(counts - num * chance) < 5 * np.sqrt(num * chance * (1 - chance))).all()
    again = sample_by_recomputation(model, variables, keys.root(4), labels, num, Sampling())
    assert (np.asarray(again) == drawn).mean() > 0.999


@pytest.mark.slow
def test_guidance_is_for_models_that_have_learned_the_null_condition() -> None:
    y, guided = np.ones(4, np.int32), Sampling(guidance=2.0)
    markov, summing = (
        cls(condition=parts.Parity(), num_codes=3, num_positions=2)
        for cls in (members.MarkovTokens, members.SummingTokens)
    )
    batch = Batch(jnp.zeros((4, 2)), jnp.ones(4, jnp.int32))
    drawn = sample(markov, markov.init(keys.root(0), batch), keys.root(1), y, 4, guided)
    assert drawn.shape == (4, 2)
    with pytest.raises(
        jaxae.JaxaeError, match="guidance: got 2.0, but the prior was trained with a drop_condition"
    ):
        sample(summing, summing.init(keys.root(0), batch), keys.root(1), y, 4, guided)
    assert sample(markov, markov.init(keys.root(0), batch), keys.root(1), 2 * y, 4, Sampling()).shape == (
        4,
        2,
    )
