"""Install jaxae from its wheel with the lowest, newest and pinned versions, and run commands and tests there.

    python .ci/environments.py              all nine
    python .ci/environments.py lowest-3.11 newest-3.13

One environment exists at a time, in a folder next to uv's cache, from which files are linked, not copied.
What the machine lacks (an interpreter, uv, the package index) is one line, and no error. After
JAXAE_TESTS_UNTIL, in seconds since 1970, environments are skipped, with one line each.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from distributions import ROOT, Unavailable, build, uv

UNTIL = float(os.environ.get("JAXAE_TESTS_UNTIL", "inf"))
LEAST = 150  # seconds that an environment needs on two cores; with less time left it is not started
GRACE = 60  # seconds after JAXAE_TESTS_UNTIL in which tests that have started may end
# The first three differ most: the oldest versions on the oldest Python, then what a user gets today.
NAMES = (
    "lowest-3.11",
    "newest-3.13",
    "constraints-3.13",
    "lowest-3.13",
    "newest-3.11",
    "newest-3.12",
    "lowest-3.12",
    "constraints-3.11",
    "constraints-3.12",
)
RESOLUTIONS = {
    "lowest": ["--resolution=lowest-direct"],
    "newest": [],
    "constraints": ["--constraint", str(ROOT / "constraints.txt")],
}
# Ray is resolved, but not installed: `make slow` runs with its lower bound, which is the pin. The wheels of
# cuda, tpu and bench are gigabytes: these are neither resolved nor installed.
INSTALLED = ("dev", "umap", "trackers", "onnx", "docs")
RESOLVED = (*INSTALLED, "ray")
COMMANDS = (
    "jaxae --version",
    "jaxae show vae_digits",
    "jaxae train vae_digits --epochs 2 --run-dir run",
    "jaxae resume run --epochs 3",
    "jaxae sweep vae_digits --epochs 2 --over model.beta=0.5,1 --seeds 1 --run-dir sweep",
    "jaxae report run",
)
# Where jaxae meets other libraries: Orbax, optax, flax, TFDS, pandas, pyarrow, h5py, matplotlib, SciPy,
# scikit-learn, PyYAML, portalocker, requests, filelock, safetensors, Optuna, tokenizers, nbclient, numpyro.
TESTS = (
    "tests/training/test_checkpoint.py",
    "tests/specs/test_optax_functions.py",
    "tests/nets/test_conv_layers.py",
    "tests/data/test_tfds.py",
    "tests/data/test_tables.py",
    "tests/data/test_images.py",
    "tests/data/test_retrieve.py",
    "tests/runs/test_config.py",
    "tests/runs/test_config_source.py",
    "tests/runs/test_locks.py",
    "tests/runs/test_provenance.py",
    "tests/sweeps/test_sweep.py",
    "tests/sweeps/test_search.py",
    "tests/plots/test_figures.py",
    "tests/plots/test_pictures.py",
    "tests/metrics/test_probes.py",
    "tests/metrics/test_image_quality.py",
    "tests/distributions/test_likelihoods.py",
    "tests/tokens/test_conditions.py",
    "tests/exports/test_export_run.py",
    "tests/reports/test_pages.py",
    "tests/explorer/test_server.py",
    "tests/cli/test_terminal.py",
    "tests/test_sklearn.py",
    "tests/test_notebook.py",
)
# Marked slow because other tests do without these extras.
SLOW_TESTS = ("tests/trackers", "tests/metrics/test_projection.py", "tests/exports/test_onnx_models.py")


class Failure(Exception):
    """A command of an environment that failed, with its output."""


class Environment(NamedTuple):
    """One of the nine: an interpreter, how versions are chosen, and a folder that is deleted afterwards."""

    name: str
    uv: str
    wheel: Path
    folder: Path

    @property
    def python(self) -> str:
        """The interpreter in the environment."""
        return str(self.folder / "venv/bin/python")

    def make_and_check(self) -> None:
        """Resolve, install, run the commands with a user's packages, and the tests with all of them.

        Raises:
            Unavailable: If the interpreter or the package index is missing.
            Failure: If a command or a test fails.
        """
        choice, version = self.name.rsplit("-", 1)
        interpreter = subprocess.run([ROOT / ".ci/interpreter", version], capture_output=True, text=True)
        if not interpreter.stdout:
            raise Unavailable(f"no Python {version}")
        pins = self.folder / "pins.txt"
        extras = [f"--extra={name}" for name in RESOLVED]
        resolve = ["pip", "compile", "--quiet", "--no-annotate", *RESOLUTIONS[choice], *extras]
        where = ["--python", interpreter.stdout.strip(), "--output-file", str(pins)]
        self._run_uv(*resolve, *where, str(ROOT / "pyproject.toml"))
        if choice == "constraints":
            check_pins(pins)
        self._run_uv("venv", "--python", interpreter.stdout.strip(), str(self.folder / "venv"))
        self._install(pins, "report")
        place = self.folder / "empty"
        place.mkdir()
        for command in COMMANDS:
            program, *arguments = command.split()
            self._run(place, str(self.folder / "venv/bin" / program), *arguments)
        self._install(pins, *INSTALLED)
        # Its requirements exclude our orbax-checkpoint, which it does not import.
        self._run_uv("pip", "install", "--quiet", "--python", self.python, "--no-deps", "jax2onnx")
        self._run_tests()
        if choice != "constraints":  # `make docs` does the same with the pinned versions
            site = ["--strict", "--quiet", "--site-dir", str(self.folder / "site")]
            self._run(ROOT, str(self.folder / "venv/bin/mkdocs"), "build", *site)

    def _install(self, pins: Path, *extras: str) -> None:
        target = f"jaxae[{','.join(extras)}] @ {self.wheel.as_uri()}"
        self._run_uv("pip", "install", "--quiet", "--python", self.python, "--constraint", str(pins), target)

    def _run_tests(self) -> None:
        """Run the tests on the installed package: a copy of them, from which the sources are not found."""
        place = self.folder / "copy"
        place.mkdir()
        shutil.copytree(ROOT / "tests", place / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("configs", "docs"):
            shutil.copytree(ROOT / name, place / name)
        shutil.copy(ROOT / "pyproject.toml", place)  # pytest's settings
        side_by_side = [
            "--numprocesses=auto",
            "--maxprocesses=8",
            "--dist=loadfile",
            "--no-loadscope-reorder",
        ]
        for mark, files in (("not slow", TESTS), ("slow", SLOW_TESTS)):
            command = [self.python, "-m", "pytest", "-q", "-m", mark, *side_by_side, *files]
            print(self._run(place, *command).rstrip().rpartition("\n")[2], flush=True)

    def _run_uv(self, *arguments: str) -> None:
        try:
            self._run(ROOT, self.uv, *arguments)
        except Failure as failure:
            # uv ends with 1 if nothing fits together, with 2 if it cannot do its work.
            if "Failed to fetch" in str(failure):
                raise Unavailable(f"the package index cannot be reached: {failure}") from None
            raise

    def _run(self, place: Path, *command: str) -> str:
        """Run a command in a folder from which jaxae's sources are not found; return what it prints."""
        hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        variables = {name: value for name, value in os.environ.items() if name not in hidden}
        variables["NO_MKDOCS_2_WARNING"] = "1"  # mkdocs-material prints a page of text otherwise
        left = UNTIL + GRACE - time.time()
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        # A group of processes, so that those that a command starts end with it.
        with subprocess.Popen(
            command, cwd=place, env=variables, text=True, start_new_session=True, **pipes
        ) as process:
            try:
                output, _ = process.communicate(timeout=None if left == float("inf") else max(left, 1))
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise Failure(f"{' '.join(command)}: exit code {process.returncode}\n{output}")
        return output


