"""Strictness for every test at once, and a persistent compilation cache that makes the second run fast."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Tests run side by side; each worker has a cache to itself, since jax writes entries in place.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
_CACHE = Path(__file__).resolve().parent.parent / ".cache" / "jax" / _WORKER
# Before jax is imported anywhere; processes that tests start inherit it.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(_CACHE)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["JAX_DEBUG_KEY_REUSE"] = "1"

import pytest  # noqa: E402 (after the environment is set)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of original MNIST files; the test is skipped where there is none."""
    folder = os.environ.get("JAXAE_DATA")
    if not folder:
        pytest.skip("JAXAE_DATA is not set: the folder with the original MNIST files")
    return Path(folder)


@pytest.fixture(autouse=True)
def _clean_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test works in a directory of its own, so that none writes beside the code."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def _compiled_programs_are_let_go_of() -> Iterator[None]:
    """After each file: a process has memory maps for thousands of compiled programs, not for all of ours."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
    if "jaxae.sweeps.programs" in sys.modules:
        sys.modules["jaxae.sweeps.programs"].forget()
    gc.collect()
