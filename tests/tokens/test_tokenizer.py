"""Tokens as data: what they are, which runs have them, and what is refused."""

import shutil
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import data
from jaxae.errors import JaxaeError
from jaxae.runs import opening
from jaxae.runs.result import Result
from jaxae.runs.tokenizer import run_of
from tests import small
from tests.cli.calling import call
from tests.tokens import making


def of(run: Any, kind: str = "tokens") -> Any:
    return opening.load_data(jaxae.DataSpec(name=f"{kind}:{run}"))


def test_tokens_are_those_of_the_runs_autoencoder_in_its_splits(vq: Result, vq_path: Path) -> None:
    found, images = of(vq_path), vq.run.dataset
    autoencoder = vq.experiment.model
    for name in ("train", "validation", "test"):
        rows, own = getattr(images, name), getattr(found, name)
        batch = jaxae.Batch(jnp.asarray(rows.x, jnp.float32) / rows.scale)
        tokens = np.asarray(autoencoder.tokens(vq.variables, batch))
        np.testing.assert_array_equal(own.x.reshape(len(own.x), -1), tokens)
        np.testing.assert_array_equal(own.y, rows.y)
    assert found.train.x.dtype == np.uint8 and found.shape == making.GRID and found.classes == images.classes


def test_images_of_the_encoders_tokens_are_reconstructions(vq: Result, vq_path: Path) -> None:
    found = of(vq_path)
    images = found.tokenizer.images(found.test.x)
    np.testing.assert_allclose(images, vq.reconstruct(vq.run.dataset.test.x), atol=1e-6)


def test_the_hash_is_that_of_the_tokens(vq_path: Path, tmp_path: Path) -> None:
    making.tokenizer(tmp_path / "other", code_dim=2)
    first, again, other = of(vq_path), of(vq_path), of(tmp_path / "other")
    assert first.hash == again.hash != other.hash


@pytest.mark.slow
def test_pixels_that_each_step_draws_anew_are_drawn_once(tmp_path: Path) -> None:
    data = jaxae.DataSpec(binarize="dynamic", num_validation=30, num_test=30)
    making.tokenizer(tmp_path / "vq", data, reconstruction=jaxae.Bernoulli())
    first, again = of(tmp_path / "vq"), of(tmp_path / "vq")
    assert first.hash == again.hash and first.tokenizer.dataset.train.x.max() > 1


def test_captions_are_the_words_of_names(vq_path: Path) -> None:
    found = of(vq_path, "captions")
    text, y = found.tokenizer.text, of(vq_path).train.y
    assert text.vocabulary == tuple(sorted(found.classes)) and found.train.y.shape == (len(y), 1)
    np.testing.assert_array_equal(found.train.y[:20], text.tokens([found.classes[label] for label in y[:20]]))


@pytest.mark.slow
def test_a_codebook_beyond_256_is_kept_in_16_bits(tmp_path: Path) -> None:
    codebook = jaxae.EMACodebook(num_codes=300)
    making.tokenizer(tmp_path / "vq", quantiser=codebook)
    tokens = of(tmp_path / "vq").train.x
    assert tokens.dtype == np.uint16 and tokens.max() > 255


@pytest.mark.parametrize(
    "condition, kind",
    [
        (jaxae.tokens.Text(), "captions"),
        pytest.param(jaxae.tokens.Labels(), "tokens", marks=pytest.mark.slow),
        pytest.param(None, "tokens", marks=pytest.mark.slow),
    ],
)
def test_a_prior_learns_under_any_condition(condition: Any, kind: str, vq_path: Path) -> None:
    result = jaxae.fit(making.experiment(vq_path, kind, condition))
    name = "dropped_cross_entropy" if condition else "cross_entropy"
    losses = [line["train"][name] for line in result.history]
    assert losses[-1] < losses[0] < 1.1 * 4 * np.log(making.NUM_CODES)
    assert result.scores["test"]["log_prob"] > -4 * np.log(making.NUM_CODES)
    y = {"captions": "seven", "tokens": 7}[kind] if condition else None
    assert result.sample(3, y=y).shape == (3, 8, 8, 1)
    if kind == "captions":
        with pytest.raises(JaxaeError, match="^text 'sevn': unknown word 'sevn'"):
            result.sample(3, y="sevn")


