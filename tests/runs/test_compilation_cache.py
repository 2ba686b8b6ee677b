"""The persistent compilation cache: on by default from Python, as the user has chosen otherwise."""

import errno
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jax._src import lru_cache

from jaxae.runs import compilation_cache, provenance, user_cache
from tests.cli.calling import CONFIG

# A small fit is not needed: `plan` and `fit` call the same function, and jax compiles any program with it.
PROGRAM = """
import json, jax
{before}
from jaxae.runs.compilation_cache import keep_compiled_programs
keep_compiled_programs()
jax.jit(lambda x: 3 * x + {number})(1.0)
print(json.dumps([jax.config.values["jax_compilation_cache_dir"], {number}]))
"""


def cache_after(
    home: Path, before: str = "", number: int = 1, told: str = "", **variables: str
) -> tuple[str | None, int]:
    """The folder that a new process caches in, and the number of entries in jaxae's; warnings are errors."""
    names = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    environment = {**inherited, "XDG_CACHE_HOME": str(home), **variables}
    code = PROGRAM.format(before=before, number=number)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == told, done.stderr
    return json.loads(done.stdout)[0], len(list(home.glob("jaxae/*/*-cache")))


def test_programs_are_kept_in_the_cache_of_the_user(tmp_path: Path) -> None:
    folder, entries = cache_after(tmp_path)
    assert folder is not None and Path(folder).parent == tmp_path / "jaxae" and entries > 0
    # The next process finds them, and adds new ones also if it compiled something before.
    assert cache_after(tmp_path)[1] == entries
    assert cache_after(tmp_path, before="jax.jit(lambda x: 2 * x)(1.0)", number=2)[1] > entries


@pytest.fixture
def updates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The options of jax that are changed in a process with this configuration."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setattr(provenance, "cache_folder", lambda: tmp_path / "cache")

    def changed(is_distributed: bool = False, **chosen: Any) -> dict[str, Any]:
        values = {"jax_compilation_cache_dir": None, "jax_enable_compilation_cache": True, **chosen}
        changes: dict[str, Any] = {}
        monkeypatch.setattr(compilation_cache, "check_entries", lambda: None)
        config = SimpleNamespace(values=values, update=changes.__setitem__)
        distributed = SimpleNamespace(is_initialized=lambda: is_distributed)
        monkeypatch.setattr(compilation_cache, "jax", SimpleNamespace(config=config, distributed=distributed))
        compilation_cache.keep_compiled_programs()
        return changes

    return changed


def test_a_choice_of_the_user_stays(
    updates: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert updates()["jax_compilation_cache_dir"] == str(tmp_path / "cache")
    assert updates(jax_enable_compilation_cache=False) == {}
    assert updates(jax_compilation_cache_dir="mine") == {}
    assert updates(is_distributed=True) == {}
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "2")
    assert "jax_persistent_cache_min_compile_time_secs" not in updates()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    assert updates() == {}


