"""Launchers by name, and launchers that a user writes."""

import contextlib
import csv
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.errors import Interrupted
from jaxae.runs import interrupts
from jaxae.sweeps import session
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups import worker
from jaxae.sweeps.launching import launchers
from jaxae.sweeps.launching.launch_job import Job
from jaxae.sweeps.launching.launchers import LocalLauncher
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.tables import live_tables
from tests import small
from tests.sweeps.test_sweep import begin, table

OVER = {"model.beta": [0.5, 2.0]}
OWN = ["seconds", "finished_at", "commit", "group"]


class Backwards:
    """Trains groups of one lane, the last one first."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @contextlib.contextmanager
    def connected(self, store: Store, programs: Sequence[Program], options: Options) -> Iterator[int | None]:
        self.told.append(("connected", sum(len(program.runs) for program in programs)))
        yield 1
        self.told.append("closed")

    def run(self, job: Job) -> list[Group]:
        self.told += [group.runs for group in job.groups]
        return [group for group in reversed(job.groups) if not job.train(group)]


class InProcesses:
    """The one of the documentation: each group is a task for another process."""

    def connected(self, store: Any, programs: Any, options: Any) -> Any:
        return contextlib.nullcontext()

    def run(self, job: Job) -> list[Group]:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            tasks = [(job.task(group), job.program(group).dataset) for group in job.groups]
            outcomes = list(pool.map(worker.train, *zip(*tasks, strict=True)))
        if "stopped" in outcomes:
            raise Interrupted
        return [group for group, outcome in zip(job.groups, outcomes, strict=True) if outcome == "held"]


def sweep(launcher: Any, **options: Any) -> jaxae.Results:
    arguments = {"x": small.images(), "layout": "map", "progress": False, **options}
    return jaxae.sweep(small.experiment(), OVER, 2, launcher=launcher, **arguments)


@pytest.fixture(scope="module")
def expected() -> Any:
    """The table of the local launcher."""
    return sweep("local", lanes=1).table.drop(columns=OWN)


def test_a_launcher_of_ones_own_has_the_table_of_the_local_one(expected: Any) -> None:
    mine = Backwards()
    found = sweep(mine).table
    assert found.drop(columns=OWN).equals(expected)
    assert mine.told[0] == ("connected", 4) and mine.told[-1] == "closed"
    assert [len(runs) for runs in mine.told[1:-1]] == [1] * 4, "its limit"
    assert isinstance(mine, jaxae.Launcher) and isinstance(LocalLauncher(), jaxae.Launcher)


@pytest.mark.slow
def test_a_launcher_in_processes_has_the_table_of_the_local_one(expected: Any, tmp_path: Path) -> None:
    assert sweep(InProcesses(), lanes=1, run_dir=tmp_path / "s").table.drop(columns=OWN).equals(expected)


def test_a_sweep_that_a_launcher_stops_goes_on_with_another(
    tmp_path: Path, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Backwards):
        def run(self, job: Job) -> list[Group]:
            super().run(Job(job.store, job.programs, job.groups[-2:], job.options, job.observe))
            raise Interrupted

    with monkeypatch.context() as patch:
        # Otherwise the sweep would end without an error, as after a callback that stops it.
        signals = contextlib.nullcontext(interrupts.Pending())
        patch.setattr(session, "_saving_at_signals", lambda run_dir: signals)
        with pytest.raises(Interrupted):
            sweep(Stopped(), run_dir=tmp_path / "s")
    assert len(table(tmp_path / "s")) == 2, "the tables of what is done are written"
    assert sweep("local", run_dir=tmp_path / "s").table.drop(columns=OWN).equals(expected)


def test_the_error_of_a_launcher_is_shown_and_not_one_of_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Backwards):
        def run(self, job: Job) -> list[Group]:
            raise OSError("the disk is full")

    def write_tables(*_: Any) -> None:
        raise OSError("so is its directory")

    monkeypatch.setattr(session.run_table, "write_tables", write_tables)
    with pytest.raises(OSError, match="the disk is full"):
        sweep(Failing(), run_dir=tmp_path / "s")


def test_tables_are_written_while_groups_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_tables, "SECONDS", 0.0)
    monkeypatch.setattr(live_tables, "SHARE", 0.0)
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)
    results, seen = tmp_path / "s" / "results.csv", []

    def observe(told: groups.Progress) -> bool:
        rows = list(csv.DictReader(results.read_text().splitlines()))
        # The run that is being trained has its loss so far, and no score.
        running = [row for row in rows if row["status"] == "running"]
        assert [int(row["epochs_run"]) for row in running] == [told.epoch]
        assert [float(row["train.loss"]) for row in running] == [told.lanes[0].train["loss"]]
        assert all(not row.get("test.elbo") and not row.get("seconds") for row in running)
        seen.append(len(rows) - len(running))
        return False

    store, programs, todo, options = begin(tmp_path / "s", {"model.beta": [0.5, 1.0, 2.0]}, 1, lanes=1)
    assert session.launch(LocalLauncher(), Job(store, programs, todo, options, observe)) == []
    assert seen == [0, 0, 0, 1, 1, 1, 2, 2, 2] and len(table(tmp_path / "s")) == 3


class Halfway:
    """No launcher: it cannot be connected."""

    def run(self, job: Job) -> list[Group]:
        return []


@pytest.mark.parametrize(
    "launcher, message",
    [
        ("rays", "launcher: got 'rays'; did you mean 'ray'? valid: local, ray"),
        (Backwards, "expected one of local, ray, or an object with the methods connected and run"),
        (Halfway(), "expected one of local, ray, or an object with the methods connected and run"),
        (None, "launcher: got None, expected one of local, ray, or an object"),
    ],
)
def test_what_is_no_launcher_is_one_line(launcher: Any, message: str) -> None:
    with pytest.raises(jaxae.JaxaeError) as caught:
        sweep(launcher)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_every_name_has_a_launcher() -> None:
    assert isinstance(launchers.find("local"), LocalLauncher) and set(launchers.LAUNCHERS) == {"local", "ray"}
