"""The explorer's server: on this machine only, for pages of this server only."""

import importlib.util
import socket
from collections.abc import Callable
from typing import Any

from jaxae.errors import JaxaeError

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost", "[::1]")
INSTALL = "pip install 'jaxae[explore]'"


class OnlyFromHere:
    """ASGI application that answers only requests of pages that it has served itself.

    A page of another host could reach a server on this machine: by a host name that it lets point to
    127.0.0.1 (the Host header then has that name), or by a request or a socket across origins (the Origin
    header then has that page's name). Both are refused.
    """

    def __init__(self, app: Any, port: int) -> None:
        """Guard an application.

        Args:
            app: The ASGI application.
            port: Port of the server.
        """
        self.app = app
        self.hosts = {f"{name}:{port}" for name in NAMES}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or refuse it with status 403."""
        if scope["type"] not in ("http", "websocket") or self.is_allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            # Before it is accepted: the browser gets status 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send(
                {"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]}
            )
            await send({"type": "http.response.body", "body": b"only pages of this server may ask\n"})

    def is_allowed(self, scope: Any) -> bool:
        """Return whether a request names this server, and comes from a page of it.

        Args:
            scope: The request, as ASGI describes it.
        """
        headers = [(name.lower(), value.decode("latin-1").lower()) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        return len(hosts) == 1 and hosts[0] in self.hosts and set(origins) <= self.origins


def check() -> None:
    """Raise JaxaeError if NiceGUI is not installed; nothing is imported."""
    for name in ("nicegui", "uvicorn", "fastapi"):
        if importlib.util.find_spec(name) is None:
            raise JaxaeError(f"explore: {name} is not installed; {INSTALL} brings it")


def serve(build: Callable[[], None], title: str, port: int, on_start: Callable[[str], None]) -> None:
    """Serve a page until Ctrl-C.

    Args:
        build: Function that builds the page with NiceGUI, once for each visitor.
        title: Title of the page.
        port: Port; 0 for a free one.
        on_start: Function that is called with the address before the first request.

    Raises:
        JaxaeError: If NiceGUI is not installed, or the port is in use.
    """
    check()
    import uvicorn
    from fastapi import FastAPI
    from nicegui import ui

    listener = _listener(port)
    # The port that was chosen, if the user has given 0.
    number = listener.getsockname()[1]
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    ui.page("/")(build)
    # dark=None follows the system. Nothing of the visitor is stored, so no secret is needed.
    ui.run_with(app, title=title, dark=None, show_welcome_message=False, reconnect_timeout=30)
    # ws_max_size: a visitor sends numbers, not files.
    config = uvicorn.Config(
        OnlyFromHere(app, number), log_level="warning", access_log=False, ws_max_size=2**20, lifespan="on"
    )
    on_start(f"http://localhost:{number}/")
    uvicorn.Server(config).run(sockets=[listener])


def _listener(port: int) -> socket.socket:
    """Return a socket that listens on this machine only. Raises: JaxaeError if the port is in use."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # Now: the first visitor may come before the server has started, and waits.
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise JaxaeError(f"--port {port}: cannot be used ({reason}); choose another one, or 0") from None
    return listener
