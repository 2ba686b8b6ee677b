"""Types of a run: its inputs (`Run`), and its states and history (`Outcome`)."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import jax
from jax.sharding import Mesh

from jaxae import keys
from jaxae.data import AnyDataset
from jaxae.runs.experiment import Experiment
from jaxae.runs.initial import Initial
from jaxae.training import processes
from jaxae.training.epoch import Carry
from jaxae.training.step import TrainState, evaluation_variables
from jaxae.types import Variables


@dataclasses.dataclass(frozen=True, repr=False)
class Run:
    """Inputs of a run: a resolved experiment, its data, one seed, and a directory or None."""

    experiment: Experiment
    dataset: AnyDataset
    seed: int
    path: Path | None = None
    """The run's directory; None for a run that writes nothing, and in all processes but the first."""
    mesh: Mesh | None = None
    """The devices that share each batch; None for one device."""
    initial: Initial | None = None
    """Initial variables from another run; None initialises all of them as usual."""

    def __repr__(self) -> str:
        # The repr of a dataclass would print all rows of the data.
        return f"Run({self.summary})"

    @property
    def summary(self) -> str:
        """The model, the data, the seed and the directory in one line."""
        parts = [type(self.experiment.model).__name__, self.dataset.description, f"seed {self.seed}"]
        return "; ".join([*parts, *([str(self.path)] if self.path else [])])

    @property
    def key(self) -> jax.Array:
        """The key from which all other keys of the run are derived."""
        return keys.root(self.seed)

    @property
    def folder(self) -> Path:
        """The directory of a run that has one."""
        assert self.path is not None
        return self.path

    def at(self, path: Path) -> "Run":
        """Return the same run with the directory `path`, which only its first process writes to."""
        # The other processes keep None, so no code path of theirs can write a file.
        return dataclasses.replace(self, path=path) if processes.is_first(self.mesh) else self


@dataclasses.dataclass(frozen=True, repr=False)
class Outcome:
    """States and history of a trained run."""

    carry: Carry
    """The last state and the best state, with the counters that training needs."""
    history: list[dict[str, Any]]
    """One entry for each epoch, as in history.jsonl."""
    stopped_by: str | None = None
    """"callback" if a callback stopped the run before its end, else None."""
    shows: Literal["best", "last"] = "best"
    """The state that is evaluated."""

    def __repr__(self) -> str:
        # The repr of a dataclass would print all parameters.
        return f"Outcome({self.summary})"

    @property
    def summary(self) -> str:
        """The number of epochs and the best one in one line."""
        best = f", best epoch {int(self.carry.best_epoch)}" if int(self.carry.best_epoch) else ""
        return f"{len(self.history)} epochs{best}"

    @property
    def best(self) -> TrainState:
        """The state with the lowest validation loss; the last state if nothing was validated."""
        # best_epoch is 0 before the first validation: `best` then holds the initial state.
        return self.carry.best if int(self.carry.best_epoch) else self.carry.state

    @property
    def variables(self) -> Variables:
        """Variables to evaluate, of the best or the last state, or their moving average if one is kept."""
        return evaluation_variables(self.best if self.shows == "best" else self.carry.state)

    @property
    def has_last(self) -> bool:
        """Whether the carry holds the last state: a run of a sweep keeps its best state in both places."""
        step = int(self.carry.state.step)
        return not self.history or self.history[-1].get("step", step) == step

    @property
    def epoch(self) -> int:
        """Number of the epoch whose state is evaluated."""
        best_epoch = int(self.carry.best_epoch) if self.shows == "best" else 0
        return best_epoch or len(self.history)

    @property
    def chosen_by(self) -> str:
        """The reason why this state is evaluated: "validation loss" or "last epoch"."""
        is_best = self.shows == "best" and int(self.carry.best_epoch) > 0
        return "validation loss" if is_best else "last epoch"
