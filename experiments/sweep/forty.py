"""Time a sweep of 40 runs (4 betas, 2 latent sizes, 5 seeds) on digits against 40 separate runs.

    python experiments/sweep/forty.py [--epochs 50] [--singles 40]

Three ways to the same 40 rows are timed from the start of the process. The first is `jaxae sweep` (one
command, two programs). The second is 40 times `jaxae train`, each in a separate process, with jax's
persistent compilation cache as always. The third is 40 runs in one process that compiles every run's programs
again, like a script in which hyperparameters are constants. The sweep is timed twice: with an empty
compilation cache, and with the cache that the first sweep has filled. Writes forty.json next to this file.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jaxae
from jaxae.runs import provenance

HERE = Path(__file__).parent
BETAS, LATENTS, SEEDS = (0.5, 1.0, 2.0, 4.0), (2, 5), range(5)
CONFIG = """
import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.VAE(
        encoder=jaxae.MLP(widths=(64,)), decoder=jaxae.MLP(widths=(64,)), likelihood=jaxae.Gaussian(std=0.15)
    ),
    epochs={epochs},
)
"""
# Every run traces and compiles its programs again, and writes nothing.
IN_PROCESS = """
import itertools, sys, time
import jax, jaxae
from jaxae.specs.pytree import replace
base = jaxae.load_config(sys.argv[1])
seconds = []
for beta, latent, seed in itertools.product({betas}, {latents}, range({seeds})):
    start = time.perf_counter()
    jax.clear_caches()
    jaxae.fit(replace(replace(base, "model.beta", beta), "model.latent_dim", latent), seed=seed)
    seconds.append(time.perf_counter() - start)
    if len(seconds) == int(sys.argv[2]):
        break
"""


def timed(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the seconds from the start of the process to its end."""
    start = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - start


def sweep_command(config: Path, folder: Path) -> list[str]:
    """Return the command of the sweep."""
    return [
        *(sys.executable, "-m", "jaxae", "sweep", str(config), "--run-dir", str(folder), "--seeds", "5"),
        *("--over", f"model.beta={','.join(map(str, BETAS))}"),
        *("--over", f"model.latent_dim={','.join(map(str, LATENTS))}"),
    ]


def single_commands(config: Path, folder: Path) -> list[list[str]]:
    """Return the forty commands of single runs.

    They are in the order of seeds, so that the first few have both latent sizes.
    """
    made = []
    for number, (seed, beta, latent) in enumerate(itertools.product(SEEDS, BETAS, LATENTS)):
        options = ["--seed", seed, "--model.beta", beta, "--model.latent_dim", latent]
        place = ["--run-dir", folder / f"run-{number}"]
        made.append(list(map(str, [sys.executable, "-m", "jaxae", "train", config, *options, *place])))
    return made


def measure(epochs: int, singles: int, folder: Path) -> dict[str, Any]:
    """Time each way; fewer than forty `singles` are extrapolated to forty."""
    config = folder / "forty.py"
    config.write_text(CONFIG.format(epochs=epochs))
    cold, of_singles = {"XDG_CACHE_HOME": str(folder / "c1")}, {"XDG_CACHE_HOME": str(folder / "c2")}
    sweeps = [timed(sweep_command(config, folder / f"sweep-{number}"), cold) for number in range(2)]
    print("sweep, cold and warm", sweeps, flush=True)
    commands = single_commands(config, folder)[:singles]
    each = [timed(command, of_singles) for command in commands]
    print("single runs", sum(each), flush=True)
    script = IN_PROCESS.format(betas=BETAS, latents=LATENTS, seeds=len(SEEDS))
    whole = timed([sys.executable, "-c", script, str(config), str(singles)], {})
    print("in one process", whole, flush=True)
    table = jaxae.read_table(folder / "sweep-0")
    separate, compiled = sum(each) * 40 / singles, whole * 40 / singles
    return {
        "epochs": epochs,
        "rows": len(table),
        "programs": int(table["program"].nunique()),
        "layout": str(table["layout"][0]),
        "sweep_cold_seconds": round(sweeps[0], 2),
        "sweep_warm_seconds": round(sweeps[1], 2),
        "single_runs_measured": singles,
        "single_runs_seconds_for_40": round(separate, 1),
        "one_process_compiled_each_time_seconds_for_40": round(compiled, 1),
        "faster_than_single_runs": {
            "cold": round(separate / sweeps[0], 1),
            "warm": round(separate / sweeps[1], 1),
        },
        "faster_than_one_process": {
            "cold": round(compiled / sweeps[0], 1),
            "warm": round(compiled / sweeps[1], 1),
        },
    }


def main() -> None:
    """Measure each number of epochs, and write forty.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, nargs="+", default=[50])
    parser.add_argument("--singles", type=int, default=40)
    asked = parser.parse_args()
    measured = []
    for epochs in asked.epochs:
        with tempfile.TemporaryDirectory() as folder:
            measured.append(measure(epochs, asked.singles, Path(folder)))
        print(json.dumps(measured[-1], indent=2), flush=True)
    told = {
        **provenance.of_study(__file__),
        "command": f"python experiments/sweep/forty.py --epochs {' '.join(map(str, asked.epochs))}"
        f" --singles {asked.singles}",
        "measured": measured,
    }
    (HERE / "forty.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
