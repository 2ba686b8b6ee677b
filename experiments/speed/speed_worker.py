"""One contender in a process of its own, pinned to its cores; `compare.py` tells it when to run.

    python speed_worker.py MODULE FUNCTION THREADS SEED EPOCHS ROWS.npz

Answers one line of JSON to each line on standard input: `epoch` trains one, `products` measures matrix
products, `parameters FILE` writes them; the end of the input ends it. Between two lines it sleeps.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO


class Clock:
    """What an epoch cost: seconds of wall, of this process on all its cores, and of everything else."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.busy = time.perf_counter(), time.process_time(), _busy_seconds()

    def read(self) -> dict[str, float]:
        """Seconds since it was made; `others`: cores that other processes kept busy meanwhile, on average."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        others = max(0.0, _busy_seconds() - self.busy - cpu) / wall
        return {"seconds": wall, "cpu_seconds": cpu, "others": others}


class Served:
    """Stands between two epochs: answers what the last one cost, and waits until it may go on."""

    def __init__(self, module: Any, replies: TextIO) -> None:
        self.module, self.replies = module, replies
        self.clock: Clock | None = None

    def __call__(self, loss: float, parameters: Callable[[], dict[str, Any]]) -> None:
        """Called by a contender after each epoch."""
        assert self.clock is not None
        self.answer({"loss": loss, **self.clock.read()})
        self.wait(parameters)

    def wait(self, parameters: Callable[[], dict[str, Any]]) -> None:
        """Answers until the next epoch is asked for; its clock starts as the last thing."""
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            if command == "epoch":
                self.clock = Clock()
                return
            if command == "products":
                self.answer(self.module.products(times=20))
            else:
                import numpy as np

                np.savez(argument, **parameters())
                self.answer({})
        sys.exit(0)

    def answer(self, reply: dict[str, Any]) -> None:
        """One line of JSON."""
        print(json.dumps(reply), file=self.replies, flush=True)


def main() -> None:
    """Pins this process before it imports anything that counts cores, and serves."""
    module_name, function, threads, seed, epochs, rows = sys.argv[1:]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a library that prints must not disturb the answers
    start = time.perf_counter()
    module = importlib.import_module(module_name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(threads))
    import numpy as np

    with np.load(rows) as arrays:
        x, y = arrays["x"], arrays["y"]
    served = Served(module, replies)
    served.answer({"import_seconds": time.perf_counter() - start})
    served.wait(dict)
    getattr(module, function)(x, y, int(seed), int(epochs), served)


def _busy_seconds() -> float:
    """Processor seconds that all processes of this machine have used, 0 where the system does not tell."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    user, nice, system, _, _, *rest = map(int, path.read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
