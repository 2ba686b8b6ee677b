"""Signals in a script or notebook: a run or sweep with a directory first finishes and saves its epoch.

Ctrl-C, SIGTERM and SIGHUP stop training. SIGUSR1 and SIGUSR2 only request a checkpoint.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from jaxae.errors import SavedExit, SavedInterrupt, say

EPOCH = "stopping after this epoch, which is saved; Ctrl-C again stops now"
REPEATED = (signal.SIGINT, signal.SIGTERM)  # the second one of these ends the process at once


def _existing(*names: str) -> tuple[signal.Signals, ...]:
    """Return the signals of these names that the system has; Windows lacks SIGHUP, SIGUSR1 and SIGUSR2."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


HANG_UP = _existing("SIGHUP")
STOPS = (*REPEATED, *HANG_UP)  # end a run after its epoch
SAVES = _existing("SIGUSR1", "SIGUSR2")  # request a checkpoint


class Pending:
    """Signals that arrived while a run or sweep trains, and that still wait for the end of the epoch."""

    number: int | None = None
    """Number of the signal that stops training; None before one arrives."""
    is_heard = False
    """Whether a signal that stops training arrived, also if Python has not called its handler yet."""
    num_repeated = 0
    """Number of signals of `REPEATED` that were heard. Two that come during one long program of XLA call the
    handler of Python once."""

    def __init__(self) -> None:
        # Number of the signal that requests a checkpoint, before and after the loop has read it.
        self._wanted: int | None = None
        self._answered: int | None = None

    @property
    def stops(self) -> bool:
        """Whether training shall be saved and stopped."""
        return self.number is not None

    def want_save(self, number: int) -> None:
        """Request a checkpoint at the end of the epoch, because of the signal with this number."""
        self._wanted = number

    def takes_save(self) -> bool:
        """Return whether a signal has requested a checkpoint since the last call."""
        if self._wanted is None:
            return False
        self._answered, self._wanted = self._wanted, None
        return True

    def report_save(self, place: str) -> None:
        """Print that a checkpoint was written, if a signal has requested it.

        Args:
            place: The saved epoch, in words.
        """
        if self._answered is not None:
            say(f"{signal.Signals(self._answered).name}: saved {place}, and training goes on")
            self._answered = None


@contextlib.contextmanager
def deferred(enabled: bool = True, message: str = EPOCH) -> Iterator[Pending]:
    """Record signals in the yielded `Pending`; a second Ctrl-C or SIGTERM has its usual effect.

    Signals are not changed if `enabled` is False, outside the main thread, or if a program has installed its
    own handler or ignores them.

    Args:
        enabled: Whether signals are deferred.
        message: Line that is printed at once at the first signal that stops training.

    Yields:
        The record.
    """
    pending, in_main = Pending(), threading.current_thread() is threading.main_thread()
    # Python allows signal.signal in the main thread only; the command line installs its own handlers.
    numbers = [number for number in (*STOPS, *SAVES) if enabled and in_main and _is_unchanged(number)]
    if not numbers:
        yield pending
        return

    def hear(number: int) -> None:
        if number not in numbers or number in SAVES:
            return
        is_first, pending.is_heard = not pending.is_heard, True
        pending.num_repeated += number in REPEATED
        # Usually SIGTERM ends a process also while XLA computes, when Python calls no handler.
        if pending.num_repeated > 1 and number == signal.SIGTERM:
            os._exit(128 + number)
        if is_first:
            say(message)

    def handle(number: int, frame: Any) -> None:
        if number in SAVES:
            pending.want_save(number)
        elif pending.num_repeated > 1 or (pending.number in REPEATED and number in REPEATED):
            _usual_effect(number, frame)
        elif pending.number is None:
            pending.number = number

    with heard_by(hear), handled_by(handle, numbers):
        yield pending


@contextlib.contextmanager
def saves_ignored(enabled: bool = True) -> Iterator[None]:
    """Ignore the signals that request a checkpoint, since everything is saved already.

    Args:
        enabled: Whether signals are ignored; as for `deferred`.

    Yields:
        Nothing.
    """
    in_main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in SAVES if enabled and in_main and _is_unchanged(number)]
    with handled_by(lambda number, frame: None, numbers):
        yield


def stopped(number: int, message: str) -> BaseException:
    """Return the exception that ends a script after a signal, when everything is saved.

    Args:
        number: Number of the signal.
        message: What was saved, and the call that continues.

    Returns:
        KeyboardInterrupt after Ctrl-C; otherwise SystemExit with the code 128 + number.
    """
    if number == signal.SIGINT:
        return SavedInterrupt(message)
    say(message)  # Python prints nothing at a SystemExit with a code
    return SavedExit(128 + number, message)


@contextlib.contextmanager
def handled_by(handler: Callable[[int, Any], Any], numbers: Any) -> Iterator[None]:
    """Install a handler for signals, and put the previous ones back at the end.

    Args:
        handler: The handler.
        numbers: The signals.

    Yields:
        Nothing.
    """
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextlib.contextmanager
def heard_by(hear: Callable[[int], None]) -> Iterator[None]:
    """Call a function in another thread with the number of each signal as soon as it arrives.

    Python calls the handlers of signals between two bytecodes of the main thread, so after the epoch that XLA
    computes. The function is called at once. Only signals with a handler of Python are heard.

    Args:
        hear: The function.

    Yields:
        Nothing.
    """
    import socket  # here: the command line imports this module before its handlers are installed

    reader, writer = socket.socketpair()  # not a pipe: Windows requires a socket
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while numbers := reader.recv(64):
            for number in numbers:
                hear(number)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.close()  # which ends the thread
        thread.join()
        reader.close()


def _is_unchanged(number: signal.Signals) -> bool:
    """Return whether a signal has the handler that Python starts with."""
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    return signal.getsignal(number) is usual


def _usual_effect(number: int, frame: Any) -> None:
    """Do what the signal does in a script without jaxae."""
    if number == signal.SIGINT:
        signal.default_int_handler(number, frame)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
