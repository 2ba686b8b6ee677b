"""Strictness for every test at once, and a persistent compilation cache that makes the second run fast."""

import gc
import importlib.metadata
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Tests run side by side; each worker has a cache to itself, since jax writes entries in place.
_CACHES = Path(__file__).resolve().parent.parent / ".cache" / "jax"
# A folder for all clones on a machine, such as that of CI; without it a fresh clone compiles everything.
_STORE = os.environ.get("JAXAE_TEST_PROGRAMS")
_UNTIL = float(os.environ.get("JAXAE_TESTS_UNTIL", "inf"))
_CACHE = _CACHES / os.environ.get("PYTEST_XDIST_WORKER", "main")
# Before jax is imported anywhere; processes that tests start inherit it.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(_CACHE)
os.environ["XDG_CACHE_HOME"] = str(_CACHE.parents[1] / "user")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
# Otherwise the path of the folder is part of the name of each entry, and no other folder's entry is found.
os.environ["JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES"] = "none"
# Compiling is most of the suite's time, a fifth of it without the optimisations that `optimised` tests have.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
# Half of it with XLA's older way to write kernels, in one module, and without the passes that clone nested
# loops. XLA_FLAGS="" tests the way of a user's machine: `make slow` does so for `optimised` tests, and CI on
# another Python.
_LOOP_PASSES = (
    "while-loop-invariant-code-motion",
    "while-loop-simplifier",
    "simplify-while-loops",
    "while-loop-trip-count-annotator",
)
_QUICK = [
    "--xla_cpu_parallel_codegen_split_count=1",
    f"--xla_disable_hlo_passes={','.join(_LOOP_PASSES)}",
]
if importlib.metadata.version("jaxlib").startswith("0.10."):  # 0.12 has no older way, and ends at this flag
    _QUICK.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_QUICK))
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["JAX_DEBUG_KEY_REUSE"] = "1"
os.environ["JAXAE_PROGRESS"] = "0"  # progress on standard error would be among the warnings that tests read
# No test connects to another machine, nor does a Python process that a test starts.
_NETWORK = str(Path(__file__).resolve().parent / "network")
if _NETWORK not in sys.path:  # else this process has it from the one that started it
    sys.path.append(_NETWORK)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_NETWORK, os.environ.get("PYTHONPATH")]))
os.environ["JAXAE_TESTS_CONNECTIONS"] = str(_CACHES.parent / f"connections-{_CACHE.name}")

import only_this_machine  # noqa: E402
import pytest  # noqa: E402 (after the environment is set)

from tests import programs  # noqa: E402

# Files that take longest: begun last, one worker would still be at them when the others are done.
LONGEST = (
    "test_docs.py",
    "test_outside_runs.py",
    "test_measure_groups.py",
    "test_ray.py",
    "test_classical.py",
    "test_variational.py",
    "test_configs.py",
    "test_scores.py",
    "test_readme.py",
    "test_lanes.py",
    "test_epoch.py",
    "test_ray_launcher.py",
)


def pytest_sessionstart() -> None:
    """Every worker of this run has what any worker of an earlier run compiled."""
    if _is_worker():
        return  # only the process that starts the workers does so, when none of them writes
    if _STORE:
        Path(_STORE).mkdir(parents=True, exist_ok=True)
        programs.remove_old(Path(_STORE))
        for worker in _workers():
            (_CACHES / worker).mkdir(parents=True, exist_ok=True)
    programs.exchange(_all_caches())


def pytest_sessionfinish(exitstatus: int) -> None:
    """Later runs find what this one compiled. An interrupted run may have an entry that is not whole."""
    if _STORE and not _is_worker() and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        programs.exchange(_all_caches())


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _workers() -> list[str]:
    return [*(f"gw{number}" for number in range(os.cpu_count() or 1)), "main"]


def _all_caches() -> list[Path]:
    caches = list(_CACHES.iterdir()) if _CACHES.exists() else []
    return [*caches, Path(_STORE)] if _STORE else caches


@pytest.hookimpl(tryfirst=True)  # before fixtures are made for the test
def pytest_runtest_setup() -> None:
    """After `JAXAE_TESTS_UNTIL`, in seconds since 1970, tests are skipped, and the summary counts them."""
    if time.time() > _UNTIL:
        pytest.skip("the time of JAXAE_TESTS_UNTIL has passed")


def pytest_collection_finish() -> None:
    """The garbage collector no longer looks at what was imported, which takes a while."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; `--no-loadscope-reorder` keeps that order among workers."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


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


@pytest.fixture(autouse=True)
def _no_connection_is_refused() -> Iterator[None]:
    """A test fails also if the library that wanted a connection hides that it was refused."""
    yield
    if refused := only_this_machine.attempts():
        pytest.fail("\n".join(refused))


@pytest.fixture(autouse=True)
def _optimisations(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is claimed to the bit between two programs is tested as a user's machine compiles them."""
    disabled = request.node.get_closest_marker("optimised") is None
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", str(int(disabled)))
    _disable_optimisations(disabled)


@pytest.fixture(scope="session", autouse=True)
def _programs_are_compiled_when_needed() -> Iterator[None]:
    """No thread compiles ahead in this process: the workers have no core to spare, and most tests train only.

    Commands in processes of their own do it; `training/test_ahead.py` switches it on.
    """
    from jaxae.training import ahead

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "is_useful", lambda mesh: False)
        yield


@pytest.fixture
def sigint() -> Iterator[None]:
    """Python's own handler of Ctrl-C, which a process that was started in the background lacks."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module", autouse=True)
def _compiled_programs_are_let_go_of() -> Iterator[None]:
    """After each file: a process has memory maps for thousands of compiled programs, not for all of ours.

    Before it, what the last test of another file had switched on is off, for what files make once.
    """
    _disable_optimisations(True)
    yield
    forget_programs()
    gc.collect()


@pytest.fixture(scope="module", autouse=True)
def _configs_are_let_go_of() -> Iterator[None]:
    """After each file: the classes of its configs would be offered in the next file's messages."""
    yield
    for name in [name for name in sys.modules if name.startswith("jaxae_configs.")]:
        del sys.modules[name]


def _disable_optimisations(disabled: bool) -> None:
    jax: Any = sys.modules.get("jax")
    if jax and jax.config.read("jax_disable_most_optimizations") != disabled:
        jax.config.update("jax_disable_most_optimizations", disabled)
        forget_programs()


def forget_programs() -> None:
    """Drop all compiled programs: a process may hold memory maps for a few thousand of them only."""
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
    if "jaxae.sweeps.groups.programs" in sys.modules:
        sys.modules["jaxae.sweeps.groups.programs"].forget()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless browser, one for all tests of a file; the test is skipped without one."""
    # Imported here: few tests need it. For a file and not longer: no other event loop can run beside it.
    from tests import browser

    with browser.running() as found:
        yield found
