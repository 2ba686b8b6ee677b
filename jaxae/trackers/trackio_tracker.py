"""trackio: a local dashboard without an account; runs of a sweep as a group."""

import contextlib
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxae.protocols.tracker import TrackedRun
from jaxae.trackers.importing import import_extra


@dataclasses.dataclass
class Trackio:
    """Tracker of trackio, whose files stay on this machine; `trackio show` opens the dashboard.

    TRACKIO_DIR sets the folder. It needs trackio: `pip install 'jaxae[trackers]'`.
    """

    project: str = "jaxae"
    """Name of the project."""

    _runs: dict[str, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def start(self, run: TrackedRun) -> None:
        """Start a run of trackio; a resumed run gets the name of its first part, and continues it."""
        # The name alone identifies a run of trackio, and two directories may have the same name.
        name = f"{run.name}-{run.id[:6]}"
        config = {"id": run.id, **run.settings}
        with _quiet():
            self._runs[run.id] = import_extra("trackio").init(
                project=self.project, name=name, group=run.group, config=config, resume="allow", embed=False
            )

    def epoch(self, run: TrackedRun, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log the numbers of an epoch; the epoch is the step of trackio."""
        self._runs[run.id].log(dict(numbers), step=epoch)

    def figures(self, run: TrackedRun, files: Sequence[Path]) -> None:
        """Log figures as images."""
        trackio = import_extra("trackio")
        self._runs[run.id].log({file.stem: trackio.Image(str(file)) for file in files})

    def scores(self, run: TrackedRun, scores: Mapping[str, float]) -> None:
        """Log the final scores with the prefix `final/`."""
        self._runs[run.id].log({f"final/{name}": value for name, value in scores.items()})

    def end(self, run: TrackedRun, status: str) -> None:
        """Log the status, and finish the run."""
        tracked = self._runs.pop(run.id)
        with _quiet():
            tracked.log({"status": status})
            tracked.finish()
        # trackio 0.43 finishes the newest run again when Python exits, and prints a line about it.
        import_extra("trackio.context_vars").current_run.set(None)


@contextlib.contextmanager
def _quiet() -> Any:
    """Discard the lines that trackio prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
