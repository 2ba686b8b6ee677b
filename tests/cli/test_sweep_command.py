"""`jaxae sweep`: one command to a table, again and again, and every mistake in one line."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.cli import sweep_axes
from jaxae.sweeps.groups.programs import number_compiled
from tests.cli.calling import CONFIG, call, contents, ended, start, wait_for

SWEEP = (
    CONFIG
    + """
def sweep():
    for beta in (0.5, 1.0):
        yield {"model.beta": beta}
"""
)
BASE = jaxae.Experiment()


@pytest.fixture(autouse=True)
def config(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CONFIG)
    (tmp_path / "swept.py").write_text(SWEEP)
    return tmp_path / "mine.py"


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "results.csv") as file:
        return list(csv.DictReader(file))


def test_a_grid_times_seeds_with_one_program_for_each_structure(tmp_path: Path) -> None:
    before = number_compiled()
    called = call(
        *("sweep", "mine.py", "--over", "model.beta=0.5,1,2", "--over", "model.latent_dim=2,3"),
        *("--seeds", "2", "--run-dir", "s", "--epochs", "2", "--layout", "map"),
    )
    assert called.code == 0 and called.err == "", called
    assert "12 runs of 6 settings, 2 programs (one for each structure)\ndevice      cpu: " in called.out
    assert number_compiled() == before + 2
    table = rows(tmp_path / "s")
    assert len(table) == 12 and {row["epochs"] for row in table} == {"2"}
    assert "baseline" in called.out and "s/results.csv" in called.out and "s/summary.csv" in called.out
    again = call(
        *("sweep", "mine.py", "--over", "model.beta=0.5,1,2", "--over", "model.latent_dim=2,3"),
        *("--seeds", "2", "--run-dir", "s", "--epochs", "2", "--layout", "map"),
    )
    assert again.code == 0 and "0 runs to train" in again.out and rows(tmp_path / "s") == table


@pytest.mark.slow
def test_a_config_defines_its_sweep_and_the_default_directory_is_gone_on_with(tmp_path: Path) -> None:
    assert call("sweep", "swept.py", "--seeds", "1", "--epochs", "1").code == 0
    called = call("sweep", "swept.py", "--seeds", "0", "7", "--epochs", "1")
    assert called.code == 0 and "2 runs to train" in called.out
    table = rows(tmp_path / "runs" / "swept-sweep")
    told = sorted((row["model.beta"], row["seed"]) for row in table)
    assert told == [("0.5", "0"), ("0.5", "7"), ("1.0", "0"), ("1.0", "7")]


@pytest.mark.slow
def test_zip_sample_and_seeds_alone(tmp_path: Path) -> None:
    arguments = ("--zip", "model.beta=0.5,2", "--zip", "optimizer.learning_rate=1e-3,1e-4")
    called = call("sweep", "mine.py", *arguments, "--seeds", "1", "--epochs", "1", "--run-dir", "zip")
    assert called.code == 0
    told = {(row["model.beta"], row["optimizer.learning_rate"]) for row in rows(tmp_path / "zip")}
    assert told == {("0.5", "0.001"), ("2.0", "0.0001")}
    arguments = ("--over", "model.beta=log:0.1:10", "--sample", "3", "--sample-seed", "5")
    called = call("sweep", "mine.py", *arguments, "--seeds", "1", "--epochs", "1", "--run-dir", "drawn")
    assert called.code == 0
    betas = [float(row["model.beta"]) for row in rows(tmp_path / "drawn")]
    assert len(set(betas)) == 3 and all(0.1 <= beta <= 10 for beta in betas)
    assert betas == [s["b"] for s in jaxae.sampled({"b": jaxae.LogUniform(0.1, 10.0)}, 3, seed=5)]
    called = call("sweep", "mine.py", "--seeds", "3", "--epochs", "1", "--run-dir", "seeds")
    assert called.code == 0 and [row["seed"] for row in rows(tmp_path / "seeds")] == ["0", "1", "2"]


def test_dry_run_tells_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    before = contents(tmp_path)
    called = call("sweep", "mine.py", "--over", "model.latent_dim=2,3", "--seeds", "3", "--dry-run")
    assert called.code == 0 and contents(tmp_path) == before
    lines = [line for line in called.out.splitlines() if line.startswith("program ")]
    assert len(lines) == 2 and all("3 lanes" in line and "MiB" in line for line in lines)
    assert "model.latent_dim=2" in lines[0] and "in all" in called.out


@pytest.mark.slow
def test_a_search(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    called = call(
        *("sweep", "mine.py", "--search", "tpe", "--trials", "3", "--lanes", "2", "--epochs", "1"),
        *(
            "--over",
            "optimizer.learning_rate=log:1e-4:1e-1",
            "--over",
            "optimizer=Adam,SGD",
            "--run-dir",
            "s",
        ),
    )
    assert called.code == 0 and called.err == "", called
    assert len(rows(tmp_path / "s")) == 3


def test_figures_are_named_where_a_run_has_a_score(tmp_path: Path) -> None:
    over = ["--over", "optimizer.learning_rate=1e30", "--seeds", "1", "--run-dir", "s"]
    called = call("sweep", "mine.py", *over)
    assert called.code == 0 and "summary     s/summary.csv" in called.out
    assert "figures" not in called.out and not (tmp_path / "s" / "figures").exists()
    over[1] = "optimizer.learning_rate=1e30,0.003"
    called = call("sweep", "mine.py", *over)
    drawn = {path.stem for path in (tmp_path / "s" / "figures").iterdir()}
    assert "figures     s/figures" in called.out and drawn >= {"score_learning_rate", "curves"}


def test_a_baseline_a_score_and_a_failure_in_the_summary(tmp_path: Path) -> None:
    called = call(
        *("sweep", "mine.py", "--over", "optimizer.learning_rate=1e-3,3e-3,1e30", "--seeds", "2"),
        *("--baseline", "optimizer.learning_rate=3e-3", "--score", "validation.squared_error"),
        *("--run-dir", "s", "--epochs", "2", "--interval", "bootstrap"),
    )
    assert called.code == 0 and "(2 failed)" in called.out, called
    with open(tmp_path / "s" / "summary.csv") as file:
        summary = {row["optimizer.learning_rate"]: row for row in csv.DictReader(file)}
    assert summary["0.003"]["baseline"] == "True" and summary["1e+30"]["n_failed"] == "2"
    assert all("first_bad_step" in row for row in rows(tmp_path / "s"))


@pytest.mark.slow
@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_is_answered_with_everything_saved_and_the_same_command_goes_on(
    name: str, code: int, tmp_path: Path
) -> None:
    arguments = (
        *("sweep", "mine.py", "--over", "model.beta=1,2", "--seeds", "1", "--run-dir", "s"),
        *("--epochs", "2000", "--batch-size", "10", "--save-seconds", "1000"),
    )
    process = start(*arguments)
    wait_for(lambda: "live" in _log(tmp_path), process)
    process.send_signal(signal.Signals[name])
    stopped = ended(process)
    told = "jaxae: stopping as soon as all runs are saved; Ctrl-C again stops now\n"
    told += "jaxae: stopped, everything is saved in s; the same command continues\n"
    assert (stopped.code, stopped.err) == (code, told), stopped
    saved = [path.name for path in (tmp_path / "s" / "groups").glob("*/checkpoints/*")]
    assert saved and not (tmp_path / "s" / "results.csv").exists()


@pytest.mark.slow
def test_the_same_command_at_once_in_two_processes_shares_the_work(tmp_path: Path) -> None:
    arguments = (
        *("sweep", "mine.py", "--over", "model.beta=1,2", "--seeds", "4", "--run-dir", "s"),
        *("--epochs", "300", "--batch-size", "20", "--lanes", "2", "--devices", "1"),
    )
    both = [ended(process) for process in [start(*arguments), start(*arguments)]]
    assert all(called.code == 0 and called.err == "" for called in both), both
    table = rows(tmp_path / "s")
    assert len(table) == 8 and len({row["run"] for row in table}) == 8
    trained = [line for called in both for line in called.out.splitlines() if "epoch 300/300" in line]
    assert len(trained) == 4, "each group by one of them"


def _log(folder: Path) -> str:
    log = folder / "s" / "log.txt"
    return log.read_text() if log.exists() else ""


DEVICES = """
import sys
sys.path.insert(0, {root!r})
import jax
import numpy as np
from tests import small
from tests.sweeps import making
from jaxae.sweeps.groups import layouts
assert jax.local_device_count() == 2
program = making.program(seeds=2)  # 8 lanes
names = ("map", "devices:map", "devices:vmap")
lanes = {{name: making.lanes_of(making.work(program, name)) for name in names}}
assert small.same_bits(lanes["map"], lanes["devices:map"])
params = [lanes[name].carry.state.variables.params for name in ("map", "devices:vmap")]
for left, right in zip(*map(jax.tree.leaves, params)):
    np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
