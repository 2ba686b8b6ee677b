"""Exclusive locks on open files, on Linux, macOS and Windows.

The operating system releases a lock when the process ends, even if it is killed. A file whose mere presence
is the lock would stay after kill -9 and block every later resume.
"""

from typing import IO

import portalocker


def acquire(file: IO[str], *, wait: bool) -> bool:
    """Lock an open file for this process; closing the file releases the lock.

    On Linux and macOS this is `flock`, which older versions of jaxae use, too.

    Args:
        file: The file, opened for writing.
        wait: Whether to wait while another process holds the lock.

    Returns:
        Whether this process now holds the lock; always True if `wait`.

    Raises:
        OSError: If the file system has no locks.
    """
    # One blocking call would be enough on Linux. On Windows it gives up after ten seconds, hence the loop.
    while True:
        try:
            flags = portalocker.LOCK_EX if wait else portalocker.LOCK_EX | portalocker.LOCK_NB
            portalocker.lock(file, flags)
            return True
        except portalocker.AlreadyLocked:
            if not wait:
                return False
        except portalocker.LockException as error:
            # Not an OSError itself: the caller would report ENOLCK of a network file system as a traceback.
            raise _cause(error) from None


def _cause(error: BaseException) -> OSError:
    """Return the error of the operating system behind an error of portalocker."""
    cause = error.__cause__
    return cause if isinstance(cause, OSError) else OSError(str(error))
