"""The files of TensorBoard, Weights & Biases, MLflow and trackio have the numbers, read without jaxae."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jaxae
from tests import small

pytestmark = pytest.mark.slow

X = small.images()
OVER = {"model.beta": [0.5, 2.0]}
Curve = list[tuple[int, float]]


def stop(epoch: Any, saved: bool) -> bool:
    return epoch.epoch == 2


def train(tracker: Any) -> tuple[jaxae.Result, Any]:
    """A run that is stopped and resumed, and a sweep, in the current directory."""
    jaxae.fit(small.experiment(), X, run_dir="run", trackers=tracker, callbacks=stop)
    result = jaxae.resume("run", X, trackers=tracker)
    return result, jaxae.sweep(small.experiment(), OVER, seeds=1, x=X, run_dir="sweep", trackers=tracker)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def expected(result: jaxae.Result) -> Curve:
    return [(line["epoch"], pytest.approx(line["train"]["loss"], rel=1e-6)) for line in result.history]


def test_tensorboard(capfd: pytest.CaptureFixture) -> None:
    pytest.importorskip("tensorboardX")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    result, results = train("tensorboard")

    def read(folder: Path) -> Any:
        events = accumulator.EventAccumulator(str(folder))
        events.Reload()
        return events

    def curve(events: Any) -> Curve:
        return [(point.step, point.value) for point in events.Scalars("train/loss")]

    events = read(Path("run/tensorboard"))
    assert curve(events) == expected(result)
    # The run that was stopped has scores as well; the last ones are those of the whole run.
    final = events.Scalars("final/test/elbo")[-1]
    assert final.value == pytest.approx(result.scores["test"]["elbo"], rel=1e-6)
    for row in results:
        lane = curve(read(Path("sweep/tensorboard") / row["run"]))
        assert lane[-1] == (3, pytest.approx(row["train.loss"], rel=1e-6))
    assert capfd.readouterr().err == ""


def test_files_of_one_second_do_not_overwrite_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is resumed within a second has another file; its scores are in the file of its curves."""
    pytest.importorskip("tensorboardX")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    result, _ = train("tensorboard")
    assert len(list(Path("run/tensorboard").iterdir())) == 2
    events = accumulator.EventAccumulator("run/tensorboard")
    events.Reload()
    assert [point.step for point in events.Scalars("train/loss")] == [
        line["epoch"] for line in result.history
    ]
    assert len(events.Scalars("final/test/elbo")) == 2


def wandb_records(file: Path) -> Iterator[Any]:
    """Read a .wandb file: 7 bytes, then blocks of 32 KiB of records as LevelDB writes its logs."""
    from wandb.proto import wandb_internal_pb2

    content, place, parts = file.read_bytes(), 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # the whole record, or its last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def test_wandb_offline(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    result, results = train("wandb")
    curves: dict[str, Curve] = {}
    finals: dict[str, float] = {}
    groups: dict[str, str] = {}
    for file in sorted(Path("wandb").glob("offline-run-*/*.wandb")):
        name = ""
        for record in wandb_records(file):
            if record.WhichOneof("record_type") == "run":
                name = record.run.display_name
                groups[name] = record.run.run_group
            if record.WhichOneof("record_type") == "history":
                items = {
                    (item.key or "/".join(item.nested_key)): json.loads(item.value_json)
                    for item in record.history.item
                }
                if "train/loss" in items:
                    curves.setdefault(name, []).append((items["epoch"], items["train/loss"]))
            if record.WhichOneof("record_type") == "summary":
                for item in record.summary.update:
                    if (item.key or "/".join(item.nested_key)) == "final/test/elbo":
                        finals[name] = json.loads(item.value_json)
    assert curves["run"] == expected(result) and groups["run"] == ""
    assert finals["run"] == pytest.approx(result.scores["test"]["elbo"])
    for row in results:
        assert (
            curves[row["run"]][-1] == (3, pytest.approx(row["train.loss"])) and groups[row["run"]] == "sweep"
        )
    output = capfd.readouterr()
    assert "wandb" not in output.out + output.err


def test_mlflow(capfd: pytest.CaptureFixture) -> None:
    mlflow = pytest.importorskip("mlflow")
    result, results = train(jaxae.MLflow(uri="sqlite:///m.db", experiment="mine"))
    client = mlflow.MlflowClient("sqlite:///m.db")
    found = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    runs = {run.info.run_name: run for run in found}
    assert len(found) == 3 and runs["run"].info.status == "FINISHED"

    def curve(run: Any) -> Curve:
        return [
            (point.step, point.value) for point in client.get_metric_history(run.info.run_id, "train/loss")
        ]

    assert curve(runs["run"]) == expected(result)
    assert runs["run"].data.metrics["final/test/elbo"] == pytest.approx(result.scores["test"]["elbo"])
    assert runs["run"].data.params["model.beta"] == "1.0"
    for row in results:
        run = runs[row["run"]]
        assert (
            curve(run)[-1] == (3, pytest.approx(row["train.loss"]))
            and run.data.tags["jaxae.group"] == "sweep"
        )
        assert run.data.params["model.beta"] == str(row["model.beta"])
    assert "INFO" not in capfd.readouterr().err


def test_trackio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio")
    result, results = train(jaxae.Trackio(project="mine"))
    storage = pytest.importorskip("trackio.sqlite_storage").SQLiteStorage
    runs = {run.name.rpartition("-")[0]: run for run in trackio.Api().runs("mine")}
    assert set(runs) == {"run", *(row["run"] for row in results)}

    def curve(name: str) -> Curve:
        lines = storage.get_logs("mine", runs[name].name)
        return [(line["step"], line["train/loss"]) for line in lines if "train/loss" in line]

    assert curve("run") == expected(result)
    for row in results:
        assert curve(row["run"])[-1] == (3, pytest.approx(row["train.loss"]))
        assert runs[row["run"]].config["model.beta"] == row["model.beta"]
    assert "Uploading" not in capfd.readouterr().out
