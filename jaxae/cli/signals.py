"""Handle Ctrl-C and SIGTERM.

While a run trains, the first signal stops it at the end of the epoch, after a save. A second signal ends the
process at once. Outside of training one signal is enough.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from jaxae.errors import Interrupted

NUMBERS = (signal.SIGINT, signal.SIGTERM)
SHOW_CURSOR = b"\x1b[?25h"  # ANSI code; a progress bar hides the cursor


class Stopped(Interrupted):
    """A run that a signal stopped, after a save. The exit code is 128 + the number of the signal."""

    def __init__(self, number: int, message: str) -> None:
        # 128 + number is the convention of shells for a process that a signal ended.
        super().__init__(message)
        self.exit_code = 128 + number


class Pending:
    """The signal that arrived, if any."""

    number: int | None = None
    """Number of the signal; None before one arrives."""
    is_heard = False
    """Whether a signal arrived, also if Python has not called its handler yet."""


@contextlib.contextmanager
def deferred(message: str = "") -> Iterator[Pending]:
    """Note the first SIGINT or SIGTERM in the yielded `Pending`; a second one ends the process.

    Args:
        message: Line that is printed at once at the first signal; "" for none.

    Yields:
        The record of the signal.
    """
    # Imported here: `guard` must be active before slow imports.
    from jaxae.runs.interrupts import heard_by

    # The training loop reads `pending` once an epoch and saves. A handler cannot save: it runs between two
    # bytecodes, possibly inside a save.
    pending = Pending()

    def hear(number: int) -> None:
        if number not in NUMBERS:
            return
        # By the thread that hears signals: the handler waits until XLA has computed the epoch.
        if pending.is_heard:
            _leave(number)
        pending.is_heard = True
        if message:
            print(f"jaxae: {message}", file=sys.stderr, flush=True)

    def note(number: int, _: Any) -> None:
        if pending.number is not None:
            _leave(number)
        pending.number = number

    with heard_by(hear), _handled_by(note):
        yield pending


@contextlib.contextmanager
def at_once(message: str) -> Iterator[None]:
    """End the process at once, with one line, at SIGINT or SIGTERM; for work that can be done again."""
    with _handled_by(lambda number, _: _leave(number, message)):
        yield


@contextlib.contextmanager
def raised(message: str) -> Iterator[None]:
    """Raise `Stopped` with this message at SIGINT or SIGTERM, so that the work can tidy up."""

    def stop(number: int, _: Any) -> None:
        raise Stopped(number, message)

    with _handled_by(stop):
        yield


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGINT or SIGTERM; for a display that must restore the terminal."""
    with _handled_by(signal.default_int_handler):
        yield


def guard() -> None:
    """Make SIGINT and SIGTERM end the process with one line, unless `deferred` or `at_once` is active."""
    for number in NUMBERS:
        signal.signal(number, lambda number, _: _leave(number, f"stopped by {signal.Signals(number).name}"))


def ignore() -> None:
    """Ignore SIGINT and SIGTERM after the command's work, so that they cannot change its exit code."""
    for number in NUMBERS:
        # SIG_IGN and not a function: Python removes its own handlers while it shuts down.
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Install a handler for both signals, and put the previous ones back."""
    before = {number: signal.signal(number, handler) for number in NUMBERS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _leave(number: int, message: str = "") -> None:
    """End the process immediately; everything that was committed to the disk is complete.

    An exception would be raised wherever the process happens to be, such as an import or a callback of jax,
    where it could be swallowed.
    """
    # os.write and os._exit instead of print and sys.exit: buffers may be in use when the handler interrupts.
    if sys.stdout is not None and sys.stdout.isatty():
        os.write(1, SHOW_CURSOR)
    if message:
        os.write(2, f"jaxae: {message}\n".encode())
    os._exit(128 + number)
