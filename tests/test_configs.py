"""Every config builds, says what it should give, and runs two steps."""

import dataclasses
import json
import re
import types
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.data import Dataset, load
from jaxae.runs.config import execute, load_config, names
from jaxae.runs.experiment import as_arrays, example_batch, resolve
from jaxae.runs.tokenizer import is_of_tokens
from jaxae.training import loop
from jaxae.training.epoch import NEVER
from jaxae.types import Batch, Examples

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
EXPECTED = json.loads((ROOT / "experiments" / "family" / "expected.json").read_text())
SHAPES = {"digits": (8, 8, 1), "mnist": (28, 28, 1), "photographs": (32, 32, 3), "scenes": (32, 32, 3)}
WORDS = jaxae.tokens.Text(vocabulary=("above", "square"), length=3)
FILES = sorted(CONFIGS.glob("*.py"))


def trained(autoencoder: Any) -> dict[str, bool]:
    """Which groups of parameters learn in the first step, where some of them rest."""
    start = jnp.zeros((), jnp.int32)
    weights = jax.device_get(autoencoder.weights(start))
    # A term that has no weight yet, such as the discriminator's before the game, leaves its group at rest.
    begun = {name: weight > 0 for name, weight in weights.items()}
    return begun | (jax.device_get(autoencoder.trained(start)) if hasattr(autoencoder, "trained") else {})


def noise(name: str, num: int) -> Dataset:
    """Rows of the data's shape without its files: a config must build on any machine."""
    if is_of_tokens(jaxae.DataSpec(name=name)):
        return noise_of_tokens(name, num)
    shape = SHAPES[name.partition(":")[0]]
    x = np.random.RandomState(0).randint(0, 256, (num, *shape)).astype(np.uint8)
    rows = Examples(x, np.zeros(num, np.int32), np.float32(255))
    return Dataset(rows, rows, rows, "hash", shape, 255.0, (0.0, 1.0), "noise")


def noise_of_tokens(name: str, num: int) -> Dataset:
    """4x4 tokens of 8 codes, with labels or words, and as much of a tokenizer as a prior asks for."""
    random, text = np.random.RandomState(0), WORDS if name == "captions" else None
    y = random.randint(0, 3, (num, 3)) if text else random.randint(0, 10, num)
    rows = Examples(random.randint(0, 8, (num, 4, 4)).astype(np.uint8), y.astype(np.int32), np.float32(1))
    tokenizer = types.SimpleNamespace(num_codes=8, text=text)
    description = ("hash", (4, 4), 1.0, (0.0, 7.0), "noise", tuple("abcdefghij"))
    return Dataset(rows, rows, rows, *description, tokenizer=tokenizer)


def test_all_are_found_by_their_bare_names() -> None:
    assert {file.stem for file in FILES} <= set(names())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_docstring_holds_command_expected_number_and_time(file: Path) -> None:
    text = execute(file).__doc__ or ""
    assert re.search(rf"^Command: .*jaxae train configs/{file.name}( --tokenizer RUN)?$", text, re.M)
    assert re.search(r"^Expected: .*\d", text, re.M) and re.search(r"^Time: .*\d+ s", text, re.M)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_expected_number_is_the_studys(file: Path) -> None:
    """What the docstring expects is what `experiments/family/expected.json` holds of that command."""
    expected = EXPECTED[file.stem]
    said = re.search(r"^Expected: +test (\w+) (-?[\d.]+)", execute(file).__doc__ or "", re.M)
    assert said, "Expected:  test <score> <number>"
    digits = len(said[2].partition(".")[2])
    assert float(said[2]) == round(expected["test"][said[1]], digits)


# One of each kind of objective and of optimisation; the others take minutes all together, and
# members are tested on smaller data as well.
EVERY_TIME = {"vae_digits", "stacked_digits", "topk_digits", "factor_digits", "token_prior_digits"}
SLOW = [file for file in FILES if file.stem not in EVERY_TIME]
TRAINED = [pytest.param(file, marks=pytest.mark.slow if file in SLOW else (), id=file.stem) for file in FILES]


@pytest.mark.parametrize("file", TRAINED)
def test_thirty_steps_lower_the_loss_and_move_every_parameter(file: Path) -> None:
    """On the real digits; those of other data on rows of its shape, since its files may not be there."""
    experiment = load_config(str(file))
    has_rows = experiment.data.name == "digits"
    dataset = load(experiment.data) if has_rows else noise(experiment.data.name, 2 * experiment.batch_size)
    resolved = as_arrays(resolve(experiment, dataset))
    batch = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), example_batch(dataset))
    carry = loop.begin(resolved, keys.root(0), batch)
    train, shape = loop.to_device(dataset.train), (30, experiment.batch_size)
    rows = jnp.resize(jnp.arange(len(dataset.train.x)), shape)
    steps = Batch(train.x[rows], train.y[rows])
    before = jax.device_get(carry.state.variables.params)
    carry, info = loop.run_chunk(resolved, keys.root(0), carry, steps, train.scale)
    assert int(carry.state.step) == 30 and int(carry.first_bad_step) == NEVER
    assert info.loss[-5:].mean() < info.loss[:5].mean()
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before, carry.state.variables.params)
    resting = {name for name, learns in trained(resolved.model).items() if not learns}
    assert not set(moved) <= resting, "a phase has parameters that learn"
    for name, group in moved.items():
        assert min(jax.tree.leaves(group)) > 0 or name in resting, f"{name} learns"


def test_the_default_experiment_is_the_digits() -> None:
    assert load_config("vae_digits").data.name == "digits"
    assert [field.name for field in dataclasses.fields(load_config("vae_digits"))][:5] == [
        "data",
        "model",
        "optimizer",
        "batch_size",
        "epochs",
    ]
