"""A local HTTP server whose answers a test chooses: whole files, cut ones, web pages, errors."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server(ThreadingHTTPServer):
    """Serves the files of a folder.

    `answers` maps a path to a function of (handler, content or None) that answers instead, and `seen` has
    every request as (path, Range).
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.answers, self.seen = folder, {}, []  # type: ignore[var-annotated]

    @property
    def address(self) -> str:
        """Its address, as a mirror."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET, with ranges."""

    server: Server
    supports_ranges = True

    def do_GET(self) -> None:
        """As a web server does; a proxy gets the whole address."""
        name = (
            self.path.partition("://")[2].partition("/")[2] if "://" in self.path else self.path.lstrip("/")
        )
        self.server.seen.append((self.path, self.headers.get("Range")))
        path = self.server.folder / name
        content = path.read_bytes() if path.is_file() else None
        answer = self.server.answers.get(name)
        if answer:
            answer(self, content)
        elif content is None:
            self.send(404, b"<html>no such file</html>", "text/html")
        else:
            self.send_range(content)

    def send_range(self, content: bytes) -> None:
        """The file, or the rest of it."""
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start >= len(content) > 0:
            self.send(416, b"")
            return
        extra = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self.send(206 if start else 200, content[start:], **extra)

    def send(self, code: int, body: bytes, kind: str = "", length: int | None = None, **headers: str) -> None:
        """An answer; with a `length` beyond its body the connection ends too early."""
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in (({"Content-Type": kind} if kind else {}) | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def send_page(self, body: bytes) -> None:
        """A page without Content-Length, as Google Drive sends."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server in a thread, until the test ends."""
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
