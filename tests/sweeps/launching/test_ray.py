"""`--launcher ray`: the table of the local launcher, whatever happens to the workers."""

import contextlib
import csv
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jaxae.training import checkpoint
from tests.cli.calling import ended, start, wait_for

OWN = ("seconds", "finished_at", "commit")  # what differs between a sweep and the same one at another time
# A net and a spec of a user's own, beside a module that the config imports; some widths fail in workers.
CONFIG = """\
from __future__ import annotations

import math
import sys

import jax
from flax import linen as nn
from helper import gain

import jaxae
from jaxae.specs.pytree import spec

FAULTS = {(6,): jaxae.JaxaeError("net: not today"), (7,): RuntimeError("RESOURCE_EXHAUSTED: too wide")}


class Net(nn.Module):
    widths: tuple[int, ...] = (32,)

    @nn.compact
    def __call__(self, x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        if self.widths in FAULTS and sys.argv[0].endswith("default_worker.py"):
            raise FAULTS[self.widths]
        x = x.reshape(len(x), -1)
        for width in self.widths:
            x = nn.tanh(gain * nn.Dense(width)(x))
        return nn.Dense(math.prod(shape))(x).reshape(len(x), *shape)


@spec
class Sharp(jaxae.VAE):
    sharpness: float = 1.0

    def weights(self, step: jax.Array) -> dict:
        return {name: self.sharpness * weight for name, weight in super().weights(step).items()}


experiment = jaxae.Experiment(
    data=jaxae.DataSpec(num_validation=100, num_test=100),
    model=Sharp(encoder=Net(), decoder=Net(), latent_dim=2, num_samples=3),
    batch_size=20,
    epochs=120,
)
sweep = {"model.sharpness": [0.5, 1.0], "model.latent_dim": [2, 3]}
"""
SWEEP = ("sweep", "mine.py", "--seeds", "2", "--lanes", "2", "--layout", "map", "--devices", "1")
SWEEP += ("--save-seconds", "0.3")
GROUPS = 4


def needs_ray(test: Any) -> Any:
    missing = importlib.util.find_spec("ray") is None
    reason = "ray is not installed: pip install 'jaxae[ray]'"
    return pytest.mark.slow(pytest.mark.skipif(missing, reason=reason)(test))


def write_config(folder: Path, text: str = CONFIG) -> None:
    (folder / "mine.py").write_text(text)
    (folder / "helper.py").write_text("gain = 1.5\n")


@pytest.fixture(autouse=True)
def _config(tmp_path: Path) -> None:
    write_config(tmp_path)


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "results.csv") as file:
        return [{name: row[name] for name in row if name not in OWN} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The table of the local launcher."""
    folder = tmp_path_factory.mktemp("local")
    write_config(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        called = ended(start(*SWEEP, "--run-dir", "sweep"))
    assert called.code == 0 and called.err == "", called
    return table(folder / "sweep")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where Ray keeps its own, under a name short enough for sockets; no other cluster is found there."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    deadline = time.monotonic() + 30
    while of_ray(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def alone(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster runs as far as a sweep can see: it begins its own."""
    monkeypatch.setenv("RAY_TMPDIR", str(temporary))
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(temporary))


@contextlib.contextmanager
def node(*arguments: str) -> Iterator[subprocess.Popen]:
    """A node of a cluster with one core."""
    code = "from ray.scripts.scripts import main; main()"
    options = ("--block", "--num-cpus=1", "--disable-usage-stats", *arguments)
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "start", *options], start_new_session=True, **pipes
    )
    try:
        yield process
    finally:
        process.kill()  # which takes its children along; asked kindly, it waits for half a minute
        process.wait()


