"""Ctrl-C in a script or notebook: the first press waits for the epoch, the second one does not."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.runs import directory, interrupts
from tests import small

X = small.images()


def test_the_second_press_stops_at_once(sigint: None, capsys: pytest.CaptureFixture) -> None:
    with interrupts.deferred() as pending:
        signal.raise_signal(signal.SIGINT)
        assert pending.stops
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().err == f"jaxae: {interrupts.EPOCH}\n"


def test_a_handler_of_a_programs_own_stays(sigint: None) -> None:
    presses: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: presses.append(number))
    with interrupts.deferred() as pending:
        signal.raise_signal(signal.SIGINT)
    assert presses == [signal.SIGINT] and not pending.stops


def test_a_run_in_another_thread_leaves_the_handler(sigint: None) -> None:
    """Python allows only the main thread to change it."""
    seen: list[Any] = []

    def train() -> None:
        with interrupts.deferred():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_press_in_the_last_epoch_stops_before_scoring(sigint: None) -> None:
    """Training has nothing left to stop; the press must not be lost."""

    def press(epoch: Any, saved: bool) -> None:
        if epoch.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    run = Path("run")
    with pytest.raises(KeyboardInterrupt, match="stopped after epoch 3, saved"):
        jaxae.fit(small.experiment(), X, run_dir=run, callbacks=press)
    assert not directory.has_scores(run)
    assert jaxae.resume(run, X).scores["epochs_run"] == 3
