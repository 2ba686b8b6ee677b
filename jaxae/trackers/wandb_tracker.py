"""Weights & Biases: one run of wandb for each run, runs of a sweep as a group."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxae.protocols.tracker import TrackedRun
from jaxae.trackers.importing import import_extra


@dataclasses.dataclass
class WandB:
    """Tracker of Weights & Biases.

    Its environment variables apply: WANDB_MODE=offline writes files only, WANDB_API_KEY logs in, WANDB_DIR
    sets the folder. It needs wandb: `pip install 'jaxae[trackers]'`.
    """

    project: str | None = None
    """Name of the project. None: WANDB_PROJECT, or `jaxae`."""

    entity: str | None = None
    """User or team. None: WANDB_ENTITY, or your own user."""

    mode: str | None = None
    """online, offline or disabled. None: WANDB_MODE, or online."""

    _runs: dict[str, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def start(self, run: TrackedRun) -> None:
        """Start a run of wandb; with the same id it continues the curves of a resumed run."""
        wandb = import_extra("wandb")
        # console="off": wandb would copy the terminal and print a summary between the lines of jaxae.
        settings = wandb.Settings(silent=True, console="off")
        names = {"project": self.project or os.environ.get("WANDB_PROJECT") or "jaxae", "entity": self.entity}
        identity = {"id": run.id, "name": run.name, "group": run.group, "config": dict(run.settings)}
        # "create_new": without it a second run of a sweep would end the first one.
        how = {"mode": self.mode, "resume": "allow", "reinit": "create_new", "settings": settings}
        self._runs[run.id] = wandb.init(**names, **identity, **how)

    def epoch(self, run: TrackedRun, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log the numbers of an epoch; the epoch is the step of wandb."""
        self._runs[run.id].log({"epoch": epoch, **numbers}, step=epoch)

    def figures(self, run: TrackedRun, files: Sequence[Path]) -> None:
        """Log figures as images."""
        wandb = import_extra("wandb")
        self._runs[run.id].log({file.stem: wandb.Image(str(file)) for file in files})

    def scores(self, run: TrackedRun, scores: Mapping[str, float]) -> None:
        """Write the final scores to the summary of the run, with the prefix `final/`."""
        self._runs[run.id].summary.update({f"final/{name}": value for name, value in scores.items()})

    def end(self, run: TrackedRun, status: str) -> None:
        """Finish the run; a run that diverged or failed is marked as failed."""
        tracked = self._runs.pop(run.id)
        tracked.summary["status"] = status
        tracked.finish(exit_code=1 if status in ("diverged", "failed") else 0)
