import dataclasses
import json
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxae
from jaxae.data import from_arrays
from jaxae.data.own.given_rows import GivenRows
from jaxae.data.splits import draw_rows
from jaxae.errors import JaxaeError
from jaxae.evaluation.subject import Settings, Subject
from jaxae.runs import api, opening, run_types, seals
from jaxae.specs.pytree import replace
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
    assert result.experiment.model.data_shape == (4, 4, 1)  # type: ignore[attr-defined]


def test_in_a_notebook_a_result_is_a_short_table(result: jaxae.Result) -> None:
    html = result._repr_html_()
    assert "<b>Result of VAE</b>" in html and "<td" in html and "<script" not in html
    elbo, error = (result.scores["test"][name] for name in ("elbo", "elbo_standard_error"))
    assert f"{elbo:.5g} ± {error:.2g}" in html and html.count("<tr>") < 20
    assert len(repr(result).splitlines()) == 1 and len(repr(result)) < 300
    assert repr(result.test) == "Examples(x=float32[20, 4, 4, 1], y=(), scale=1)"
    assert repr(result.variables).startswith("Variables(8 arrays, ")


def test_in_a_notebook_a_data_set_is_a_table_and_its_names_are_escaped() -> None:
    dataset = from_arrays(X, np.array(["<b>"] * len(X)), small.experiment().data)
    html = dataset._repr_html_()
    assert "&lt;b&gt;" in html and "<b>." not in html and ">50<" in html and "divided by 255" in html


def test_a_callback_can_print_an_epoch(result: jaxae.Result) -> None:
    printed: list[str] = []
    jaxae.fit(small.experiment(), X, callbacks=lambda epoch, saved: printed.append(repr(epoch)))
    assert printed[0].startswith("EpochResult(epoch=1, step=5, train={") and "carry" not in printed[0]


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
    names -= {"code"}  # the uncommitted changes of this working tree, if it has any
    files = {"record.json", "history.jsonl", "scores.json", "log.txt", "status.json"}
    assert names == files | {"checkpoints", ".lock"}


def test_another_seed_gives_other_numbers(result: jaxae.Result) -> None:
    other = jaxae.fit(small.experiment(), X, seed=1)
    assert not small.same_bits(other.variables, result.variables)


def test_rows_of_any_layout_are_the_same_rows(result: jaxae.Result) -> None:
    assert_same(jaxae.fit(small.experiment(), X[..., 0]), result)  # [N, H, W]
    assert_same(jaxae.fit(small.experiment(), list(X)), result)


def test_labels_floats_and_vectors() -> None:
    prepared = opening.prepare(small.experiment(), 0, GivenRows(X, Y))
    assert prepared.dataset.train.y.shape == (50,)
    assert opening.prepare(small.experiment(), 0, GivenRows(X / 255)).dataset.scale == 1.0
    plain = small.experiment(replace(small.member("AE"), "data_shape", ()), epochs=1)
    table = X.reshape(90, 16) / 255
    vectors = jaxae.fit(plain, table, Y)
    assert vectors.decode(vectors.encode(table[:7], Y[:7])).shape == (7, 16)


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
        ({"x": [[1.0], [1.0, 2.0]]}, "arrays: x: cannot be converted to a NumPy array"),
        ({"y": Y[:-1]}, "89 labels for 90 rows"),
        ({"y": Y + 0.5}, "arrays: y: labels of dtype float64"),
        ({"y": {"label": Y}}, "arrays: y: got a dict with the keys label; .*y\\['label'\\]"),
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


def test_a_callback_sees_every_epoch_and_stops_the_run(tmp_path: Path, result: jaxae.Result) -> None:
    seen: list[tuple[int, bool]] = []

    def observe(epoch: Any, saved: bool) -> bool:
        seen.append((epoch.epoch, saved))
        return epoch.epoch == 2

    stopped = jaxae.fit(small.experiment(), X, run_dir="run", callbacks=observe)
    assert seen == [(1, True), (2, True)] and stopped.scores["stopped_by"] == "callback"
    assert [line["train"] for line in stopped.history] == [line["train"] for line in result.history[:2]]
    # The scores are those of the best state so far: what a run of two epochs comes to.
    short = jaxae.fit(small.experiment(epochs=2), X)
    assert {**short.scores, "stopped_by": "callback"} == stopped.scores and stopped.encode(X).shape == (90, 3)
    assert jaxae.load("run", X).scores == stopped.scores
    assert jaxae.fit(small.experiment(), X, callbacks=observe).scores == stopped.scores
    assert seen[2:] == [(1, False), (2, False)]  # without a directory nothing is saved
    assert_same(jaxae.resume("run", X), result)
    assert "stopped_by" not in seals.read(tmp_path / "run" / "scores.json")


