import json
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import api
from jaxae import run as running
from jaxae.errors import JaxaeError
from jaxae.pytree import replace
from tests import small

X = small.images()
Y = np.arange(len(X)) % 3


@pytest.fixture(scope="module")
def result() -> jaxae.Result:
    return jaxae.fit(small.experiment(), X)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, jaxae.Result]:
    """The same run, with a directory; not to be written to."""
    path = tmp_path_factory.mktemp("kept") / "run"
    return path, jaxae.fit(small.experiment(), X, run_dir=path)


def without_seconds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in history]


def assert_same(one: jaxae.Result, other: jaxae.Result) -> None:
    assert small.same_bits(one.outcome.carry, other.outcome.carry)
    assert without_seconds(one.history) == without_seconds(other.history) and one.scores == other.scores


# fit


def test_fit_tells_history_scores_and_the_resolved_experiment(result: jaxae.Result) -> None:
    assert [line["epoch"] for line in result.history] == [1, 2, 3]
    assert set(result.history[0]["train"]) == {"loss", "distortion", "rate", "gradient_norm"}
    assert result.scores["epoch"] in (1, 2, 3) and np.isfinite(result.scores["test"]["elbo"])
    assert result.experiment.autoencoder.data_shape == (4, 4, 1)  # type: ignore[attr-defined]


def test_fit_without_a_directory_writes_nothing(tmp_path: Path) -> None:
    jaxae.fit(small.experiment(epochs=1), X)
    assert list(tmp_path.iterdir()) == []


def test_fit_twice_and_in_a_thread_gives_the_same_bits(result: jaxae.Result) -> None:
    found: list[jaxae.Result] = []
    thread = threading.Thread(target=lambda: found.append(jaxae.fit(small.experiment(), X)))
    thread.start()
    thread.join()
    for other in (found[0], jaxae.fit(small.experiment(), X)):
        assert_same(other, result)


def test_a_directory_changes_no_number(result: jaxae.Result, kept: tuple[Path, jaxae.Result]) -> None:
    assert_same(kept[1], result)
    names = {path.name for path in kept[0].iterdir()}
    assert names == {"record.json", "history.jsonl", "scores.json", "checkpoints", ".lock"}


def test_another_seed_gives_other_numbers(result: jaxae.Result) -> None:
    other = jaxae.fit(small.experiment(), X, seed=1)
    assert not small.same_bits(other.variables, result.variables)


def test_rows_of_any_layout_are_the_same_rows(result: jaxae.Result) -> None:
    assert_same(jaxae.fit(small.experiment(), X[..., 0]), result)  # [N, H, W]
    assert_same(jaxae.fit(small.experiment(), X.tolist()), result)


def test_labels_floats_and_vectors() -> None:
    prepared = api.prepare(small.experiment(), 0, X, Y)
    assert prepared.dataset.train.y.shape == (50,)
    assert api.prepare(small.experiment(), 0, X / 255).dataset.scale == 1.0
    plain = small.experiment(replace(small.member("AE"), "data_shape", ()), epochs=1)
    vectors = jaxae.fit(plain, X.reshape(90, 16), Y)
    assert vectors.decode(vectors.encode(X.reshape(90, 16)[:7], Y[:7])).shape == (7, 16)


