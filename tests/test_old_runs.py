"""Runs and sweeps of commit 01ae936 are read, resumed, extended and evaluated.

The archive holds them, and `make.py`, by which they were made: a finished run and the same one interrupted, a
half-done sweep and the whole one, a tokenizer and its prior, and an adversarial autoencoder, whose fields and
terms have other names today.
"""

import csv
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.cli.main import run as command
from jaxae.errors import JaxaeError
from jaxae.runs import seals
from jaxae.specs.old_records import row_as_today
from jaxae.specs.records import from_record
from tests import small

ARCHIVE = Path(__file__).parent / "old_runs_01ae936.tar.xz"
OVER = {"model.beta": [0.5, 1.0], "model.latent_dim": [2, 3]}
# What training alone determines; scores have other draws since chunks change no number.
SAME = "run", "seed", "status", "best_epoch", "model.beta", "model.latent_dim"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("01ae936")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path) -> Path:
    """The working directory with a copy of the old runs."""
    shutil.copytree(unpacked, tmp_path, dirs_exist_ok=True)
    return tmp_path


def without_seconds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in history]


def rows(folder: str) -> dict[str, dict[str, str]]:
    with (Path(folder) / "results.csv").open() as file:
        return {row["run"]: row_as_today(row) for row in csv.DictReader(file)}


def is_close(found: Mapping[str, str], expected: Mapping[str, str], name: str, rel: float) -> bool:
    return float(found[name]) == pytest.approx(float(expected[name]), rel=rel)


@pytest.mark.optimised
def test_an_interrupted_run_becomes_what_it_would_have_become(old: Path) -> None:
    whole, interrupted = jaxae.load("whole"), jaxae.load("interrupted")
    assert len(interrupted.history) == 2 and not interrupted.scores
    resumed = jaxae.resume("interrupted")
    assert len(resumed.history) == len(whole.history) == 4
    for found, expected in zip(resumed.history, whole.history, strict=True):
        for part in ("train", "validation"):
            assert found[part] == pytest.approx(expected[part], rel=1e-5)
    np.testing.assert_allclose(resumed.encode(whole.test), whole.encode(whole.test), rtol=1e-4, atol=1e-5)
    assert resumed.scores["test"]["elbo"] == pytest.approx(whole.scores["test"]["elbo"], abs=0.5)
    here = jaxae.fit(interrupted.experiment, callbacks=lambda *seen: seen[0].epoch == 2)
    if not small.same_bits(here.outcome.carry.state, interrupted.outcome.carry.state):
        pytest.skip("another processor or jax than that of the old runs rounds otherwise: equal within 1e-5")
    assert small.same_bits(resumed.outcome.carry.state, whole.outcome.carry.state)
    assert without_seconds(resumed.history) == without_seconds(whole.history)


@pytest.mark.optimised
@pytest.mark.slow
def test_a_model_with_renamed_fields_and_terms_goes_on(old: Path) -> None:
    whole, interrupted = jaxae.load("adversarial"), jaxae.load("adversarial-interrupted")
    assert interrupted.experiment.model.generator_weight == 0.7  # type: ignore[attr-defined]
    resumed = jaxae.resume("adversarial-interrupted")
    names = ["discriminator", "distortion", "generator", "loss"]
    assert [sorted(line["validation"]) for line in resumed.history] == [names] * 4
    for found, expected in zip(resumed.history, whole.history, strict=True):
        for part in ("train", "validation"):
            assert found[part] == pytest.approx(expected[part], rel=1e-5)


@pytest.mark.slow
def test_a_finished_run_is_evaluated_and_sampled(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = jaxae.load("whole")
    before = result.scores["test"]
    assert command(["evaluate", "whole", "--measures", "likelihood,reconstruction"]) == 0
    after = jaxae.load("whole").scores["test"]
    assert after["squared_error"] == pytest.approx(before["squared_error"], rel=1e-5)
    assert after["iwelbo_64"] == pytest.approx(
        before["iwelbo_64"], abs=5 * before["iwelbo_64_standard_error"]
    )
    assert (old / "whole" / "measures.json").exists() and "Traceback" not in capsys.readouterr().err
    assert result.sample(2).shape == (2, 8, 8, 1)
    assert jaxae.resume("whole").scores == jaxae.load("whole").scores


@pytest.mark.slow
def test_a_prior_finds_its_tokenizer(old: Path) -> None:
    prior, tokenizer = jaxae.load("prior"), jaxae.load("tokenizer")
    assert prior.sample(3).shape == (3, 8, 8, 1)
    tokens = prior.sample_tokens(3)
    assert tokens.shape == (3, 3) and tokens.max() < tokenizer.experiment.model.num_codes
    assert command(["evaluate", "prior"]) == 0
    (old / "tokenizer").rename(old / "elsewhere")
    with pytest.raises(JaxaeError, match="tokenizer"):
        jaxae.resume("prior")


@pytest.mark.slow
def test_a_half_done_sweep_goes_on_and_is_extended(old: Path) -> None:
    (group,) = (old / "sweep" / "groups").glob("*/rows.jsonl")  # the other one has a checkpoint only
    done = [json.loads(line) for line in group.read_text().splitlines()]
    assert len(done) == 2
    record = seals.read(old / "sweep" / "sweep.json")
    experiment = from_record(record["experiment"], jaxae.Experiment)
    jaxae.sweep(experiment, OVER, seeds=1, run_dir="sweep", progress=False)
    found, expected = rows("sweep"), rows("sweep-whole")
    assert set(found) == set(expected) and len(found) == 4
    for run, row in found.items():
        assert {name: row[name] for name in SAME} == {name: expected[run][name] for name in SAME}
        assert is_close(row, expected[run], "test.squared_error", 1e-4)
        assert is_close(row, expected[run], "test.elbo", 0.02)
    for row in done:
        assert found[row["run"]]["finished_at"] == row["finished_at"], "it is not trained again"
    jaxae.sweep(experiment, OVER, seeds=2, run_dir="sweep", progress=False)
    assert len(rows("sweep")) == 8 and set(found) < set(rows("sweep"))


def test_a_run_of_a_sweep_is_a_result(old: Path) -> None:
    results = jaxae.load_sweep("sweep-whole")
    row = results.rows[0]
    result = results.load(row["run"])
    assert result.experiment.model.beta == row["model.beta"]
    assert result.scores["test"]["elbo"] == row["test.elbo"] and len(result.history) == row["epochs_run"]
    assert result.decode(np.zeros((2, row["model.latent_dim"]))).shape == (2, 8, 8, 1)
