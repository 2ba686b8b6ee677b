"""The types of a run: its inputs (`Run`), its result (`Outcome`) and its callback (`Observer`)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from jaxae import keys
from jaxae.data import AnyDataset
from jaxae.runs.experiment import Experiment
from jaxae.training import processes
from jaxae.training.epoch import Carry
from jaxae.training.loop import EpochResult
from jaxae.training.step import TrainState, evaluation_variables
from jaxae.types import Variables

Observer = Callable[[EpochResult, bool], bool]  # (an epoch, whether it was saved) -> whether to stop now


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is given: a resolved experiment, its data, one seed, and a directory or None.

    `mesh`: the devices that share each batch, None for one. Where it spans several processes only the
    first of them has the directory.
    """

    experiment: Experiment
    dataset: AnyDataset
    seed: int
    path: Path | None = None
    mesh: Mesh | None = None

    @property
    def key(self) -> jax.Array:
        """The key from which every other is derived."""
        return keys.root(self.seed)

    @property
    def folder(self) -> Path:
        """The directory of a run that has one."""
        assert self.path is not None
        return self.path

    def at(self, path: Path) -> "Run":
        """The same run, written to `path` by its first process."""
        return dataclasses.replace(self, path=path) if processes.is_first(self.mesh) else self


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run comes to: the last and the best state, and the history as in history.jsonl.

    `stopped_by`: "observe" where the observer stopped the run before its end, else None.
    """

    carry: Carry
    history: list[dict[str, Any]]
    stopped_by: str | None = None

    @property
    def best(self) -> TrainState:
        """The state with the best validation score; the last one where nothing was validated."""
        return self.carry.best if int(self.carry.best_epoch) else self.carry.state

    @property
    def variables(self) -> Variables:
        """What is evaluated: the best state's parameters, or their moving average where one is kept."""
        return evaluation_variables(self.best)