def check_pins(resolved: Path) -> None:
    """Check that `constraints.txt` pins each package of an environment that was resolved with it.

    Args:
        resolved: File with one `name==version` a line.

    Raises:
        Failure: If a package is not pinned.
    """
    missing = sorted(names(resolved.read_text()) - names((ROOT / "constraints.txt").read_text()))
    if missing:
        raise Failure(f"constraints.txt does not pin {', '.join(missing)}")


def names(requirements: str) -> set[str]:
    """Return the normalised names of the packages with a version in a file of requirements."""
    found = re.findall(r"^([\w.-]+)==", requirements, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def main(chosen: list[str]) -> int:
    """Make the chosen environments, one after another; return 1 if one of them failed."""
    unknown = sorted(set(chosen) - set(NAMES))
    if unknown:
        raise SystemExit(f"no environment {', '.join(unknown)}; the names are {', '.join(NAMES)}")
    failed = False
    try:
        with uv() as path, tempfile.TemporaryDirectory(prefix="jaxae-wheel-") as folder:
            wheel = build(path, Path(folder))
            cache = subprocess.run([path, "cache", "dir"], capture_output=True, text=True, check=True).stdout
            for name in chosen or NAMES:
                failed |= report(name, path, wheel, Path(cache.strip()).parent)
    except Unavailable as reason:
        print(f"no environment is made: {reason}")
    return int(failed)


def report(name: str, uv: str, wheel: Path, where: Path) -> bool:
    """Make one environment and print one line about it; return whether it failed."""
    start = time.time()
    if start + LEAST > UNTIL:
        print(f"{name}: skipped, no time is left", flush=True)
        return False
    where.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"jaxae-{name}-", dir=where) as folder:
        try:
            Environment(name, uv, wheel, Path(folder)).make_and_check()
            ending = "passed" if time.time() <= UNTIL else "not finished, since its time is over"
        except Unavailable as reason:
            ending = f"skipped, {reason}"
        except subprocess.TimeoutExpired:
            ending = "not finished, since its time is over"
        except Failure as failure:
            ending = f"failed\n{failure}"
    print(f"{name}: {ending} ({time.time() - start:.0f} s)", flush=True)
    return ending.startswith("failed")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
