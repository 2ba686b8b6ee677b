"""One process holds a lock; the system releases it; locks of older versions count."""

import errno
import subprocess
import sys
import time
from pathlib import Path

import portalocker
import pytest

from jaxae.runs import locks

# As jaxae 0.1 and 0.2.0 locked: by flock, without portalocker.
HOLD = "import fcntl, sys, time; f = open('lock', 'a+'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); "
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="holds the lock by flock")


def holder(then: str) -> subprocess.Popen:
    """A process that holds the lock and then runs more code; it holds it when this returns."""
    process = subprocess.Popen([sys.executable, "-c", HOLD + then], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_lock_of_an_older_version_is_seen_and_ends_with_its_process() -> None:
    with holder("time.sleep(300)") as process, Path("lock").open("a+") as file:
        assert not locks.acquire(file, wait=False)
        process.kill()
        process.wait()
        assert locks.acquire(file, wait=False)
        with Path("lock").open("a+") as other:
            assert not locks.acquire(other, wait=False)


def test_a_waiting_process_gets_the_lock_when_it_is_free() -> None:
    with holder("time.sleep(0.5)"), Path("lock").open("a+") as file:
        start = time.monotonic()
        assert locks.acquire(file, wait=True)
        assert time.monotonic() - start > 0.1


def test_an_error_of_the_file_system_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    # portalocker reports it as its own LockException, which the command line would show as a traceback.
    monkeypatch.setattr(portalocker.portalocker, "LOCKER", fail)
    with Path("lock").open("a+") as file, pytest.raises(OSError, match="No locks available"):
        locks.acquire(file, wait=False)
