"""Runs without their data, away from it, and with data that has moved."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import jaxae
from jaxae import data
from jaxae.errors import JaxaeError
from jaxae.runs import directory, execution, opening, recorded_data, run_record, seals
from jaxae.runs.result import Result
from jaxae.specs.pytree import replace
from tests import small
from tests.cli.calling import call, contents
from tests.data.files import write_mnist

X, Y = small.images(), np.array(["cat", "dog", "emu"])[small.labels(90)]
DATA = jaxae.DataSpec(name="rows/x.npz", binarize="dynamic", num_validation=20, num_test=20)
NEEDED = ("encode", "decode", "reconstruct", "sample")


def experiment(**changes: Any) -> jaxae.Experiment:
    """A conditional VAE, so that labels and their names are needed too."""
    member = replace(small.member("VAE, conditional"), "data_shape", ())
    return small.experiment(member, **{"data": DATA, "epochs": 2, **changes})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder with rows/x.npz and runs/whole, and the result of the run; not to be written to."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("rows").mkdir()
        np.savez("rows/x.npz", x=X, y=Y)
        return folder, jaxae.fit(experiment(), run_dir="runs/whole")


@pytest.fixture
def here(project: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project under another name, while the working directory is a third one.

    The record says that the rows were found in this copy.
    """
    copy = shutil.copytree(project[0], tmp_path / "copy")
    edit(copy / "runs/whole", data_location={"name": str(copy / "rows/x.npz"), "folder": None})
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    return copy


def edit(folder: Path, **changes: Any) -> None:
    """Writes other values into a record; None takes the key away."""
    record = seals.read(folder / directory.RECORD) | changes
    kept = {name: value for name, value in record.items() if value is not None}
    directory.write_json(folder / directory.RECORD, kept)


def location(folder: Path) -> Any:
    return seals.read(folder / directory.RECORD)["data_location"]


def uses(result: Result) -> dict[str, np.ndarray]:
    """What a model gives without its rows, but for those of the caller."""
    codes, y = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), ["cat", "dog", "emu", "cat"]
    return {
        "encode": result.encode(X[:4], y),
        "decode": result.decode(codes, y),
        "reconstruct": result.reconstruct(X[:4], y),
        "sample": result.sample(4, y="emu"),
    }


# without rows


def test_a_model_needs_no_rows(project: tuple[Path, Result], here: Path) -> None:
    shutil.rmtree(here / "rows")
    loaded, expected = jaxae.load(here / "runs/whole"), project[1]
    found, original = uses(loaded), uses(expected)
    for name in NEEDED:
        np.testing.assert_array_equal(found[name], original[name])
    assert loaded.scores == expected.scores and loaded.history == expected.history
    assert execution.last_autoencoder(loaded.run) == execution.last_autoencoder(expected.run)
    np.testing.assert_array_equal(uses(pickle.loads(pickle.dumps(loaded)))["sample"], original["sample"])
    loaded.save("saved")
    np.testing.assert_array_equal(uses(jaxae.load("saved"))["sample"], original["sample"])


def test_what_needs_rows_says_in_one_line_what_is_missing(here: Path) -> None:
    shutil.rmtree(here / "rows")
    loaded, folder = jaxae.load(here / "runs/whole"), here / "runs/whole"
    calls = (
        lambda: loaded.run.dataset.train,
        lambda: jaxae.measure(loaded, "reconstruction"),
        lambda: execution.scores(loaded.run, loaded.outcome),
        lambda: jaxae.resume(folder),
    )
    for each in calls:
        with pytest.raises(JaxaeError) as error:
            each()
        told = (
            f"{folder}: its data cannot be read: there is no rows/x.npz nor {here / 'rows/x.npz'}; if it has"
        )
        assert str(error.value).startswith(told) and "--data.name PATH" in str(error.value)


