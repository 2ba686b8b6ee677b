"""Names of files in a sweep's directory that are read without jax; `store` has the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.runs import seals

SWEEP = "sweep.json"
GROUPS, RUNS, ROWS = "groups", "runs.json", "rows.jsonl"
PROGRESS = "progress.json"  # in a group's folder: its progress, while a process trains it
EXTRACTED = "runs"  # folder for runs of the sweep as directories of single runs


def read_rows(sweep: Path, group: str, runs: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a finished group.

    Args:
        sweep: The sweep's directory.
        group: Id of the group.
        runs: Ids of its runs.

    Returns:
        One row for each run, with the names of the version that wrote them.

    Raises:
        JaxaeError: If the file cannot be read, was changed, or has other runs than the group.
    """
    file = sweep / GROUPS / group / ROWS
    rows = seals.read_lines(file, sweep)
    # A digest protects a line. A line that is missing is only noticed by this.
    if [row.get("run") for row in rows] != list(runs):
        raise JaxaeError(
            f"{file}: has {len(rows)} rows, expected a row for each of the {len(runs)} runs in {SWEEP}; "
            "without this file the same `jaxae sweep` command trains them again"
        )
    return rows
