"""How the tests are run: workers and later runs share compiled programs, and a time limit skips tests."""

import os
import subprocess
import sys
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


def test_after_the_time_limit_tests_are_skipped_and_counted() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        f"{__file__}::test_every_folder_has_the_entries_of_all",
    ]
    environment = {**os.environ, "JAXAE_TESTS_UNTIL": "1"}
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    root = Path(__file__).parents[1]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 skipped" in done.stdout and "the time of JAXAE_TESTS_UNTIL has passed" in done.stdout
