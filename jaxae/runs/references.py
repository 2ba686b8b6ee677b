"""Texts that name a run: its directory, or SWEEP:ID and SWEEP:best for a run of a sweep.

The colon is only in what users type: it never becomes part of a file's name, which Windows would refuse.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxae.errors import JaxaeError
from jaxae.runs import directory, seals, status
from jaxae.specs import public

if TYPE_CHECKING:
    from jaxae.data.own.given_rows import (
        GivenRows,  # its package imports numpy, and configs are found without
    )

BEST = "best"


class Reference(NamedTuple):
    """A run of a sweep."""

    sweep: Path
    """Directory of the sweep."""
    run: str
    """Id of the run, its first characters, or "best"."""


def parse(text: str | Path) -> Reference | None:
    """Return the run of a sweep that a text names, None for the directory of a run.

    Args:
        text: A directory, SWEEP:ID or SWEEP:best.

    Returns:
        The reference. The sweep is read when the run is loaded.

    Raises:
        JaxaeError: If the part before the colon is a folder without a sweep, or no run is named.
    """
    sweep, colon, run = str(text).rpartition(":")
    folder = Path(sweep)
    # A file may have a colon in its name, and a path on Windows starts with a drive and a colon.
    if not colon or not sweep or _exists(Path(text)) or not _exists(folder):
        return None
    if status.kind(folder) != "sweep":
        if not folder.is_dir() or len(sweep) == 1:
            return None
        raise JaxaeError(f"{text}: {folder} holds no sweep; expected SWEEP:ID or SWEEP:best")
    if not run:
        raise JaxaeError(f"{text}: names no run; {_ways(folder)}")
    return Reference(folder, run)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long for a file
        return False


def _ways(sweep: Path) -> str:
    return f"name one of its runs: {sweep}:best, or {sweep}:ID (`jaxae ls {sweep}` lists the ids)"


def check(text: str | Path) -> Path:
    """Return the directory that a text names, as it is; a sweep needs the name of one of its runs.

    Args:
        text: Directory of a run.

    Raises:
        JaxaeError: If it holds a sweep and no run, or its path is not UTF-8.
    """
    path = Path(text)
    directory.check_path(path)
    if _exists(path) and status.kind(path) == "sweep":
        raise JaxaeError(f"{path}: is a sweep; {_ways(path)}")
    return path


def load_sweep(reference: Reference, given: "GivenRows | None" = None, **place: Any) -> Any:
    """Return the `Results` of the sweep of a reference.

    Args:
        reference: The run of a sweep.
        given: Rows that the sweep was given from Python, or None.
        **place: `data_name` and `data_folder` of data that has moved.

    Returns:
        The results.
    """
    # By its public name: runs are below sweeps, so this module cannot import them.
    return public.get("load_sweep")(reference.sweep, **(given._asdict() if given else {}), **place)


def resolve(text: str | Path) -> Path:
    """Return the directory of the run that a text names.

    A run of a sweep gets a directory in SWEEP/runs when it is first named, with its record, its history, its
    scores and its best state. All commands then treat it as any other finished run.

    Args:
        text: A directory, SWEEP:ID or SWEEP:best. Ids may be shortened.

    Returns:
        The directory. It may not exist if the text is a directory.

    Raises:
        JaxaeError: If the text names a sweep without a run, there is no such run, or its state was not kept.
    """
    reference = parse(text)
    return check(text) if reference is None else load_sweep(reference).extract(reference.run)


def is_extracted(folder: Path) -> bool:
    """Return whether a run's directory was made from a sweep: its last state is then that of the best epoch.

    Args:
        folder: The run's directory.
    """
    return "sweep" in seals.read_if_there(folder / directory.RECORD)