@pytest.fixture
def cluster(alone: None, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A cluster of two nodes that RAY_ADDRESS names; the processes whose children are their workers."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
    # `ray start --disable-usage-stats` reports to Ray's server that statistics are disabled.
    monkeypatch.setenv("RAY_USAGE_STATS_REPORT_URL", "http://127.0.0.1:9/")
    told = temporary / "ray_current_cluster"
    with node("--head", "--port=0", "--include-dashboard=false", f"--temp-dir={temporary}") as head:
        wait_for(told.exists, head)
        wait_for(lambda: ":" in told.read_text(), head)
        address = told.read_text()
        with node(f"--address={address}") as second:
            wait_for(lambda: raylet(second) > 0, second)
            monkeypatch.setenv("RAY_ADDRESS", address)
            yield [raylet(head), raylet(second)]


def of_ray(temporary: Path) -> list[str]:
    """The command lines of processes that Ray has there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [path.read_text()] if str(temporary) in path.read_text() else []
    return found


@contextlib.contextmanager
def begun(run_dir: str = "sweep") -> Iterator[subprocess.Popen]:
    """The sweep over Ray, in a process that does not outlive the test."""
    process = start(*SWEEP, "--run-dir", run_dir, "--launcher", "ray")
    with process:
        try:
            yield process
        finally:
            process.kill()


def log(sweep: Path) -> str:
    return (sweep / "log.txt").read_text() if (sweep / "log.txt").exists() else ""


def saved(sweep: Path) -> dict[int, Path]:
    """Process id -> folder, of groups that a worker trains and that have a checkpoint."""
    found = {}
    for folder in (sweep / "groups").glob("*"):
        if newest(folder) and not (folder / "rows.jsonl").exists():
            holder = re.fullmatch(r"pid (\d+)", (folder / ".lock").read_text().strip())
            if holder and Path(f"/proc/{holder[1]}").exists():
                found[int(holder[1])] = folder
    return found


def newest(folder: Path) -> int:
    """The last epoch that is saved, 0 for none."""
    return max(checkpoint.epochs(folder / "checkpoints"), default=0)


def when(sweep: Path, process: subprocess.Popen, happened: Callable[[dict[int, Path]], Any]) -> Any:
    """What `happened` finds among the groups that are under way, once it finds something."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [happened(saved(sweep))]
        return bool(found[0])

    wait_for(look, process)
    return found[0]


@needs_ray
def test_a_killed_worker_loses_nothing(
    alone: None, temporary: Path, tmp_path: Path, expected: list[dict[str, str]]
) -> None:
    """On a cluster of its own, which is gone afterwards."""
    with begun() as process:
        pid, folder = when(tmp_path / "sweep", process, lambda found: next(iter(found.items()), None))
        assert "ray::" in Path(f"/proc/{pid}/cmdline").read_text()
        assert of_ray(temporary)
        os.kill(pid, signal.SIGKILL)
        called = ended(process)
    assert called.code == 0 and table(tmp_path / "sweep") == expected, called
    assert len(list((tmp_path / "sweep" / "groups").iterdir())) == GROUPS
    lost, retried = called.err.splitlines()
    told = (
        rf"jaxae: warning: group {folder.name}: its worker was lost \(\w+\); "
        r"another worker continues from epoch (\d+)"
    )
    again = re.fullmatch(told, lost)
    assert again and int(again[1]) > 1 and "1 task was retried" in retried, called
    assert not (temporary / ".ray").exists(), "no token in the home folder"
    assert of_ray(temporary) == [], "its cluster is gone"


def raylet(of: subprocess.Popen) -> int:
    """The process of a node that has workers; 0 before there is one."""
    children = Path(f"/proc/{of.pid}/task/{of.pid}/children").read_text().split()
    return next((int(pid) for pid in children if "raylet" in Path(f"/proc/{pid}/comm").read_text()), 0)


def workers(node: int, found: dict[int, Path]) -> list[Path]:
    """The folders of those groups that a node's workers train."""
    children = Path(f"/proc/{node}/task/{node}/children").read_text().split()
    return [folder for pid, folder in found.items() if str(pid) in children]


@needs_ray
def test_a_lost_node_and_ctrl_c_lose_nothing(
    cluster: list[int], tmp_path: Path, expected: list[dict[str, str]]
) -> None:
    """On a cluster that runs already: its second node is killed, and the sweep is stopped when it goes on."""
    (first, second), sweep = cluster, tmp_path / "sweep"
    with begun() as process:
        when(sweep, process, lambda found: workers(second, found))
        os.kill(second, signal.SIGKILL)
        wait_for(lambda: "its worker was lost" in log(sweep), process)
        under_way = when(sweep, process, lambda found: workers(first, found))
        os.killpg(process.pid, signal.SIGINT)
        stopped = ended(process)
    told = "jaxae: stopped, everything is saved in sweep; the same command continues"
    assert stopped.code == 130 and stopped.err.splitlines()[-1] == told, stopped
    for folder in under_way:  # saved where it was, unless it came to its end just then
        done, told = (folder / "rows.jsonl").exists(), folder / "progress.json"
        assert done or newest(folder) == json.loads(told.read_text())["epoch"]
    with begun() as process:
        called = ended(process)
    assert called.code == 0 and called.err == "" and table(sweep) == expected, called


@needs_ray
def test_groups_that_fail_are_one_line_after_the_others(cluster: list[int], tmp_path: Path) -> None:
    arguments = ("--seeds", "1", "--over", "model.encoder.widths=6,7,8", "--epochs", "2")
    called = ended(start("sweep", "mine.py", *arguments, "--run-dir", "sweep", "--launcher", "ray"))
    told = {2: "jaxae: net: not today\n", 1: "jaxae: the device's memory is full; "}  # whichever came first
    assert called.err.count("\n") == 1 and called.err.startswith(told[called.code]), called
    log = (tmp_path / "sweep" / "log.txt").read_text()
    assert "failed: net: not today\n" in log and "failed: RESOURCE_EXHAUSTED: too wide\n" in log
    assert [row["model.encoder.widths"] for row in table(tmp_path / "sweep")] == ["8"]


SCRIPT = """\
import os, sys
import jax, numpy as np, ray
import jaxae
from flax import linen as nn
from jaxae.specs.pytree import replace, spec
from tests import small

class Net(nn.Module):
    width: int = 12

    @nn.compact
    def __call__(self, x, shape):
        x = nn.relu(nn.Dense(self.width)(x.reshape(len(x), -1)))
        return nn.Dense(int(np.prod(shape)))(x).reshape(len(x), *shape)

@spec
class Sharp(jaxae.AE):
    sharpness: float = 1.0

    def weights(self, step):
        return {name: self.sharpness * weight for name, weight in super().weights(step).items()}

if __name__ == "__main__":
    jax.config.update("jax_default_matmul_precision", "highest")
    base = small.experiment(Sharp(encoder=Net(), decoder=Net(), latent_dim=3), epochs=5)
    tables = []
    for launcher in ("local", "ray"):
        if launcher == "ray":
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        found = jaxae.sweep(
            base, {"model.sharpness": [0.5, 2.0]}, 2, x=small.images(), lanes=2,
            layout="devices:map", launcher=launcher, progress=False,
        )
        assert found.load(found.rows[0]["run"]).encode(small.images()).shape == (90, 3)
        tables.append(found.table.drop(columns=["seconds", "finished_at"]))
    assert ray.is_initialized(), "what the user began is the user's to end"
    ray.shutdown()
    assert tables[0].equals(tables[1]), tables
    print(set(tables[1]["layout"]), set(tables[1]["device_count"]))
"""


@needs_ray
def test_a_script_with_classes_of_its_own_on_two_devices_each(alone: None, tmp_path: Path) -> None:
    """Classes that no worker could import, rows and a cluster of the user's own, and jax's flags."""
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[3]), os.environ["PYTHONPATH"]]),
        "JAX_DEBUG_KEY_REUSE": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout == "{'devices:mapx2'} {2}\n", done
