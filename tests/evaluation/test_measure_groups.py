"""Groups of measures: what applies, that nothing but the rows themselves matters, that settings matter."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae import memory
from jaxae.errors import JaxaeError
from jaxae.estimators import code_health, terms
from jaxae.evaluation import measure_groups
from jaxae.evaluation.subject import Row, Settings, Subject, pixels
from jaxae.runs.result import Result
from jaxae.specs.pytree import replace
from tests import small

NETS: dict[str, Any] = {"encoder": jaxae.MLP(widths=(8,)), "decoder": jaxae.MLP(widths=(8,))}
QUICK = {"num_samples": 30, "num_slow": 4, "num_chains": 2, "num_temperatures": 3, "num_points": 81}
CHEAP = "likelihood,health,reconstruction,codes,generation"


def fitted(autoencoder: Any) -> Result:
    """Three epochs on the digits, of which 47 are test rows: the last of any batches is ragged."""
    data = jaxae.DataSpec(num_validation=0, num_test=47)
    return jaxae.fit(jaxae.Experiment(data=data, model=autoencoder, epochs=3))


@pytest.fixture(scope="module")
def vae() -> Result:
    return fitted(jaxae.VAE(**NETS, latent_dim=2, likelihood=jaxae.Gaussian(std=0.3)))


@pytest.fixture(scope="module")
def found(vae: Result) -> dict[str, dict[str, Row]]:
    return by_name(measure_groups.measure(vae, "all", **QUICK))


def by_name(measured: dict[str, list[Row]]) -> dict[str, dict[str, Row]]:
    return {group: {row.measure: row for row in rows} for group, rows in measured.items()}


def test_every_row_is_a_number_with_a_unit_and_how_it_was_made(found: dict[str, dict[str, Row]]) -> None:
    rows = [row for group in found.values() for row in group.values()]
    assert len(rows) > 50
    for row in rows:
        assert np.isfinite(row.value) and row.unit and row.how, row
        assert row.standard_error is None or row.standard_error >= 0, row


def test_a_vae_with_two_units_has_all_groups_but_factors_and_tokens(found: dict[str, dict[str, Row]]) -> None:
    assert set(found) == set(measure_groups.GROUPS) - {"disentanglement", "projection", "tokens"}


def test_the_elbo_is_minus_distortion_and_rate_and_below_what_it_bounds(
    found: dict[str, dict[str, Row]], vae: Result
) -> None:
    rows = {name: row.value for name, row in found["likelihood"].items()}
    assert rows["elbo"] == -(rows["distortion"] + rows["rate"])
    assert rows["elbo"] < rows["iwelbo_30"]
    assert rows["iwelbo_30_bits_per_dim"] == pytest.approx(-rows["iwelbo_30"] / (64 * np.log(2)), rel=1e-5)
    assert rows["elbo"] == pytest.approx(vae.scores["test"]["elbo"], rel=1e-6), "by the same draws"
    assert (
        "Gaussian" in found["likelihood"]["elbo"].how and "not binarised" in found["likelihood"]["elbo"].how
    )


def test_the_gaps_are_what_the_elbo_lacks_of_the_evidence(found: dict[str, dict[str, Row]]) -> None:
    gaps = {name: row.value for name, row in found["gaps"].items()}
    assert gaps["kl_to_posterior"] == pytest.approx(gaps["approximation_gap"] + gaps["amortisation_gap"])
    assert gaps["kl_to_posterior"] > gaps["amortisation_gap"] > 0
    assert "quadrature" in found["gaps"]["approximation_gap"].how


def test_reconstruction_is_measured_on_the_rows_as_they_are(
    found: dict[str, dict[str, Row]], vae: Result
) -> None:
    x = np.asarray(vae.run.dataset.test.x, np.float64) / 16
    again = vae.reconstruct(vae.run.dataset.test.x)
    errors = ((x - again) ** 2).sum(axis=(1, 2, 3))
    row = found["reconstruction"]["squared_error"]
    assert row.value == pytest.approx(errors.mean(), rel=1e-5) and row.num == 47
    assert row.standard_error == pytest.approx(errors.std(ddof=1) / np.sqrt(47), rel=1e-4)
    assert found["reconstruction"]["squared_error_salt_and_pepper"].value > row.value


@pytest.mark.parametrize(
    "name",
    ["L1SparseAE", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Stacked", "VQVAE", "IWAE"))],
)
def test_what_scores_and_measures_have_by_one_name_is_one_number(name: str) -> None:
    autoencoder = replace(small.member(name), "data_shape", ())
    if name == "VQVAE":
        autoencoder = replace(autoencoder, "reconstruction", jaxae.Gaussian(std=0.5))
    experiment = small.experiment(autoencoder, epochs=1, data=jaxae.DataSpec(num_validation=0, num_test=31))
    result = jaxae.fit(experiment, small.images(), small.labels(90))
    names = f"likelihood,health,reconstruction{',codes' * (name == 'Stacked')}"
    measured = measure_groups.measure(result, names)
    rows = {row.measure: row for each in measured.values() for row in each}
    scores = result.scores["test"]
    assert {measure: rows[measure].value for measure in set(rows) & set(scores)} == {
        score: scores[score] for score in set(rows) & set(scores)
    }
    expected = {
        "L1SparseAE": {"squared_error", "active_units", "dead_units"},
        "Stacked": {"squared_error", "error_rate"},
        "VQVAE": {"squared_error", "distortion", "codebook_usage", "codebook_perplexity"},
        "IWAE": {"elbo", "distortion", "rate", "iwelbo_64", "iwelbo_64_ess", "squared_error"},
    }
    assert expected[name] <= set(rows) & set(scores)
    if "rate" in rows:
        assert rows["elbo"].value == -(rows["distortion"].value + rows["rate"].value)


@pytest.mark.slow
def test_what_does_not_apply_is_absent() -> None:
    plain = by_name(measure_groups.measure(fitted(jaxae.AE(**NETS, latent_dim=3)), "all", **QUICK))
    assert set(plain) == {"health", "reconstruction", "codes", "generation"}
    assert "information" not in plain["health"] and "dead_units" not in plain["health"]
    assert "frechet_standard_normal" in plain["generation"] and "frechet_prior" not in plain["generation"]
    result = fitted(jaxae.TopKAE(**NETS, latent_dim=9, k=3))
    sparse = by_name(measure_groups.measure(result, "health", **QUICK))
    assert sparse["health"]["active_units"].value == 3 and "dense_units" in sparse["health"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VAE, conditional", "VAE, planar flow", "TwoLayerVAE", "Stacked", "WAE"])
def test_other_kinds_of_members_are_measured_too(name: str) -> None:
    autoencoder = replace(small.member(name), "data_shape", ())
    experiment = small.experiment(autoencoder, epochs=1, data=jaxae.DataSpec(num_validation=0, num_test=31))
    result = jaxae.fit(experiment, small.images(), small.labels(90))
    measured = measure_groups.measure(result, CHEAP, **QUICK)
    assert {"health", "reconstruction", "codes", "generation"} <= set(measured)
    assert ("likelihood" in measured) == (name not in ("Stacked", "WAE"))
    assert all(np.isfinite(row.value) for rows in measured.values() for row in rows)


@pytest.mark.slow
def test_order_and_batch_size_change_no_measure(
    vae: Result, found: dict[str, dict[str, Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    test = vae.run.dataset.test
    order = np.random.RandomState(0).permutation(47)
    turned = dataclasses.replace(vae.run.dataset, test=test._replace(x=test.x[order], y=test.y[order]))
    other = dataclasses.replace(vae, run=dataclasses.replace(vae.run, dataset=turned))
    monkeypatch.setattr(memory, "MOST_AT_ONCE", {"cpu": 7})  # 30 draws are made in 5 chunks of a row
    monkeypatch.setattr(terms, "ROWS_AT_ONCE", 7)  # 7 chunks, the last of them filled up
    monkeypatch.setattr(code_health, "ROWS_AT_ONCE", 7)
    again = by_name(measure_groups.measure(other, CHEAP, **QUICK))
    for group in again:
        for name, row in again[group].items():
            # Weights are exponentials of log-weights near 70 nats, which round at 1e-5.
            rounding = {"iwelbo_30_ess": 1e-5, "iwelbo_30_pareto_k": 1e-4}.get(name, 1e-6)
            assert row.value == pytest.approx(found[group][name].value, rel=rounding, abs=1e-6), name


@pytest.mark.parametrize(
    "setting, group, measure",
    [
        ({"seed": 1}, "likelihood", "iwelbo_30"),
        ({"num_samples": 31}, "likelihood", "iwelbo_31"),
        ({"num_rows": 40}, "reconstruction", "squared_error"),
        ({"num_slow": 3}, "exact", "log_evidence"),
        ({"num_points": 11}, "exact", "log_evidence"),
        ({"num_train": 500}, "reconstruction", "squared_error_pca"),
        ({"split": "train", "num_rows": 100}, "reconstruction", "squared_error"),
        pytest.param({"num_chains": 3}, "annealing", "ais", marks=pytest.mark.slow),
        pytest.param({"num_temperatures": 4}, "annealing", "ais", marks=pytest.mark.slow),
    ],
)
def test_every_setting_has_an_effect(
    setting: dict[str, Any], group: str, measure: str, vae: Result, found: dict[str, dict[str, Row]]
) -> None:
    again = by_name(measure_groups.measure(vae, group, **{**QUICK, **setting}))
    before = found[group][measure.replace("31", "30")]  # the name says how many samples
    assert again[group][measure].value != before.value


def test_names_and_settings_that_are_not_valid_are_one_line(vae: Result) -> None:
    with pytest.raises(JaxaeError, match=r"measures: unknown group 'likelyhood'; did you mean 'likelihood'"):
        measure_groups.names_of("health,likelyhood")
    assert measure_groups.names_of("codes, health") == ["health", "codes"]
    with pytest.raises(JaxaeError, match=r"num_sample: unknown setting; did you mean 'num_samples'"):
        measure_groups.measure(vae, "health", num_sample=3)


@pytest.mark.slow
def test_training_rows_are_binary_where_measured_rows_are() -> None:
    result = jaxae.fit(small.experiment(epochs=1), small.images())
    subject = Subject(result, Settings())
    for rows in (subject.train, subject.rows, Subject(result, Settings(split="train")).rows):
        assert set(np.unique(pixels(rows))) == {0, 1}


def test_a_split_without_rows_is_refused(vae: Result) -> None:
    with pytest.raises(JaxaeError, match="split: got 'validation', but the run has no rows in it"):
        Subject(vae, Settings(split="validation"))
    with pytest.raises(JaxaeError, match="num_samples: got 0"):
        Subject(vae, Settings(num_samples=0))
    with pytest.raises(JaxaeError, match="num_points: got 100, expected an odd number"):
        Subject(vae, Settings(num_points=100))
    assert len(pixels(Subject(vae, Settings(num_rows=5)).rows)) == 5
