"""The interface of trackers, which receive the numbers of runs while they are trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable


class TrackedRun(NamedTuple):
    """Identity of a run, as trackers receive it."""

    id: str
    """16 hexadecimal digits. A run that is resumed in its directory keeps its id."""
    name: str
    """Name of the run: that of its directory, or the id of a run of a sweep."""
    group: str | None
    """Name of the sweep that the run belongs to; None for a single run."""
    folder: Path | None
    """Directory of the run or of its sweep; None for a run that writes nothing."""
    settings: Mapping[str, Any]
    """{dotted name: value} of every hyperparameter, and `seed`. Values are numbers, texts, bools or None."""


@runtime_checkable
class Tracker(Protocol):
    """Protocol of an object that receives the numbers of runs.

    One tracker may receive several runs at the same time: those of a sweep. A method that raises an exception
    is reported once, and the tracker is not called again. The run goes on.

    Example:
        >>> class Printing:
        ...     def start(self, run):
        ...         print("start", run.settings["seed"])
        ...     def epoch(self, run, epoch, numbers):
        ...         print(epoch, sorted(numbers)[-1])
        ...     def figures(self, run, files): ...
        ...     def scores(self, run, scores): ...
        ...     def end(self, run, status):
        ...         print(status)
        >>> import jaxae
        >>> experiment = jaxae.Experiment(model=jaxae.AE(), epochs=1)
        >>> result = jaxae.fit(experiment, seed=3, trackers=Printing())
        start 3
        1 validation/loss
        finished
    """

    def start(self, run: TrackedRun) -> None:
        """Receive a run before its first epoch, or before it goes on."""
        ...

    def epoch(self, run: TrackedRun, epoch: int, numbers: Mapping[str, float]) -> None:
        """Receive the numbers of an epoch.

        Args:
            run: The run.
            epoch: Number of the epoch, from 1. A sweep reports about one epoch of each run every second.
            numbers: {"train/loss": ..., "validation/rate": ..., "seconds": ...}.
        """
        ...

    def figures(self, run: TrackedRun, files: Sequence[Path]) -> None:
        """Receive the figures of a run; only the command line draws figures.

        Args:
            run: The run.
            files: The PNG files.
        """
        ...

    def scores(self, run: TrackedRun, scores: Mapping[str, float]) -> None:
        """Receive the final scores.

        Args:
            run: The run.
            scores: {"validation/elbo": ..., "test/elbo": ...}.
        """
        ...

    def end(self, run: TrackedRun, status: str) -> None:
        """Receive the end of a run.

        Args:
            run: The run.
            status: finished, stopped, diverged, interrupted, pruned or failed.
        """
        ...
