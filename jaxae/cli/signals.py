"""Handle signals: Ctrl-C, SIGTERM and SIGHUP end a command, SIGUSR1 and SIGUSR2 request a checkpoint.

While a run trains, the first signal stops it at the end of the epoch, after a save. A second Ctrl-C or
SIGTERM ends the process at once. Outside of training one signal is enough.

A second SIGHUP does not end the process: a terminal that is closed sends it several times. If it is ignored
when the process starts (`nohup`), it stays ignored.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

from jaxae.errors import Interrupted, say
from jaxae.runs.interrupts import HANG_UP, REPEATED, SAVES, STOPS, Pending, handled_by, heard_by

SHOW_CURSOR = b"\x1b[?25h"  # ANSI code; a progress bar hides the cursor
OnUsr1 = Literal["save", "exit"]  # values of --on-usr1

_early: list[int] = []  # SIGUSR1 or SIGUSR2 that arrived before training


class Stopped(Interrupted):
    """A run that a signal stopped, after a save. The exit code is 128 + the number of the signal."""

    def __init__(self, number: int, message: str) -> None:
        # 128 + number is the convention of shells for a process that a signal ended.
        super().__init__(message)
        self.exit_code = 128 + number


@contextlib.contextmanager
def deferred(
    message: str = "",
    on_usr1: OnUsr1 = "save",
    leave_early: Callable[[], str | None] = lambda: None,
) -> Iterator[Pending]:
    """Note the first signal in the yielded `Pending`; a second Ctrl-C or SIGTERM ends the process.

    Args:
        message: Line that is printed at once at the first signal that stops training; "" for none.
        on_usr1: "save": SIGUSR1 and SIGUSR2 request a checkpoint; "exit": they also stop training.
        leave_early: Returns the last line of a process that has trained nothing yet, so that a signal can
            end it at once; None if training has started. Called by another thread.

    Yields:
        The record of the signal.
    """
    # The training loop reads `pending` once an epoch and saves. A handler cannot save: it runs between two
    # bytecodes, possibly inside a save.
    pending, stops = Pending(), _stops(on_usr1)

    def hear(number: int) -> None:
        if number not in stops:
            return
        # By the thread that hears signals: the handler waits until XLA has compiled or computed.
        if (last_line := leave_early()) is not None:
            _leave(number, last_line)
        pending.num_repeated += number in REPEATED
        if pending.num_repeated > 1 and number in REPEATED:
            _leave(number)
        is_first, pending.is_heard = not pending.is_heard, True
        if is_first and message:
            say(message)

    def note(number: int, _: Any) -> None:
        if number not in stops:
            pending.want_save(number)
        elif pending.number in REPEATED and number in REPEATED:
            _leave(number)
        elif pending.number is None:
            pending.number = number

    with heard_by(hear), handled_by(note, {*stops, *SAVES}):
        while _early:
            number = _early.pop()
            hear(number)
            note(number, None)
        yield pending


@contextlib.contextmanager
def at_once(message: str, on_usr1: OnUsr1 = "save") -> Iterator[None]:
    """End the process at once, with one line, at a signal; for work that can be done again.

    Args:
        message: The line; "" for none.
        on_usr1: Whether SIGUSR1 and SIGUSR2 end the process too ("exit").

    Yields:
        Nothing.
    """
    with handled_by(lambda number, _: _leave(number, message), _stops(on_usr1)):
        yield


@contextlib.contextmanager
def raised(message: str) -> Iterator[None]:
    """Raise `Stopped` with this message at a signal, so that the work can tidy up."""

    def stop(number: int, _: Any) -> None:
        raise Stopped(number, message)

    with handled_by(stop, _stops()):
        yield


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Raise KeyboardInterrupt at a signal; for a display that must restore the terminal."""
    with handled_by(signal.default_int_handler, _stops()):
        yield


def guard() -> None:
    """Make signals end the process with one line, unless `deferred` or `at_once` is active.

    SIGUSR1 and SIGUSR2 never end a process that is not training. They are noted for the first epoch.
    """
    for number in _stops():
        signal.signal(number, lambda number, _: _leave(number, f"stopped by {signal.Signals(number).name}"))
    for number in SAVES:
        signal.signal(number, lambda number, _: _early.append(number))


def ignore() -> None:
    """Ignore signals after the command's work, so that they cannot change its exit code."""
    for number in (*STOPS, *SAVES):
        # SIG_IGN and not a function: Python removes its own handlers while it shuts down.
        signal.signal(number, signal.SIG_IGN)


def _stops(on_usr1: OnUsr1 = "save") -> list[signal.Signals]:
    """Return the signals that end a command."""
    hang_up = [number for number in HANG_UP if signal.getsignal(number) is not signal.SIG_IGN]
    return [*REPEATED, *hang_up, *(SAVES if on_usr1 == "exit" else ())]


def _leave(number: int, message: str = "") -> None:
    """End the process immediately; everything that was committed to the disk is complete.

    An exception would be raised wherever the process happens to be, such as an import or a callback of jax,
    where it could be swallowed.
    """
    # os.write and os._exit instead of print and sys.exit: buffers may be in use when the handler interrupts.
    # A closed terminal cannot be written to.
    with contextlib.suppress(OSError, ValueError):
        if sys.stdout is not None and sys.stdout.isatty():
            os.write(1, SHOW_CURSOR)
    with contextlib.suppress(OSError):
        if message:
            os.write(2, f"jaxae: {message}\n".encode())
    os._exit(128 + number)