@pytest.mark.parametrize(
    "arguments, told",
    [
        ({"experiment": jaxae.VAE}, "experiment: got type, expected a jaxae.Experiment"),
        ({"experiment": None}, "experiment: got NoneType"),
        ({"seed": -1}, "seed: got -1, expected a whole number from 0 to"),
        ({"seed": True}, "seed: got True"),
        ({"seed": 1.5}, "seed: got 1.5"),
        ({"x": np.zeros(5)}, r"arrays: shape \(5,\), expected"),
        ({"x": np.full((90, 4, 4), np.nan)}, "not finite"),
        ({"x": [["a", "b"]]}, "dtype"),
        ({"x": [[1.0], [1.0, 2.0]]}, "arrays: cannot be made a NumPy array"),
        ({"y": Y[:-1]}, "89 labels for 90 rows"),
        ({"y": Y + 0.5}, "labels of dtype float64"),
        ({"x": X[:10]}, "leave none"),
        ({"experiment": small.experiment(batch_size=51)}, "batch_size: got 51"),
        ({"experiment": small.experiment(epochs=-1)}, "epochs: got -1"),
        ({"experiment": small.experiment(clip_norm=jnp.ones(2))}, "clip_norm"),
        ({"run_dir": "."}, "--run-dir .: the directory is not empty"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(arguments: dict[str, Any], told: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    given = {"experiment": small.experiment(), "x": X, **arguments}
    with pytest.raises(JaxaeError, match=told) as error:
        jaxae.fit(**given)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_observer_sees_every_epoch_and_stops_the_run(tmp_path: Path, result: jaxae.Result) -> None:
    seen: list[tuple[int, bool]] = []

    def observe(epoch: Any, saved: bool) -> bool:
        seen.append((epoch.epoch, saved))
        return epoch.epoch == 2

    with pytest.raises(running.Interrupted):
        jaxae.fit(small.experiment(), X, run_dir="run", observe=observe)
    assert seen == [(1, True), (2, True)] and not (tmp_path / "run" / "scores.json").exists()
    with pytest.raises(running.Interrupted):
        jaxae.fit(small.experiment(), X, observe=observe)
    assert seen[2:] == [(1, False), (2, False)]  # without a directory nothing is saved
    assert_same(jaxae.resume("run", X), result)


# load, save, resume


def test_load_is_what_fit_gave(kept: tuple[Path, jaxae.Result]) -> None:
    loaded = jaxae.load(kept[0], X)
    assert_same(loaded, kept[1])
    assert np.array_equal(loaded.encode(X), kept[1].encode(X))
    assert_same(jaxae.load(str(kept[0]), X), kept[1])


def test_save_and_load_of_a_result_without_a_directory(result: jaxae.Result, tmp_path: Path) -> None:
    assert result.save("saved") == Path("saved")
    loaded = jaxae.load("saved", X)
    assert_same(loaded, result)
    with pytest.raises(JaxaeError, match="--run-dir saved: holds a run already"):
        result.save("saved")
    assert jaxae.resume("saved", X).scores == result.scores
    record = json.loads((tmp_path / "saved" / "record.json").read_text())
    assert record["name"] == "saved" and record["seed"] == 0


def test_a_saved_part_of_a_run_is_no_finished_run(kept: tuple[Path, jaxae.Result], tmp_path: Path) -> None:
    """It has no scores.json, which would say that it was."""
    outcome = kept[1].outcome
    part = jaxae.Result(kept[1].run, running.Outcome(outcome.carry, outcome.history), {})
    part.save("part")
    assert not (tmp_path / "part" / "scores.json").exists() and jaxae.load("part", X).scores == {}


@pytest.mark.parametrize("border", [1, 2])
def test_resume_from_every_epoch_ends_in_the_same_bits(border: int, result: jaxae.Result) -> None:
    with pytest.raises(running.Interrupted):
        jaxae.fit(small.experiment(), X, run_dir="run", observe=lambda epoch, saved: epoch.epoch == border)
    assert len(jaxae.load("run", X).history) == border
    assert_same(jaxae.resume("run", X), result)
    assert_same(jaxae.load("run", X), result)


def test_a_run_of_ones_own_rows_needs_them_again(kept: tuple[Path, jaxae.Result]) -> None:
    for function in (jaxae.load, jaxae.resume):
        with pytest.raises(JaxaeError, match="was trained on rows given from Python; give them again"):
            function(kept[0])
        with pytest.raises(JaxaeError, match="the data has changed"):
            function(kept[0], X[::-1])


@pytest.mark.parametrize("path", ["gone", "."])
def test_what_is_no_run_is_named(path: str) -> None:
    with pytest.raises(JaxaeError, match="not found"):
        jaxae.load(path)


# encode, decode, reconstruct, sample


def test_codes_and_images_have_their_shapes_and_unit(result: jaxae.Result) -> None:
    codes, images = result.encode(X), result.reconstruct(X)
    assert codes.shape == (90, 3) and codes.dtype == np.float32
    assert images.shape == X.shape and images.min() >= 0 and images.max() <= 1
    np.testing.assert_allclose(result.decode(codes), images, rtol=1e-5, atol=1e-6)
    assert result.sample(7).shape == (7, 4, 4, 1)


def test_integers_are_as_stored_and_floats_in_the_datas_unit(result: jaxae.Result) -> None:
    expected = result.encode(X)
    for rows in (X.astype(np.int64), X / 255, (X / 255).astype(np.float32), X[..., 0], X[..., 0].tolist()):
        np.testing.assert_allclose(result.encode(rows), expected, rtol=1e-5, atol=1e-6)


def test_encode_is_the_autoencoders_own(result: jaxae.Result) -> None:
    batch = jaxae.Batch(jnp.asarray(X / 255, jnp.float32))
    expected = result.experiment.autoencoder.encode(result.variables, batch)
    np.testing.assert_allclose(result.encode(X), expected, rtol=1e-5, atol=1e-6)


def test_what_a_row_gives_does_not_depend_on_the_block_that_it_is_in(
    result: jaxae.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 1e-6: products of other shapes round otherwise."""
    calls = (
        lambda: result.encode(X),
        lambda: result.reconstruct(X),
        lambda: result.decode(result.encode(X)),
        lambda: result.sample(90),
    )
    whole = [call() for call in calls]
    monkeypatch.setattr("jaxae.result.ROWS_AT_ONCE", 7)  # 13 blocks, the last of which overlaps
    for call, expected in zip(calls, whole, strict=True):
        np.testing.assert_allclose(call(), expected, rtol=1e-6, atol=1e-6)


def test_samples_follow_their_seed(result: jaxae.Result) -> None:
    assert np.array_equal(result.sample(3), result.sample(3))
    assert not np.array_equal(result.sample(3), result.sample(3, seed=1))


def test_a_second_call_compiles_nothing(result: jaxae.Result) -> None:
    from jaxae import result as module

    for function, call in (
        (module._encode, lambda: result.encode(X[:8])),
        (module._decode, lambda: result.decode(np.zeros((8, 3)))),
        (module._reconstruct, lambda: result.reconstruct(X[:8])),
        (module._prior_sample, lambda: result.sample(8)),
    ):
        call()
        before = function._cache_size()
        call()
        assert function._cache_size() == before


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda result: result.encode(np.zeros((3, 5, 5))), r"shape \(3, 5, 5\), expected \(N, 4, 4, 1\)"),
        (lambda result: result.encode(np.zeros((4, 4))), "x: got shape"),
        (lambda result: result.encode(X[:0]), "with N > 0"),
        (lambda result: result.encode("images"), "x: got dtype"),
        (lambda result: result.reconstruct(X[..., [0, 0]]), r"x: got shape \(90, 4, 4, 2\)"),
        (lambda result: result.encode(X, Y[:3]), "y: got 3 labels for 90 rows"),
        (lambda result: result.decode(np.zeros((2, 4))), r"codes: got shape \(2, 4\), expected \(N, 3\)"),
        (lambda result: result.decode(np.zeros(3)), r"codes: got shape \(3,\)"),
        (lambda result: result.decode([["a", "b", "c"]]), "codes: got dtype"),
        (lambda result: result.sample(0), "sample: got 0, expected a whole number > 0"),
        (lambda result: result.sample(2.5), "sample: got 2.5"),
        (lambda result: result.sample(2, seed=-1), "seed: got -1"),
    ],
)  # fmt: skip
def test_mistakes_with_a_result_are_named(call: Any, told: str, result: jaxae.Result) -> None:
    with pytest.raises(JaxaeError, match=told) as error:
        call(result)
    assert "\n" not in str(error.value)


def test_an_autoencoder_without_a_prior_has_no_samples() -> None:
    plain = jaxae.fit(small.experiment(small.member("AE"), epochs=1), X)
    with pytest.raises(JaxaeError, match="sample: AE has no prior over its codes"):
        plain.sample(3)
    assert plain.encode(X).shape == (90, 3)


def test_a_run_without_held_out_rows_is_scored_by_its_last_epoch() -> None:
    data = jaxae.Data(binarize="dynamic", num_validation=0, num_test=0)
    bare = jaxae.fit(small.experiment(data=data, epochs=2), X, run_dir="run")
    assert (
        bare.scores["chosen_by"] == "last epoch" and bare.scores["epoch"] == 2 and "test" not in bare.scores
    )
    assert all(line["validation"] is None for line in bare.history)
    assert_same(jaxae.load("run", X), bare)


def test_the_best_state_is_what_a_result_holds(result: jaxae.Result) -> None:
    carry = result.outcome.carry
    assert small.same_bits(result.variables, carry.best.variables)
    assert jax.tree.structure(carry.best) == jax.tree.structure(carry.state)


@pytest.mark.slow
def test_labels_are_asked_for_under_a_condition_only() -> None:
    """A stack has labels too, but they are its head's."""
    experiment = small.experiment(replace(small.member("Stacked"), "data_shape", ()), epochs=1)
    stacked = jaxae.fit(experiment, small.images(), small.labels(90))
    assert stacked.reconstruct(small.images(4)).shape == (4, 4, 4, 1)
    member = replace(small.member("VAE, conditional"), "data_shape", ())
    conditional = jaxae.fit(small.experiment(member, epochs=1), small.images(), small.labels(90))
    assert conditional.sample(2, y=1).shape == (2, 4, 4, 1)
    with pytest.raises(jaxae.JaxaeError, match="y: is missing"):
        conditional.reconstruct(small.images(4))
