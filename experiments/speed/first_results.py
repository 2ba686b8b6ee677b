"""Measure how long a user waits: help, show, the end of the first epoch, the first rows of a sweep.

    python experiments/speed/first_results.py [--rounds 3]

Each command runs in a fresh process, in turns. Cold: the cache of compiled programs is empty. Warm: the same
command has filled it. Processor seconds count; wall seconds are those of the machine as it was. The default
experiment is configs/vae_digits.py with its 500 epochs; the others train it for one epoch.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import sections

ROOT = sections.HERE.parents[1]
CONFIG = str(ROOT / "configs" / "vae_digits.py")
JAXAE = [sys.executable, "-m", "jaxae"]
# Ends the process when the first epoch has been written, as a user sees it on the screen.
FIRST_EPOCH = """
import os, sys, jaxae
jaxae.fit(jaxae.Experiment(model=jaxae.VAE(latent_dim=10), epochs=500), run_dir=sys.argv[1],
          callbacks=lambda *given: os._exit(0))
"""
WORKS = "help", "show", "first epoch", "one epoch", "default experiment", "sweep of 4 runs"


def commands(folder: Path, number: int) -> dict[str, list[str]]:
    """Return the command of each work; `number` makes the directories of a round."""
    at = lambda name: str(folder / f"{name}{number}")  # noqa: E731
    one = ["--epochs", "1"]
    sweep = [*one, "--over", "model.beta=0.5,1", "--seeds", "2", "--run_dir", at("sweep")]
    return {
        "help": [*JAXAE, "--help"],
        "show": [*JAXAE, "show", CONFIG],
        "first epoch": [sys.executable, "-c", FIRST_EPOCH, at("first")],
        "one epoch": [*JAXAE, "train", CONFIG, *one, "--run_dir", at("one")],
        "default experiment": [*JAXAE, "train", CONFIG, "--run_dir", at("train")],
        "sweep of 4 runs": [*JAXAE, "sweep", CONFIG, *sweep],
    }


def measured(names: list[str], rounds: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Measure each command with an empty cache and with a full one, in turns: name -> state -> rounds."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {name: {"cold": [], "warm": []} for name in names}
    for number in range(rounds):
        for name in names:
            # A new cache for each command: two commands may share programs.
            with tempfile.TemporaryDirectory() as folder:
                env = {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache", "JAX_PLATFORMS": "cpu"}
                for turn, state in enumerate(("cold", "warm")):
                    command = commands(Path(folder), 2 * number + turn)[name]
                    found[name][state].append(sections.fresh(command, env))
                    last = found[name][state][-1]
                    print(f"{name}, {state}: {last['cpu']:.2f} CPU s, {last['wall']:.2f} s", flush=True)
    return found


def rows_of(found: dict[str, Any]) -> list[list[Any]]:
    """Return the rows of the table: medians of processor and wall seconds, cold and warm, and the peak."""
    rows = []
    for name, states in found.items():
        cells: list[Any] = [name]
        for state in ("cold", "warm"):
            for field in ("cpu", "wall"):
                cells.append(statistics.median(entry[field] for entry in states[state]))
        cells.append(round(max(entry["peak_mib"] for entry in states["cold"])))
        rows.append(cells)
    return rows


def main() -> None:
    """Measure all commands and write the section."""
    parser = sections.parser(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--works", nargs="+", default=list(WORKS), choices=list(WORKS))
    options = parser.parse_args()
    found = measured(options.works, options.rounds)
    head = ["work", "cold, CPU s", "cold, wall s", "warm, CPU s", "warm, wall s", "peak, MiB"]
    notes = (
        "Fresh processes, medians. `help`: `jaxae --help`; `show`: `jaxae show` of the default experiment; "
        "`first epoch`: Python until the first epoch is written; `one epoch`: `jaxae train` with scores and "
        "figures."
    )
    results = {"works": found, "rounds": options.rounds, "cores": len(os.sched_getaffinity(0))}
    body = sections.table(head, rows_of(found))
    sections.write(options.out, __file__, "First results", notes, body, results)


if __name__ == "__main__":
    main()