def test_rows_are_read_when_they_are_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    read = data.load
    monkeypatch.setattr(data, "load", lambda asked: calls.append(asked.name) or read(asked))
    loaded = jaxae.load(here / "runs/whole")
    uses(loaded)
    assert calls == []
    rows = loaded.run.dataset
    assert len(rows.train.x) == 50 == rows.num_rows["train"] and len(rows.test.x) == rows.num_rows["test"]
    assert calls == [str(here / "rows/x.npz")]


def test_the_facts_are_those_of_the_rows(here: Path) -> None:
    """Each name that a data set without rows has gives what the one with rows gives."""
    without = jaxae.load(here / "runs/whole").run.dataset
    rows = data.load(replace(DATA, "name", str(here / "rows/x.npz")))
    names = ("facts", "hash", "shape", "dtype", "scale", "span", "labels", "classes", "num_rows", "location")
    for name in names:
        assert getattr(without, name) == getattr(rows, name), name
    assert without.labels == ("int32", ()) and without.classes == ("cat", "dog", "emu")
    assert set(without.num_rows.values()) == {50, 20}


def test_other_rows_are_refused_when_they_are_asked_for(here: Path) -> None:
    np.savez(here / "rows/x.npz", x=X[::-1], y=Y)
    loaded = jaxae.load(here / "runs/whole")
    uses(loaded)
    for each in (lambda: loaded.run.dataset.test, lambda: jaxae.measure(loaded, "reconstruction")):
        with pytest.raises(
            JaxaeError, match="the data has changed: .*its hash is .* but the run was made with"
        ):
            each()


def test_a_record_of_an_older_version_needs_its_data(here: Path, project: tuple[Path, Result]) -> None:
    folder = here / "runs/whole"
    edit(folder, data_facts=None, data_location=None)
    np.testing.assert_array_equal(uses(jaxae.load(folder))["sample"], uses(project[1])["sample"])
    shutil.rmtree(here / "rows")
    with pytest.raises(JaxaeError, match="there is no rows/x.npz; .*its record, of an older version, lacks"):
        jaxae.load(folder)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"data_facts": 3}, "data_facts: got 3"),
        ({"data_facts": {"shape": [4, 4, 1]}}, "data_facts.dtype"),
        ({"data_location": "x.npy"}, "data_location: got 'x.npy', expected a name and a folder"),
        ({"data_location": {"name": "x.npy", "folder": 3}}, "data_location: got {'name'"),
    ],
)
def test_facts_that_were_damaged_are_named(changes: dict[str, Any], told: str, here: Path) -> None:
    edit(here / "runs/whole", **changes)
    with pytest.raises(JaxaeError) as error:
        jaxae.load(here / "runs/whole")
    assert f"record.json: {told}" in str(error.value) and "\n" not in str(error.value)


# from another folder


