"""Workers and later runs of the tests share compiled programs."""

import os
import time
from pathlib import Path

import pytest

from tests import programs


def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    first, second, store = (tmp_path / name for name in ("gw0", "gw1", "store"))
    for folder, entry in ((first, "a"), (second, "b"), (store, "c")):
        folder.mkdir()
        (folder / entry).write_text(f"program {entry}")
    return first, second, store


@pytest.mark.parametrize("can_link", [True, False])
def test_every_folder_has_the_entries_of_all(
    can_link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_link:

        def refuse(*paths: Path) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
    every = folders(tmp_path)
    (every[2] / ".d.123").write_text("half a copy of another process")
    programs.exchange([*every, tmp_path / "missing"])
    for folder in every:
        found = {path.name: path.read_text() for path in folder.iterdir() if path.name[0] != "."}
        assert found == {name: f"program {name}" for name in "abc"}
    assert not (every[0] / ".d.123").exists() and not (tmp_path / "missing").exists()


def test_entries_that_no_run_has_used_for_long_are_removed(tmp_path: Path) -> None:
    *_, store = folders(tmp_path)
    long_ago = time.time() - 15 * 24 * 3600
    for name, used, written in (("old", long_ago, long_ago), ("used", time.time(), long_ago)):
        (store / name).touch()
        os.utime(store / name, (used, written))
    programs.remove_old(store)
    assert {path.name for path in store.iterdir()} == {"c", "used"}
