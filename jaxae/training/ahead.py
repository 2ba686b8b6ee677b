"""Compile the programs of a run in threads, before the run needs them.

XLA releases Python's lock while it compiles. So the program of an epoch is compiled while the parameters are
initialized, and the programs of the scores while the run trains. jax finds compiled programs by function and
shapes. A call whose program is being compiled waits for it, so nothing is compiled twice and no result
changes.

A task that fails is dropped. The run makes the same call later, and reports its error there.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxae.training import debugging

DEBUGGING = ("jax_disable_jit", "jax_check_tracer_leaks")  # flags of jax; leaks are looked for in one thread
Task = Callable[[], Any]
_threads: list[threading.Thread] = []  # threads that compile now


def is_useful(mesh: Mesh | None) -> bool:
    """Return whether programs of a run should be compiled ahead.

    Args:
        mesh: Devices of the run; None for one device.

    Returns:
        True for one CPU device without debug flags.
    """
    # On a GPU, XLA tries kernels out while it compiles: they would take time and memory from training.
    # Processes that share a run must start their programs in the same order.
    is_debugged = debugging.is_on() or any(jax.config.values[name] for name in DEBUGGING)
    return mesh is None and jax.default_backend() == "cpu" and not is_debugged


def is_busy() -> bool:
    """Return whether a thread still compiles, which Python would wait for at its exit."""
    return any(thread.is_alive() for thread in _threads)


def wait() -> None:
    """Wait until no thread compiles, for example before seconds are measured."""
    for thread in _threads:
        thread.join()


@contextlib.contextmanager
def compiled(epoch: Task | None, others: Sequence[Task]) -> Iterator[Callable[[], None]]:
    """Compile programs in two threads while the body of the context runs.

    Args:
        epoch: Traces the program of an epoch and returns it lowered; None if nothing can be lowered.
        others: Compile the other programs, in this order. They start when the epoch's program is lowered, or
            on a single core after the first epoch: the first epoch must not wait for them.

    Yields:
        A function to call after the first epoch. When an exception leaves the context, no further task
        starts; otherwise the tasks go on after it.
    """
    may_start, is_cancelled = threading.Event(), threading.Event()

    def compile_epoch() -> None:
        with contextlib.suppress(Exception):
            lowered = epoch() if epoch else None
            if _num_cores() > 1:
                may_start.set()
            if lowered:
                lowered.compile()

    def compile_others() -> None:
        may_start.wait()
        for task in others:
            # A thread must not keep alive a process whose main thread has ended.
            if is_cancelled.is_set() or not threading.main_thread().is_alive():
                return
            # NumPy warns of divisions by the zeros that a rehearsal returns.
            with contextlib.suppress(Exception), np.errstate(all="ignore"):
                task()

    both = compile_epoch, compile_others
    threads = [threading.Thread(target=work, name="jaxae-compile") for work in both]
    _threads[:] = [thread for thread in _threads if thread.is_alive()] + threads
    for thread in threads:
        thread.start()
    try:
        yield may_start.set
    except BaseException:
        is_cancelled.set()
        raise
    finally:
        # Also after an exception: a thread that waits would never end.
        may_start.set()


def _num_cores() -> int:
    """Return the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
