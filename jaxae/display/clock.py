"""Time that is left, from the speed of the epochs of this session."""

import datetime
import time
from collections.abc import Callable


class Clock:
    """Clock of a session of epochs.

    The first epoch of a session compiles for seconds. Its time says nothing about the other epochs, so it is
    left out: a run of 50 short epochs would otherwise seem to need minutes.

    Attributes:
        is_stopped: Whether no more epochs follow in this session.
    """

    is_stopped = False

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.start = self.first = self.last = now()
        self.num_epochs = 0

    def tick(self) -> None:
        """Record the end of an epoch."""
        self.last = self.now()
        if self.num_epochs == 0:
            self.first = self.last
        self.num_epochs += 1

    @property
    def epoch_seconds(self) -> float | None:
        """Mean seconds of an epoch with its checkpoint; None until two epochs have ended."""
        return (self.last - self.first) / (self.num_epochs - 1) if self.num_epochs > 1 else None

    @property
    def expected_seconds(self) -> float:
        """Seconds that the present epoch will take, for the second one at most; 0 if unknown."""
        return self.epoch_seconds or self.first - self.start

    @property
    def share(self) -> float:
        """Estimated share of the present epoch that has passed, from 0 to 0.99; 0 if it is unknown."""
        seconds = self.expected_seconds
        return min(0.99, (self.now() - self.last) / seconds) if seconds else 0.0

    @property
    def passed(self) -> str:
        """Time since the start of the session, `0:00:04`."""
        return duration(self.now() - self.start)

    def left(self, num_epochs: float) -> str | None:
        """Return the time that a number of epochs will take, `0:00:04`; None until it is known."""
        return None if self.epoch_seconds is None else duration(num_epochs * self.epoch_seconds)


def duration(seconds: float) -> str:
    """Return a number of seconds as `0:00:04`."""
    return str(datetime.timedelta(seconds=round(max(seconds, 0.0))))