@pytest.mark.slow  # compiled twice, as on a user's machine
@pytest.mark.optimised
def test_a_prior_that_was_interrupted_ends_to_the_bit_as_if_not(
    prior: Result, vq_path: Path, tmp_path: Path
) -> None:
    again = making.experiment(vq_path, condition=jaxae.tokens.Labels(), checkpoint_every=1)
    stopped = tmp_path / "stopped"
    whole = jaxae.fit(again, run_dir=tmp_path / "whole")
    jaxae.fit(again, run_dir=stopped, callbacks=lambda epoch, saved: True)
    resumed = jaxae.resume(stopped)
    assert small.same_bits(resumed.outcome.carry, whole.outcome.carry)
    assert resumed.scores == whole.scores


def test_a_prior_is_not_resumed_over_another_tokenizer(vq_path: Path, tmp_path: Path) -> None:
    shutil.copytree(vq_path, tmp_path / "vq")
    jaxae.fit(making.experiment(tmp_path / "vq"), run_dir=tmp_path / "prior")
    shutil.rmtree(tmp_path / "vq")
    making.tokenizer(tmp_path / "vq", code_dim=2)
    with pytest.raises(JaxaeError, match="the data has changed"):
        jaxae.load(tmp_path / "prior")


@pytest.mark.slow
def test_rows_given_from_python_are_given_to_the_prior_too(tmp_path: Path) -> None:
    x = small.images(90)
    settings = {**making.NETS, "grid": (2, 2), "code_dim": 3}
    data = jaxae.DataSpec(num_validation=10, num_test=10)
    vq = jaxae.Experiment(data=data, model=jaxae.VQVAE(**settings), epochs=1, batch_size=10)
    jaxae.fit(vq, x, run_dir=tmp_path / "vq")
    prior = making.experiment(tmp_path / "vq", batch_size=10)
    result = jaxae.fit(prior, x, run_dir=tmp_path / "prior")
    assert jaxae.load(tmp_path / "prior", x).sample(2).shape == result.sample(2).shape == (2, 4, 4, 1)
    without = jaxae.load(tmp_path / "prior")
    np.testing.assert_array_equal(without.sample(2), result.sample(2))
    with pytest.raises(JaxaeError, match="rows given from Python"):
        without.run.dataset.train  # noqa: B018 (rows are read when they are asked for)


@pytest.mark.slow
def test_without_validation_rows_nothing_is_validated(tmp_path: Path) -> None:
    making.tokenizer(tmp_path / "vq", jaxae.DataSpec(num_validation=0, num_test=30))
    result = jaxae.fit(making.experiment(tmp_path / "vq"))
    assert [line["validation"] for line in result.history] == [None, None]
    assert result.scores["chosen_by"] == "last epoch" and "validation" not in result.scores
    with pytest.raises(JaxaeError, match="early_stopping: needs validation rows"):
        jaxae.fit(making.experiment(tmp_path / "vq", early_stopping=jaxae.EarlyStopping()))


@pytest.mark.slow
def test_a_sweep_of_priors_gives_the_numbers_of_single_runs(vq_path: Path, tmp_path: Path) -> None:
    experiment = making.experiment(vq_path, epochs=1)
    over = {"optimizer.learning_rate": [1e-3, 3e-3]}
    results = jaxae.sweep(experiment, over, seeds=1, run_dir=tmp_path / "sweep", layout="map")
    single = jaxae.fit(experiment)
    row = results.table[results.table["optimizer.learning_rate"] == 3e-3].iloc[0]
    assert row["test.log_prob"] == pytest.approx(single.scores["test"]["log_prob"], rel=1e-5)
    assert results.load(row["run"]).sample(2).shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"name": "tokens"}, "got 'tokens', expected tokens:RUN, or --tokenizer RUN"),
        ({"name": "tokens:nowhere"}, "nowhere"),
        ({"num_test": 10}, "data.num_test: got 10, but tokens have the rows and splits of their run"),
        ({"binarize": "dynamic"}, "data.binarize: got 'dynamic'"),
    ],
)
def test_data_of_no_tokens_are_refused(changes: dict[str, Any], told: str, vq_path: Path) -> None:
    with pytest.raises(JaxaeError, match=told):
        opening.load_data(jaxae.DataSpec(**{"name": f"tokens:{vq_path}", **changes}))


def test_a_run_without_tokens_is_refused(tmp_path: Path) -> None:
    vae = jaxae.VAE(**making.NETS, latent_dim=2)
    jaxae.fit(jaxae.Experiment(model=vae, epochs=1), run_dir=tmp_path / "vae")
    with pytest.raises(JaxaeError, match="a run of VAE, which has no tokens"):
        of(tmp_path / "vae")


