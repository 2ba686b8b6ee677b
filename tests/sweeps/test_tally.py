"""What is shown of a sweep while it trains."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jaxae.display.places import Display
from jaxae.sweeps import tally

EPOCHS = 50


def group(name: str, num_runs: int = 4) -> Any:
    return SimpleNamespace(id=name, program="p", runs=[f"{name}{number}" for number in range(num_runs)])


PROGRAMS: Any = [SimpleNamespace(id="p", example=SimpleNamespace(epochs=EPOCHS))]


def report(of: Any, epoch: int, best: float | None = None, **changes: Any) -> Any:
    lanes = tuple(SimpleNamespace(best_loss=best) for _ in of.runs)
    values = {"group": of, "epoch": epoch, "epochs": EPOCHS, "live": len(of.runs), "saved": False}
    return SimpleNamespace(**{**values, "lanes": lanes, **changes})


def test_a_line_has_runs_lanes_the_best_loss_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: time)
    a, b = group("a"), group("b", 1)
    seen = tally.Tally([a, b], PROGRAMS)
    time = 100.0  # compilation, and epochs of an earlier session
    seen.update(report(a, 10, 30.0))
    assert (
        tally.line(seen, report(a, 10))
        == "runs 0/5  4 lanes, 4 live, epoch 10/50  best validation loss 30.00"
    )
    time = 110.0
    seen.update(report(a, 20, 25.31))
    # 40 lane-epochs took 10 seconds; 170 are left.
    assert tally.line(seen, report(a, 20, saved=True)).endswith("loss 25.31  left 0:00:42  saved")
    time = 112.0
    assert tally.line(seen, report(a, 20)).endswith("left 0:00:40"), "it counts down between two reports"
    seen.update(report(a, 50, 26.0))
    seen.update(report(b, 50))
    assert (
        tally.line(seen, report(b, 50)) == "runs 5/5  1 lane, 1 live, epoch 50/50  best validation loss 25.31"
    )


@pytest.mark.parametrize(
    "width, expected",
    [
        (100, "runs 0/4  4 lanes, 4 live, epoch 20/50  best validation loss 25.31  left 0:00:30"),
        (48, "runs 0/4  epoch 20/50  best 25.31  left 0:00:30"),  # a terminal of 60 columns
        (40, "runs 0/4  epoch 20/50  best 25.31"),
        (10, "runs 0/4  epoch 20/50"),
    ],
)
def test_next_to_a_bar_the_text_fits(width: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    time = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: time)
    a = group("a")
    seen = tally.Tally([a], PROGRAMS)
    for epoch in (10, 20):
        seen.update(report(a, epoch, 25.31))
        time += 10.0
    time = 10.0
    assert tally.bar_text(seen, report(a, 20), width) == expected


def lines(path: Path, num_groups: int, every: int | None = None) -> list[str]:
    """The printed lines of a sweep whose groups report every epoch."""
    stream, groups = io.StringIO(), [group(str(number)) for number in range(num_groups)]
    display = Display(True, 20, every, lambda: stream)
    store: Any = SimpleNamespace(path=path)
    with tally.shown(store, groups, PROGRAMS, lambda: False, display) as observe:
        for each in groups:
            for epoch in range(1, EPOCHS + 1):
                assert observe(report(each, epoch)) is False
    assert (path / "log.txt").read_text().count("\n") == num_groups * EPOCHS
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("num_groups, least, most", [(1, 20, 22), (3, 20, 26), (100, 20, 22)])
def test_lines_are_about_twenty(num_groups: int, least: int, most: int, tmp_path: Path) -> None:
    printed = lines(tmp_path, num_groups)
    assert least <= len(printed) <= most and f"epoch {EPOCHS}/{EPOCHS}" in printed[-1]


def test_log_every_counts_the_epochs_of_each_group(tmp_path: Path) -> None:
    assert len(lines(tmp_path, 2, every=10)) == 2 * 6
