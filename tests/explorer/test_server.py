"""The explorer answers this machine's own pages only."""

import asyncio
from typing import Any

import pytest

from jaxae.errors import JaxaeError
from jaxae.explorer import server


def scope(host: str | None, origin: str | None = None, kind: str = "http") -> dict[str, Any]:
    headers = [(b"host", host.encode())] if host is not None else []
    return {"type": kind, "headers": [*headers, *([(b"Origin", origin.encode())] if origin else [])]}


GUARD = server.OnlyFromHere(None, 8765)


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1:8765", "[::1]:8765", "LOCALHOST:8765"])
@pytest.mark.parametrize("origin", [None, "http://localhost:8765", "http://127.0.0.1:8765"])
def test_pages_of_this_server_may_ask(host: str, origin: str | None) -> None:
    assert GUARD.is_allowed(scope(host, origin))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:8765", None),  # a name that points to 127.0.0.1
        ("localhost", None),
        ("localhost:80", None),
        ("localhost:8765.evil.example", None),
        (None, None),
        ("localhost:8765", "http://evil.example"),
        ("localhost:8765", "null"),
        ("localhost:8765", "https://localhost:8765"),
        ("localhost:8765", "http://localhost:9999"),
    ],
)
def test_others_are_refused(host: str | None, origin: str | None) -> None:
    assert not GUARD.is_allowed(scope(host, origin))


def test_two_hosts_are_refused() -> None:
    twice = scope("localhost:8765")
    twice["headers"] *= 2
    assert not GUARD.is_allowed(twice)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_refused_request_never_reaches_the_page(kind: str) -> None:
    async def app(*arguments: Any) -> None:
        raise AssertionError("reached")

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    asyncio.run(server.OnlyFromHere(app, 1)(scope("evil.example", kind=kind), receive, send))
    assert sent[0].get("status") == 403 or sent[0] == {"type": "websocket.close", "code": 1008}


def test_only_this_machine_is_listened_to_and_a_used_port_is_named() -> None:
    listener = server._listener(0)
    try:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(JaxaeError, match=f"--port {port}: cannot be used"):
            server._listener(port)
    finally:
        listener.close()
