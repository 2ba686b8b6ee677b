"""`jaxae ls [DIR]`: list the runs and sweeps of a folder. jax is not imported."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from jaxae.cli import output, quick_options
from jaxae.errors import visible
from jaxae.sweeps import listing


@dataclasses.dataclass(kw_only=True)
class Ls(output.Output):
    """List the runs and sweeps in DIR (runs without DIR) and in its folders, the newest first.

    If DIR is a sweep, list its runs. The first column is the RUN of other commands.
    """

    sort: Literal["age", "name", "status", "model", "data", "epochs", "loss", "score"] = "age"
    """Column to sort by. loss and score: the best first."""
    status: tuple[str, ...] = ()
    """Only runs with this status: running, finished, stopped, interrupted, killed, diverged, failed or
    unreadable. May be given several times."""
    tag: tuple[str, ...] = ()
    """Only runs with this tag. Given several times: only runs with all of these tags."""
    all: bool = False
    """List the runs of each sweep too."""


def main(arguments: list[str]) -> int:
    """Run `jaxae ls` and return the exit code."""
    folder, rest = ("runs", arguments)
    if arguments and not arguments[0].startswith("-"):
        folder, rest = arguments[0], arguments[1:]
    command = quick_options.parse(Ls, rest, "jaxae ls [DIR]")
    options: dict[str, Any] = {"status": command.status, "tag": command.tag, "all": command.all}
    rows = listing.list_rows(folder, sort=command.sort, **options)
    print("\n".join(table_lines(rows)) if rows else f"{folder}: no runs{_filter(command)}")
    output.report(runs=rows)
    return 0


def _filter(command: Ls) -> str:
    return " with this status or tag" if command.status or command.tag else " yet; `jaxae train` makes one"


def table_lines(rows: Sequence[listing.Row]) -> list[str]:
    """Return the lines of a table of runs; columns without any value are left out."""
    cells = [{name: visible(text) for name, text in _cells(row).items()} for row in rows]
    names = [name for name in cells[0] if any(line[name] for line in cells)]
    widths = {name: max(len(name), *(len(line[name]) for line in cells)) for name in names}
    lines = [{name: name for name in names}, *cells]
    # rstrip: the last column needs no spaces behind it.
    return ["  ".join(f"{line[name]:<{widths[name]}}" for name in names).rstrip() for line in lines]


def _cells(row: listing.Row) -> dict[str, str]:
    """Return a row as texts by column."""
    return {
        "run": row["path"],
        "name": row["name"] or "",
        "status": row["status"],
        "model": row["model"] or "",
        "data": _short(row["data"] or ""),
        "epochs": _progress(row),
        "validation": _score(row),
        "age": listing.age(row["started"]),
        "tags": ", ".join(row["tags"]),
        "note": _short((row["note"] or "").partition("\n")[0], 40),
        "reason": _short(row["reason"] or "", 80) if row["status"] != "running" else "",
    }


def _progress(row: listing.Row) -> str:
    """Return `12/50`, or for a sweep `12/40 runs, 1 diverged`."""
    if row["kind"] == "sweep":
        counts = row["counts"] or {}
        done = sum(counts.get(name, 0) for name in ("finished", "stopped", "pruned", "diverged"))
        parts = [f"{counts[name]} {name}" for name in ("running", "diverged") if counts.get(name)]
        return ", ".join([f"{done}/{row['num_runs']} runs", *parts])
    return f"{row['epoch'] or 0}/{row['epochs']}" if row["epochs"] else ""


def _score(row: listing.Row) -> str:
    """Return `elbo -43.3`, or the best validation loss of a run that has not been scored."""
    if row["value"] is not None:
        split, _, name = row["score"].partition(".")
        return f"{name if split == 'validation' else row['score']} {row['value']:.5g}"
    return f"loss {row['best_loss']:.5g}" if row["best_loss"] is not None else ""


def _short(text: str, longest: int = 32) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
