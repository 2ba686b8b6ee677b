"""Find trackers by name: `trackers="wandb"`, `--tracker tensorboard`."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.protocols.tracker import Tracker
from jaxae.trackers.mlflow_tracker import MLflow
from jaxae.trackers.tensorboard_tracker import TensorBoard
from jaxae.trackers.trackio_tracker import Trackio
from jaxae.trackers.wandb_tracker import WandB

TRACKERS: dict[str, Callable[[], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
    "trackio": Trackio,
}


def find(trackers: Any) -> list[Tracker]:
    """Return the trackers that are named or given.

    Args:
        trackers: A name in `TRACKERS`, a tracker, or a sequence of both; () for none.

    Returns:
        The trackers.

    Raises:
        JaxaeError: If a name is unknown, or an object lacks a method of `Tracker`.

    Example:
        >>> find("tensorboard")
        [TensorBoard(folder=None)]
    """
    is_sequence = isinstance(trackers, Sequence) and not isinstance(trackers, str)
    return [_find_one(tracker) for tracker in (trackers if is_sequence else [trackers])]


def _find_one(tracker: Any) -> Tracker:
    """Return the tracker with a name; a tracker is returned unchanged."""
    if isinstance(tracker, str):
        if tracker not in TRACKERS:
            raise JaxaeError(f"trackers: got {tracker!r}; {nearest(tracker, TRACKERS)}")
        return TRACKERS[tracker]()
    # A class has the methods as well: a forgotten `()` would fail at the first epoch.
    if isinstance(tracker, Tracker) and not isinstance(tracker, type):
        return tracker
    raise JaxaeError(
        f"trackers: got {tracker!r}, expected one of {', '.join(TRACKERS)}, or an object with the methods"
        " start, epoch, figures, scores and end (see jaxae.Tracker)"
    )