def test_all_callbacks_see_every_epoch_and_any_of_them_stops(result: jaxae.Result) -> None:
    seen: list[tuple[str, int]] = []
    watch = lambda name, stop: lambda epoch, saved: seen.append((name, epoch.epoch)) or epoch.epoch == stop  # noqa: E731
    stopped = jaxae.fit(small.experiment(), X, callbacks=[watch("a", 2), watch("b", None)])
    assert seen == [("a", 1), ("b", 1), ("a", 2), ("b", 2)] and len(stopped.history) == 2


@pytest.mark.parametrize(
    ("callbacks", "message"), [("no", "callbacks: got 'no', expected a function"), ([1], "callbacks.0.")]
)
def test_callbacks_that_cannot_be_called_are_mistakes(callbacks: Any, message: str) -> None:
    with pytest.raises(JaxaeError, match=message):
        jaxae.fit(small.experiment(), X, callbacks=callbacks)


STOPPING: dict[str, Any] = {
    "epochs": 9,
    "validate_every": 2,
    "checkpoint_every": 5,
    "early_stopping": jaxae.EarlyStopping(patience=2, min_delta=1e9),
}


def test_a_run_that_stops_early_says_so_in_history_scores_and_sweeps() -> None:
    result = jaxae.fit(small.experiment(**STOPPING), X, run_dir="run")
    assert len(result.history) == 6 and [line.get("stopped_early") for line in result.history[-2:]] == [
        None,
        True,
    ]
    assert (result.scores["epochs_run"], result.scores["stopped_early"]) == (6, True)
    assert result.scores["chosen_by"] == "validation loss" and result.history[-1]["validation"] is not None
    assert seals.read(Path("run/scores.json"))["stopped_early"] is True
    loaded = jaxae.load("run", X)
    assert (
        loaded.history == result.history and api.score_run(loaded.run, loaded.outcome).scores == result.scores
    )
    swept = jaxae.sweep(small.experiment(**STOPPING), seeds=1, x=X, progress=False, layout="map")
    (row,) = swept.rows
    assert (row["status"], row["epochs_run"]) == ("stopped", 6)
    again = swept.load(row["run"])
    assert again.history[-1]["stopped_early"] and again.scores["epochs_run"] == 6
    assert api.score_run(again.run, again.outcome).scores == result.scores
    whole = jaxae.fit(small.experiment(epochs=1), X)
    assert (whole.scores["epochs_run"], whole.scores["stopped_early"]) == (1, False)


@pytest.mark.parametrize("border", [3, 5])
def test_patience_goes_on_from_a_checkpoint(border: int) -> None:
    result = jaxae.fit(small.experiment(**STOPPING), X)
    jaxae.fit(
        small.experiment(**STOPPING), X, run_dir="run", callbacks=lambda epoch, saved: epoch.epoch == border
    )
    assert_same(jaxae.resume("run", X), result)


