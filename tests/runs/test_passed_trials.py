"""A trial that passed is not made again, unless anything that decides its outcome has changed."""

import dataclasses
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import pytest

import jaxae
from jaxae.contract import capability_checks
from jaxae.data import DataSpec, load
from jaxae.errors import JaxaeError
from jaxae.runs import passed_trials
from jaxae.runs.experiment import example_batch, resolve
from tests import small


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The classes of the models that are tried from now on; none has passed before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(passed_trials, "_passed", set())
    tried: list[str] = []

    def check(model: Any, *arguments: Any) -> None:
        tried.append(type(model).__name__)
        capability_checks.check(model, *arguments)

    monkeypatch.setattr("jaxae.contract.check", check)
    return tried


EXPERIMENT = small.experiment(jaxae.AE(**small.NETS, latent_dim=2))


def digest(batch_size: int = 10, **changes: Any) -> str | None:
    experiment = dataclasses.replace(EXPERIMENT, **changes) if changes else EXPERIMENT
    return passed_trials.digest(experiment, example_batch(load(DataSpec()), batch_size))


def test_a_model_is_tried_once(trials: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load(DataSpec())
    first = resolve(EXPERIMENT, dataset)
    assert resolve(EXPERIMENT, dataset) == first
    # As another process, which has only the file.
    monkeypatch.setattr(passed_trials, "_passed", set())
    assert resolve(EXPERIMENT, dataset) == first
    assert trials == ["AE"]


def test_whatever_decides_the_outcome_is_part_of_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [
        digest(),
        digest(batch_size=20),
        digest(model=jaxae.VAE(**small.NETS, latent_dim=2)),
        digest(model=jaxae.AE(**small.NETS, latent_dim=3)),
        digest(optimizer=jaxae.SGD()),
        digest(compute_dtype="bfloat16"),
    ]
    with jax.numpy_rank_promotion("warn"):
        digests.append(digest())
    monkeypatch.setattr(passed_trials, "_code", passed_trials._code.__wrapped__)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9")
    digests.append(digest())
    monkeypatch.setattr("jaxae.runs.user_cache.fingerprint", lambda package, use: "edited")
    digests.append(digest())
    assert None not in digests and len(set(digests)) == len(digests)
    # Neither the seed of the data nor the number of epochs.
    assert digest(epochs=7) == digests[-1]


class Wrong(nn.Module):
    """A net of a user's own."""

    @nn.compact
    def __call__(self, x: jax.Array, size: int) -> jax.Array:
        raise NotImplementedError


def test_models_with_classes_of_ones_own_are_always_tried(trials: list[str]) -> None:
    own = dataclasses.replace(EXPERIMENT, model=jaxae.AE(encoder=Wrong(), latent_dim=2))
    assert passed_trials.digest(own, example_batch(load(DataSpec()), 10)) is None
    for _ in range(2):
        with pytest.raises(JaxaeError, match=r"AE.init raised NotImplementedError"):
            resolve(own, load(DataSpec()))
    assert trials == ["AE", "AE"]


def test_a_trial_with_a_mistake_is_not_kept(trials: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise JaxaeError("model: a mistake")

    with monkeypatch.context() as patch:
        patch.setattr("jaxae.contract.check", fail)
        with pytest.raises(JaxaeError, match="a mistake"):
            resolve(EXPERIMENT, load(DataSpec()))
    resolve(EXPERIMENT, load(DataSpec()))
    assert trials == ["AE"]


@pytest.mark.parametrize("content", ["", "{}", "nonsense"])
def test_a_damaged_file_is_made_again(
    content: str, trials: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_trials.keep("1234")
    passed_trials._file().write_text(content)
    monkeypatch.setattr(passed_trials, "_passed", set())
    assert not passed_trials.has_passed("1234")
    for number in range(passed_trials.MOST_KEPT + 5):
        passed_trials.keep(str(number))
    monkeypatch.setattr(passed_trials, "_passed", set())
    assert passed_trials.has_passed("5") and not passed_trials.has_passed("4")