def test_models_and_data_that_do_not_fit_are_refused(vq_path: Path) -> None:
    experiment = making.experiment(vq_path)
    wrong = {
        "got no tokens, which a TokenPrior needs; give --tokenizer RUN": jaxae.specs.pytree.replace(
            experiment, "data", jaxae.DataSpec()
        ),
        "expected a model of tokens such as TokenPrior": jaxae.specs.pytree.replace(
            experiment, "model", jaxae.AE()
        ),
        "got Text, but the data have no captions": making.experiment(vq_path, "tokens", jaxae.tokens.Text()),
        "Labels, but the data have captions": making.experiment(vq_path, "captions", jaxae.tokens.Labels()),
        "num_codes: got 8, expected 9, as in the tokenizer": jaxae.specs.pytree.replace(
            experiment, "model.num_codes", 8
        ),
        "labels are 0 to 9; expected 10": making.experiment(
            vq_path, condition=jaxae.tokens.Labels(num_classes=3)
        ),
    }
    for told, each in wrong.items():
        with pytest.raises(JaxaeError, match=told):
            jaxae.fit(each)


def test_the_run_of_a_name_is_a_path_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder in ("runs/a:b", "home/vq"):
        (tmp_path / folder).mkdir(parents=True)
    assert run_of(jaxae.DataSpec(name="captions:runs/a:b")) == Path("runs/a:b")
    assert run_of(jaxae.DataSpec(name="tokens:~/vq")) == tmp_path / "home" / "vq"
    with pytest.raises(JaxaeError, match="there is no runs/c; expected a run's directory"):
        run_of(jaxae.DataSpec(name="tokens:runs/c"))
    with pytest.raises(JaxaeError, match="there is no aaa"):
        run_of(jaxae.DataSpec(name="tokens:" + 300 * "a"))  # longer than the name of any file


def test_a_prior_finds_a_tokenizer_that_was_moved_with_it(
    vq_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(vq_path, "runs/vq")
    before = jaxae.fit(making.experiment(Path("runs/vq")), run_dir="runs/prior")
    Path("runs").rename("elsewhere")
    np.testing.assert_array_equal(jaxae.load("elsewhere/prior").sample(2), before.sample(2))


def test_a_prior_samples_from_another_folder_without_the_images(
    prior: Result, vq_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokenizer is named by a relative path; with the images it gives the tokens of training."""
    (tmp_path / "a").mkdir()
    shutil.copytree(vq_path, tmp_path / "a" / "vq")
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path / "a")
        before = jaxae.fit(
            making.experiment(Path("vq"), condition=jaxae.tokens.Labels()), run_dir="elsewhere/prior"
        )
    loaded = jaxae.load(tmp_path / "a" / "elsewhere" / "prior")
    with monkeypatch.context() as patch:
        patch.setattr(data, "load", None)
        np.testing.assert_array_equal(loaded.sample(3, y="seven"), before.sample(3, y="seven"))
    dataset = loaded.run.dataset
    for name in ("facts", "hash", "shape", "labels", "classes", "num_rows", "location"):
        assert getattr(dataset, name) == getattr(before.run.dataset, name), name
    np.testing.assert_array_equal(dataset.train.x, before.run.dataset.train.x)


def test_a_tokenizer_that_has_moved_is_named_once(
    vq_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For sampling its weights alone decide whether it is the same."""
    shutil.copytree(vq_path, "vq")
    before = jaxae.fit(making.experiment("vq"), run_dir="runs/prior")
    Path("vq").rename("renamed")
    making.tokenizer("other", code_dim=2)
    monkeypatch.setattr(data, "load", None)
    called = call("sample", "runs/prior", "--count", "2")
    assert called.code == 2 and "there is no vq; if it has moved, give --data.name" in called.err
    called = call("sample", "runs/prior", "--count", "2", "--data.name", "tokens:other")
    assert called.code == 2 and called.err.count("\n") == 1, called
    assert "the data has changed: the weights of other have the hash" in called.err
    assert call("sample", "runs/prior", "--count", "2", "--data.name", "tokens:renamed").code == 0
    np.testing.assert_array_equal(jaxae.load("runs/prior").sample(2), before.sample(2))
    assert jaxae.load("runs/prior").run.dataset.location.name == f"tokens:{tmp_path / 'renamed'}"
