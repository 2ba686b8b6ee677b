"""Measure a work: one process for each contender, in turns, round by round.

Every contender is a process that sleeps while another one runs. A round is the work's epochs of each.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contenders import CONTENDERS, XLA, missing
from works import Work, split_entry

HERE = Path(__file__).parent
QUIET, ENOUGH = 0.1, 3  # most cores that others use in a quiet round; quiet rounds that suffice
OURS = "jaxae", "jaxae_lanes"


class Failed(Exception):
    """A contender that cannot run this work, with the reason in one line."""


class Worker:
    """Process of one contender."""

    def __init__(self, work: Work, entry: str, threads: int, seed: int, epochs: int, rows: Path) -> None:
        self.entry = entry
        # Progress bars and messages of libraries; shown only if the contender fails.
        self.log = rows.with_name(f"{entry.replace('/', '-')}.log").open("w+")
        command = [sys.executable, "speed_worker.py", work.name, entry, threads, seed, epochs, rows]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=HERE,
            env=_environment(work, entry, threads, rows.parent),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
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
        """Read the next answer of the process. Raises: Failed if it reports an error or has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"its process ended with {self.process.wait()}"}
        if "error" in answer:
            self.log.seek(0)
            print("".join(self.log.readlines()[-20:]), file=sys.stderr)
            raise Failed(answer["error"])
        return answer

    def close(self) -> None:
        """End the process, and wait for it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def _environment(work: Work, entry: str, threads: int, folder: Path) -> dict[str, str]:
    """Return the environment of a contender: its number of threads, and caches that start empty."""
    added = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    added |= {"JAX_ENABLE_COMPILATION_CACHE": "false", "JAX_PLATFORMS": "cpu"}
    # Empty at the start of the benchmark; the second number of threads finds what the first has compiled.
    added["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
    if work.lanes > 1 and CONTENDERS[split_entry(entry)[0]].library == XLA:
        # As `jaxae sweep` starts: one device for each core, and threads enough for all of them.
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={threads}"
        added |= {"XLA_FLAGS": flags.strip(), "NPROC": "16"}
    return {**os.environ, **added}


def measure(
    work: Work,
    entries: list[str],
    threads: int,
    *,
    seed: int,
    rounds: int,
    minutes: float,
    rows: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measure the contenders of a work at one number of threads.

    Args:
        work: The work.
        entries: Rows of the table, `contender` or `contender/variant`.
        threads: Number of cores that each contender is pinned to.
        seed: Seed of every contender.
        rounds: Number of rounds after a first one that is not counted.
        minutes: Time after which no new round starts; at least one is measured.
        rows: File with the training rows.
        say: Receives one line for each thing that happened.

    Returns:
        `summary` by row of the table, `left_out` with reasons, the rates of the products, and every round.
    """
    deadline = time.monotonic() + 60 * minutes
    epochs = work.epochs * (rounds + 1)
    workers: dict[str, Worker] = {}
    left_out: dict[str, str] = {}
    first: dict[str, Any] = {}
    try:
        for entry in entries:
            reason = _unfit(entry, threads)
            try:
                if reason:
                    raise Failed(reason)
                workers[entry] = Worker(work, entry, threads, seed, epochs, rows)
                first[entry] = workers[entry].ask("round")
            except Failed as failure:
                left_out[entry] = str(failure)
                say(f"{entry} left out: {failure}")
                if entry in workers:
                    workers.pop(entry).close()
        measured, products = _rounds(workers, rounds, deadline, say)
        imports = {entry: worker.import_seconds for entry, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.close()
    used = quiet(measured)
    unit = "cpu_seconds" if threads == 1 else "seconds"
    best_rate = max((rates["square"] for rates in products.values()), default=None)
    summary = {
        entry: {
            **summarise(work, entry, unit, first, used, best_rate),
            "import_seconds": imports[entry],
        }
        for entry in workers
    }
    return {
        "unit": unit,
        "summary": summary,
        "left_out": left_out,
        "rounds_used": len(used),
        "products": products,
        "first": first,
        "rounds": measured,
    }


def _unfit(entry: str, threads: int) -> str | None:
    """Return why a contender does not take part at this number of threads; None if it does."""
    name, _ = split_entry(entry)
    if threads < CONTENDERS[name].min_threads:
        return f"needs {CONTENDERS[name].min_threads} cores"
    return missing(name)


def _rounds(
    workers: dict[str, Worker], rounds: int, deadline: float, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], dict[str, dict[str, float]]]:
    """Return the costs of each round, and the medians of the products' rates by library and size."""
    measured: list[dict[str, Any]] = []
    products: list[dict[str, dict[str, float]]] = []
    # One contender of each library measures its products, between the rounds.
    libraries = {CONTENDERS[split_entry(entry)[0]].library: worker for entry, worker in workers.items()}
    for number in range(rounds):
        if measured and time.monotonic() > deadline:
            break
        measured.append({entry: worker.ask("round") for entry, worker in workers.items()})
        products.append({library: worker.ask("products") for library, worker in libraries.items()})
        told = "  ".join(f"{entry} {cost['cpu_seconds']:.2f}" for entry, cost in measured[-1].items())
        busy = max((cost["others"] for cost in measured[-1].values()), default=0.0)
        say(f"round {number + 1}: CPU seconds {told} (others used up to {busy:.2f} cores)")
    medians = {
        library: {
            size: statistics.median(entry[library][size] for entry in products) for size in ("square", "work")
        }
        for library in libraries
    }
    return measured, medians


