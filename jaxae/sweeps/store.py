"""The directory of a sweep: sweep.json, its tables, groups/<id>/, log.txt.

The tables are results.csv, results.jsonl and summary.csv; SHA256SUMS has their digests.

A group is a set of runs that one compiled program trains at the same time. Its rows are written together,
when its last lane has ended; until then only its checkpoint exists. The schedule in sweep.json is written
before training starts. A resumed sweep therefore continues with the same groups, and produces the same bits.
Several processes may work on one directory: each group has one writer, and one lock protects sweep.json and
the tables.
"""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxae.errors import JaxaeError
from jaxae.estimators import score_facts
from jaxae.estimators.score_facts import Score
from jaxae.estimators.scores import known_facts
from jaxae.runs import directory, locks, seals
from jaxae.runs.code import kept
from jaxae.runs.experiment import Experiment
from jaxae.specs import old_records
from jaxae.specs.records import from_record, to_record
from jaxae.sweeps.files import GROUPS, ROWS, RUNS, SWEEP, read_rows
from jaxae.sweeps.plan import Planned

RESULTS, LINES, SUMMARY = "results.csv", "results.jsonl", "summary.csv"
SUMS = "SHA256SUMS"  # digests of these three, for `sha256sum --check SHA256SUMS`
CHECKPOINTS, KEPT = "checkpoints", "kept"
SEARCH = "search"
# Format of sweep.json that is written; formats that can be read. Files of format 3 have digests (`seals`).
FORMAT, READABLE = 3, (1, 2, 3)
# Default of the shortest time between two checkpoints of a group: the work that a kill can lose.
SAVE_SECONDS = 20.0


class Group(NamedTuple):
    """Runs of one program that are trained at the same time, and their layout."""

    id: str
    program: str
    runs: list[str]  # ids of the runs
    inside: str  # "map" or "vmap": how lanes run on each device
    devices: int  # number of devices
    width: int  # number of lanes, a multiple of `devices`; lanes beyond the runs are idle
    keep: bool  # whether the best state of each run is kept in addition to its history


@dataclasses.dataclass(frozen=True)
class Options:
    """How a sweep is run and summarized; no option changes the experiment, the seed or the data of a run."""

    layout: str = "auto"
    """How lanes are laid out: auto, map, vmap, devices, devices:map or devices:vmap."""
    lanes: int | None = None
    """Number of runs that are trained at the same time. None: all that fit in memory, at most 64 a device."""
    keep: bool = True
    """Whether the best state of each run is kept."""
    score: str | None = None
    """Column by which settings are compared. None: validation.elbo if all have it, else validation.loss."""
    baseline: dict[str, Any] | None = None
    """Setting that the others are compared with. None: the first setting."""
    interval: str = "student"
    """Confidence intervals of means: student or bootstrap."""
    devices: int | None = None
    """Number of devices that lanes are distributed over. None: all devices."""
    save_seconds: float = SAVE_SECONDS
    """Shortest time between two checkpoints of a group, in seconds: the work that a kill can lose."""


