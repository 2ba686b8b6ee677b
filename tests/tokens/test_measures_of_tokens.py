"""Measures of a prior over tokens: the bound on log p(x), and what its images look like."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

import jaxae
from jaxae.evaluation import measure_groups
from jaxae.evaluation.subject import Row
from jaxae.runs.result import Result
from tests.cli.calling import call
from tests.tokens import making


def rows_of(result: Result, **settings: object) -> dict[str, Row]:
    return {row.measure: row for row in measure_groups.measure(result, "all", **settings)["tokens"]}


@pytest.fixture(scope="module")
def density(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Result]:
    """A tokenizer with a density of pixels, and a prior without a condition."""
    folder = tmp_path_factory.mktemp("density")
    vq = making.tokenizer(folder / "vq", reconstruction=jaxae.Gaussian(std=0.4))
    return vq, jaxae.fit(making.experiment(folder / "vq"), run_dir=folder / "prior")


@pytest.mark.slow
def test_the_elbo_is_that_of_the_encoders_tokens_by_hand(density: tuple[Result, Result]) -> None:
    vq, prior = density
    rows = vq.run.dataset.test
    x = np.asarray(rows.x, np.float64) / rows.scale
    mean = vq.decode(vq.encode(vq.run.dataset.test.x))
    log_likelihood = scipy.stats.norm.logpdf(x, mean, 0.4).sum(axis=(1, 2, 3))
    tokens = prior.run.dataset.test.x.reshape(53, 4).astype(int)
    autoencoder, variables = prior.experiment.model, prior.variables
    null = autoencoder.null_prefix(53)
    logits = np.asarray(autoencoder.logits(variables, tokens, null), np.float64)
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    log_prob = np.log(np.take_along_axis(shares, tokens[..., None], axis=-1)).sum(axis=(1, 2))
    found = rows_of(prior)
    assert found["log_prob"].value == pytest.approx(log_prob.mean(), rel=1e-5)
    assert found["bits_per_token"].value == pytest.approx(-log_prob.mean() / (4 * np.log(2)), rel=1e-5)
    assert found["elbo"].value == pytest.approx((log_prob + log_likelihood).mean(), rel=1e-5)
    assert found["elbo_bits_per_dim"].value == pytest.approx(
        -found["elbo"].value / (64 * np.log(2)), rel=1e-6
    )
    assert found["log_prob"].value == pytest.approx(prior.scores["test"]["log_prob"], rel=1e-6)


def test_nothing_is_said_of_pixels_without_a_density(prior: Result) -> None:
    assert not {"elbo", "elbo_bits_per_dim", "distortion"} & set(rows_of(prior))


def test_accuracy_is_the_share_of_images_named_as_their_condition(prior: Result) -> None:
    found = rows_of(prior)
    assert found["accuracy_real"].value > 0.85 > found["accuracy_sampled"].value
    assert found["accuracy_real"].num == 53 and "classifier of the labels" in found["accuracy_real"].how


@pytest.mark.slow
def test_without_a_condition_there_is_no_accuracy_of_samples(density: tuple[Result, Result]) -> None:
    found = rows_of(density[1])
    assert "accuracy_reconstructed" in found and "accuracy_sampled" not in found


def test_sampling_settings_reach_the_samples(prior: Result) -> None:
    plain, greedy = rows_of(prior), rows_of(prior, sampling=jaxae.Sampling(top_k=1))
    assert greedy["frechet_sampled"].value > plain["frechet_sampled"].value
    assert greedy["frechet_train"].value == plain["frechet_train"].value


def test_only_the_group_of_tokens_is_for_a_prior(prior: Result, vq: Result) -> None:
    assert set(measure_groups.measure(prior)) == {"tokens"}
    assert "tokens" not in measure_groups.measure(vq, "tokens,reconstruction", num_rows=20)


def test_the_command_measures_a_prior(prior: Result) -> None:
    folder = prior.run.path
    assert folder is not None
    called = call(
        "evaluate", str(folder), "--measures", "all", "--sampling.temperature", "0.5", "--num-rows", "40"
    )
    assert called.code == 0 and "log_prob" in called.out, called
    written = json.loads((Path(folder) / "measures.json").read_text())
    assert written["settings"]["sampling"]["temperature"] == 0.5
    assert call("evaluate", str(folder)).code == 0
