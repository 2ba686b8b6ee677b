"""What the scripts of the works share: timing in turns, fresh processes, and the files of a section."""

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxae.runs import provenance

HERE = Path(__file__).parent


def pin() -> None:
    """Pin this process to its first core, before a library counts cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])


def in_turns(acts: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of each function in each round; a first call of each is not counted."""
    for act in acts.values():
        act()
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            start = time.process_time()
            act()
            seconds[name].append(time.process_time() - start)
    return seconds


def median_ratio(over: list[float], under: list[float]) -> float:
    """Return the median over the rounds of the ratio within a round, so that slow rounds cancel."""
    return statistics.median(first / second for first, second in zip(over, under, strict=True))


def fresh(command: list[str], env: dict[str, str] | None = None) -> dict[str, float]:
    """Run a command in a fresh process; return its wall seconds, processor seconds and peak memory in MiB.

    Raises: SystemExit with the end of its standard error if the command fails.
    """
    start, peak = time.perf_counter(), 0.0
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=errors
        )
        # WNOWAIT leaves the ended process there, so that wait4 can report what it used.
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            peak = max(peak, peak_mib(process.pid))
            time.sleep(0.01)
        wall = time.perf_counter() - start
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if process.returncode:
            error = errors.read().decode(errors="replace")[-500:]
            raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}: {error}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_mib": peak}


def peak_mib(process: int | str = "self") -> float:
    """Return the highest resident memory of a process so far, in MiB; 0 if it has ended."""
    # Not ru_maxrss: on Linux a new process inherits that of its parent.
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the option `--out`."""
    found = argparse.ArgumentParser(description=description.split("\n")[0])
    found.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    return found


def table(head: list[str], rows: list[list[Any]]) -> str:
    """Format a Markdown table; floats are printed with three significant digits."""
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(out: Path, file: str, title: str, notes: str, body: str, results: dict[str, Any]) -> None:
    """Write NAME.json and NAME.md for the script NAME.py, and print the latter.

    Args:
        out: Folder of both files.
        file: Path of the script.
        title: Title of the section.
        notes: How it was measured and what the columns mean.
        body: The table.
        results: All figures; the circumstances are added.
    """
    name = Path(file).stem
    results = {**results, **provenance.of_study(file)}
    packages = ", ".join(f"{key} {results['versions'][key]}" for key in ("python", "jax", "jaxlib"))
    machine, date = results["device"]["processor"], results["date"]
    where = f"{machine}; {packages}; seed 0; {date}; commit {results['commit']}."
    written = f"Written by `python experiments/speed/{name}.py`, do not edit."
    text = "\n\n".join([f"# {title}", f"{written} {notes}", body, where]) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n")
    (out / f"{name}.md").write_text(text)
    print(text)


def _cell(cell: Any) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)