class Store:
    """The directory of one sweep: its files, its locks and its groups."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """True if the directory holds a sweep."""
        return (self.path / SWEEP).exists()

    def create(self) -> None:
        """Create the directory.

        Raises:
            JaxaeError: If it cannot be created, or holds something other than a sweep.
        """
        if not self.exists and self.path.is_dir() and self._has_something_else():
            raise JaxaeError(
                f"--run-dir {self.path}: the directory is not empty and holds no sweep; choose another"
            )
        # Another process of the same sweep may create it at this moment.
        with contextlib.suppress(FileExistsError):
            directory.make(self.path)

    def _has_something_else(self) -> bool:
        return any(path.name not in (".lock", SEARCH) for path in self.path.iterdir())

    def folder(self, group: Group) -> Path:
        """Return the folder of a group."""
        return self.path / GROUPS / group.id

    def read(self) -> dict[str, Any]:
        """Return the record in sweep.json.

        Raises:
            JaxaeError: If there is no sweep.json, or this version cannot read its format.
        """
        file = self.path / SWEEP
        directory.check_path(self.path)
        if not self.exists:
            raise JaxaeError(f"{self.path}: holds no sweep ({SWEEP} is missing)")
        record = seals.read(file)
        if not isinstance(record, dict) or record.get("format") not in READABLE:
            version = record.get("format") if isinstance(record, dict) else None
            known = ", ".join(map(str, READABLE))
            raise JaxaeError(f"{file}: has format {version!r}, this version reads {known}")
        return old_records.sweep_as_today(record)

    def write(self, record: dict[str, Any]) -> None:
        """Write sweep.json. Call it only while `locked`."""
        directory.write_json(self.path / SWEEP, {"format": FORMAT, **record})

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of sweep.json and the tables; wait until no other process holds it."""
        with open(self.path / ".lock", "a", encoding="utf-8") as file:
            locks.acquire(file, wait=True)
            yield

    @property
    def swept(self) -> list[str]:
        """The names that all commands of the sweep have swept over so far."""
        return self.read()["swept"]

    @property
    def facts(self) -> dict[str, Score]:
        """The facts of the scores, {name without the split: facts}; old sweeps have those of known scores."""
        return {**known_facts(), **score_facts.from_record(self.read().get("scores", {}))}

    @contextlib.contextmanager
    def held(self, group: Group) -> Iterator[bool]:
        """Lock the folder of a group; create it if it does not exist.

        Yields:
            True if this process holds the lock while inside; False if another process holds it.
        """
        folder = self.folder(group)
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(directory.lock(folder))
                is_ours = True
            except directory.Held:
                is_ours = False
            yield is_ours

    @contextlib.contextmanager
    def searching(self) -> Iterator[Path]:
        """Lock and yield the folder of the search. Raises: Held if another process holds the lock."""
        self.create()
        folder = self.path / SEARCH
        folder.mkdir(exist_ok=True)
        with directory.lock(folder):
            yield folder

    def drop(self, group: Group) -> None:
        """Delete the folder of a group. Call it only while the group is `held`."""
        shutil.rmtree(self.folder(group), ignore_errors=True)

    def groups(self) -> list[Group]:
        """Return the schedule: the groups in sweep.json."""
        return [Group(**group) for group in self.read()["groups"]]

    def is_begun(self, group: Group) -> bool:
        """Return whether the group has a checkpoint to resume from."""
        return any((self.folder(group) / CHECKPOINTS).glob("*"))

    def is_done(self, group: Group) -> bool:
        """Return whether the group's rows are written."""
        # write_text replaces the file at once, so an existing file is complete.
        return (self.folder(group) / ROWS).exists()

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of all finished groups, in the order of the schedule."""
        return [row for group in self.groups() if self.is_done(group) for row in self.group_rows(group)]

    def group_rows(self, group: Group) -> list[dict[str, Any]]:
        """Return the rows of a finished group.

        Raises:
            JaxaeError: If the file cannot be read, was changed, or has other runs than the group.
        """
        return list(map(old_records.row_as_today, read_rows(self.path, group.id, group.runs)))

    def describe(self, group: Group, planned: Sequence[Planned]) -> None:
        """Write the seed and the experiment of each run of a group to runs.json.

        Seeds of one setting share one record of the experiment.

        Args:
            group: The group.
            planned: Its runs, in the order of the lanes.
        """
        records: dict[str, int] = {}
        runs = []
        for run in planned:
            text = json.dumps(to_record(run.experiment), sort_keys=True)
            # setdefault numbers the distinct records in order of occurrence: seeds of one setting have one
            # record.
            runs.append([run.id, run.seed, records.setdefault(text, len(records))])
        content: dict[str, Any] = {
            "experiments": [json.loads(text) for text in records],
            "runs": runs,
        }
        content |= {"code": code} if (code := planned[0].code) else {}  # runs of one program have one code
        directory.write_json(self.folder(group) / RUNS, content)

    def planned(self, group: Group) -> list[Planned]:
        """Return the runs of a group as `describe` wrote them. Raises: JaxaeError if they cannot be read."""
        file = self.folder(group) / RUNS
        content = seals.read(file, self.path)
        try:
            code = content.get("code")
            experiments = [from_record(record, Experiment) for record in content["experiments"]]
            return [Planned(name, experiments[number], seed, code) for name, seed, number in content["runs"]]
        except (JaxaeError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise JaxaeError(f"{file}: {error}{self._copy(content)}") from None

    def _copy(self, record: Any) -> str:
        """Return a hint that names the recorded copy of the code, for a class that cannot be imported."""
        recorded = self.code(record.get("code")) if isinstance(record, dict) else None
        copy = kept.copy(self.path, recorded)
        return kept.advice(copy)

    def code(self, digest: str | None) -> dict[str, Any] | None:
        """Return the entry of sweep.json for code with this digest, or None."""
        return self.read().get(kept.KEY, {}).get(digest[:12]) if digest else None

    def finish(self, group: Group, rows: Iterable[dict[str, Any]]) -> None:
        """Write the rows of a group, and delete its checkpoints.

        Args:
            group: The group.
            rows: One row for each run. The file of rows marks the group as finished.
        """
        folder = self.folder(group)
        directory.write_lines(folder / ROWS, rows)
        # After the rows: a kill in between leaves a useless checkpoint, the other order would lose the group.
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)

    def write_results(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write results.csv and results.jsonl. Call it only while `locked`."""
        directory.write_text(self.path / RESULTS, to_csv(rows))
        directory.write_text(self.path / LINES, to_lines(rows))
        self._write_sums()

    def drop_results(self) -> None:
        """Delete the tables of runs, which have no finished run. Call it only while `locked`."""
        for name in (RESULTS, LINES):
            (self.path / name).unlink(missing_ok=True)
        self._write_sums()

    def write_summary(self, summary: Sequence[dict[str, Any]]) -> None:
        """Write summary.csv. Call it only while `locked`."""
        directory.write_text(self.path / SUMMARY, to_csv(summary))
        self._write_sums()

    def _write_sums(self) -> None:
        """Write the digests of the tables in the form of sha256sum: CSV has no place for a digest."""
        digests = {name: directory.digest_of(self.path / name) for name in (RESULTS, LINES, SUMMARY)}
        lines = (f"{digest}  {name}\n" for name, digest in digests.items() if digest)
        directory.write_text(self.path / SUMS, "".join(lines))


def to_lines(rows: Iterable[dict[str, Any]]) -> str:
    """Return the rows as JSON, one line for each row; numbers that are not finite become null."""
    return "".join(json.dumps(directory.finite(row), allow_nan=False) + "\n" for row in rows)


def to_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as CSV with all columns that any row has; missing and not finite values are empty."""
    import pandas

    # dtype=object writes each value as Python prints it. Otherwise a missing value makes a column of whole
    # numbers a column of floats.
    frame = pandas.DataFrame([directory.finite(row) for row in rows], dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")
