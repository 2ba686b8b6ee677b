"""TensorBoard: event files in the directory of the run or sweep, written by tensorboardX."""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.protocols.tracker import TrackedRun
from jaxae.trackers.importing import import_extra

FOLDER = "tensorboard"


@dataclasses.dataclass
class TensorBoard:
    """Tracker that writes TensorBoard event files: curves, figures, hyperparameters with final scores.

    `tensorboard --logdir runs` shows them. It needs tensorboardX: `pip install 'jaxae[trackers]'`.
    """

    folder: str | None = None
    """Folder of the event files, with one folder for each run. None: `tensorboard` in the directory of the
    run or sweep, or in the current directory for a run that writes nothing."""

    _writers: dict[str, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def start(self, run: TrackedRun) -> None:
        """Open the event file of a run."""
        tensorboard = import_extra("tensorboardX")
        # It would print a line for every number that is not finite; the numbers themselves are written.
        logging.getLogger("tensorboardX.x2num").setLevel(logging.ERROR)
        # tensorboardX names a file by the second and overwrites one of the same name: that of the run before
        # it was resumed.
        suffix = f".{time.time_ns()}"
        self._writers[run.id] = tensorboard.SummaryWriter(str(self._folder(run)), filename_suffix=suffix)

    def epoch(self, run: TrackedRun, epoch: int, numbers: Mapping[str, float]) -> None:
        """Write the numbers of an epoch; the epoch is TensorBoard's step."""
        writer = self._writers[run.id]
        for name, number in numbers.items():
            writer.add_scalar(name, number, epoch)

    def figures(self, run: TrackedRun, files: Sequence[Path]) -> None:
        """Write figures as images."""
        from PIL import Image

        writer = self._writers[run.id]
        for file in files:
            with Image.open(file) as image:
                writer.add_image(file.stem, np.asarray(image.convert("RGB")), dataformats="HWC")

    def scores(self, run: TrackedRun, scores: Mapping[str, float]) -> None:
        """Write the hyperparameters with the final scores, for TensorBoard's table HPARAMS."""
        settings = {name: value if value is not None else "None" for name, value in run.settings.items()}
        # A prefix, because the curve of an epoch may have the same name.
        final = {f"final/{name}": value for name, value in scores.items()}
        from tensorboardX.summary import hparams

        # Not `add_hparams`: it opens a second file, and overwrites the first one if both are of one second.
        writer = self._writers[run.id]
        for summary in hparams(settings, final):
            writer.file_writer.add_summary(summary)
        for name, value in final.items():
            writer.add_scalar(name, value)

    def end(self, run: TrackedRun, status: str) -> None:
        """Write the status as text, and close the event file."""
        writer = self._writers.pop(run.id)
        writer.add_text("status", status)
        writer.close()

    def _folder(self, run: TrackedRun) -> Path:
        """Return the folder of the event file of a run."""
        if self.folder is None and run.folder is not None:
            # A single run has its own directory; the runs of a sweep share one.
            return run.folder / FOLDER / (run.name if run.group else "")
        # Other runs may have the same name, but not the same id.
        return Path(self.folder or FOLDER) / (run.group or "") / f"{run.name}-{run.id[:6]}"
