"""Display of a download: bars on a terminal, one line for each file elsewhere, or nothing."""

import contextlib
import sys
from collections.abc import Iterator

from jaxae.data.downloads.description import RemoteFile, format_bytes
from jaxae.data.downloads.transfer import Report


class Display:
    """Lines and bars of a download.

    Attributes:
        is_shown: Whether anything is printed.
    """

    def __init__(self, is_shown: bool) -> None:
        self.is_shown = is_shown

    def line(self, text: str) -> None:
        """Print one line."""
        if self.is_shown:
            print(text, flush=True)

    @contextlib.contextmanager
    def bar(self, file: RemoteFile, host: str) -> Iterator[Report]:
        """Show the progress of one file.

        Args:
            file: The file.
            host: The host that it comes from.

        Yields:
            The function that gets the number of bytes that have arrived.
        """
        if not self.is_shown or not _is_terminal():
            size = f" ({format_bytes(file.size)})" if file.size else ""
            self.line(f"{file.name}: downloading{size} from {host}")
            yield lambda num: None
            return
        # Imported here: rich takes longer to import than all other modules of a download.
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=20),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, transient=True) as bars:
            task = bars.add_task(file.name, total=file.size)
            yield lambda num: bars.update(task, completed=num)


def _is_terminal() -> bool:
    """Return whether standard output is a terminal, which a notebook is not."""
    return sys.stdout is not None and sys.stdout.isatty()
