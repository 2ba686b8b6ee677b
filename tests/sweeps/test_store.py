"""Several processes write to one sweep, one after another; what a version cannot read is named."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.runs import directory, seals
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups.group_schedule import schedule
from jaxae.sweeps.launching.launch_job import Job
from jaxae.sweeps.launching.launchers import LocalLauncher
from jaxae.sweeps.plan import Program, plan
from jaxae.sweeps.session import launch
from jaxae.sweeps.store import CHECKPOINTS, Group, Options, Store
from jaxae.sweeps.tables import run_table
from jaxae.sweeps.tables.live_tables import LiveTables
from tests import small
from tests.sweeps import making

OPTIONS = Options(layout="map", lanes=2)
# Another process adds a name to sweep.json, slowly.
OTHER = """
import sys, time
from pathlib import Path
from jaxae.sweeps.store import Store

store = Store(Path(sys.argv[1]))
with store.locked():
    record = store.read()
    print("read", flush=True)
    time.sleep(2)
    record.pop("format")
    store.write({**record, "swept": [*record["swept"], "of the other"]})
"""


def planned(beta: float) -> list[Program]:
    """Two seeds of one setting."""
    return plan(small.experiment(), [{"model.beta": beta}], range(2), making.load)


def scheduled(store: Store, programs: list[Program], options: Options = OPTIONS) -> list[Group]:
    """The groups that are still to be trained, with those of the programs."""
    return schedule(store, small.experiment(), programs, ["model.beta"], options, ["test"])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A sweep with one group, which is not trained."""
    store = Store(tmp_path / "sweep")
    scheduled(store, planned(1.0))
    return store


def test_what_two_processes_add_to_a_sweep_at_once_is_kept(store: Store) -> None:
    """Each reads sweep.json, changes it and writes it: without the lock the second one undoes the first."""
    code, programs = [sys.executable, "-c", OTHER, str(store.path)], planned(2.0)
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "read\n"
        (added,) = scheduled(store, programs)
    assert other.returncode == 0
    assert "of the other" in store.swept and added in store.groups() and len(store.groups()) == 2


def write_tables(store: Store) -> None:
    run_table.write_tables(store, OPTIONS)


def write_live_tables(store: Store) -> None:
    (group,) = store.groups()
    LiveTables(store, OPTIONS, {}).update(groups.Progress(group, 1, 3, 2, 1, 0.0, False))


@pytest.mark.parametrize("write", [write_tables, write_live_tables])
def test_tables_wait_for_the_process_that_writes_them(write: Callable[[Store], None], store: Store) -> None:
    write(store)  # imports what it needs: the second call is fast
    lines = store.path / "results.jsonl"
    lines.write_text("of the other process\n")
    thread = threading.Thread(target=write, args=(store,))
    with store.locked():
        thread.start()
        thread.join(1)
        assert thread.is_alive() and lines.read_text() == "of the other process\n"
    thread.join(60)
    assert not thread.is_alive() and (not lines.exists() or "other" not in lines.read_text())


@pytest.mark.parametrize("version", [4, None, "2"])
def test_a_sweep_of_another_format_is_named(version: Any, store: Store) -> None:
    record = seals.read(store.path / "sweep.json")
    directory.write_json(store.path / "sweep.json", {**record, "format": version})
    before = (store.path / "sweep.json").read_bytes()
    message = f"sweep.json: has format {version!r}, this version reads 1, 2, 3"
    with pytest.raises(JaxaeError, match=message):
        jaxae.load_sweep(store.path)
    with pytest.raises(JaxaeError, match=message):
        scheduled(store, planned(2.0))
    assert (store.path / "sweep.json").read_bytes() == before


def test_the_checkpoints_of_a_group_stay_until_its_rows_are_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (group,) = store.groups()
    saved = store.folder(group) / CHECKPOINTS / "2"
    saved.mkdir(parents=True)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            store.finish(group, [{"run": "a"}])
    assert saved.exists() and not store.is_done(group)
    store.finish(group, [{"run": "a"}])
    assert store.is_done(group) and not saved.exists()


def test_rows_that_were_damaged_are_named(store: Store) -> None:
    (group,) = store.groups()
    store.folder(group).mkdir(parents=True)
    store.finish(group, [{"run": "a"}])
    (file,) = store.folder(group).iterdir()
    file.write_text(file.read_text()[:5])
    with pytest.raises(JaxaeError, match=f"{file.name}: has 0 rows, expected a row for each"):
        store.rows()


def test_a_group_that_another_process_trains_keeps_its_checkpoint_under_another_layout(store: Store) -> None:
    """A group without a checkpoint would be made again, also one that has just begun."""
    (group,) = store.groups()
    with store.held(group):
        (store.folder(group) / "runs.json").write_text("{}")
        todo = scheduled(store, planned(1.0), Options(layout="vmap", lanes=1))
        assert todo == [group] and (store.folder(group) / "runs.json").exists()
    todo = scheduled(store, planned(1.0))
    assert len(todo) == 1 and not (store.folder(group) / "runs.json").exists()


def test_a_folder_of_a_group_that_cannot_be_written_is_no_group_of_another_process(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise JaxaeError("cannot be written to")

    monkeypatch.setattr(directory, "lock", refuse)
    (group,) = store.groups()
    with pytest.raises(JaxaeError, match="cannot be written to"), store.held(group):
        pytest.fail("held")


def test_tables_are_written_though_the_training_failed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has finished before is in them, and the reason of the failure is reported."""
    written: list[Path] = []

    class Failing(LocalLauncher):
        def run(self, job: Job) -> list[Group]:
            raise ZeroDivisionError("of a callback")

    monkeypatch.setattr(run_table, "write_tables", lambda store, options: written.append(store.path))
    with pytest.raises(ZeroDivisionError, match="of a callback"):
        launch(Failing(), Job(store, [], store.groups(), OPTIONS, lambda told: False))
    assert written == [store.path]
