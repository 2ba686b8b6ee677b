"""Run one contender in a separate process that is pinned to its cores; `speed_engine` sends it commands.

    python speed_worker.py WORK ENTRY THREADS SEED EPOCHS ROWS.npy

Answers each line on standard input by one line of JSON. `round` trains the epochs of a round, `products`
measures matrix products. The process sleeps between two lines, and ends at the end of the input.
"""

import importlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from contenders import CONTENDERS
from works import WORKS, Work, split_entry


class Clock:
    """Clock of a round: seconds of wall time, of this process on all its cores, and of other processes."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.busy = time.perf_counter(), time.process_time(), _busy_seconds()

    def read(self, cpu_elsewhere: float = 0.0) -> dict[str, float]:
        """Return the seconds since construction.

        `others` is the number of cores that other processes kept busy meanwhile, on average. Seconds of the
        contender's own child processes are given as `cpu_elsewhere`.
        """
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu + cpu_elsewhere
        others = max(0.0, _busy_seconds() - self.busy - cpu) / wall
        return {"seconds": wall, "cpu_seconds": cpu, "others": others}


class Served:
    """Callback between two rounds: answers with the cost of the last one, and waits for the next command."""

    def __init__(self, work: Work, library: str, replies: TextIO) -> None:
        self.work, self.library, self.replies = work, library, replies
        self.clock: Clock | None = None
        self.epochs, self.cpu_elsewhere = 0, 0.0

    def __call__(
        self, loss: float, lanes: int = 1, cpu_elsewhere: float = 0.0, mib_elsewhere: float = 0.0
    ) -> None:
        """Answer with the cost of a round and wait, unless the round has more epochs.

        Args:
            loss: Mean training loss of the epoch.
            lanes: Number of runs that were trained in the round.
            cpu_elsewhere: Processor seconds of child processes since the last call.
            mib_elsewhere: Peak memory of child processes.
        """
        assert self.clock is not None
        self.epochs += 1
        self.cpu_elsewhere += cpu_elsewhere
        if self.epochs % self.work.epochs:
            return
        cost, self.cpu_elsewhere = self.clock.read(self.cpu_elsewhere), 0.0
        self.answer({"loss": loss, "lanes": lanes, "peak_mib": peak_mib() + mib_elsewhere, **cost})
        self.wait()

    def wait(self) -> None:
        """Answer commands until the next `round`; its clock starts just before returning."""
        for line in sys.stdin:
            if line.strip() == "round":
                self.clock = Clock()
                return
            import matrix_products

            self.answer(matrix_products.rates(self.library, self.work.product))
        # At once: a library may wait for threads or child processes at a normal end.
        os._exit(0)

    def answer(self, reply: dict[str, Any]) -> None:
        """Write one line of JSON."""
        print(json.dumps(reply), file=self.replies, flush=True)


def peak_mib() -> float:
    """Return the highest resident memory of this process in MiB; 0 if the system does not report it."""
    status = Path("/proc/self/status")
    # Not resource.getrusage: its maximum starts at the peak of the parent process.
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Pin this process before it imports anything that counts cores, then serve commands."""
    work, (name, variant) = WORKS[sys.argv[1]], split_entry(sys.argv[2])
    threads, seed, epochs = map(int, sys.argv[3:6])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a library that prints must not disturb the answers
    contender = CONTENDERS[name]
    served = Served(work, contender.library, replies)
    start = time.process_time()
    try:
        module = importlib.import_module(contender.module)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)
        import numpy as np

        x = np.load(sys.argv[6])
        served.answer({"import_seconds": time.process_time() - start})
        served.wait()
        getattr(module, contender.function)(work, variant, x, seed, epochs, served)
    except Exception as error:
        # One line: the engine leaves this contender out and says why. The traceback is on standard error.
        lines = str(error).strip().splitlines()
        served.answer({"error": f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]})
        raise


def _busy_seconds() -> float:
    """Return the processor seconds that all processes of this machine have used.

    Returns 0 if the system does not report them.
    """
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    # The two fields that are ignored are idle and iowait; irq, softirq and steal follow.
    user, nice, system, _, _, *rest = map(int, path.read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