def test_ctrl_c_in_a_run_with_a_directory_saves_its_epoch_first(
    result: jaxae.Result, capsys: pytest.CaptureFixture, sigint: None
) -> None:
    def press(epoch: Any, saved: bool) -> bool:
        if epoch.epoch == 2:
            signal.raise_signal(signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt, match="stopped after epoch 2, saved; jaxae.resume"):
        jaxae.fit(small.experiment(checkpoint_every=9), X, run_dir="run", callbacks=press)
    assert (
        capsys.readouterr().err
        == "jaxae: stopping after this epoch, which is saved; Ctrl-C again stops now\n"
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same(jaxae.resume("run", X), result)


def sending(number: signal.Signals) -> Callable[[Any, bool], bool]:
    """A callback that sends a signal to its process after the second epoch."""

    def send(epoch: Any, saved: bool) -> bool:
        if epoch.epoch == 2:
            signal.raise_signal(number)
        return False

    return send


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_in_a_script_saves_the_epoch_and_ends_the_script(
    number: signal.Signals, code: int, result: jaxae.Result, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stop:
        jaxae.fit(small.experiment(checkpoint_every=9), X, run_dir="run", callbacks=sending(number))
    told = "jaxae: stopping after this epoch, which is saved; Ctrl-C again stops now\n"
    told += "jaxae: stopped after epoch 2, saved; jaxae.resume('run') goes on\n"
    assert stop.value.code == code and capsys.readouterr().err == told
    assert json.loads(Path("run/status.json").read_text())["status"] == "interrupted"
    assert signal.getsignal(number) is signal.SIG_DFL
    assert_same(jaxae.resume("run", X), result)


def test_sigusr1_in_a_script_saves_and_goes_on(result: jaxae.Result, capsys: pytest.CaptureFixture) -> None:
    """It is ignored while the scores are computed."""
    with pytest.MonkeyPatch.context() as patch:
        score = api.score_run
        patch.setattr(api, "score_run", lambda *given: signal.raise_signal(signal.SIGUSR1) or score(*given))
        experiment = small.experiment(checkpoint_every=9)
        trained = jaxae.fit(experiment, X, run_dir="run", callbacks=sending(signal.SIGUSR1))
    assert capsys.readouterr().err == "jaxae: SIGUSR1: saved epoch 3, and training goes on\n"
    assert "saved epoch 3" in Path("run/log.txt").read_text() and signal.getsignal(signal.SIGUSR1) == 0
    assert_same(trained, result)


def test_a_signal_that_the_program_handles_is_left_to_it(capsys: pytest.CaptureFixture) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        trained = jaxae.fit(small.experiment(), X, run_dir="run", callbacks=sending(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM] and trained.scores["epochs_run"] == trained.run.experiment.epochs
    assert capsys.readouterr().err == ""


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
    record = seals.read(tmp_path / "saved" / "record.json")
    assert record["name"] == "saved" and record["seed"] == 0


def test_a_saved_part_of_a_run_is_no_finished_run(kept: tuple[Path, jaxae.Result], tmp_path: Path) -> None:
    """It has no scores.json, which would say that it was."""
    outcome = kept[1].outcome
    part = jaxae.Result(kept[1].run, run_types.Outcome(outcome.carry, outcome.history), {})
    part.save("part")
    assert not (tmp_path / "part" / "scores.json").exists() and jaxae.load("part", X).scores == {}


@pytest.mark.parametrize("border", [1, 2])
def test_resume_from_every_epoch_ends_in_the_same_bits(border: int, result: jaxae.Result) -> None:
    jaxae.fit(small.experiment(), X, run_dir="run", callbacks=lambda epoch, saved: epoch.epoch == border)
    assert len(jaxae.load("run", X).history) == border
    assert_same(jaxae.resume("run", X), result)
    assert_same(jaxae.load("run", X), result)


def test_a_run_of_ones_own_rows_needs_them_again(kept: tuple[Path, jaxae.Result]) -> None:
    """To go on, and where a loaded run is asked for rows; not to decode."""
    for function in (lambda path: jaxae.load(path).run.dataset.train, jaxae.resume):
        with pytest.raises(JaxaeError, match="was trained on rows given from Python; give them again"):
            function(kept[0])
    np.testing.assert_array_equal(jaxae.load(kept[0]).sample(3), kept[1].sample(3))
    for function in (jaxae.load, jaxae.resume):
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
    expected = result.experiment.model.encode(result.variables, batch)
    np.testing.assert_allclose(result.encode(X), expected, rtol=1e-5, atol=1e-6)


MODES = ["none", "threshold", "static", "dynamic"]


@pytest.fixture(scope="module")
def by_mode() -> dict[str, jaxae.Result]:
    """A run on the same images under each binarisation, one of them on floats."""
    return {
        mode: jaxae.fit(
            small.experiment(epochs=1, data=jaxae.DataSpec(binarize=mode, num_validation=20, num_test=20)),
            X / 255 if mode == "static" else X,
            Y,
        )
        for mode in MODES
    }


@pytest.mark.parametrize("mode", MODES)
def test_splits_are_what_the_model_sees(mode: str, by_mode: dict[str, jaxae.Result]) -> None:
    """By another route: the autoencoder's own `encode` of rows that NumPy brings into the model's unit."""
    result, stored = by_mode[mode], by_mode[mode].run.dataset
    autoencoder, variables = result.experiment.model, result.variables
    for name in ("train", "validation", "test"):
        rows = getattr(result, name)
        assert rows.x.dtype == np.float32 and isinstance(rows.x, np.ndarray) and rows.scale == 1
        assert (rows.y == getattr(stored, name).y).all()
        grey = (X / np.float32(255))[_rows_of(name)]
        if mode == "none":
            np.testing.assert_array_equal(rows.x, grey)
        elif mode == "threshold":
            np.testing.assert_array_equal(rows.x, grey >= 0.5)
        else:  # draws: 0 and 1, which agree with certain pixels and on average with the others
            assert set(np.unique(rows.x)) == {0.0, 1.0} and abs(rows.x.mean() - grey.mean()) < 0.05
            assert (rows.x[grey == 1] == 1).all() and (rows.x[grey == 0] == 0).all()
        expected = autoencoder.encode(variables, jaxae.Batch(jnp.asarray(rows.x), jnp.asarray(rows.y)))
        np.testing.assert_allclose(result.encode(rows), expected, rtol=1e-5, atol=1e-6)


def _rows_of(name: str) -> np.ndarray:
    return draw_rows(90, 20, 20, 0)[name]


@pytest.mark.parametrize("mode", MODES)
def test_codes_are_those_of_the_rows_that_are_measured(mode: str, by_mode: dict[str, jaxae.Result]) -> None:
    result = by_mode[mode]
    for name in ("train", "validation", "test"):
        subject = Subject(result, Settings(split=name))
        np.testing.assert_array_equal(result.encode(getattr(result, name)), subject.codes)
    errors = ((result.reconstruct(result.test) - result.test.x) ** 2).sum(axis=(1, 2, 3))
    assert result.scores["test"]["squared_error"] == pytest.approx(errors.mean(), rel=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_rows_in_any_form_have_the_same_codes(
    mode: str, by_mode: dict[str, jaxae.Result], capsys: pytest.CaptureFixture[str]
) -> None:
    result, stored = by_mode[mode], by_mode[mode].run.dataset.test
    codes = result.encode(result.test)
    same = [result.test.x, result.test.x.astype(np.float64), jnp.asarray(result.test.x), stored, stored.x]
    if mode != "none":
        same.append(result.test.x.astype(bool))
    for rows in same:
        np.testing.assert_array_equal(result.encode(rows), codes)
    assert capsys.readouterr().err == ""
    assert isinstance(result.test, jaxae.Examples)


def test_examples_carry_their_scale_and_their_labels() -> None:
    member = replace(small.member("VAE, conditional"), "data_shape", ())
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    result = jaxae.fit(small.experiment(member, epochs=1, data=data), X, Y)
    rows = result.test
    expected = result.reconstruct(rows.x, rows.y)
    np.testing.assert_array_equal(result.reconstruct(rows), expected)
    np.testing.assert_array_equal(result.reconstruct(jaxae.Examples(rows.x * 4, rows.y, 4.0)), expected)
    np.testing.assert_array_equal(result.reconstruct(rows._replace(x=rows.x[..., 0])), expected)
    other = result.reconstruct(rows, (rows.y + 1) % 3)
    np.testing.assert_array_equal(other, result.reconstruct(rows.x, (rows.y + 1) % 3))
    assert (other != expected).any()
    with pytest.raises(JaxaeError, match=r"x: got shape \(20, 4\)"):
        result.encode(rows._replace(x=rows.x[:, :, 0, 0]))


def test_streamed_rows_are_read(by_mode: dict[str, jaxae.Result]) -> None:
    held = by_mode["threshold"]
    dataset = from_arrays(X, Y, replace(held.experiment.data, "stream", True))
    assert not isinstance(dataset.train.x, np.ndarray)
    result = dataclasses.replace(held, run=dataclasses.replace(held.run, dataset=dataset))
    np.testing.assert_array_equal(result.train.x, held.train.x)
    np.testing.assert_array_equal(result.encode(dataset.train), held.encode(held.train))


@pytest.mark.parametrize(
    "mode, rows, told",
    [
        (
            "none",
            X / 1.0,
            r"values from 0 to \d+, but the data spans 0 to 1: divide by 255, or give integers",
        ),
        ("dynamic", X / 1.0, "divide by 255, or give integers"),
        ("static", X, "values from 0 to .* spans 0 to 1: divide by 255$"),  # whose data are floats
        ("none", 2 * X / 255 - 1, "values from -1 to .*give rows in the unit of result.train"),
        ("none", (X > 99).astype(int), "integers 0 and 1 are divided by 255; .*as floats or bools"),
        ("threshold", (X > 99).astype(np.uint8), "integers 0 and 1 are divided by 255"),
        ("dynamic", X, "values from 0 to 1 after division by 255 are grey, .*binarised"),
    ],
)
def test_rows_in_another_unit_are_taken_with_a_warning(
    mode: str,
    rows: np.ndarray,
    told: str,
    by_mode: dict[str, jaxae.Result],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert by_mode[mode].encode(rows).shape == (90, 3)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jaxae: warning: x: ") and re.search(told, line), line


def test_rows_that_are_not_finite_are_a_warning(
    by_mode: dict[str, jaxae.Result], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.array(by_mode["none"].test.x[:3])
    rows[0, 1, 1], rows[2, 0, 0] = np.nan, np.inf
    codes = by_mode["none"].encode(rows)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "jaxae: warning: x: 2 of 3 rows have values that are not finite (nan or inf)"
    assert np.isfinite(codes[1]).all() and not np.isfinite(codes[0]).all()
    by_mode["none"].encode(255 * rows[1:])  # the finite row is in another unit
    assert "1 of 2 rows" in (lines := capsys.readouterr().err) and "divide by 255" in lines


def test_floats_that_were_divided_though_the_data_were_not(capsys: pytest.CaptureFixture[str]) -> None:
    plain = replace(small.member("AE"), "data_shape", ())
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    result = jaxae.fit(small.experiment(plain, epochs=1, data=data), X / 1.0)
    result.encode(X / 255)
    assert "spans 0 to 25" in (line := capsys.readouterr().err) and "multiply by 25" in line
    # What the model gives back leaves the span by a little, which is no other unit.
    for rows in (X, X / 1.0, result.reconstruct(X), X * 1.4 - 9, np.zeros((1, 4, 4, 1)), X[:3].astype(bool)):
        result.encode(rows)
    assert capsys.readouterr().err == ""


def test_integers_are_counts_and_train_as_floats_do() -> None:
    counts = np.random.RandomState(0).poisson(2.0, (90, 6))
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    plain = jaxae.AE(encoder=jaxae.MLP(widths=(5,)), decoder=jaxae.MLP(widths=(5,)), latent_dim=2)
    floats = jaxae.fit(small.experiment(plain, data=data, epochs=1), counts.astype(np.float64))
    for dtype in (np.int64, np.uint8):
        result = jaxae.fit(small.experiment(plain, data=data, epochs=1), counts.astype(dtype))
        assert_same(result, floats)
        np.testing.assert_array_equal(result.test.x, counts[_rows_of("test")])
        np.testing.assert_array_equal(result.encode(counts.astype(dtype)), floats.encode(counts / 1.0))


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
    monkeypatch.setattr("jaxae.runs.result.ROWS_AT_ONCE", 7)  # 13 blocks, the last of which overlaps
    for call, expected in zip(calls, whole, strict=True):
        np.testing.assert_allclose(call(), expected, rtol=1e-6, atol=1e-6)


def test_samples_follow_their_seed(result: jaxae.Result) -> None:
    assert np.array_equal(result.sample(3), result.sample(3))
    assert not np.array_equal(result.sample(3), result.sample(3, seed=1))


def test_a_second_call_compiles_nothing(result: jaxae.Result) -> None:
    from jaxae.runs import result as module

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
        (lambda result: result.encode("images"), "x: got the text 'images', expected an array"),
        (lambda result: result.encode(np.ma.masked_equal(X, X.max())), r"x: \d+ values are masked"),
        (lambda result: result.encode({"x": X}), r"x: got a dict with the keys x; .* x\['x'\]"),
        (lambda result: result.encode(X, (y for y in Y)), "y: got a generator"),
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
    data = jaxae.DataSpec(binarize="dynamic", num_validation=0, num_test=0)
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


def test_a_condition_is_a_column_of_labels_of_any_kind() -> None:
    member = replace(small.member("VAE, conditional"), "data_shape", ())
    names = np.array(["ant", "bee", "cat"])[Y]
    run = opening.prepare(small.experiment(member), 0, GivenRows(X, pd.Series(names)))
    conditional = jaxae.Result(run, None, {})  # type: ignore[arg-type]  # which labels do not need
    for y in (pd.Series(names, dtype="category"), Y.astype(float), pd.Series(Y, dtype="Int64"), list(names)):
        np.testing.assert_array_equal(conditional._labels(y, 90), Y)
    with pytest.raises(JaxaeError, match="y: labels of dtype float64, and row 0 holds 0.5"):
        conditional.sample(4, y=0.5)
    with pytest.raises(JaxaeError, match="y: dtype object, and row 1 is missing"):
        conditional._labels(["ant", None, "bee", "ant"], 4)


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


def test_a_result_and_its_parts_are_printed_in_one_line(tmp_path: Path) -> None:
    result = jaxae.fit(small.experiment(), X, seed=3, run_dir=tmp_path / "run")
    for each in (result, jaxae.load(tmp_path / "run", X)):
        assert repr(each).startswith("Result(VAE; arrays: ") and len(repr(each)) < 300
        assert "seed 3" in repr(each) and f"test elbo {result.scores['test']['elbo']:.5g} nats" in repr(each)
        assert str(tmp_path / "run") in repr(each)
        lines = [repr(part) for part in (each.run, each.outcome, each.run.dataset)]
        assert all("\n" not in line and len(line) < 250 for line in lines)
    in_memory = jaxae.fit(small.experiment(small.member("AE")), X)
    assert "test squared_error" in repr(in_memory) and "run" not in repr(in_memory.run)
