"""Set the environment variables that jax reads when it starts, so that one CPU counts as several devices.

jax reads XLA_FLAGS and NPROC once, when it starts. This module runs before that and does not import jax.
"""

import os
import sys

from jaxae.cli.arguments import words_after

FORCED = "--xla_force_host_platform_device_count"
# Most devices to make of one CPU: with many more, their threads wait for each other forever.
MOST = 128
# jaxlib 0.10.2 deadlocks in an all-reduce over forced CPU devices if a device finds no free thread
# ("Expected 2 threads to join the rendezvous"). NPROC=16 prevented it in every trial on two cores.
FEWEST_THREADS = 16


def prepare(arguments: list[str], default: int | None = None, *, exchanging: bool = True) -> None:
    """Make the CPU count as N devices for `--devices N`, by setting XLA_FLAGS and NPROC.

    Nothing changes for fewer than two devices or more than `MOST`, or if jax is already imported. Variables
    that the environment already sets are kept. GPUs and TPUs are not affected. An invalid number is ignored
    here; the parser of the options reports it later.

    Args:
        arguments: The words of the command line.
        default: The number of devices if `--devices` is not given; None leaves the CPU as one device.
        exchanging: Whether the devices exchange numbers (an all-reduce), and so need threads to wait in.
            Lanes of a sweep exchange nothing, and more threads would only slow them down.
    """
    # The default may be the number of cores of a large machine, which is not the user's mistake.
    number = _requested(arguments, None if default is None else min(default, MOST))
    if number is None or not 2 <= number <= MOST or "jax" in sys.modules:
        return
    flags = os.environ.get("XLA_FLAGS", "")
    if FORCED not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {FORCED}={number}".strip()
    if exchanging:
        os.environ.setdefault("NPROC", str(max(FEWEST_THREADS, 2 * number)))


def leave_memory(arguments: list[str]) -> None:
    """Keep jax in this process from reserving GPU memory if `--launcher ray` is given."""
    # jax reserves most of a GPU's memory at its start. With Ray the workers need that memory.
    if words_after("--launcher", arguments) == ["ray"]:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _requested(arguments: list[str], default: int | None) -> int | None:
    """Return N of `--devices N`; the default if the option is missing, None if N is not valid."""
    words = words_after("--devices", arguments)
    if words is None:
        return default
    text = " ".join(words)
    # Ten digits or more: int() of a very long text would be slow or fail, and no machine has that number.
    return int(text) if text.isdecimal() and len(text) < 10 else None


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    # macOS and Windows lack sched_getaffinity. cpu_count ignores the limits that taskset or SLURM set.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
