"""A group of a sweep goes on from its own whole checkpoints, and reports a full disk."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import jaxae
from jaxae.errors import Interrupted, JaxaeError
from jaxae.sweeps.files import PROGRESS
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups import worker
from jaxae.sweeps.store import CHECKPOINTS, KEPT, Store
from jaxae.training import checkpoint
from tests import small
from tests.sweeps import making

EVERY_EPOCH = 0.0  # seconds between two checkpoints


class Usage(NamedTuple):
    free: int


@pytest.fixture(scope="module")
def work() -> Any:
    """A group of two runs."""
    return making.work(making.program({"model.beta": [0.5, 2.0]}, seeds=1))


@pytest.fixture(autouse=True)
def _one_epoch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)


@pytest.fixture(scope="module")
def stopped(work: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the group after two of three epochs, with a checkpoint of each; not to be written to."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "CHUNK_SECONDS", 0.0)
        with pytest.raises(Interrupted):
            groups.train(work, folder, lambda told: told.epoch == 2, EVERY_EPOCH)
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the stopped group."""
    return shutil.copytree(stopped, tmp_path / "group")


def resumed_at(work: Any, folder: Path) -> int:
    """Train the group to its end, and return its first epoch."""
    first: list[int] = []
    groups.train(work, folder, lambda told: bool(first.append(told.first)))
    return first[0]


def damage(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            file.write_bytes(b"")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / CHECKPOINTS).iterdir())


def test_a_group_falls_back_and_sets_its_newer_damaged_checkpoint_aside(
    work: Any, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    assert names(folder) == ["1", "2"]
    damage(folder / CHECKPOINTS / "2")
    assert resumed_at(work, folder) == 2
    told = capsys.readouterr().err
    assert "2 is damaged (" in told and told.endswith("; using epoch 1 instead\n") and told.count("\n") == 1
    assert names(folder) == ["1", "2.bad-1"]
    # Its name is free: another session warns of nothing.
    assert resumed_at(work, folder) == 2 and capsys.readouterr().err == ""


def test_a_group_without_a_whole_checkpoint_starts_again_and_sets_all_aside(
    work: Any, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    for name in names(folder):
        damage(folder / CHECKPOINTS / name)
    assert resumed_at(work, folder) == 1
    assert "starting the group again" in capsys.readouterr().err
    assert names(folder) == ["1.bad-1", "2.bad-1"]
    assert resumed_at(work, folder) == 1 and capsys.readouterr().err == ""


def test_checkpoints_of_another_group_are_not_used(
    work: Any, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    """The same program and the same shapes: only the identity of the group differs."""
    other = work._replace(group=work.group._replace(id="other"))
    assert resumed_at(other, folder) == 1
    assert "was saved with another experiment" in capsys.readouterr().err
    assert groups.restore(other, folder) is not None
    with pytest.raises(JaxaeError, match="1 was saved with another experiment"):
        groups.restore(work, folder)


def test_a_group_without_kept_states_is_named(work: Any, folder: Path) -> None:
    assert not (folder / KEPT).exists()
    with pytest.raises(JaxaeError, match="group: the states and histories of this group are missing"):
        groups.restore(work, folder)


def test_a_group_that_does_not_fit_on_the_disk_is_refused_before_it_trains(
    work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free=1000))
    with pytest.raises(JaxaeError, match="new: 0.0 MiB are free on this disk, but its checkpoints need"):
        groups.train(work, tmp_path / "new", lambda told: pytest.fail("it trained"))
    assert not (tmp_path / "new").exists()


def test_a_full_disk_while_a_group_saves_is_named(
    work: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise ValueError("RESOURCE_EXHAUSTED: Error writing local file")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", full)
        with pytest.raises(OSError, match="group: the disk is full; checkpoints saved before are kept"):
            groups.train(work, folder, lambda told: False)
    assert resumed_at(work, folder) == 3


def test_a_group_that_another_process_has_finished_meanwhile_is_not_trained_again(
    work: Any, tmp_path: Path
) -> None:
    """Its rows may be written between the schedule of this process and its lock."""
    store = Store(tmp_path)
    store.folder(work.group).mkdir(parents=True)
    store.finish(work.group, [{"run": run, "by": "the other process"} for run in work.group.runs])
    observe = lambda told: pytest.fail("it trained")  # noqa: E731
    assert worker.train_group(store, work.program, work.group, observe)
    assert all(row["by"] == "the other process" for row in store.group_rows(work.group))


def test_a_group_needs_the_devices_that_it_was_started_on(work: Any) -> None:
    """With fewer devices its lanes would be another program, with other bits."""
    wide = work.group._replace(devices=99)
    with pytest.raises(JaxaeError, match="the sweep was started on 99 devices, but this process has"):
        groups.prepare(work.program, wide)


@jaxae.spec
class Steps(jaxae.SGD):
    """A class of a user's own."""


def test_a_worker_with_other_code_is_refused(tmp_path: Path) -> None:
    """A worker on another machine may import another version of the user's file."""
    program = making.program({}, seeds=1, base=small.experiment(optimizer=Steps(learning_rate=0.01)))
    group = making.work(program).group
    task = worker.describe(Store(tmp_path), program, group, 1.0, 0.0)
    (run,) = task.planned
    assert run[3] is not None
    with pytest.raises(JaxaeError, match="the code differs from the code that the sweep was started with"):
        worker.train(task._replace(planned=[(*run[:3], "0" * 64)]), program.dataset)


@pytest.mark.parametrize("text", ["", '{"epoch": 1', "{}", "[]"])
def test_a_damaged_file_of_progress_is_no_progress(text: str, work: Any, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.folder(work.group).mkdir(parents=True)
    (store.folder(work.group) / PROGRESS).write_text(text)
    assert worker.progress_of(store, work.group) is None
