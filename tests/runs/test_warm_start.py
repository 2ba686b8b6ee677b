"""Warm starts: what is taken and left, that nothing else changes, and that resumed runs need no other run."""

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxae
from jaxae.cli.main import run as command
from jaxae.errors import JaxaeError
from jaxae.runs import initial, seals
from jaxae.specs.pytree import replace
from tests import small
from tests.runs.test_result import assert_same

X = small.images()
AE = small.member("AE")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, jaxae.Result]:
    """A run of three epochs; not to be written to."""
    path = tmp_path_factory.mktemp("source") / "run"
    return path, jaxae.fit(small.experiment(AE), X, run_dir=path)


def stopping(epoch: Any, saved: bool) -> bool:
    return epoch.epoch == 1


# A learning rate of 0 shows the initial variables after any epoch.
STILL = small.experiment(AE, optimizer=jaxae.SGD(learning_rate=0.0), epochs=1)


def test_a_run_starts_from_the_best_epoch_of_another(
    source: tuple[Path, jaxae.Result], capsys: pytest.CaptureFixture[str]
) -> None:
    path, result = source
    started = jaxae.fit(STILL, X, seed=5, init_from=path)
    assert small.same_bits(started.variables, result.variables)
    best = result.outcome.epoch
    num = len(jax.tree.leaves(result.variables))
    assert f"jaxae: init_from {path}, epoch {best}: {num} of {num} arrays taken\n" in capsys.readouterr().err
    # A result does as well, and its last epoch.
    last = jaxae.fit(STILL, X, init_from=result.last)
    assert small.same_bits(last.variables, result.outcome.carry.state.variables)


def test_what_has_another_shape_is_initialised_as_usual_and_reported(
    source: tuple[Path, jaxae.Result], capsys: pytest.CaptureFixture[str]
) -> None:
    path, result = source
    wider = replace(STILL, "model.latent_dim", 4)
    started, usual = jaxae.fit(wider, X, init_from=path), jaxae.fit(wider, X)
    there, found, fresh = (initial.named(each.variables) for each in (result, started, usual))
    left = [name for name in found if found[name].shape != there[name].shape]
    assert 0 < len(left) < len(found)
    for name, array in found.items():
        np.testing.assert_array_equal(array, fresh[name] if name in left else there[name])
    output = capsys.readouterr().err
    assert "missing there" not in output
    assert f"{len(found) - len(left)} of {len(found)} arrays taken" in output
    assert all(f"{name} ({list(there[name].shape)} there)" in output for name in left[:4])


