"""Check that a sweep of 40 runs that is killed (kill -9) repeatedly equals the same sweep without kills.

    python experiments/reliability/sweep_soak.py [--kills 30] [--seed 0]

Each kill comes at a moment drawn over the time that the command takes: start-up, compiling, training,
saving, scoring, tables. The same command is given again each time, until it ends by itself. If a sweep ends
before all kills have happened, another one starts. Each table must equal that of the sweep without kills in
every column but the times. The saved parameters and history of each run must be equal to the bit. Writes
sweep_results.json next to this file.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jaxae
from jaxae.runs import provenance
from jaxae.training import checkpoint

HERE = Path(__file__).parent
TIMES = ["seconds", "finished_at"]
START = 3.0  # seconds, approximately, until a process has work to lose
CONFIG = """
import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits", binarize="dynamic"),
    model=jaxae.VAE(encoder=jaxae.MLP(widths=(32,)), decoder=jaxae.MLP(widths=(32,)), latent_dim=2),
    batch_size=50,
    epochs=400,
)
sweep = jaxae.grid({
    "model.beta": [0.5, 1.0, 2.0, 4.0],
    "model.latent_dim": [2, 5],
})
"""


def command(config: Path, folder: Path) -> list[str]:
    """Return the command that a user types, the same each time."""
    return [
        *(sys.executable, "-m", "jaxae", "sweep", str(config), "--seeds", "5", "--run-dir", str(folder)),
        *("--lanes", "10", "--save-seconds", "1"),
    ]


def killed(arguments: list[str], after: float) -> bool:
    """Run the command, and kill it after `after` seconds.

    Returns whether it was killed: False if it ended before.
    """
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, told = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode != 0 or told:
        raise SystemExit(f"the sweep ended with {process.returncode}: {told}")
    return False


def state(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return the table without its times, and each run's best parameters (as digests) and history."""
    results = jaxae.load_sweep(folder)
    kept = {}
    for row in results:
        result = results.load(row["run"])
        history = [
            {name: value for name, value in line.items() if name != "seconds"} for line in result.history
        ]
        kept[row["run"]] = checkpoint.digests(result.variables), history
    return results.table.drop(columns=TIMES), kept


def main() -> None:
    """Run the soak, and write its results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    moments = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = folder / "soak.py"
        config.write_text(CONFIG)
        start = time.perf_counter()
        if killed(command(config, folder / "whole"), 600):
            raise SystemExit("the sweep takes more than 600 seconds")
        took = time.perf_counter() - start
        table, kept = state(folder / "whole")
        sweeps: list[dict[str, Any]] = []
        dealt = 0
        while dealt < asked.kills:
            here, of_sweep = folder / f"sweep-{len(sweeps)}", 0
            while killed(command(config, here), _moment(moments, took, dealt < asked.kills)):
                of_sweep, dealt = of_sweep + 1, dealt + 1
                print(f"kill {dealt} of {asked.kills}", flush=True)
            found, found_kept = state(here)
            equal = bool(found.equals(table)) and found_kept == kept
            sweeps.append({"kills": of_sweep, "rows": len(found), "equal": equal})
            print(sweeps[-1], flush=True)
    told = {
        **provenance.of_study(__file__),
        "command": f"python experiments/reliability/sweep_soak.py --kills {asked.kills} --seed {asked.seed}",
        "runs": len(table),
        "seconds_of_the_untouched_sweep": round(took, 1),
        "kills": dealt,
        "sweeps": sweeps,
        "sweeps_equal_to_the_untouched_one": sum(sweep["equal"] for sweep in sweeps),
    }
    (HERE / "sweep_results.json").write_text(json.dumps(told, indent=2) + "\n")
    if not all(sweep["equal"] for sweep in sweeps):
        raise SystemExit("a sweep that was killed ended in another table")


def _moment(moments: random.Random, took: float, more: bool) -> float:
    """Return the seconds until the next kill, or 600 if no more kills are needed.

    The kill may come at any time of the command's life. Three quarters come after the start-up.
    """
    if not more:
        return 600.0
    return moments.uniform(0.2, START) if moments.random() < 0.25 else moments.uniform(START, took)


if __name__ == "__main__":
    main()
