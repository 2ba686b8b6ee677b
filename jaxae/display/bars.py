"""Bars in terminals and notebooks, which ask for their content when they are drawn."""

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, cast

from jaxae.display.html import escape
from jaxae.display.places import Display

BAR_WIDTH = 10  # columns of a bar in a terminal; the text needs the others
NOTEBOOK_WIDTH = 80  # characters of the text in a notebook
SECONDS = 0.5  # shortest time between two updates in a notebook: each is a message to the browser


class Frame(NamedTuple):
    """Content of a bar at one moment."""

    fraction: float | None  # 0 to 1; None as long as it is unknown
    text: str


Draw = Callable[[int], Frame]  # content for a text of at most this number of characters
Refresh = Callable[[], None]


@contextlib.contextmanager
def opened(display: Display, draw: Draw) -> Iterator[Refresh | None]:
    """Show a bar while the block runs.

    Args:
        display: Settings of the display.
        draw: Returns the content. It is also called by another thread, between two calls of the function
            that is yielded, so that the bar moves while the main thread waits for the device.

    Yields:
        A function that draws the bar; None if the place of the display has no bar.
    """
    makers = {"terminal": _terminal, "notebook": _notebook}
    if display.place not in makers:
        yield None
        return
    with makers[display.place](display, draw) as refresh:
        yield refresh


class _Unfailing:
    """Stream that drops what it cannot write: a bar in a closed terminal must not stop a run."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, and return its length."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with contextlib.suppress(OSError):
            self._stream.flush()


@contextlib.contextmanager
def _terminal(display: Display, draw: Draw) -> Iterator[Refresh]:
    # Imported here: rich is slow to import and only a bar needs it.
    from rich.console import Console
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    console = Console(file=cast(IO[str], _Unfailing(display.stream())))

    def render() -> Table:
        # One column is left free: a text that wraps would leave a line at each redraw.
        frame = draw(console.width - BAR_WIDTH - 2)
        row = Table.grid(padding=(0, 1, 0, 0))
        bar = ProgressBar(1.0, frame.fraction or 0.0, BAR_WIDTH, pulse=frame.fraction is None)
        row.add_row(bar, Text(frame.text, no_wrap=True, overflow="ellipsis"))
        return row

    # Lines that callbacks or warnings print meanwhile appear above the bar.
    with Live(get_renderable=render, console=console, refresh_per_second=4) as live:
        yield live.refresh


@contextlib.contextmanager
def _notebook(display: Display, draw: Draw) -> Iterator[Refresh]:
    # rich's bar for notebooks needs ipywidgets, which is not always installed and is lost when the notebook
    # is saved. An output that is replaced by its id needs IPython only, and stays.
    from IPython.display import display as show

    shown = _as_mime(draw(NOTEBOOK_WIDTH))
    handle: Any = show(shown, raw=True, display_id=True)
    ended = threading.Event()

    def update() -> None:
        nonlocal shown
        if (new := _as_mime(draw(NOTEBOOK_WIDTH))) != shown:
            shown = new
            handle.update(new, raw=True)

    def keep_updating() -> None:
        while not ended.wait(SECONDS):
            update()

    # The context holds the cell that the output belongs to.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(keep_updating,), daemon=True)
    thread.start()
    try:
        # The thread draws, so that thousands of short epochs are not thousands of messages.
        yield lambda: None
    finally:
        ended.set()
        thread.join()
        update()


def _as_mime(frame: Frame) -> dict[str, str]:
    """Return a bar as the content of a notebook's output, in HTML and as a line of text."""
    # A progress element without a value moves by itself.
    value = "" if frame.fraction is None else f' value="{frame.fraction:.3f}"'
    bar = f'<progress max="1"{value} style="width:10em;flex:none"></progress>'
    style = "display:flex;align-items:center;gap:1em;padding:.2em .5em"
    text = f'<code style="background:none;white-space:pre">{escape(frame.text)}</code>'
    html = f'<div style="{style}">{bar}{text}</div>'
    return {"text/plain": frame.text, "text/html": html}
