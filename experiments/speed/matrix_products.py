"""Rates of float32 matrix products of XLA and PyTorch in GFLOP/s: what the machine can do."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Shape = tuple[int, int, int]
SQUARE = (1024, 1024, 1024)
SECONDS, TRIES = 0.1, 3  # of one trial, which is repeated; the fastest counts


def rates(library: str, shape: Shape) -> dict[str, float]:
    """Return the rates on 1024 x 1024 matrices and on a work's shape (rows, inner, outer)."""
    measure = {"torch": _torch, "xla": _xla}[library]
    return {name: _rate(measure, each) for name, each in {"square": SQUARE, "work": shape}.items()}


def _rate(chain: Callable[..., Callable[[int], Any]], shape: Shape) -> float:
    rows, inner, outer = shape
    draws = np.random.default_rng(0)
    x = draws.normal(size=(rows, inner)).astype(np.float32)
    # Products there and back: the values keep their size however often they are repeated.
    there = (draws.normal(size=(inner, outer)) / inner**0.5).astype(np.float32)
    back = (draws.normal(size=(outer, inner)) / outer**0.5).astype(np.float32)
    run = chain(x, there, back)
    run(2)
    repeats = max(1, int(SECONDS * 1e11 / (4 * rows * inner * outer)))
    # Processor time on one core, so that other processes on it do not lower the rate.
    clock = time.process_time if len(os.sched_getaffinity(0)) == 1 else time.perf_counter
    seconds = []
    for _ in range(TRIES):
        start = clock()
        run(repeats)
        seconds.append(clock() - start)
    return 4 * repeats * rows * inner * outer / min(seconds) / 1e9


def _xla(x: np.ndarray, there: np.ndarray, back: np.ndarray) -> Callable[[int], Any]:
    import jax

    @jax.jit
    def chain(x: Any, there: Any, back: Any, repeats: Any) -> Any:
        return jax.lax.fori_loop(0, repeats, lambda _, x: (x @ there) @ back, x)

    arrays = tuple(map(jax.numpy.asarray, (x, there, back)))
    return lambda repeats: chain(*arrays, repeats).block_until_ready()


def _torch(x: np.ndarray, there: np.ndarray, back: np.ndarray) -> Callable[[int], Any]:
    import torch

    first, to, fro = (torch.from_numpy(array) for array in (x, there, back))

    def run(repeats: int) -> None:
        last = first
        for _ in range(repeats):
            last = (last @ to) @ fro

    return run
