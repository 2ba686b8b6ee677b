"""Tests cannot reach another machine: no socket, no library above it, no Python process that they start."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import only_this_machine
import pytest
import requests

# Reserved for documentation: nothing answers there, so that a missing refusal is seen and reaches nobody.
OUTSIDE = "198.51.100.1"
NAME = "example.invalid"


async def _open(host: str) -> None:
    await asyncio.wait_for(asyncio.open_connection(host, 80), timeout=1)


def _send(host: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (host, 9))


CONNECTIONS: dict[str, Callable[[str], object]] = {
    "create_connection": lambda host: socket.create_connection((host, 80), timeout=1),
    "getaddrinfo": lambda host: socket.getaddrinfo(host + ".invalid", 80),
    "gethostbyname": lambda host: socket.gethostbyname(host),
    # Python resolves a name before it reports that something is sent, so this one has an address only.
    "sendto": lambda _: _send(OUTSIDE),
    "requests": lambda host: requests.get(f"http://{host}/", timeout=1),
    "asyncio": lambda host: asyncio.run(_open(host)),
}


@pytest.mark.parametrize("host", [OUTSIDE, NAME])
@pytest.mark.parametrize("way", CONNECTIONS)
def test_connections_to_other_machines_are_refused_with_the_name_of_the_test(way: str, host: str) -> None:
    # requests wraps the error in one of its classes, which is an OSError too.
    with pytest.raises(OSError, match=rf"test_connections_to.*\[{way}-.*connection"):
        CONNECTIONS[way](host)
    assert only_this_machine.attempts()  # else this test fails at its end


@pytest.mark.parametrize("host", [OUTSIDE, NAME])
def test_processes_that_tests_start_are_refused_too(host: str) -> None:
    """Even if the error is hidden there, the test that started the process learns of the connection."""
    code = f"import socket\ntry: socket.create_connection(({host!r}, 80), timeout=1)\nexcept Exception: pass"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=os.sep)
    (refused,) = only_this_machine.attempts()
    assert "test_processes_that_tests_start" in refused and f"connection to {host}:80" in refused


def test_this_machine_can_be_reached() -> None:
    own = [(address, 0) for address in only_this_machine._own_addresses() if ":" not in address]
    addresses = [("127.0.0.1", 0), ("localhost", 0), ("", 0), (socket.gethostname(), 0), *own]
    for address in addresses:
        with socket.create_server(address) as server:
            socket.create_connection((address[0] or "0.0.0.0", server.getsockname()[1]), timeout=5).close()
    left, right = socket.socketpair()
    left.close(), right.close()
    assert only_this_machine.attempts() == []