odd = making.work(program, "devices", [run.id for run in program.runs[:3]])
assert odd.layout.width == 4 and odd.layout.devices == 2
assert (np.asarray(making.lanes_of(odd).epochs) == [3, 3, 3, 0]).all(), "one lane only fills the devices up"
print("equal")
"""


@pytest.mark.slow
@pytest.mark.optimised
def test_lanes_mapped_on_devices_have_the_bits_of_lanes_on_one_and_vmapped_ones_are_close() -> None:
    """Two devices made of the CPU."""
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DEVICES.format(root=root)],
        capture_output=True,
        text=True,
        env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
    )
    assert done.returncode == 0 and done.stdout == "equal\n", done.stderr


MISTAKES = {
    "no config": ([], "the config comes first"),
    "unknown name": (["mine.py", "--over", "model.bta=1,2"], "did you mean 'beta'"),
    "unknown option": (["mine.py", "--ovr", "model.beta=1"], "did you mean '--over'"),
    "no values": (["mine.py", "--over", "model.beta="], "model.beta: a value is missing"),
    "no name": (["mine.py", "--over", "0.5,1"], "expected NAME=values"),
    "not a number": (["mine.py", "--over", "model.beta=1,two"], "got 'two'"),
    "out of range": (["mine.py", "--over", "model.beta=-1"], "model.beta: got -1.0"),
    "not whole": (["mine.py", "--over", "model.latent_dim=2.5"], "got '2.5'"),
    "unknown class": (["mine.py", "--over", "optimizer=Adm"], "did you mean 'Adam'"),
    "twice": (["mine.py", "--over", "batch_size=1", "--over", "batch_size=2"], "given twice"),
    "seed": (["mine.py", "--over", "seed=1,2"], "use --seeds instead"),
    "range without count": (["mine.py", "--over", "model.beta=log:1:2"], "expected log:LOW:HIGH:COUNT"),
    "range from zero": (["mine.py", "--over", "model.beta=log:0:2:3"], "got low 0.0"),
    "range upside down": (["mine.py", "--over", "model.beta=lin:2:1:3"], "low <= high"),
    "count in a sample": (
        ["mine.py", "--sample", "2", "--over", "batch_size=int:1:2:3"],
        "expected int:LOW:HIGH",
    ),
    "sample of nothing": (["mine.py", "--sample", "2"], "needs --over"),
    "zip of two lengths": (
        ["mine.py", "--zip", "batch_size=1,2", "--zip", "epochs=1"],
        "2 for batch_size, 1 for",
    ),
    "zip and over": (
        ["mine.py", "--zip", "batch_size=1", "--over", "batch_size=2"],
        "--over sweeps this name too",
    ),
    "no seeds": (["mine.py", "--seeds", "0"], "seeds: got 0"),
    "negative seed": (["mine.py", "--seeds", "1", "-2"], "seed: got -2"),
    "lanes": (["mine.py", "--lanes", "0"], "lanes: got 0"),
    "layout": (["mine.py", "--layout", "vmpa"], "--layout: got 'vmpa'"),
    "save seconds": (["mine.py", "--save-seconds", "-1"], "save_seconds: got -1"),
    "score": (["mine.py", "--score", "validation.elbw"], "did you mean 'validation.elbo'"),
    "baseline": (
        ["mine.py", "--over", "batch_size=10,20", "--baseline", "batch_size=30"],
        "batch_size=30 matches no setting",
    ),
    "streamed": (["mine.py", "--data.stream", "True"], "data.stream"),
    "too large a batch": (["mine.py", "--over", "batch_size=10,100000"], "only 1597 training rows"),
    "search of nothing": (["mine.py", "--search", "tpe"], "needs --over"),
    "search and zip": (
        ["mine.py", "--search", "tpe", "--zip", "batch_size=1,2"],
        "cannot be used with --zip",
    ),
    "search sampler": (["mine.py", "--search", "grid"], "--search: got 'grid'"),
    "trials": (["mine.py", "--search", "tpe", "--over", "batch_size=1,2", "--trials", "0"], "trials: got 0"),
    "sweep of a config": (["bad.py"], "bad.py: sweep: got 3"),
    "directory": (["mine.py", "--run-dir", "full"], "not empty and holds no sweep"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line_and_leave_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(CONFIG + "\nsweep = 3\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    arguments, message = MISTAKES[name]
    before = contents(tmp_path)
    called = call("sweep", *arguments)
    assert called.code == 2 and called.err.count("\n") == 1 and message in called.err, called
    after = {path: what for path, what in contents(tmp_path).items() if "__pycache__" not in path}
    assert after == before


def test_what_over_says() -> None:
    def said(*texts: str) -> dict[str, Any]:
        return sweep_axes.axes(BASE, texts, "--over")

    assert said("model.beta=0.5,1") == {"model.beta": [0.5, 1.0]}
    assert said("batch_size=int:10:30:3") == {"batch_size": [10, 20, 30]}
    assert said("model.encoder.widths=64,128 32") == {"model.encoder.widths": [(64,), (128, 32)]}
    assert said("clip_norm=None,1") == {"clip_norm": [None, 1.0]}
    both = said("optimizer=SGD,Adam", "optimizer.momentum=0,0.9")
    assert [type(one).__name__ for one in both["optimizer"]] == ["SGD", "Adam"]
    assert both["optimizer.momentum"] == [0.0, 0.9]
    texts = ("optimizer=SGD,Adam", "optimizer.momentum=lin:0:0.9")
    drawn = sweep_axes.axes(BASE, texts, "--over", distributions=True)
    assert drawn["optimizer.momentum"] == jaxae.Uniform(0.0, 0.9), "what is inside the first choice is known"
