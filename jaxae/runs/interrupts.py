"""Ctrl-C in a script or notebook: a run or sweep with a directory first finishes and saves its epoch."""

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

EPOCH = "stopping after this epoch, which is saved; Ctrl-C again stops now"


class Pending:
    """Record of whether Ctrl-C has been pressed."""

    came = False
    presses = 0
    """Number of times. Two that come during one long program of XLA call the handler of Python once."""


@contextlib.contextmanager
def deferred(enabled: bool = True, message: str = EPOCH) -> Iterator[Pending]:
    """Record the first Ctrl-C in the yielded `Pending`; raise KeyboardInterrupt at the second.

    Signals are not changed if `enabled` is False, outside the main thread, or if a program has installed its
    own handler.

    Args:
        enabled: Whether Ctrl-C is deferred.
        message: Line that is printed at once at the first Ctrl-C.

    Yields:
        The record.
    """
    pending, before = Pending(), signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    # Python allows signal.signal in the main thread only; the command line installs its own handler.
    if not (enabled and in_main and before is signal.default_int_handler):
        yield pending
        return

    def hear(number: int) -> None:
        pending.presses += number == signal.SIGINT
        if number == signal.SIGINT and pending.presses == 1:
            print(f"jaxae: {message}", file=sys.stderr, flush=True)

    def handle(number: int, frame: Any) -> None:
        if pending.came or pending.presses > 1:
            signal.default_int_handler(number, frame)
        pending.came = True

    with heard_by(hear):
        signal.signal(signal.SIGINT, handle)
        try:
            yield pending
        finally:
            signal.signal(signal.SIGINT, before)


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
