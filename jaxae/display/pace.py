"""Choice of the epochs that get a line, if the output is neither a terminal nor a notebook."""

import math
import time
from collections.abc import Callable

LONGEST = 300.0  # seconds without a line: a long run must not look dead in the log of a cluster


class Pace:
    """Choice of lines: the first and the last epoch, and others at equal distances."""

    def __init__(self, step: float, longest: float = LONGEST, now: Callable[[], float] = time.perf_counter):
        """Start without a line.

        Args:
            step: Distance of two lines, in the unit of positions.
            longest: Seconds after which there is a line in any case.
            now: Clock, in seconds.
        """
        self.step, self.longest, self.now = step, longest, now
        self.position: float | None = None
        self.time = 0.0

    def is_due(self, position: float, is_last: bool = False) -> bool:
        """Return whether a position gets a line, which is then taken as printed.

        Args:
            position: Number of the epoch, or any number that rises.
            is_last: Whether it is the last one.

        Returns:
            Whether to print.
        """
        is_first = self.position is None
        # Compared by multiples, not by the distance: the lines are those of epochs 10, 20, 30.
        is_next = not is_first and position // self.step > self.position // self.step  # type: ignore
        if not (is_first or is_last or is_next or self.now() - self.time > self.longest):
            return False
        self.position, self.time = position, self.now()
        return True


def round_step(epochs: int, num_lines: int) -> int:
    """Return the distance of lines, a round number: 1, 2, 5, 10, 20, 50, ...

    Args:
        epochs: Number of epochs.
        num_lines: Approximate number of lines.

    Returns:
        The round number that gives the nearest number of lines.

    Example:
        >>> [round_step(epochs, 20) for epochs in (4, 50, 100, 500)]
        [1, 2, 5, 20]
    """
    wanted = max(1.0, epochs / num_lines)
    steps = [digit * 10**power for power in range(10) for digit in (1, 2, 5)]
    return min(steps, key=lambda step: abs(math.log(step / wanted)))
