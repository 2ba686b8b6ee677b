"""Small tables in HTML, for the representation of objects in notebooks.

Colours are those of the notebook, so that the tables are readable on light and dark pages.
"""

import html
from collections.abc import Iterable, Sequence
from typing import Any

LEFT = "text-align:left"  # notebooks align cells to the right, which suits numbers but not names


def escape(value: Any) -> str:
    """Return a value as text that HTML does not interpret."""
    return html.escape(str(value))


def table(rows: Iterable[Sequence[Any]], head: Sequence[Any] = ()) -> str:
    """Return a table.

    Args:
        rows: Cells of each row; they are escaped.
        head: Headings of the columns; () for none.

    Returns:
        The HTML.
    """
    lines = [_row(head, "th")] if head else []
    lines += [_row(row, "td") for row in rows]
    return f"<table>{''.join(lines)}</table>"


def _row(cells: Sequence[Any], tag: str) -> str:
    return "<tr>" + "".join(f'<{tag} style="{LEFT}">{escape(cell)}</{tag}>' for cell in cells) + "</tr>"


def preformatted(text: str) -> str:
    """Return a text in HTML with its spaces and line breaks."""
    # Some notebook styles show `pre` in the font of the text.
    return f'<pre style="background:none;font-family:monospace">{escape(text)}</pre>'


def card(title: Any, *parts: str) -> str:
    """Return a title with HTML below it.

    Args:
        title: The title; it is escaped.
        *parts: HTML.

    Returns:
        The HTML.
    """
    return f"<div><b>{escape(title)}</b>{''.join(parts)}</div>"


def folded(title: Any, content: str) -> str:
    """Return HTML that is hidden until its title is clicked.

    Args:
        title: The title; it is escaped.
        content: HTML.

    Returns:
        The HTML.
    """
    return f"<details><summary>{escape(title)}</summary>{content}</details>"
