"""Ctrl-C and SIGTERM: the first is answered at the epoch's end, the second at once."""

import contextlib
import os
import signal
from collections.abc import Iterator


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

    def note(number: int, _: object) -> None:
        if pending.number is not None:
            os._exit(128 + number)  # what was committed is whole; nothing else is worth waiting for
        pending.number = number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
