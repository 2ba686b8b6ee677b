"""Content of a page, without HTML: texts, tables, charts and pictures, in sections.

The template has one macro for each kind of block. All texts are shown as they are: nothing in them is HTML.
"""

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str
    """The paragraph."""


@dataclasses.dataclass(frozen=True)
class Notices:
    """Warnings and remarks that a reader should see first."""

    kind: ClassVar[str] = "notices"
    items: Sequence[tuple[str, str]]
    """(level, text), where level is "problem", "warning" or "hint"."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """Names with their values."""

    kind: ClassVar[str] = "facts"
    rows: Sequence[tuple[str, str]]
    """(name, value)."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table."""

    kind: ClassVar[str] = "table"
    caption: str
    """Text about the table."""
    head: Sequence[str]
    """Headings of the columns."""
    rows: Sequence[Sequence[str]]
    """Cells of each row. The first cell is the heading of the row."""
    marked: Sequence[int] = ()
    """Numbers of rows that are shown in bold."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line to copy."""

    kind: ClassVar[str] = "command"
    caption: str
    """Text about the command."""
    text: str
    """The command."""


@dataclasses.dataclass(frozen=True)
class Chart:
    """An interactive chart."""

    kind: ClassVar[str] = "chart"
    title: str
    """Title."""
    caption: str
    """Text about the marks, for readers with and without sight."""
    spec: Mapping[str, Any]
    """The chart in Vega-Lite, whose data are named: the page holds them once for all charts."""
    is_wide: bool = False
    """Whether the chart takes the whole width."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image."""

    kind: ClassVar[str] = "picture"
    title: str
    """Title."""
    text: str
    """Description of the image, for readers without sight."""
    png: bytes
    """Content of a PNG file."""
    is_small: bool = False
    """Whether the image has few pixels, and is enlarged to the whole width."""

    @property
    def source(self) -> str:
        """The image as a data URL."""
        return png_url(self.png)


@dataclasses.dataclass(frozen=True)
class RunTable:
    """A table of runs that a reader can sort and filter; charts show the runs that it shows."""

    kind: ClassVar[str] = "run_table"
    caption: str
    """Text about the table."""
    columns: Sequence[tuple[str, str]]
    """(key in the rows, heading) of each column."""
    data: str
    """Name of the page's data with the rows."""


@dataclasses.dataclass(frozen=True)
class Folded:
    """Blocks that are hidden until a reader opens them."""

    kind: ClassVar[str] = "folded"
    title: str
    """Title."""
    blocks: Sequence["Block"]
    """The blocks."""


Block = Text | Notices | Facts | Table | Command | Chart | Picture | RunTable | Folded


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of a page."""

    title: str
    """Heading."""
    blocks: Sequence[Block]
    """Content. A section without blocks is left out."""

    @property
    def id(self) -> str:
        """Name of the section in the page's address."""
        return "-".join(self.title.lower().split())


@dataclasses.dataclass(frozen=True)
class Page:
    """A page."""

    title: str
    """Title."""
    lines: Sequence[str]
    """Short lines below the title."""
    status: str
    """Status of the run or sweep; "" for none."""
    sections: Sequence[Section]
    """The sections."""
    data: Mapping[str, Sequence[Mapping[str, Any]]]
    """Rows by the name under which charts and tables find them."""


def png_url(png: bytes) -> str:
    """Return the content of a PNG file as a data URL."""
    # Not another file, which would be lost when the page is sent by mail.
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