def test_a_folder_that_cannot_be_made_switches_the_cache_off(
    updates: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(compilation_cache, "_warned", set())
    (tmp_path / "cache").touch()
    assert updates() == {} and updates() == {}
    told = (
        "compiled programs cannot be kept there (File exists); JAX_COMPILATION_CACHE_DIR names another folder"
    )
    assert capsys.readouterr().err == f"jaxae: warning: {tmp_path / 'cache'}: {told}\n"


# damaged entries

DAMAGED = "a compiled program is damaged; such programs are removed and compiled again"
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "a flipped bit of the digest": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "truncated": lambda content: content[: len(content) // 2],
    "without its digest": lambda content: content[:-10],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
}


def cache_in(folder: Path, monkeypatch: pytest.MonkeyPatch, is_own: bool = True) -> Any:
    """jax's own cache in a folder, checked; it is jaxae's folder or one that the user has chosen."""
    monkeypatch.setattr(compilation_cache, "_warned", set())
    monkeypatch.setattr(provenance, "cache_folder", lambda: folder if is_own else folder / "other")
    cache = lru_cache.LRUCache(str(folder), max_size=-1)
    return compilation_cache.CheckedCache(cache, zlib.decompress)


PROGRAMS = {f"jit_{number}-abc": zlib.compress(bytes(range(100)) * number) for number in (1, 2, 3)}


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize("way", [*WAYS, "a folder"])
def test_a_damaged_program_is_removed_with_one_line(
    way: str, is_own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    cache = cache_in(tmp_path, monkeypatch, is_own)
    for key, value in PROGRAMS.items():
        cache.put(key, value)
        assert cache.get(key) == value
    for key in list(PROGRAMS)[:2]:
        entry = tmp_path / f"{key}-cache"
        if way == "a folder":
            entry.unlink()
            (entry / "inner").mkdir(parents=True)
        else:
            entry.write_bytes(WAYS[way](entry.read_bytes()))
        assert cache.get(key) is None and not entry.exists()
    assert capsys.readouterr().err == f"jaxae: warning: {tmp_path}: {DAMAGED}\n"
    # The next process finds what was compiled again, and what was never damaged.
    for key, value in list(PROGRAMS.items())[:2]:
        cache.put(key, value)
    cache = cache_in(tmp_path, monkeypatch, is_own)
    assert [cache.get(key) for key in PROGRAMS] == list(PROGRAMS.values())
    assert capsys.readouterr().err == "" and len(list(tmp_path.iterdir())) == 3


def test_programs_of_older_versions_and_of_jax_are_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    cache_in(tmp_path, monkeypatch, is_own=False).put("old", PROGRAMS["jit_1-abc"])
    assert (tmp_path / "old-cache").read_bytes() == PROGRAMS["jit_1-abc"], "other programs of jax read it"
    assert cache_in(tmp_path, monkeypatch).get("old") == PROGRAMS["jit_1-abc"]
    assert capsys.readouterr().err == "" and cache_in(tmp_path, monkeypatch).get("unknown") is None


def test_a_full_disk_is_one_line_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    cache = cache_in(tmp_path, monkeypatch)

    def fill(path: Path, content: bytes) -> None:
        with open(path, "wb") as file:
            file.write(content[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    for key, value in PROGRAMS.items():
        cache.put(key, value)
    told = "compiled programs cannot be kept there (No space left on device)"
    assert capsys.readouterr().err == f"jaxae: warning: {tmp_path}: {told}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_process_compiles_damaged_programs_again(tmp_path: Path) -> None:
    folder, entries = cache_after(tmp_path)
    for entry in tmp_path.glob("jaxae/*/*-cache"):
        entry.write_bytes(WAYS["a flipped bit of the digest"](entry.read_bytes()))
    assert cache_after(tmp_path, told=f"jaxae: warning: {folder}: {DAMAGED}\n") == (folder, entries)
    assert cache_after(tmp_path) == (folder, entries)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables", [{"XDG_CACHE_HOME": "/proc/none"}, {"XDG_CACHE_HOME": "", "HOME": "/proc/x"}]
)
def test_a_run_without_a_cache_folder_is_told_so_in_one_line(
    variables: dict[str, str], tmp_path: Path
) -> None:
    """Also by matplotlib, which has no place for its own files then."""
    environment = {**os.environ, **variables}
    environment.pop("JAX_COMPILATION_CACHE_DIR")
    (tmp_path / "small.py").write_text(CONFIG)
    command = [sys.executable, "-m", "jaxae", "train", "small.py", "--run-dir", "run"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.count("\n") == 1, done.stderr
    assert "compiled programs cannot be kept there (No such file or directory)" in done.stderr
    assert len(list((tmp_path / "run" / "figures").iterdir())) > 0


def test_a_user_without_a_home_directory_has_no_folder_for_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", none)
    user_cache.write(user_cache.folder() / "file.json", "{}")
    assert not (user_cache.folder() / "file.json").exists()
