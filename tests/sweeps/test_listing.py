"""The list of runs: what it reads, how it sorts, and that damaged and foreign folders cost nothing."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.runs import directory, status
from jaxae.sweeps import listing

RECORD = {
    "format": 2,
    "name": "small",
    "seed": 3,
    "started": "2026-01-01T10:00:00+00:00",
    "experiment": {
        "class": "jaxae.Experiment",
        "model": {"class": "jaxae.VAE", "beta": 1.0},
        "data": {"class": "jaxae.DataSpec", "name": "digits"},
        "epochs": 5,
    },
}


def make(folder: Path, elbo: float | None = None, started: str = "", **state: Any) -> Path:
    """A run's directory with small files only."""
    folder.mkdir(parents=True)
    record = RECORD | ({"started": started} if started else {})
    directory.write_json(folder / "record.json", record)
    line = {"epoch": 2, "train": {"loss": 4.0}, "validation": {"loss": 5.0}, "best_epoch": 1}
    (folder / "history.jsonl").write_text(json.dumps(line) + "\n")
    if elbo is not None:
        scores = {"validation": {"elbo": elbo}, "units": {"elbo": "nats"}, "higher_is_better": {"elbo": True}}
        directory.write_json(folder / "scores.json", scores)
    if state:
        status.update(folder, **state)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs, one of them in a folder; damaged ones; and folders that hold no run."""
    top = tmp_path / "runs"
    make(top / "a", elbo=-3.0)
    make(top / "b", elbo=-2.0, started="2026-02-01T10:00:00+00:00")
    state = {"status": "diverged", "reason": "diverged at step 3 (epoch 2): rate is inf", "epoch": 2}
    make(top / "inner" / "c", **state, best_loss=4.5)
    (top / "inner" / "c" / "notes.json").write_text('{"name": "mine", "tags": ["x", "y"], "note": "why"}')
    for name, text in {"broken": "{", "list": "[]", "empty": ""}.items():
        (top / name).mkdir()
        (top / name / "record.json").write_text(text)
    (top / "sweep").mkdir()
    (top / "sweep" / "sweep.json").write_text('{"groups": 3}')
    (top / "figures").mkdir()
    (top / "figures" / "a.png").write_bytes(b"png")
    (top / ".hidden").mkdir()
    (top / "file.txt").write_text("text")
    return top


def test_runs_are_listed_with_the_newest_first_and_damaged_ones_with_their_reason(runs: Path) -> None:
    rows = listing.list_rows(runs)
    names = [Path(row["path"]).name for row in rows]
    assert names[0] == "b" and set(names) == {"a", "b", "c", "broken", "list", "empty", "sweep"}
    damaged = {Path(row["path"]).name for row in rows if row["status"] == "unreadable"}
    assert damaged == {"broken", "list", "empty", "sweep"}
    reasons = {Path(row["path"]).name: row["reason"] for row in rows if row["status"] == "unreadable"}
    assert all(f"{name}/record.json: " in reasons[name] for name in ("broken", "list", "empty")), reasons
    assert "sweep/sweep.json: cannot be read as the record of a sweep" in reasons["sweep"]


def test_a_row_has_the_values_of_the_files(runs: Path) -> None:
    rows = {Path(row["path"]).name: row for row in listing.list_rows(runs)}
    a, c = rows["a"], rows["c"]
    assert (a["status"], a["model"], a["data"], a["seed"]) == ("finished", "VAE", "digits", 3)
    assert (a["epoch"], a["epochs"], a["score"], a["value"]) == (2, 5, "validation.elbo", -3.0)
    assert (c["status"], c["best_loss"], c["name"], c["tags"]) == ("diverged", 4.5, "mine", ["x", "y"])


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"status": "finished"}, {"a", "b"}),
        ({"status": ["diverged", "finished"]}, {"a", "b", "c"}),
        ({"tag": "x"}, {"c"}),
        ({"tag": ["x", "z"]}, set()),
    ],
)
def test_runs_are_chosen_by_status_and_tag(options: Any, expected: set[str], runs: Path) -> None:
    assert {Path(row["path"]).name for row in listing.list_rows(runs, **options)} == expected


@pytest.mark.parametrize("sort, first", [("score", "b"), ("name", "a"), ("loss", "c"), ("age", "b")])
def test_runs_are_sorted(sort: str, first: str, runs: Path) -> None:
    assert Path(listing.list_rows(runs, sort=sort)[0]["path"]).name == first


@pytest.mark.parametrize(
    "options, message",
    [
        ({"status": "finish"}, "status: got 'finish'; did you mean 'finished'?"),
        ({"sort": "elbo"}, "sort: got 'elbo'; "),
        ({"folder": "nowhere"}, "nowhere: no such folder; expected one with runs, such as runs"),
    ],
)
def test_a_mistake_is_one_line(options: dict[str, Any], message: str, runs: Path) -> None:
    with pytest.raises(jaxae.JaxaeError) as caught:
        listing.list_rows(**{"folder": runs, **options})
    assert str(caught.value).startswith(message)


def test_the_table_is_a_data_frame_with_all_columns(runs: Path, tmp_path: Path) -> None:
    table = jaxae.list_runs(runs, status="finished", sort="score")
    assert table["value"].tolist() == [-2.0, -3.0]
    (tmp_path / "none").mkdir()
    assert list(jaxae.list_runs(tmp_path / "none").columns) == list(table.columns)


@pytest.mark.parametrize("seconds, text", [(5, "5 s"), (180, "3 min"), (7200, "2 h"), (3 * 86400, "3 d")])
def test_an_age_is_short(seconds: int, text: str) -> None:
    import datetime

    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)
    assert listing.age(moment.isoformat()) == text


def test_listing_imports_no_jax() -> None:
    code = (
        "import sys\nfrom jaxae.cli import ls_command, tag_command, watch_command\n"
        "assert 'jax' not in sys.modules and 'pandas' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_two_thousand_runs_are_listed_within_two_seconds(tmp_path: Path) -> None:
    for number in range(2_000):
        make(tmp_path / f"run-{number}", elbo=-float(number), status="finished", epoch=5)
    start = time.process_time()
    assert len(listing.list_rows(tmp_path)) == 2_000
    assert time.process_time() - start < 2.0
