"""Which epochs get a line, and the time that is left."""

import pytest

from jaxae.display.clock import Clock
from jaxae.display.pace import Pace, round_step


def lines(epochs: int, step: float, seconds: float = 0.0, first: int = 1) -> list[int]:
    """The epochs with a line, of epochs that take some seconds each."""
    time = 0.0
    pace = Pace(step, now=lambda: time)
    found = []
    for epoch in range(first, epochs + 1):
        time += seconds
        if pace.is_due(epoch, epoch == epochs):
            found.append(epoch)
    return found


def test_the_first_the_last_and_multiples_of_the_step() -> None:
    assert lines(50, 20) == [1, 20, 40, 50]
    assert lines(50, 20, first=30) == [30, 40, 50]
    assert lines(4, 1) == [1, 2, 3, 4]


def test_no_more_than_five_minutes_without_a_line() -> None:
    assert lines(500, 20, seconds=60) == [
        *range(1, 20, 6),
        *[e for e in lines(500, 20, seconds=60) if e > 19],
    ]
    assert len(lines(500, 20, seconds=1)) == 26


@pytest.mark.parametrize("epochs", [1, 10, 50, 100, 300, 500, 1000, 12345])
def test_about_twenty_lines_for_any_number_of_epochs(epochs: int) -> None:
    assert min(epochs, 13) <= len(lines(epochs, round_step(epochs, 20))) <= 32


def test_positions_that_jump_over_a_multiple_get_a_line() -> None:
    pace = Pace(0.05)
    found = [share for share in (0.001, 0.04, 0.32, 0.33, 0.36, 1.0) if pace.is_due(share, share == 1.0)]
    assert found == [0.001, 0.32, 0.36, 1.0]


def test_the_clock_leaves_out_the_first_epoch_which_compiles() -> None:
    time = 0.0
    clock = Clock(lambda: time)
    time = 60.0  # compilation
    clock.tick()
    assert clock.left(10) is None and clock.share == 0.0 and clock.passed == "0:01:00"
    time = 62.0
    assert clock.share == pytest.approx(2 / 60), "an epoch takes no longer than the first one"
    clock.tick()
    assert clock.left(10) == "0:00:20"
    time = 66.0
    clock.tick()
    assert clock.epoch_seconds == 3.0 and clock.left(100_000) == "3 days, 11:20:00"
    time = 67.5
    assert clock.share == 0.5
    time = 100.0
    assert clock.share == 0.99
