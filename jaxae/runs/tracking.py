"""Call trackers during a run: a tracker that fails is reported once and never stops or changes the run."""

import contextlib
import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import Diverged, Interrupted, warn
from jaxae.protocols.tracker import TrackedRun, Tracker
from jaxae.runs import run_record
from jaxae.runs.run_types import Run
from jaxae.specs.cells import values
from jaxae.training import processes
from jaxae.training.loop import EpochResult

SPLITS = ("validation", "test")  # that have final scores


class Tracking:
    """Trackers that still work, called one after another.

    Attributes:
        trackers: The trackers. One whose method raised an exception is removed.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = list(trackers)

    def call(self, method: str, *arguments: Any) -> None:
        """Call a method of each tracker.

        Args:
            method: Name of a method of `Tracker`.
            *arguments: Its arguments.
        """
        for tracker in list(self.trackers):
            try:
                getattr(tracker, method)(*arguments)
            # The tracker is somebody else's code and may raise anything. No run may be lost by it.
            except Exception as error:
                self.trackers.remove(tracker)
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                name = type(tracker).__name__
                warn(f"tracker {name}: {method} failed with {reason}; the run goes on without it")


class RunTracking:
    """Tracking of one run: the callback of its epochs, and its scores and figures.

    Attributes:
        tracking: The trackers.
        run: Identity of the run.
        status: How the run ends, as `Tracker.end` receives it.
    """

    def __init__(self, tracking: Tracking, run: TrackedRun) -> None:
        self.tracking, self.run, self.status = tracking, run, "finished"

    def epoch(self, epoch: EpochResult, saved: bool) -> None:
        """Report one epoch; it has the form of a `Callback`."""
        parts = {"train": epoch.train, "validation": epoch.validation or {}}
        self.tracking.call("epoch", self.run, epoch.epoch, {**flat(parts), "seconds": epoch.seconds})

    def scores(self, scores: Mapping[str, Any]) -> None:
        """Report the content of scores.json; a run that a callback stopped has the status "stopped"."""
        if scores.get("stopped_by"):
            self.status = "stopped"
        self.tracking.call("scores", self.run, flat({name: scores.get(name, {}) for name in SPLITS}))

    def figures(self, folder: Path) -> None:
        """Report the PNG files in a folder."""
        self.tracking.call("figures", self.run, sorted(folder.glob("*.png")))


@contextlib.contextmanager
def tracked(run: Run, trackers: Sequence[Tracker]) -> Iterator[RunTracking]:
    """Yield the tracking of a single run; its start and its end are reported.

    Args:
        run: The run. Of several processes only the first one tracks.
        trackers: The trackers.

    Yields:
        The tracking.
    """
    # Of several processes the first one has all numbers; a second tracker would report each of them twice.
    tracking = RunTracking(Tracking(trackers if processes.is_first(run.mesh) else ()), describe(run))
    tracking.tracking.call("start", tracking.run)
    try:
        yield tracking
    except BaseException as error:
        tracking.status = status_of(error)
        raise
    finally:
        tracking.tracking.call("end", tracking.run, tracking.status)


def status_of(error: BaseException) -> str:
    """Return how a run ended that raised an exception: diverged, failed or interrupted."""
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, Interrupted):  # a sweep that is saved and stops
        return "interrupted"
    # The command line raises `Stopped` and Python KeyboardInterrupt after a signal: neither is an Exception.
    return "failed" if isinstance(error, Exception) else "interrupted"


def describe(run: Run) -> TrackedRun:
    """Return the identity of a single run."""
    folder = run.path
    name = folder.name if folder else type(run.experiment.model).__name__
    # A run without a directory cannot be resumed, so each one is new to a tracker.
    text = f"{run_record.fingerprint(folder)} {folder.absolute()}" if folder else uuid.uuid4().hex
    return TrackedRun(make_id(text), name, None, folder, {"seed": run.seed, **values(run.experiment)})


def make_id(text: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flat(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return {"split/name": number} for the numbers of each split; entries that are no numbers are left out.

    Args:
        parts: {split: {name: number}}.

    Returns:
        The numbers.

    Example:
        >>> flat({"train": {"loss": 2.5}, "test": {}})
        {'train/loss': 2.5}
    """
    return {
        f"{part}/{name}": float(value)
        for part, entries in parts.items()
        for name, value in entries.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
