"""Rows of several environments: said once, and counted."""

from pathlib import Path
from typing import Any

import pytest

from jaxae.sweeps.tables import environments
from jaxae.sweeps.tables.summary import summarize

HERE = environments.columns()


def row(seed: int, **changes: Any) -> dict[str, Any]:
    score = {"validation.loss": float(seed), "test.loss": 1.0}
    return {"seed": seed, "beta": seed % 2, "status": "finished", **score, **HERE, **changes}


OTHER = {"version.jax": "0.1", "flag.x64": True}


def test_what_differs_is_named_as_for_single_runs() -> None:
    rows = [row(0, **OTHER), row(1), row(2, device_count=99)]
    assert environments.differences(rows) == [f"jax 0.1 -> {HERE['version.jax']}", "x64 True -> False"]
    assert environments.differences(rows[1:]) == [], "the number of devices changes no bit"
    old = {name: value for name, value in row(3, **OTHER).items() if not name.startswith("flag.")}
    assert environments.differences([old, row(4)]) == [f"jax 0.1 -> {HERE['version.jax']}"]


def test_a_summary_counts_them_where_there_are_several() -> None:
    rows = [row(0), row(1), row(2, **OTHER), row(3)]
    assert [each["environments"] for each in summarize(rows, ["beta"])] == [2, 1]
    failed = {**row(4, **OTHER), "beta": 1, "status": "diverged"}
    assert [each["environments"] for each in summarize([*rows, failed], ["beta"])] == [2, 1], "in no mean"
    assert all("environments" not in each for each in summarize([row(0), row(1)], ["beta"]))


def test_a_warning_comes_once(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    environments.warn(tmp_path, [row(0)], is_running=True)
    assert capsys.readouterr().err == ""
    for _ in range(2):
        environments.warn(tmp_path, [row(0, **OTHER)], is_running=True)
        environments.warn(tmp_path, [row(0, **OTHER), row(1)])
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f": jax 0.1 -> {HERE['version.jax']}, x64 True -> False" in said
    assert (tmp_path / "log.txt").read_text().count("\n") == 1
