"""Ctrl-C and SIGTERM: while training, the first is answered at the epoch's end and the second at once."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it


class Stopped(Exception):
    """A run stopped by a signal, after a save; exits with 128 + the signal's number."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class Pending:
    """The signal that came, if any."""

    number: int | None = None


@contextlib.contextmanager
def deferred() -> Iterator[Pending]:
    """While inside, SIGINT and SIGTERM are noted in the yielded `Pending`; a second one ends the process."""
    pending = Pending()

    def note(number: int, _: Any) -> None:
        if pending.number is not None:
            _leave(number)
        pending.number = number

    with _handled_by(note):
        yield pending


@contextlib.contextmanager
def at_once(message: str) -> Iterator[None]:
    """While inside, SIGINT and SIGTERM end the process, with one line: for work that can be done again."""
    with _handled_by(lambda number, _: _leave(number, message)):
        yield


def guard() -> None:
    """From now on SIGINT and SIGTERM end the process with one line, where nothing else is said about them."""
    for number in NUMBERS:
        signal.signal(number, lambda number, _: _leave(number, f"stopped by {signal.Signals(number).name}"))


def ignore() -> None:
    """From now on nothing is left to be stopped: the exit code is the command's own."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)  # the one handler that Python's own end does not take away


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in NUMBERS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _leave(number: int, message: str = "") -> None:
    """Ends the process here and now: what was committed is whole, and nothing else is worth waiting for.

    An exception would surface wherever the process happens to be: inside an import, a callback of jax.
    """
    if sys.stdout is not None and sys.stdout.isatty():
        os.write(1, SHOW_CURSOR)
    if message:
        os.write(2, f"jaxae: {message}\n".encode())
    os._exit(128 + number)
