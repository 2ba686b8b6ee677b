"""Ctrl-C in a script or notebook: a run or sweep with a directory first finishes and saves its epoch."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any


class Pending:
    """Whether Ctrl-C has been pressed."""

    came = False


@contextlib.contextmanager
def deferred(enabled: bool = True) -> Iterator[Pending]:
    """Note the first Ctrl-C in the yielded `Pending`; the second raises KeyboardInterrupt at once.

    Nothing changes unless `enabled`, outside the main thread, and where another handler is installed already.
    """
    pending, before = Pending(), signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if not (enabled and in_main and before is signal.default_int_handler):
        yield pending
        return

    def note(number: int, frame: Any) -> None:
        if pending.came:
            signal.default_int_handler(number, frame)
        pending.came = True
        message = "interrupted: stops and saves at the end of this epoch; interrupt again to stop at once"
        print(f"jaxae: {message}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGINT, note)
    try:
        yield pending
    finally:
        signal.signal(signal.SIGINT, before)
