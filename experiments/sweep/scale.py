"""Find the limits of a sweep of 10,000 runs by measuring small ones: plan, programs, memory, storage, tables.

    python experiments/sweep/scale.py [--runs 100 400 1600]

Sweeps over seeds and learning rates of a tiny VAE on digits, for one epoch, so that training hardly counts.
A line is fitted to each cost over the number of runs, and extrapolated to 10,000. Writes scale.json next to
this file.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import jaxae
from jaxae import data
from jaxae.runs import provenance
from jaxae.specs.pytree import replace
from jaxae.sweeps.groups.group_schedule import schedule
from jaxae.sweeps.launching.launch_job import Job
from jaxae.sweeps.launching.launchers import LocalLauncher
from jaxae.sweeps.plan import plan
from jaxae.sweeps.session import launch
from jaxae.sweeps.store import Options, Store
from jaxae.sweeps.tables.run_table import write_tables

HERE = Path(__file__).parent
EXPERIMENT = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.VAE(
        encoder=jaxae.MLP(widths=(32,)),
        decoder=jaxae.MLP(widths=(32,)),
        latent_dim=2,
        likelihood=jaxae.Gaussian(std=0.2),
    ),
    epochs=1,
)
TARGET = 10_000


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(num_runs: int, folder: Path) -> dict[str, float]:
    """Measure the cost of a sweep of `num_runs` runs of one structure: seconds, and bytes on disk."""
    settings = jaxae.grid({"optimizer.learning_rate": np.geomspace(1e-4, 1e-2, num_runs // 5)})
    told: dict[str, float] = {"runs": num_runs}
    start = time.perf_counter()
    programs = plan(EXPERIMENT, settings, range(5), data.load)
    told["plan_seconds"] = time.perf_counter() - start
    store, options = Store(folder), Options()
    start = time.perf_counter()
    todo = schedule(store, EXPERIMENT, programs, ["optimizer.learning_rate"], options, sys.argv)
    told["schedule_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    launch(LocalLauncher(), Job(store, programs, todo, options, lambda told: False))
    told["train_score_keep_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    write_tables(store, options)
    told["tables_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    assert len(jaxae.read_table(folder)) == num_runs
    told["read_seconds"] = time.perf_counter() - start
    told["groups"] = len(todo)
    told["kept_bytes"] = sum(size(path) for path in (folder / "groups").glob("*/kept"))
    told["tables_bytes"] = sum(path.stat().st_size for path in folder.glob("results.*"))
    told["bytes"] = size(folder)
    told["files"] = sum(path.is_file() for path in folder.rglob("*"))
    return told


def compilation(num: int, folder: Path) -> float:
    """Measure the seconds of one more structure.

    Each sweep has a latent dimension that no other has had, so that it compiles again.
    """
    seconds = []
    for number in range(num + 1):
        experiment = replace(EXPERIMENT, "model.latent_dim", 3 + number)
        start = time.perf_counter()
        jaxae.sweep(experiment, seeds=2, run_dir=folder / str(number), progress=False)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def extrapolated(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return each cost at 10,000 runs, by a line through the measured ones."""
    runs = [row["runs"] for row in rows]
    names = [name for name in rows[0] if name != "runs"]
    lines = {name: np.polyfit(runs, [row[name] for row in rows], 1) for name in names}
    return {name: float(np.polyval(line, TARGET)) for name, line in lines.items()}


def main() -> None:
    """Measure each number of runs, and write scale.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 400, 1600])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        measure(50, folder / "compiled")  # not recorded: compiles before the first measurement
        rows: list[dict[str, Any]] = []
        for num_runs in asked.runs:
            rows.append(measure(num_runs, folder / str(num_runs)))
            print(rows[-1], flush=True)
        a_structure = compilation(3, folder)
    (program,) = plan(EXPERIMENT, [{}], range(1), data.load)
    told = {
        **provenance.of_study(__file__),
        "command": f"python experiments/sweep/scale.py --runs {' '.join(map(str, asked.runs))}",
        "measured": rows,
        f"extrapolated_to_{TARGET}": extrapolated(rows),
        "seconds_for_one_more_structure": a_structure,
        "parameters": program.num_parameters,
        "bytes_of_a_lane_while_it_trains": program.lane_bytes,
    }
    (HERE / "scale.json").write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
