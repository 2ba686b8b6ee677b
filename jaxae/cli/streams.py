"""Standard output and error that outlast their readers: a closed pipe or terminal must not cost epochs.

A command that trains goes on when nobody reads its lines any more (`jaxae train CONFIG | head -1`, a terminal
that is closed under `nohup`): the numbers are in the files of the run. Any other command fails, because its
lines are its result. Standard error is never a reason to fail.
"""

import contextlib
import io
import os
import sys
from typing import Any

from jaxae.errors import warn

TRAINING = ("train", "resume", "sweep")  # commands that go on without a reader
OUTPUT, ERROR = 1, 2  # file descriptors


class _Lasting(io.FileIO):
    """File descriptor that accepts everything once a write to it has failed."""

    lasts = True
    """Whether a write may fail without an error; False for a strict stream."""

    def write(self, data: Any) -> int:
        """Write bytes; after the first failure they are dropped.

        Args:
            data: The bytes.

        Returns:
            The number of bytes that were accepted.

        Raises:
            OSError: At the first failure, if the stream is strict.
        """
        try:
            return super().write(data)
        except OSError as error:
            # The file descriptor itself: C++ libraries and the end of Python then write without errors too.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            if not self.lasts:
                raise OSError(error.errno, error.strerror, "standard output") from None
            reason = error.strerror
        if self.fileno() == OUTPUT:
            warn(f"standard output was lost ({reason}); the command goes on, and log.txt has its lines")
        return memoryview(data).nbytes


_output: list[_Lasting] = []  # standard output, once it is installed


def install(command: str) -> None:
    """Replace standard output and error by streams that outlast their readers.

    Args:
        command: Name of the command that will run.
    """
    _occupy_descriptors()
    sys.stderr = _lasting(sys.stderr, ERROR)[0]
    sys.stdout, raw = _lasting(sys.stdout, OUTPUT)
    raw.lasts = command in TRAINING
    _output[:] = [raw]


def make_strict() -> None:
    """Fail from now on if standard output cannot be written: what follows is the result of the command."""
    for raw in _output:
        raw.lasts = False


def _occupy_descriptors() -> None:
    """Open closed descriptors (`2>&-`): a checkpoint would otherwise get the number of standard error."""
    for number in (0, OUTPUT, ERROR):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest free number


def _lasting(stream: Any, number: int) -> tuple[io.TextIOWrapper, _Lasting]:
    """Return a text stream that outlasts its reader, with the settings of another one, and its raw file."""
    raw = _Lasting(number, "wb", closefd=False)
    wrapper = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        # The texts of a config may have letters that the locale lacks (LC_ALL=C): escape them.
        errors="backslashreplace",
        line_buffering=getattr(stream, "line_buffering", True),
        write_through=getattr(stream, "write_through", False),
    )
    return wrapper, raw