def quiet(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rounds in which no contender was disturbed, or all rounds if fewer than `ENOUGH` remain.

    The choice depends on the load of other processes, never on a contender's seconds. A round is kept or
    dropped for all contenders at once.
    """
    found = [entry for entry in rounds if all(part["others"] < QUIET for part in entry.values())]
    return found if len(found) >= ENOUGH else rounds


def ours(work: Work, entry: str) -> str:
    """Return the row of jaxae that a row is compared with: that of the same variant."""
    _, variant = split_entry(entry)
    name = next(name for name in work.contenders if name in OURS)
    return f"{name}/{variant}" if variant else name


def summarise(
    work: Work,
    entry: str,
    unit: str,
    first: dict[str, Any],
    rounds: list[dict[str, Any]],
    best_rate: float | None,
) -> dict[str, Any]:
    """Return medians of a contender over the rounds, for one step of one run.

    The ratio to jaxae's time is taken within each round, so that slow rounds cancel.

    Args:
        work: The work.
        entry: Row of the table.
        unit: `cpu_seconds` or `seconds`, by which contenders are compared.
        first: Cost of the first round, by row.
        rounds: Cost of the rounds that count, by row.
        best_rate: Highest rate of square matrix products that was measured, in GFLOP/s.

    Returns:
        Milliseconds a step with their range, `ratio` and its range, `roofline`, and more.
    """

    def per_step(cost: dict[str, Any], name: str = unit) -> float:
        return 1000 * cost[name] / (work.steps * cost["lanes"])

    steps = [per_step(costs[entry]) for costs in rounds]
    _, variant = split_entry(entry)
    flops, median = work.flops(variant), statistics.median(steps)
    summary: dict[str, Any] = {
        "step_ms": median,
        "step_ms_range": [min(steps), max(steps)],
        "cpu_ms": statistics.median(per_step(costs[entry], "cpu_seconds") for costs in rounds),
        "wall_ms": statistics.median(per_step(costs[entry], "seconds") for costs in rounds),
        "start_seconds": first[entry][unit] - statistics.median(costs[entry][unit] for costs in rounds),
        "peak_mib": rounds[-1][entry]["peak_mib"],
        "others": statistics.median(costs[entry]["others"] for costs in rounds),
        "loss": rounds[-1][entry]["loss"],
        "runs": rounds[-1][entry]["lanes"],
    }
    if flops:
        summary["gflops"] = flops / median / 1e6
        if best_rate:
            summary["roofline"] = summary["gflops"] / best_rate
    base = ours(work, entry)
    if base in rounds[0]:
        ratios = [per_step(costs[entry]) / per_step(costs[base]) for costs in rounds]
        summary |= {"ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)]}
        difference = abs(summary["loss"] / rounds[-1][base]["loss"] - 1)
        summary["same_loss"] = bool(difference <= work.tolerance)
    return summary
