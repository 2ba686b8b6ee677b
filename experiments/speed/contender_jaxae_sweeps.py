"""Train the runs of a sweep as `jaxae sweep` does: the layout that it chooses, one group at a time."""

from typing import Any

import jax
import numpy as np
from contender_jaxae import AfterEpoch, experiment
from works import Work

from jaxae.data import from_arrays
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups import layouts
from jaxae.sweeps.plan import plan
from jaxae.sweeps.store import Group
from jaxae.training import loop


def train(work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train the first group of runs, whose size the layout chooses."""
    made = experiment(work, variant, epochs)
    (program,) = plan(made, [{}], range(seed, seed + work.lanes), lambda data: from_arrays(x, None, data))
    layout = layouts.choose("auto", work.lanes, program.num_parameters, program.lane_bytes)
    names = [run.id for run in program.runs][: layout.width]
    sweep = groups.prepare(program, Group("speed", program.id, names, *layout, False))
    parts: Any = (program.dataset.train, program.dataset.validation)
    rows = layouts.place_rows(layout, tuple(loop.to_device(part) for part in parts))
    lanes = groups.begin(sweep)
    for first in range(1, epochs + 1, work.epochs):
        # All epochs of a round in one call, as a sweep calls it once it knows how long an epoch takes.
        lanes = groups.advance(sweep, lanes, rows, first, first + work.epochs - 1)
        losses = np.asarray(jax.device_get(lanes.reports.train_loss))[: len(names), first + work.epochs - 2]
        for _ in range(work.epochs):
            after_epoch(float(losses.mean()), lanes=len(names))
