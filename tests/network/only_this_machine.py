"""Refuse connections to other machines, in the tests and in the Python processes that they start.

The folder of this file is in `PYTHONPATH`, so that `sitecustomize` beside it runs in each process. An audit
hook sees every connection of Python's sockets, whichever library makes it, and cannot be undone by a test.
"""

import contextlib
import functools
import ipaddress
import os
import socket
import sys
from typing import Any

# Names the file with one line for each refused connection. A library may hide the error; the file does not.
ATTEMPTS = "JAXAE_TESTS_CONNECTIONS"
_CONNECTS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname")
# Ray looks for the metadata server of a cloud when it starts, and no option prevents it. That is refused, but
# fails no test.
_OF_CLOUDS = ("169.254.169.254", "metadata.google.internal")
# Addresses reserved for documentation. A datagram socket that is connected to one sends nothing.
_ELSEWHERE = {socket.AF_INET: "198.51.100.1", socket.AF_INET6: "2001:db8::1"}


class OutsideConnection(OSError):
    """A connection to another machine. Libraries see an OSError and act as they do without a network."""


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise OutsideConnection if an audit event is a connection to another machine, or a look-up of one."""
    if event in _CONNECTS:
        connection, address = arguments
        # AF_UNIX is this machine. Connecting a datagram socket sends nothing: Ray finds its address so.
        if connection.family not in (socket.AF_INET, socket.AF_INET6) or address is None:
            return
        if event == "socket.connect" and connection.type == socket.SOCK_DGRAM:
            return
        host, port = address[:2]
    elif event in _LOOKUPS:
        host, port = arguments[0], arguments[1] if len(arguments) > 1 else ""
    else:
        return
    if not _is_here(host.decode() if isinstance(host, bytes) else host):
        test = os.environ.get("PYTEST_CURRENT_TEST", "a test")
        message = f"{test}: connection to {host}:{port}; tests may connect to this machine only"
        if host not in _OF_CLOUDS:
            _note(message)
        raise OutsideConnection(message)


def attempts() -> list[str]:
    """Return the refused connections since the last call, of this process and of those that it started."""
    path = os.environ.get(ATTEMPTS, "")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        lines = file.read().splitlines()
    os.unlink(path)
    return lines


def _note(message: str) -> None:
    if path := os.environ.get(ATTEMPTS):
        with open(path, "a") as file:
            file.write(message + "\n")


def _is_here(host: str | None) -> bool:
    if host in (None, "", "localhost", socket.gethostname(), socket.gethostname() + "."):
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:  # a name
        return False
    # The unspecified address, 0.0.0.0, is that of this machine.
    return address.is_loopback or address.is_unspecified or str(address) in _own_addresses()


@functools.cache
def _own_addresses() -> set[str]:
    """Return the addresses of this machine in its networks, which the processes of a Ray cluster use."""
    found = set()
    for family, address in _ELSEWHERE.items():
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            found.add(probe.getsockname()[0])
    return found


# A name given to `socket.connect` itself is resolved before the hook sees the connection.
sys.addaudithook(refuse)
