"""Trackers of sweeps: one tracked run for each run, with its history, its scores and its end."""

from pathlib import Path

import pytest

import jaxae
from jaxae.sweeps.groups import group_training as groups
from tests import small
from tests.runs.test_tracking import Recording

X = small.images()


def test_each_run_of_a_sweep_is_tracked_with_its_own_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)  # one epoch at a time
    tracker = Recording()
    # The second run diverges: its optimiser leaves the finite numbers in the first epoch.
    results = jaxae.sweep(
        small.experiment(optimizer=jaxae.SGD(learning_rate=1e-3)),
        {"optimizer.learning_rate": [1e-3, 1e30]},
        seeds=1,
        x=X,
        layout="map",
        run_dir=tmp_path / "sweep",
        trackers=tracker,
    )
    rows = {row["run"]: row for row in results}
    started = {call[1].name: call[1] for call in tracker.calls if call[0] == "start"}
    assert set(started) == set(rows) and {run.group for run in started.values()} == {"sweep"}
    assert len({run.id for run in started.values()}) == 2
    for name, row in rows.items():
        assert started[name].settings["optimizer.learning_rate"] == row["optimizer.learning_rate"]
        own = [call for call in tracker.calls if call[1].name == name]
        epochs = [call for call in own if call[0] == "epoch"]
        assert [call[2] for call in epochs] == list(range(1, row["epochs_run"] + 1))
        assert epochs[-1][3]["train/loss"] == pytest.approx(row["train.loss"], nan_ok=True)
        assert own[-1][::2] == ("end", row["status"])
    (good,) = [name for name, row in rows.items() if row["status"] == "finished"]
    (scores,) = [call[2] for call in tracker.calls if call[0] == "scores" and call[1].name == good]
    assert scores["test/elbo"] == rows[good]["test.elbo"]
    assert sorted(row["status"] for row in rows.values()) == ["diverged", "finished"]