def test_nothing_that_matches_is_a_mistake(source: tuple[Path, jaxae.Result], tmp_path: Path) -> None:
    nets = {"encoder": jaxae.MLP(widths=(7,)), "decoder": jaxae.MLP(widths=(7,))}
    other = small.experiment(jaxae.Stacked(stages=(jaxae.AE(latent_dim=2, **nets),)))
    with pytest.raises(JaxaeError, match="init_from: no array of .* matches: Stacked and AE"):
        jaxae.fit(other, X, init_from=source[0], run_dir=tmp_path / "new")
    with pytest.raises(JaxaeError, match="nowhere"):
        jaxae.fit(STILL, X, init_from="nowhere", run_dir=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("when", ["before the first checkpoint", "after it"])
def test_a_resumed_run_needs_no_other_run(
    when: str, source: tuple[Path, jaxae.Result], tmp_path: Path
) -> None:
    path = Path(shutil.copytree(source[0], tmp_path / "source"))
    experiment = small.experiment(AE, epochs=2)
    whole = jaxae.fit(experiment, X, seed=5, init_from=path)
    jaxae.fit(experiment, X, seed=5, init_from=path, run_dir=tmp_path / "run", callbacks=stopping)
    shutil.rmtree(path)
    if when == "before the first checkpoint":
        # As after a kill in the first epoch.
        shutil.rmtree(tmp_path / "run/checkpoints")
        (tmp_path / "run/scores.json").unlink()
    resumed = jaxae.resume(tmp_path / "run", X)
    assert_same(resumed, whole)
    record = seals.read(tmp_path / "run/record.json")["init_from"]
    assert record["run"] == str(path) and record["left"] == {} and len(record["fingerprint"]) == 64
    assert not small.same_bits(whole.variables, jaxae.fit(experiment, X, seed=5).variables)
    # The start is a part of what the run is, also when it is saved elsewhere.
    jaxae.load(tmp_path / "run", X).save(tmp_path / "copy")
    saved = seals.read(tmp_path / "copy/record.json")
    assert saved["init_from"] == record
    assert jaxae.load(tmp_path / "copy", X).scores == whole.scores


def test_a_codebook_of_moving_averages_is_taken_too() -> None:
    experiment = small.experiment(small.member("VQVAE"), epochs=1)
    result = jaxae.fit(experiment, X)
    assert jax.tree.leaves(result.variables.extra)
    shapes = jax.eval_shape(lambda: result.variables)
    started = initial.match(shapes, initial.named(result.variables), {"run": None, "epoch": 1})
    zeros = jax.tree.map(np.zeros_like, result.variables)
    assert small.same_bits(started.apply(zeros), jax.device_get(result.variables))


def test_a_copy_that_is_damaged_is_named(source: tuple[Path, jaxae.Result], tmp_path: Path) -> None:
    jaxae.fit(STILL, X, init_from=source[0], run_dir=tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints")
    (tmp_path / "run/scores.json").unlink()
    shutil.rmtree(tmp_path / "run/initial")
    with pytest.raises(JaxaeError, match="run/initial: is missing"):
        jaxae.resume(tmp_path / "run", X)


@pytest.mark.parametrize(
    "entry", [3, None, {}, {"hash": "a", "left": [], "taken": 1, "epoch": 1, "run": None}]
)
def test_a_damaged_entry_of_the_record_is_named(entry: Any) -> None:
    with pytest.raises(JaxaeError, match="init_from: got .*, expected an object as jaxae writes it"):
        initial.check_record({"init_from": entry})


@pytest.mark.slow
def test_labels_with_other_names_are_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    model = small.member("VAE, conditional")
    experiment = small.experiment(model, epochs=1)
    names = np.array(["a", "b", "c"])[small.labels(90)]
    result = jaxae.fit(experiment, X, names)
    jaxae.fit(experiment, X, names, init_from=result)
    assert "other names" not in capsys.readouterr().err
    jaxae.fit(experiment, X, np.char.add(names, "x"), init_from=result)
    assert "labels have other names: a, b, c there, ax, bx, cx here" in capsys.readouterr().err
    unscaled = replace(STILL, "data.binarize", "none")
    jaxae.fit(unscaled, X.astype(np.float32), init_from=jaxae.fit(unscaled, X))
    assert "see data in other units: 0 to 1 and 0 to 255" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_line_starts_from_a_run_and_a_record_starts_so_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "import jaxae\n"
        "experiment = jaxae.Experiment(model=jaxae.AE(latent_dim=2, encoder=jaxae.MLP(widths=(8,)), "
        "decoder=jaxae.MLP(widths=(8,))), epochs=1)\n"
    )
    assert command(["train", "mine.py", "--run-dir", "first"]) == 0
    assert command(["train", "mine.py", "--init-from", "first", "--run-dir", "second"]) == 0
    assert "init_from first, epoch 1: 8 of 8 arrays taken" in capsys.readouterr().out
    shutil.rmtree("first")
    assert command(["train", "second/record.json", "--run-dir", "third"]) == 0
    assert_same(jaxae.load("third"), jaxae.load("second"))
    assert command(["sweep", "second", "--over", "model.latent_dim=2", "--run-dir", "swept"]) == 0
    assert "init_from: second started from another run" in capsys.readouterr().err
    assert command(["train", "mine.py", "--init-from", "first", "--run-dir", "fourth"]) == 2
    assert "first: no such run" in capsys.readouterr().err and not Path("fourth").exists()


# The last epoch


@pytest.fixture(scope="module")
def rising() -> jaxae.Experiment:
    """A loss that falls for two epochs and rises after them, as the gradient is followed upwards."""
    rate = jaxae.schedules.Piecewise(values=(0.01, -0.002), boundaries=(10.0,))
    return small.experiment(AE, epochs=4, optimizer=jaxae.SGD(learning_rate=rate))


def test_the_last_epoch_is_next_to_the_best(rising: jaxae.Experiment, tmp_path: Path) -> None:
    result = jaxae.fit(rising, X, run_dir=tmp_path / "run")
    last = result.last
    assert (result.scores["epoch"], last.scores["epoch"], last.scores["chosen_by"]) == (2, 4, "last epoch")
    assert last.scores["validation"]["squared_error"] > result.scores["validation"]["squared_error"]
    # A run of two epochs has the best state as its last one, by another route.
    two = jaxae.fit(replace(rising, "epochs", 2), X)
    np.testing.assert_array_equal(two.encode(X), result.encode(X))
    assert not np.array_equal(last.encode(X), result.encode(X))
    loaded = jaxae.load(tmp_path / "run", X)
    np.testing.assert_array_equal(loaded.last.encode(X), last.encode(X))
    assert loaded.last.scores == last.scores and loaded.scores == result.scores
    with pytest.raises(JaxaeError, match="save: a run is saved with both states"):
        last.save(tmp_path / "other")


@pytest.mark.slow
def test_a_run_of_a_sweep_has_no_last_epoch(rising: jaxae.Experiment, tmp_path: Path) -> None:
    results = jaxae.sweep(rising, {"model.latent_dim": [3]}, x=X, progress=False)
    lane = results.load(results.rows[0]["run"])
    with pytest.raises(JaxaeError, match="last: a run of a sweep keeps its best epoch only"):
        _ = lane.last
    lane.save(tmp_path / "saved")
    with pytest.raises(JaxaeError, match="was saved from a sweep with its best epoch only"):
        jaxae.resume(tmp_path / "saved", X, epochs=9)
