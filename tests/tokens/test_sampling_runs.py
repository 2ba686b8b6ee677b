"""Images from a prior over tokens: `Result.sample` and `jaxae sample`."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.runs.result import Result
from tests.cli.calling import call, contents


@pytest.fixture
def here(prior: Result, tmp_path: Path) -> str:
    """A copy of the prior's run in the working directory."""
    assert prior.run.path is not None
    shutil.copytree(prior.run.path, tmp_path / "prior")
    return "prior"


def test_samples_are_decoded_tokens_and_the_seed_decides(prior: Result) -> None:
    tokens = prior.sample_tokens(5, seed=3, y=1)
    images = prior.sample(5, seed=3, y=1)
    np.testing.assert_array_equal(images, prior.run.dataset.tokenizer.images(tokens))
    np.testing.assert_array_equal(images, prior.sample(5, seed=3, y=1))
    assert (prior.sample_tokens(5, seed=4, y=1) != tokens).any()


def test_a_label_is_its_number_or_its_name(prior: Result) -> None:
    np.testing.assert_array_equal(prior.sample_tokens(4, y="seven"), prior.sample_tokens(4, y=7))
    np.testing.assert_array_equal(prior.sample_tokens(2, y=["one", "two"]), prior.sample_tokens(2, y=[1, 2]))


def test_settings_of_sampling_are_obeyed(prior: Result) -> None:
    greedy = prior.sample_tokens(40, y=1, top_k=1)
    assert (greedy == greedy[0]).all() and (prior.sample_tokens(40, y=1) != greedy).any()


def test_the_command_writes_a_picture_and_numbers(here: str, prior: Result) -> None:
    called = call("sample", here, "--condition", "seven", "three", "--count", "4", "--seed", "2")
    assert called.code == 0 and "8 images" in called.out, called
    found = np.load(Path(here) / "samples" / "seven-three-seed2.npz")
    np.testing.assert_array_equal(found["tokens"], prior.sample_tokens(8, 2, [7] * 4 + [3] * 4))
    np.testing.assert_array_equal(found["x"], prior.run.dataset.tokenizer.images(found["tokens"]))
    assert list(found["condition"]) == ["seven"] * 4 + ["three"] * 4
    assert (Path(here) / "samples" / "seven-three-seed2.png").read_bytes().startswith(b"\x89PNG")


def test_output_and_options_of_sampling_are_obeyed(here: str) -> None:
    options = (
        "--condition",
        "1",
        "--count",
        "3",
        "--top-k",
        "1",
        "--guidance",
        "2",
        "--output",
        "new/one.png",
    )
    called = call("sample", here, *options)
    assert called.code == 0, called
    tokens = np.load("new/one.npz")["tokens"]
    assert (tokens == tokens[0]).all() and Path("new/one.png").exists()


def test_given_tokens_are_kept_and_checked(prior: Result) -> None:
    tokens = prior.sample_tokens(3, seed=1, y=1)
    half = tokens.copy()
    half[:, tokens.shape[1] // 2 :] = -1
    found = prior.sample_tokens(3, seed=1, y=1, given=half)
    # The same draws for the same tokens before them.
    np.testing.assert_array_equal(found, tokens)
    other = half.copy()
    other[:, 0] = (other[:, 0] + 1) % prior.experiment.model.num_codes
    assert (prior.sample_tokens(3, seed=1, y=1, given=other)[:, 0] == other[:, 0]).all()
    wrong = {
        "given: got shape (2, ": half[:2],
        "given: got -2 to": np.full_like(half, -2),
        "expected whole numbers": half.astype(float),
    }
    for part, value in wrong.items():
        with pytest.raises(JaxaeError, match=re.escape(part)):
            prior.sample_tokens(3, y=1, given=value)


@pytest.mark.slow
def test_a_variational_autoencoder_is_sampled_too(tmp_path: Path) -> None:
    vae = jaxae.VAE(encoder=jaxae.MLP(widths=(4,)), decoder=jaxae.MLP(widths=(4,)), latent_dim=2)
    result = jaxae.fit(jaxae.Experiment(model=vae, epochs=1), run_dir="vae")
    called = call("sample", "vae", "--count", "3")
    assert called.code == 0, called
    np.testing.assert_array_equal(np.load("vae/samples/unconditional-seed0.npz")["x"], result.sample(3))


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--condition", "sevn"], "got 'sevn', which is not a label; did you mean 'seven'"),
        (["--condition", "10"], "y: got"),
        (["--condition", "one", "2"], "got numbers and names, expected only one of the two"),
        (["--count", "0"], "--count: got 0, expected a whole number > 0"),
        (["--temperature", "0"], "temperature: got 0.0"),
        (["--temprature", "1"], "did you mean '--temperature'"),
        (["--top-p", "1.5"], "top_p: got 1.5"),
        (["--seed", "-1"], "seed: got -1"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(arguments: list[str], told: str, here: str) -> None:
    before = contents(Path())
    called = call("sample", here, *arguments)
    assert called.code == 2 and called.err.count("\n") == 1 and told in called.err, called
    assert contents(Path()) == before


def test_what_is_no_prior_is_told(vq: Result, prior: Result) -> None:
    wrong: dict[str, Any] = {
        "VQVAE has no prior over its codes": lambda: vq.sample(2),
        "VQVAE is not a prior over tokens": lambda: vq.sample_tokens(2),
        "temperature: is an option for priors over tokens": lambda: vq.sample(2, temperature=0.5),
        "temprature: no such setting; did you mean 'temperature'": lambda: prior.sample(2, temprature=0.5),
        "whole number > 0": lambda: prior.sample(0),
    }
    for told, act in wrong.items():
        with pytest.raises(JaxaeError, match=told):
            act()
