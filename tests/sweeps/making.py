"""Small sweeps to test with."""

from pathlib import Path
from typing import Any

import jax

import jaxae
from jaxae.data import from_arrays
from jaxae.runs.experiment import Experiment
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups import layouts
from jaxae.sweeps.groups.lanes import Lane
from jaxae.sweeps.plan import Program, plan
from jaxae.sweeps.store import Group
from jaxae.training import loop
from tests import small

BETAS = [0.5, 1.0, 2.0, 4.0]


def load(asked: jaxae.DataSpec) -> Any:
    """`small.images`, whatever the data is called."""
    return from_arrays(small.images(), None, asked)


def program(over: Any = None, seeds: int = 2, base: Experiment | None = None) -> Program:
    """The one program of a small sweep."""
    settings = jaxae.grid(over if over is not None else {"model.beta": BETAS})
    (only,) = plan(base or small.experiment(), settings, range(seeds), load)
    return only


def work(of: Program, layout: str = "map", runs: list[str] | None = None, width: int | None = None) -> Any:
    """A group of the program's runs, ready to be trained."""
    names = runs or [run.id for run in of.runs]
    inside, devices, chosen = layouts.choose(layout, len(names), of.num_parameters, of.lane_bytes)
    return groups.prepare(of, Group("group", of.id, names, inside, devices, width or chosen, True))


def rows_of(of: Program) -> Any:
    """(training rows, validation rows) on the device."""
    return tuple(loop.to_device(part) for part in (of.dataset.train, of.dataset.validation))


def lanes_of(made: Any, last: int | None = None) -> Lane:
    """The lanes after their epochs."""
    lanes = groups.begin(made)
    epochs = last or made.program.example.epochs
    return groups.advance(made, lanes, rows_of(made.program), 1, epochs)


def lane(lanes: Any, number: int) -> Any:
    """One of them."""
    return jax.tree.map(lambda leaf: leaf[number], lanes)


def table(folder: Path, made: Any) -> list[dict[str, Any]]:
    """The rows of a group trained to its end."""
    folder.mkdir(exist_ok=True)
    return groups.train(made, folder, lambda told: False)
