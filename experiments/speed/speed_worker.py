"""Run one contender in a separate process that is pinned to its cores; `compare.py` sends it commands.

    python speed_worker.py MODULE FUNCTION THREADS SEED EPOCHS ROWS.npz

Answers each line on standard input by one line of JSON. `epoch` trains one epoch, `products` measures matrix
products, and `parameters FILE` writes the parameters. The process sleeps between two lines, and ends at the
end of the input.
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
    """Clock of an epoch: seconds of wall time, of this process on all its cores, and of other processes."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.busy = time.perf_counter(), time.process_time(), _busy_seconds()

    def read(self) -> dict[str, float]:
        """Return the seconds since construction.

        `others` is the number of cores that other processes kept busy meanwhile, on average.
        """
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        others = max(0.0, _busy_seconds() - self.busy - cpu) / wall
        return {"seconds": wall, "cpu_seconds": cpu, "others": others}


class Served:
    """Callback between two epochs: answers with the cost of the last one, and waits for the next command."""

    def __init__(self, module: Any, replies: TextIO) -> None:
        self.module, self.replies = module, replies
        self.clock: Clock | None = None

    def __call__(self, loss: float, parameters: Callable[[], dict[str, Any]]) -> None:
        """Answer with the cost of an epoch and wait; a contender calls this after each epoch."""
        assert self.clock is not None
        self.answer({"loss": loss, **self.clock.read()})
        self.wait(parameters)

    def wait(self, parameters: Callable[[], dict[str, Any]]) -> None:
        """Answer commands until the next `epoch`; its clock starts just before returning."""
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
        """Write one line of JSON."""
        print(json.dumps(reply), file=self.replies, flush=True)


def main() -> None:
    """Pin this process before it imports anything that counts cores, then serve commands."""
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
