import datetime
import errno
import math
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from jaxae.errors import JaxaeError
from jaxae.runs import directory, seals


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still, as it does for runs that are started together."""

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":
            return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(datetime, "datetime", Clock)


@pytest.mark.usefixtures("frozen")
def test_names_never_collide() -> None:
    names = [directory.create(None, "vae", 3).name for _ in range(3)]
    stamp = "vae-s3-20260102-030405"
    assert names == [stamp, f"{stamp}-2", f"{stamp}-3"]


def _create(_: int) -> str:
    return directory.create(None, "vae", 0).name


def test_names_never_collide_among_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        names = pool.map(_create, range(30), chunksize=1)
    assert len(set(names)) == 30


@pytest.mark.parametrize("name", ["../../evil", "/etc/x", "a/b", "..", "a\0b", "x" * 300, "ein Name"])
def test_a_name_never_leads_out_of_runs(name: str, tmp_path: Path) -> None:
    """Names come from records, which are data."""
    path = directory.create(None, name, 0)
    assert path.resolve().parent == tmp_path / "runs" and path.is_dir()
    assert [item.name for item in tmp_path.iterdir()] == ["runs"]


def test_an_existing_run_is_never_overwritten(tmp_path: Path) -> None:
    run = directory.create(Path("run"), "", 0)
    (run / directory.RECORD).write_text("{}")
    with pytest.raises(JaxaeError, match="--run-dir run: holds a run already; `jaxae resume run`"):
        directory.create(Path("run"), "", 0)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    with pytest.raises(JaxaeError, match="--run-dir used: the directory is not empty"):
        directory.create(Path("used"), "", 0)
    assert (tmp_path / "used" / "notes.txt").read_text() == "mine"


def test_a_start_that_was_killed_before_the_record_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.json").write_text("{}")
    with pytest.raises(JaxaeError, match="not empty"):  # without a lock it is no directory of jaxae's
        directory.create(Path("run"), "", 0)
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / "record.json.part").touch()
    assert directory.create(Path("run"), "", 0) == Path("run")


def test_an_empty_directory_may_be_a_run(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert directory.create(Path("empty"), "", 0) == Path("empty")
    assert directory.create(Path("a/b/c"), "", 0).is_dir()


@pytest.mark.parametrize("name", ["file", "file/below", "a\0b"])
def test_what_cannot_be_made_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(JaxaeError, match=r"is a file|cannot be made"):
        directory.create(Path(name), "", 0)
    assert (tmp_path / "file").read_text() == "mine"


def test_json_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.json"
    directory.write_json(path, {"a": 1})

    def killed(file: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        directory.write_json(path, {"a": 2})
    assert seals.read(path) == {"a": 1}
    monkeypatch.undo()
    with pytest.raises(TypeError):
        directory.write_json(path, {"a": object()})
    assert seals.read(path) == {"a": 1}


def test_a_number_that_is_not_finite_is_null(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    directory.write_json(
        path, {"a": math.nan, "b": [math.inf, (-math.inf, 1.5)], "c": {"d": math.nan}, "e": None}
    )
    assert seals.read(path) == {"a": None, "b": [None, [None, 1.5]], "c": {"d": None}, "e": None}
    directory.append_history(tmp_path, {"epoch": 1, "train": {"loss": math.nan}})
    assert directory.read_history(tmp_path, 1) == [{"epoch": 1, "train": {"loss": None}}]


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": 1, "a": 2}', "[" * 99_999, '{"a": ' + "9" * 5000 + "}", "nul"]
)
def test_what_is_no_json_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(JaxaeError, match="x.json: is not valid JSON"):
        seals.read(tmp_path / "x.json")


def test_json_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe")
    with pytest.raises(JaxaeError, match="x.json: cannot be read"):
        seals.read(tmp_path / "x.json")
    with pytest.raises(JaxaeError, match="y.json: not found"):
        seals.read(tmp_path / "y.json")


def write_history(run: Path, *epochs: int, tail: str = "") -> None:
    lines = [directory.as_json({"epoch": epoch, "train": {"loss": 0.5 * epoch}}) for epoch in epochs]
    (run / directory.HISTORY).write_text("".join(lines) + tail)


@pytest.mark.parametrize("tail", ['{"epoch": 4, "train": {"lo', "{", "\0\0\0", '{"epoch": 4}'])
def test_a_torn_last_line_is_dropped(tail: str, tmp_path: Path) -> None:
    write_history(tmp_path, 1, 2, 3, tail=tail)
    assert [line["epoch"] for line in directory.read_history(tmp_path, 3)] == [1, 2, 3]
    assert directory.last_epoch(tmp_path) == 3
    kept = directory.keep_history(tmp_path, 3)
    assert [line["epoch"] for line in kept] == [1, 2, 3]
    directory.append_history(tmp_path, {"epoch": 4})
    assert [line["epoch"] for line in directory.read_history(tmp_path, 4)] == [1, 2, 3, 4]


def test_history_after_the_checkpoint_is_dropped(tmp_path: Path) -> None:
    write_history(tmp_path, 1, 2, 3, 4)
    before = (tmp_path / directory.HISTORY).read_text().splitlines()
    assert directory.keep_history(tmp_path, 2) == directory.read_history(tmp_path, 2)
    assert (tmp_path / directory.HISTORY).read_text().splitlines() == before[:2]
    assert directory.keep_history(tmp_path, 0) == [] and directory.last_epoch(tmp_path) == 0


def test_a_run_without_history_has_none(tmp_path: Path) -> None:
    assert directory.read_history(tmp_path, 0) == [] and directory.last_epoch(tmp_path) == 0
    assert directory.keep_history(tmp_path, 0) == []


@pytest.mark.parametrize("epochs", [(1, 3), (2, 3), (1, 2), (1, 1, 2, 3), (2, 1, 3)])
def test_a_history_with_a_gap_is_refused(epochs: tuple[int, ...], tmp_path: Path) -> None:
    write_history(tmp_path, *epochs)
    with pytest.raises(JaxaeError, match="history.jsonl: expected a line for each epoch from 1 to 3"):
        directory.read_history(tmp_path, 3)


@pytest.mark.parametrize("line", ["nope", "[1]", "{}", '{"epoch": "1"}', "[" * 99_999])
def test_a_line_that_is_no_epoch_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / directory.HISTORY).write_text(line + "\n")
    expected = r"history.jsonl, line 1: (is not valid JSON|has no epoch|got .* expected an object)"
    with pytest.raises(JaxaeError, match=expected):
        directory.read_history(tmp_path, 1)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with directory.lock(tmp_path):
        told = rf"another process \(pid {os.getpid()}\) is writing to this run"
        with pytest.raises(JaxaeError, match=told), directory.lock(tmp_path):
            raise AssertionError("two writers")
        assert (tmp_path / ".lock").read_text() == f"pid {os.getpid()}"
    with directory.lock(tmp_path):
        pass


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), directory.lock(tmp_path):
        raise ZeroDivisionError
    with directory.lock(tmp_path):
        pass


def test_a_run_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    told = r"gone: cannot be written to \(No such file or directory\)"
    with pytest.raises(JaxaeError, match=told), directory.lock(tmp_path / "gone"):
        pass


class Usage(NamedTuple):
    free: int


def test_room_for_three_checkpoints_is_asked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free=4 * 2**20))
    directory.preflight(tmp_path / "to" / "be", 2**20)
    with pytest.raises(
        JaxaeError, match=r"be: 4.0 MiB are free on this disk, but its checkpoints need 7.0 MiB"
    ):
        directory.preflight(tmp_path / "to" / "be", 2 * 2**20)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.ENOSPC, "Kein Platz"),  # the text depends on the locale
        ValueError("RESOURCE_EXHAUSTED: Error writing local file"),  # as TensorStore says it
        Exception("Error: [Errno 28] No space left on device"),
    ],
)
def test_a_full_disk_is_told_alike_however_it_is_reported(error: Exception, tmp_path: Path) -> None:
    words = "the disk is full; checkpoints saved before are kept"
    with pytest.raises(OSError, match=words) as told, directory.disk_errors(tmp_path):
        raise error
    assert told.value.errno == errno.ENOSPC


@pytest.mark.parametrize("error", [ValueError("other"), RuntimeError("RESOURCE_EXHAUSTED: Out of memory")])
def test_other_errors_are_left_alone(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error), match=str(error)), directory.disk_errors(tmp_path):
        raise error


def test_a_warning_goes_to_the_screen_and_the_log(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    directory.warn(tmp_path, "careful")
    assert capsys.readouterr().err == "jaxae: warning: careful\n"
    assert (tmp_path / directory.LOG).read_text() == "warning: careful\n"
    directory.warn(tmp_path / "gone", "careful")  # a log that cannot be written stops nobody
