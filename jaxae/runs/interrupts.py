"""Ctrl-C in a script or notebook: a run or sweep with a directory first finishes and saves its epoch."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any


class Pending:
    """Record of whether Ctrl-C has been pressed."""

    came = False


@contextlib.contextmanager
def deferred(enabled: bool = True) -> Iterator[Pending]:
    """Record the first Ctrl-C in the yielded `Pending`; raise KeyboardInterrupt at the second.

    Signals are not changed if `enabled` is False, outside the main thread, or if a program has installed its
    own handler.
    """
    pending, before = Pending(), signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    # Python allows signal.signal in the main thread only; the command line installs its own handler.
    if not (enabled and in_main and before is signal.default_int_handler):
        yield pending
        return

    def handle(number: int, frame: Any) -> None:
        # Python runs signal handlers between bytecodes, never inside XLA: a long program ends first.
        if pending.came:
            signal.default_int_handler(number, frame)
        pending.came = True
        message = "interrupted: stopping after this epoch has been saved; interrupt again to stop at once"
        print(f"jaxae: {message}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGINT, handle)
    try:
        yield pending
    finally:
        signal.signal(signal.SIGINT, before)
