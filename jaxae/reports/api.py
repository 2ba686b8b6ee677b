"""Write the page of a run, of a sweep, or of several runs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.runs import directory, references, status
from jaxae.runs.recorded_data import HERE, Moved, moved_to

NAME = "report.html"


def report(
    *sources: str | Path,
    output: str | Path | None = None,
    data_name: str | Path | None = None,
    data_folder: str | Path | None = None,
) -> Path:
    """Write one HTML file about a run, a sweep, or several runs side by side.

    The file holds everything that it shows, and makes no request to any host. It can be sent by mail.

    Args:
        *sources: Directory of a run, "SWEEP:ID", "SWEEP:best", or the directory of a sweep; or two or more
            runs.
        output: The file. None: report.html in the directory of the run or sweep. For several runs,
            report-A-B.html in the present folder.
        data_name: Present name or path of data that has moved.
        data_folder: Present folder of data that has moved.

    Returns:
        The path of the file.

    Raises:
        JaxaeError: If a source cannot be read, a sweep is given with other sources, the file cannot be
            written, or a package of the extra `report` is not installed.

    Example:
        >>> jaxae.report("runs/beta")  # doctest: +SKIP
        PosixPath('runs/beta/report.html')
    """
    from jaxae.reports import render, scripts

    scripts.assets()  # a missing package is reported before anything is computed
    moved = moved_to(data_name, data_folder)
    words = [str(source) for source in sources]
    if not words:
        raise JaxaeError("report: got no run, expected the directory of a run or sweep, or several runs")
    target = None if output is None else _checked(Path(output))
    page, default = _page(words, moved)
    path = target or _checked(default)
    directory.write_text(path, render.html(page))
    return path


def _page(words: Sequence[str], moved: Moved = HERE) -> tuple[Any, Path]:
    """Return the page, and the file for it if the user names none."""
    from jaxae.reports import comparison_page, run_page, sweep_page

    sweeps = [word for word in words if _kind(word) == "sweep"]
    if len(words) == 1:
        if sweeps:
            return sweep_page.page_of(Path(words[0]), moved), Path(words[0]) / NAME
        folder = _folder(words[0])
        return run_page.page_of(folder, moved), folder / NAME
    if sweeps:
        raise JaxaeError(
            f"report: {sweeps[0]} is a sweep, and has its own page; to compare runs of it, name them: "
            f"{sweeps[0]}:best or {sweeps[0]}:ID"
        )
    folders = [_folder(word) for word in words]
    # Names of runs may have letters that a file name must not have.
    names = [re.sub(r"[^\w.-]+", "-", folder.resolve().name)[:40] for folder in folders]
    default = Path(f"report-{'-'.join(names)}"[:200] + ".html")
    return comparison_page.page_of(words, folders, moved), default


def _kind(word: str) -> str | None:
    try:
        return status.kind(Path(word))
    except (OSError, ValueError):  # a name that no file can have
        return None


def _folder(word: str) -> Path:
    """Return the directory of a run. Raises: JaxaeError if there is none."""
    folder = references.resolve(word)
    if status.kind(folder) != "run":
        raise JaxaeError(
            f"{word}: no such run; expected the directory of a run or sweep, such as one in runs/"
        )
    return folder


def _checked(path: Path) -> Path:
    """Return a path that a page can be written to. Raises: JaxaeError before anything is computed."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise JaxaeError(f"output: got {str(path)!r}, expected a name that ends in .html")
    if path.is_dir():
        raise JaxaeError(f"output: {path} is a directory, expected a name for a file")
    if not path.absolute().parent.is_dir():
        raise JaxaeError(f"output: {path}: no such directory {path.absolute().parent}")
    return path
