"""What must be in the environment before jax starts, so that a CPU counts as several devices."""

import os
import sys

from jaxae.cli.arguments import words_after

FORCED = "--xla_force_host_platform_device_count"
MOST = 128  # devices of one CPU: with many more their threads wait for each other for ever
FEWEST_THREADS = 16  # with fewer, an all-reduce over a CPU's devices may wait for a thread for ever


def prepare(arguments: list[str], default: int | None = None, *, exchanging: bool = True) -> None:
    """Makes as many devices of the CPU as `--devices N` asks for, or else `default`, where that is over one.

    What the environment says already stays, and once jax is imported nothing is changed. Other devices are
    what they are. A value that is no number is left to who reads the options. Devices that are `exchanging`
    numbers get threads to wait in; for others so many would only be in each other's way.
    """
    number = _asked(arguments, None if default is None else min(default, MOST))
    if number is None or not 2 <= number <= MOST or "jax" in sys.modules:
        return
    flags = os.environ.get("XLA_FLAGS", "")
    if FORCED not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {FORCED}={number}".strip()
    if exchanging:
        os.environ.setdefault("NPROC", str(max(FEWEST_THREADS, 2 * number)))


def leave_memory(arguments: list[str]) -> None:
    """With `--launcher ray` the GPUs are for the workers: jax in this process leaves them their memory."""
    if words_after("--launcher", arguments) == ["ray"]:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _asked(arguments: list[str], default: int | None) -> int | None:
    """N of `--devices N`; the default if the option is not given, None if it has no number."""
    words = words_after("--devices", arguments)
    if words is None:
        return default
    text = " ".join(words)
    return int(text) if text.isdecimal() and len(text) < 10 else None


def num_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1
