"""The persistent compilation cache: on by default from Python, as the user has chosen otherwise."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jaxae.runs import compilation_cache, provenance

# A small fit is not needed: `plan` and `fit` call the same function, and jax compiles any program with it.
PROGRAM = """
import json, jax
{before}
from jaxae.runs.compilation_cache import keep_compiled_programs
keep_compiled_programs()
jax.jit(lambda x: 3 * x + {number})(1.0)
print(json.dumps([jax.config.values["jax_compilation_cache_dir"], {number}]))
"""


def cache_after(home: Path, before: str = "", number: int = 1, **variables: str) -> tuple[str | None, int]:
    """The folder that a new process caches in, and the number of entries in jaxae's; warnings are errors."""
    names = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    environment = {**inherited, "XDG_CACHE_HOME": str(home), **variables}
    code = PROGRAM.format(before=before, number=number)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
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
    updates: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "cache").touch()
    assert updates() == {}