def test_a_run_is_resumed_from_another_folder(
    project: tuple[Path, Result], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.chdir(here)
        part = jaxae.fit(experiment(), run_dir="runs/part", callbacks=lambda epoch, saved: True)
    assert part.scores["stopped_by"] == "callback"
    resumed = jaxae.resume(here / "runs/part")
    assert small.same_bits(resumed.outcome.carry, project[1].outcome.carry)
    assert resumed.scores == project[1].scores


def test_a_project_is_moved_as_a_whole(here: Path) -> None:
    edit(here / "runs/whole", data_location={"name": "/nowhere/rows/x.npz", "folder": None})
    assert len(jaxae.load(here / "runs/whole").run.dataset.train.x) == 50
    assert opening.reopen(here / "runs/whole")[0].dataset.location.name == str(here / "rows/x.npz")


def test_a_file_of_the_same_name_but_with_other_rows_is_passed_over(here: Path) -> None:
    Path("rows").mkdir()
    np.savez("rows/x.npz", x=X[::-1], y=Y)
    dataset = jaxae.load(here / "runs/whole").run.dataset
    assert len(dataset.train.x) == 50 and dataset.location.name == str(here / "rows/x.npz")


def test_a_relative_folder_of_original_files_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by data.folder, or by the environment."""
    write_mnist(tmp_path / "at" / "originals" / "mnist")
    (tmp_path / "at" / "runs").mkdir()
    settings = {"num_validation": 2, "num_test": 1}
    monkeypatch.chdir(tmp_path / "at")
    monkeypatch.setenv("JAXAE_DATA", "originals")
    found = [
        data.load(jaxae.DataSpec(name="mnist", folder=folder, **settings)) for folder in (None, "originals")
    ]
    records = [json.loads(json.dumps(run_record.facts_of(each))) for each in found]
    assert records[0]["data_location"] == {"name": "mnist", "folder": str(tmp_path / "at" / "originals")}
    monkeypatch.chdir(tmp_path)
    for folder, record in zip((None, "originals"), records, strict=True):
        asked = jaxae.DataSpec(name="mnist", folder=folder, **settings)
        for known in (record, {**record, "data_location": None}):  # where it was last found, and near the run
            where = recorded_data.places(asked, known, tmp_path / "at" / "runs" / "one")
            assert recorded_data.read(data.load, where, known, Path("one")).hash == record["data_hash"]


def test_places_are_as_named_then_as_recorded_then_near_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a/runs", "a/rows", "rows"):
        Path(folder).mkdir(parents=True)
    for place in ("a/rows/x.npy", "rows/x.npy"):
        Path(place).touch()
    record = {"data_location": {"name": "/last/x.npy", "folder": None}}
    asked = jaxae.DataSpec(name="rows/x.npy")
    names = [place.name for place in recorded_data.places(asked, record, Path("a/runs/one"))]
    assert names == ["rows/x.npy", "/last/x.npy", str(tmp_path / "a/rows/x.npy")]
    moved = recorded_data.Moved(folder="b")
    assert [place.name for place in recorded_data.places(asked, record, Path("a/runs/one"), moved)] == [
        "b/x.npy"
    ]
    assert recorded_data.places(jaxae.DataSpec(), {}, Path("a/runs/one")) == [jaxae.DataSpec()]


# moved


@pytest.mark.parametrize("how", [{"data_name": "moved.npz"}, {"data_folder": "archive"}])
def test_data_that_has_moved_is_named_once(how: dict[str, str], here: Path) -> None:
    folder = here / "runs/whole"
    before, name = run_record.fingerprint(folder), run_record.read_record(folder)[0].data.name
    place = Path(how.get("data_name") or "archive/x.npz").absolute()
    place.parent.mkdir(exist_ok=True)
    (here / "rows/x.npz").rename(place)
    loaded = jaxae.load(folder, **how)
    assert len(loaded.run.dataset.train.x) == 50 and location(folder)["name"] == str(here / "rows/x.npz")
    jaxae.resume(folder, **how)
    assert location(folder) == {"name": str(place), "folder": None}
    assert run_record.fingerprint(folder) == before and run_record.read_record(folder)[0].data.name == name
    assert jaxae.resume(folder).scores == loaded.scores


def test_other_data_is_refused_with_both_hashes(here: Path) -> None:
    np.savez("other.npz", x=X[::-1], y=Y)
    before = (here / "runs/whole" / directory.RECORD).read_bytes()
    hashes = [data.load(replace(DATA, "name", str(p))).hash[:12] for p in ("other.npz", here / "rows/x.npz")]
    for function in (jaxae.load, jaxae.resume):
        with pytest.raises(
            JaxaeError, match=f"its hash is {hashes[0]}, but the run was made with {hashes[1]}"
        ):
            function(here / "runs/whole", data_name="other.npz")
        with pytest.raises(JaxaeError, match="there is no gone.npz"):
            function(here / "runs/whole", data_name="gone.npz")
    assert (here / "runs/whole" / directory.RECORD).read_bytes() == before


def test_rows_from_python_may_be_saved_and_named() -> None:
    jaxae.fit(small.experiment(jaxae.AE(**small.NETS, latent_dim=3), epochs=1), X, Y, run_dir="run")
    loaded = jaxae.load("run")
    assert loaded.decode(np.zeros((2, 3))).shape == (2, 4, 4, 1)
    with pytest.raises(JaxaeError, match="was trained on rows given from Python; give them again"):
        jaxae.measure(loaded, "reconstruction")
    np.savez("x.npz", x=X, y=Y)
    jaxae.resume("run", data_name="x.npz")
    assert len(jaxae.load("run").run.dataset.test.x) == 20


def test_commands_take_the_place_of_data_that_has_moved(here: Path) -> None:
    folder, moved = str(here / "runs/whole"), str(here / "moved.npz")
    (here / "rows/x.npz").rename(moved)
    sampled = call("sample", folder, "--condition", "cat", "--count", "3")
    assert sampled.code == 0 and sampled.out.startswith("device      cpu: "), sampled
    shown = call("show", folder)
    assert shown.code == 0 and shown.out.startswith("rows/x.npz: 50 train"), shown
    before = contents(Path(folder))
    for command in ("evaluate", "resume"):
        called = call(command, folder)
        assert called.code == 2 and called.err.count("\n") == 1 and called.out == "", called
        assert called.err.startswith(f"jaxae: {folder}: its data cannot be read: there is no rows/x.npz")
    assert contents(Path(folder)) == before
    assert call("resume", folder, "--data.name", moved) == (0, f"{folder} is already finished\n", "")
    assert location(Path(folder))["name"] == moved
    edit(Path(folder), data_location=None)
    measured = call("evaluate", folder, "--measures", "reconstruction", "--data.name", moved)
    assert measured.code == 0 and location(Path(folder))["name"] == moved, measured
    called = call("evaluate", folder, "--data.nam", moved)
    assert called.code == 2 and "did you mean 'name'? valid: folder, name" in called.err


def test_a_record_runs_again_from_another_folder(here: Path) -> None:
    called = call("train", str(here / "runs/whole"), "--run-dir", "again")
    assert called.code == 0 and called.err == "", called
    assert location(Path("again"))["name"] == str(here / "rows/x.npz")


def test_a_run_on_frames_and_given_test_rows_goes_on_with_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(X.reshape(90, 16) / 255.0, columns=list("abcdefghijklmnop")).assign(pet=Y)
    small_ae = jaxae.AE(**small.NETS, latent_dim=2)
    asked = small.experiment(small_ae, data=jaxae.DataSpec(), epochs=2)
    first = jaxae.fit(
        asked, frame[:60], "pet", x_test=frame[60:], run_dir="run", callbacks=lambda *seen: True
    )
    assert first.run.dataset.num_rows == {"train": 54, "validation": 6, "test": 30}
    assert (first.experiment.data.num_validation, first.experiment.data.num_test) == (6, 30)
    assert "54 train, 6 validation, 30 test" in repr(first) and first.run.dataset.classes == (
        "cat",
        "dog",
        "emu",
    )
    with pytest.raises(JaxaeError, match="the data has changed"):
        jaxae.resume("run", frame[:60], "pet")
    whole = jaxae.resume("run", frame[:60], "pet", x_test=frame[60:])
    assert len(whole.history) == 2
    codes = whole.encode(X.reshape(90, 16)[:3] / 255.0)
    for rows in (frame[:3], frame[:3].drop(columns="pet"), pa.table(frame[:3])):
        np.testing.assert_array_equal(jaxae.load("run").encode(rows), codes)
    np.savez("rows.npz", x=frame[:60].drop(columns="pet"), pet=Y[:60])
    with pytest.raises(JaxaeError, match="the data has changed"):
        jaxae.load("run", data_name="rows.npz")
    frame[:60].to_csv("train.csv", index=False)
    Path("own").mkdir()
    for name, part in (("train", frame[:60]), ("test", frame[60:])):
        part.to_parquet(f"own/{name}.parquet")
    assert jaxae.load("run", data_name="own").run.dataset.hash == first.run.dataset.hash
