"""What is shown of each epoch of a run."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import jaxae
from jaxae.display.clock import Clock
from jaxae.display.places import Display
from jaxae.runs import run_progress
from tests import small

ROWS = 1_597_000


def result(**changes: Any) -> Any:
    """An epoch's result, as far as it is shown."""
    train = {"loss": 310.741, "distortion": 300.5, "rate": 10.241, "gradient_norm": 3.0}
    values = {"epoch": 3, "train": train, "validation": {"loss": 299.99}, "best_epoch": 2, "seconds": 2.0}
    return SimpleNamespace(**values | {"stopped_early": False} | changes)


def clock(num_epochs: int = 3) -> Clock:
    """A clock with a first epoch of an hour and others of two seconds."""
    time = 0.0
    made = Clock(lambda: time)
    for number in range(num_epochs):
        time += 2.0 if number else 3600.0
        made.tick()
    return made


def line(num_epochs: int = 3, **changes: Any) -> str:
    return run_progress.epoch_line(result(**changes), 50, ROWS, clock(num_epochs))


def test_a_line_has_epoch_terms_speed_and_time_left() -> None:
    assert line() == (
        "epoch 3/50  train loss 310.74 (distortion 300.50, rate 10.24)  validation loss 299.99  "
        "798,500 examples/s  left 0:01:34"
    )
    assert "validation" not in line(validation=None)
    assert "validation loss 299.99 (best)  " in line(best_epoch=3)


def test_the_first_epoch_of_a_session_has_its_time_and_no_speed() -> None:
    """After a resume as well: the hour of compilation is not multiplied by the epochs that are left."""
    assert line(1, seconds=3600.0).endswith("validation loss 299.99  3600.0 s with compilation")


def test_the_last_epoch_has_the_time_of_the_session() -> None:
    assert line(epoch=50).endswith("798,500 examples/s  in 1:00:04")
    assert line(stopped_early=True).endswith("798,500 examples/s  stopped early after 1:00:04")


def test_small_losses_have_digits() -> None:
    assert "train loss 0.00123  valid" in line(train={"loss": 0.001234, "distortion": 0.001234})


@pytest.mark.parametrize(
    "width, expected",
    [
        (30, "epoch 3/50  loss 310.74"),
        (48, "epoch 3/50  loss 310.74  left 0:01:34"),  # a terminal of 60 columns
        (60, "epoch 3/50  loss 310.74  validation 299.99  left 0:01:34"),
        (68, "epoch 3/50  loss 310.74  validation 299.99  798,500/s  left 0:01:34"),
        (
            100,
            "epoch 3/50  loss 310.74  validation 299.99  distortion 300.50, rate 10.24"
            "  798,500/s  left 0:01:34",
        ),
    ],
)
def test_next_to_a_bar_the_text_fits_and_keeps_the_loss(width: int, expected: str) -> None:
    text = run_progress.bar_text(result(), 50, ROWS, clock(), width)
    assert text == expected and len(text) <= width


def test_inside_a_long_epoch_the_bar_moves_by_an_estimate_that_is_marked() -> None:
    time = 0.0
    run: Any = SimpleNamespace(
        path=None,
        experiment=SimpleNamespace(epochs=50, steps=None, batch_size=10),
        dataset=SimpleNamespace(train=SimpleNamespace(x=range(100))),
    )
    progress = run_progress.RunProgress(run, Display(is_shown=False))
    progress.clock = Clock(lambda: time)
    assert progress.frame(100) == (None, "compiling and training the first epoch  0:00:00")
    for number in (1, 2, 3):
        time += 10.0
        progress(result(epoch=number), False)
    assert progress.frame(100)[0] == pytest.approx(3 / 50)
    time += 5.0
    fraction, text = progress.frame(100)
    assert fraction == pytest.approx(3.5 / 50) and text.startswith("epoch 4/50 ~50%  loss 310.74  ")
    progress.clock.is_stopped = True
    assert progress.frame(100)[1].endswith("stopped after 0:00:35")


def shown(num_lines: int, every: int | None = None, **arguments: Any) -> list[str]:
    """The lines of a run that is called with a display for a stream."""
    stream = io.StringIO()
    display = Display(True, num_lines, every, lambda: stream)
    run = SimpleNamespace(
        path=arguments.get("path"),
        mesh=None,
        experiment=SimpleNamespace(epochs=100, steps=None, batch_size=10),
        dataset=SimpleNamespace(train=SimpleNamespace(x=range(100))),
    )
    with run_progress.shown(run, display) as show:  # type: ignore[arg-type]
        for epoch in range(1, arguments.get("last", 100) + 1):
            show(result(epoch=epoch), epoch % 10 == 0)
    return [line.split()[1] for line in stream.getvalue().splitlines()]


def test_lines_are_few_and_the_log_has_all(tmp_path: Path) -> None:
    assert shown(5, path=tmp_path) == ["1/100", "20/100", "40/100", "60/100", "80/100", "100/100"]
    log = (tmp_path / "log.txt").read_text().splitlines()
    assert len(log) == 100 and log[9].endswith("  saved epoch 10") and "saved" not in log[8]
    assert shown(5, every=1) == [f"{epoch}/100" for epoch in range(1, 101)]
    assert len(shown(20)) == 21


def test_a_run_that_is_stopped_ends_with_the_line_of_its_last_epoch() -> None:
    assert shown(5, last=30) == ["1/100", "20/100", "30/100"]


def test_fit_shows_a_few_lines_and_progress_false_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAXAE_PROGRESS", "1")
    experiment = small.experiment(small.member("AE"), epochs=12)
    first = jaxae.fit(experiment, small.images())
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 7
    assert captured.err.splitlines()[-1].startswith("epoch 12/12  train loss ")
    second = jaxae.fit(experiment, small.images(), progress=False)
    assert capsys.readouterr() == ("", "")
    assert small.same_bits(first.outcome.carry, second.outcome.carry)
