"""A headless Chromium for tests of pages, and what it saw: errors in its console, and requests."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
DESKTOP, PHONE = (1280, 900), (390, 844)


def executable() -> str:
    """The path of the browser; the test is skipped without one."""
    pytest.importorskip("playwright", reason="playwright is not installed; the extra `dev` brings it")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium; `make browser` installs it")
    return found


@contextlib.contextmanager
def running() -> Iterator[Any]:
    """A browser, without a window and without its own updates."""
    path = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # In a container there is no user namespace for its sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page of the browser, with the errors in its console and the addresses that it asked for."""

    def __init__(self, browser: Any, size: tuple[int, int] = DESKTOP, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def open(self, file: Path) -> Any:
        """The page of a file, after its charts and tables are drawn."""
        self.page.goto(file.resolve().as_uri())
        self.page.wait_for_selector("html[data-ready=true]", timeout=30_000)
        return self.page

    @property
    def outside(self) -> list[str]:
        """Requests to anything but the file itself and what it contains."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def close(self) -> None:
        """End the page."""
        self.context.close()
