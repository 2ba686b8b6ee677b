"""A figure for a paper, with a text on how to cite its numbers."""

import dataclasses
import io
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError

COLUMN = (3.35, 2.5)  # inches: the width of one of two columns of a paper


@dataclasses.dataclass(frozen=True, repr=False)
class Plot:
    """A figure for a paper. Notebooks show it."""

    figure: Any
    """The matplotlib.figure.Figure, which may be changed before it is saved."""
    caption: str
    """How to cite the numbers: meaning of the marks, number of rows or seeds, the interval, failed runs."""

    def save(self, path: str | Path) -> None:
        """Write the figure: as vectors for .pdf, .svg and .eps, as pixels for .png.

        Args:
            path: The file. Its suffix decides the format.

        Raises:
            JaxaeError: If matplotlib cannot write this format.
        """
        suffixes = self.figure.canvas.get_supported_filetypes()
        if Path(path).suffix.removeprefix(".").lower() not in suffixes:
            raise JaxaeError(f"path: got {str(path)!r}, expected a suffix of {', '.join(sorted(suffixes))}")
        self.figure.savefig(path, dpi=300)

    def __repr__(self) -> str:
        return f"Plot({self.caption})"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()
