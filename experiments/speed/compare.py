"""Measure the seconds per epoch of jaxae and PyTorch, which train the same VAE on MNIST, pinned to cores.

    JAXAE_DATA=FOLDER python experiments/speed/compare.py

FOLDER holds mnist/*.gz. Needs Linux and PyTorch. Every contender is a process that sleeps while another
runs, and a round is one epoch of each. Writes results.json and README.md next to this file.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from speed_table import readme

from jaxae import data
from jaxae.runs import provenance

HERE = Path(__file__).parent
CONTENDERS = {  # in the order of a round
    "examples": ("contender_torch", "examples"),
    "preloaded": ("contender_torch", "preloaded"),
    "fused": ("contender_torch", "fused"),
    "tuned": ("contender_torch", "tuned"),
    "jaxae": ("contender_jaxae", "train"),
}
QUIET, ENOUGH = 0.1, 3  # most cores that others use in a quiet round; quiet rounds that suffice
LIBRARIES = {"fused": "torch", "jaxae": "xla"}  # contender -> library whose matrix products it measures


class Worker:
    """Process of one contender."""

    def __init__(self, name: str, threads: int, seed: int, epochs: int, rows: Path) -> None:
        self.name = name
        module, function = CONTENDERS[name]
        command = [sys.executable, "speed_worker.py", module, function, threads, seed, epochs, rows]
        sizes = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=HERE,
            env={**os.environ, **sizes, "JAX_ENABLE_COMPILATION_CACHE": "false", "JAX_PLATFORMS": "cpu"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.import_seconds = self.reply()["import_seconds"]

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command, and wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.reply()

    def reply(self) -> dict[str, Any]:
        """Read the next answer of the process.

        Exits with a message if the process has ended instead.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: its process ended with {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process, and wait for it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def measure(options: argparse.Namespace, threads: int, rows: Path, test: np.ndarray) -> dict[str, Any]:
    """Measure all contenders at one number of threads, round by round."""
    start = time.monotonic()
    workers: dict[str, Worker] = {}
    try:
        for name in options.contenders:
            workers[name] = Worker(name, threads, options.seed, options.rounds + 1, rows)
        first = {name: worker.ask("epoch") for name, worker in workers.items()}
        rounds: list[dict[str, Any]] = []
        products = []
        # A busy machine can slow PyTorch's threads down by tens of times: then fewer rounds, at least one.
        deadline = start + 60 * options.minutes / len(options.threads)
        for number in range(options.rounds):
            if rounds and time.monotonic() > deadline:
                break
            rounds.append({name: worker.ask("epoch") for name, worker in workers.items()})
            rates = {
                LIBRARIES[name]: worker.ask("products")
                for name, worker in workers.items()
                if name in LIBRARIES
            }
            products.append(rates)
            _say(threads, number, rounds[-1])
        elbos = {name: _elbo(worker, rows.with_name(f"{name}.npz"), test) for name, worker in workers.items()}
        imports = {name: worker.import_seconds for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.close()
    used = quiet(rounds)
    summary = {name: summarise(name, first, used) | {"test_elbo": elbos[name]} for name in workers}
    for name, seconds in imports.items():
        summary[name]["import_seconds"] = seconds
    entries = {"summary": summary, "rounds_used": len(used), "products": _medians(products)}
    return {**entries, "first": first, "rounds": rounds}


def quiet(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rounds in which no contender was disturbed, or all rounds if fewer than `ENOUGH` remain.

    The choice depends on the load of other processes, never on a contender's seconds. A round is kept or
    dropped for all contenders at once.
    """
    found = [entry for entry in rounds if all(part["others"] < QUIET for part in entry.values())]
    return found if len(found) >= ENOUGH else rounds


def summarise(name: str, first: dict[str, Any], rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians of a contender over the rounds.

    The ratio to jaxae's seconds is taken within each round, so that slow rounds cancel.
    """
    wall = [entry[name]["seconds"] for entry in rounds]
    cpu = [entry[name]["cpu_seconds"] for entry in rounds]
    summary: dict[str, Any] = {
        "seconds": statistics.median(wall),
        "seconds_range": [min(wall), max(wall)],
        "cpu_seconds": statistics.median(cpu),
        "first_epoch_seconds": first[name]["seconds"],
        "start_seconds": first[name]["seconds"] - statistics.median(wall),
        "others": statistics.median(entry[name]["others"] for entry in rounds),
        "train_loss": rounds[-1][name]["loss"],
    }
    if "jaxae" in rounds[0]:
        ratios = [entry[name]["seconds"] / entry["jaxae"]["seconds"] for entry in rounds]
        cpu_ratios = [entry[name]["cpu_seconds"] / entry["jaxae"]["cpu_seconds"] for entry in rounds]
        summary |= {"ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)]}
        summary["cpu_ratio"] = statistics.median(cpu_ratios)
    return summary


def elbo(parameters: dict[str, np.ndarray], x: np.ndarray, seed: int = 0) -> float:
    """Return the mean ELBO in nats over rows x [N, 784] of 0 and 1, with one draw each.

    It is computed in NumPy, so that it is the same for all contenders.
    """

    def layer(name: str, inputs: np.ndarray) -> np.ndarray:
        return inputs @ parameters[f"{name}_w"] + parameters[f"{name}_b"]

    mean, log_var = np.split(layer("code", np.maximum(layer("encoder", x), 0)), 2, axis=-1)
    z = mean + np.exp(0.5 * log_var) * np.random.default_rng(seed).normal(size=mean.shape)
    logits = layer("outputs", np.maximum(layer("decoder", z), 0))
    distortion = (np.logaddexp(0, logits) - x * logits).sum(axis=-1)
    rate = 0.5 * (mean**2 + np.expm1(log_var) - log_var).sum(axis=-1)
    return float(-(distortion + rate).mean())


def circumstances(options: argparse.Namespace) -> dict[str, Any]:
    """Return everything but the code that the figures depend on."""
    found = provenance.provenance(["python", "experiments/speed/compare.py", *sys.argv[1:]])
    found["versions"] |= {name: importlib.metadata.version(name) for name in ("torch", "pillow")}
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": os.getloadavg(),
        "seed": options.seed,
        "rows": options.rows,
        "rounds": options.rounds,
        **found,
    }


def main() -> None:
    """Measure at each number of threads, and write the results."""
    options = _options()
    dataset = data.load(data.DataSpec(name="mnist", binarize="dynamic", num_validation=0))
    test = dataset.test.x.reshape(len(dataset.test.x), -1) / np.float64(dataset.scale)
    results = circumstances(options)
    results["threads"] = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npz"
        x = dataset.train.x.reshape(-1, 28, 28)
        np.savez(rows, x=x[: options.rows], y=np.asarray(dataset.train.y)[: options.rows])
        for threads in options.threads:
            results["threads"][str(threads)] = measure(options, threads, rows, test)
            results["load_average_after"] = os.getloadavg()
            _write(options.out, results)
    print((options.out / "README.md").read_text())


def _write(folder: Path, results: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "README.md").write_text(readme(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="epochs of each contender, after a first one")
    parser.add_argument("--minutes", type=float, default=12, help="after which no new round is begun")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument(
        "--rows", type=int, default=60_000, help="training images; fewer to try the script out"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.json and README.md")
    return parser.parse_args()


def _elbo(worker: Worker, file: Path, test: np.ndarray) -> float:
    worker.ask(f"parameters {file}")
    with np.load(file) as parameters:
        return elbo({name: parameters[name].astype(np.float64) for name in parameters.files}, test)


def _medians(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return library -> size -> GFLOP/s, the median over the rounds."""
    return {
        library: {size: statistics.median(entry[library][size] for entry in rounds) for size in sizes}
        for library, sizes in rounds[0].items()
    }


def _say(threads: int, number: int, entries: dict[str, Any]) -> None:
    told = "  ".join(f"{name} {entry['seconds']:.2f} s" for name, entry in entries.items())
    busy = max(entry["others"] for entry in entries.values())
    print(f"{threads} threads, round {number + 1}: {told}  (others used up to {busy:.2f} cores)", flush=True)


if __name__ == "__main__":
    main()
