"""The JavaScript that pages contain: Vega for charts and DataTables for tables, from installed packages."""

import base64
import functools
import hashlib
import importlib.resources
from pathlib import Path
from typing import NamedTuple

from jaxae.errors import JaxaeError

INSTALL = "pip install 'jaxae[report]'"


class Assets(NamedTuple):
    """Texts that every page contains."""

    vega: str
    """Script that defines vegaEmbed."""
    tables: str
    """Module of DataTables."""
    tables_css: str
    """Styles of DataTables."""
    css: str
    """Styles of the page."""
    script: str
    """Script of the page."""


@functools.cache
def assets() -> Assets:
    """Return the scripts and styles of a page.

    Returns:
        The texts.

    Raises:
        JaxaeError: If a package is not installed.
    """
    try:
        import altair  # noqa: F401 (here, so that a missing package is named before anything is computed)
        import itables
        import jinja2  # noqa: F401
        import vl_convert
    except ModuleNotFoundError as error:
        raise JaxaeError(f"report: {error.name} is not installed; {INSTALL} brings it") from None
    # itables ships DataTables as a module for notebooks without a network.
    tables = Path(itables.__file__).parent / "html"
    # The scripts come from installed packages, so that nothing is copied into jaxae or downloaded.
    return Assets(
        vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        (tables / "dt_bundle.js").read_text(encoding="utf-8"),
        (tables / "dt_bundle.css").read_text(encoding="utf-8"),
        own("page.css"),
        own("page.js"),
    )


def own(name: str) -> str:
    """Return the text of a file in jaxae/reports/assets.

    Args:
        name: Name of the file.
    """
    return (importlib.resources.files("jaxae.reports") / "assets" / name).read_text(encoding="utf-8")


def as_source(text: str) -> str:
    """Return a script as text that can stand in a page.

    Args:
        text: JavaScript or CSS.

    Returns:
        The text. An end tag inside a string of the script would end it, so it is written with an escape.
    """
    return text.replace("</script", r"<\/script").replace("</style", r"<\/style").replace("<!--", r"<\!--")


def digest(text: str) -> str:
    """Return the hash of a script as the page's content security policy names it.

    Args:
        text: The script, exactly as it stands in the page.
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
