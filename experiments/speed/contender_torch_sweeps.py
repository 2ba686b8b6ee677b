"""Train the runs of a sweep in PyTorch: one after another, by torch.func.vmap, or in two processes."""

import contextlib
import multiprocessing
import os
import time
from typing import Any

import numpy as np
import torch
from contender_torch import AfterEpoch, adam, batches, begin, preload, step
from works import Work
from works.sweep_works import MOST_SINGLE


def one_after_another(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch
) -> None:
    """Train the first runs in turns of one epoch; each further run would cost the same."""
    lanes = min(work.lanes, MOST_SINGLE)
    for loss in _epochs(work, variant, x, range(seed, seed + lanes), epochs):
        after_epoch(loss, lanes=lanes)


def side_by_side(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch
) -> None:
    """Train all runs at once with stacked parameters, each run with its own order of the rows."""
    models = [begin(work, variant, seed + number) for number in range(work.lanes)]
    params, _ = torch.func.stack_module_state(models)
    optimizer, rows, base = adam(params.values()), preload(work, x), models[0]

    def loss(params: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(base, params, (x,))

    losses_of = torch.func.vmap(loss, randomness="different")
    for _ in range(epochs):
        last = len(rows) // work.batch_size * work.batch_size
        orders = torch.stack([torch.randperm(len(rows))[:last] for _ in models])
        means = []
        for indices in orders.split(work.batch_size, dim=1):
            batch = rows[indices]
            if work.binarize:
                batch = (torch.rand_like(batch) < batch).to(batch.dtype)
            optimizer.zero_grad()
            losses = losses_of(params, batch)
            losses.sum().backward()
            optimizer.step()
            means.append(losses.detach().mean())
        after_epoch(torch.stack(means).mean().item(), lanes=work.lanes)


def two_processes(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch
) -> None:
    """Train the runs in two processes, each pinned to one core."""
    context, cores = multiprocessing.get_context("spawn"), sorted(os.sched_getaffinity(0))
    lanes = min(work.lanes, 2 * MOST_SINGLE)
    halves = range(seed, seed + (lanes + 1) // 2), range(seed + (lanes + 1) // 2, seed + lanes)
    pipes = []
    for number, seeds in enumerate(halves):
        here, there = context.Pipe()
        arguments = there, work.name, variant, x, seeds, epochs, cores[number % len(cores)]
        context.Process(target=_serve, args=arguments, daemon=True).start()
        pipes.append(here)
    for _ in range(epochs):
        for pipe in pipes:
            pipe.send("epoch")
        losses, seconds, peaks = zip(*(pipe.recv() for pipe in pipes), strict=True)
        shares = [len(half) / lanes for half in halves]
        loss = sum(loss * share for loss, share in zip(losses, shares, strict=True))
        after_epoch(loss, lanes=lanes, cpu_elsewhere=sum(seconds), mib_elsewhere=sum(peaks))


def _epochs(work: Work, variant: str, x: np.ndarray, seeds: range, epochs: int) -> Any:
    """Yield the mean loss of the runs after each epoch."""
    rows, runs = preload(work, x), []
    for seed in seeds:
        model = begin(work, variant, seed)
        runs.append((model, adam(model.parameters())))
    for _ in range(epochs):
        losses = [step(*run, batch) for run in runs for batch in batches(work, rows)]
        yield torch.stack(losses).mean().item() if losses else 0.0


def _serve(pipe: Any, name: str, variant: str, x: np.ndarray, seeds: range, epochs: int, core: int) -> None:
    """Train an epoch of every run of this process for each message; runs in a child process."""
    from speed_worker import peak_mib
    from works import WORKS

    os.sched_setaffinity(0, [core])
    torch.set_num_threads(1)
    losses = _epochs(WORKS[name], variant, x, seeds, epochs)
    # The parent ends without a message.
    with contextlib.suppress(EOFError):
        while pipe.recv():
            start = time.process_time()
            pipe.send((next(losses), time.process_time() - start, peak_mib()))
