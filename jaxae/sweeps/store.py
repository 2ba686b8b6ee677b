"""A sweep's directory: sweep.json, results.csv, results.jsonl, summary.csv, groups/<id>/, log.txt.

A group is what is trained at once. Its rows are written whole when its last lane has ended; until then
its checkpoint is all there is of it. The schedule in sweep.json is written before anything is trained,
so that a sweep goes on with the groups, and so the bits, that it began with. Several processes may work
on one directory: each group has one writer, and sweep.json and the tables are written under one lock.
"""

import contextlib
import dataclasses
import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxae.errors import JaxaeError
from jaxae.estimators import score_facts
from jaxae.estimators.score_facts import Score
from jaxae.estimators.scores import known_facts
from jaxae.runs import directory
from jaxae.runs.code import kept
from jaxae.runs.experiment import Experiment
from jaxae.specs import old_records
from jaxae.specs.records import from_record, to_record
from jaxae.sweeps.plan import Planned

SWEEP, RESULTS, LINES, SUMMARY = "sweep.json", "results.csv", "results.jsonl", "summary.csv"
GROUPS, RUNS, ROWS, CHECKPOINTS, KEPT = "groups", "runs.json", "rows.jsonl", "checkpoints", "kept"
SEARCH = "search"
FORMAT, READABLE = 2, (1, 2)  # of sweep.json, and those that are read
SAVE_SECONDS = (
    20.0  # between two checkpoints of a group, at least, unless asked otherwise: what a kill can cost
)


class Group(NamedTuple):
    """Runs of one program that are trained at once, and how."""

    id: str
    program: str
    runs: list[str]  # their ids
    inside: str  # the layout: map or vmap,
    devices: int  # over so many devices,
    width: int  # with so many lanes, those beyond the runs idle
    keep: bool  # whether the best state of each run is kept, beside its history


@dataclasses.dataclass(frozen=True)
class Options:
    """How a sweep is run, and what its summary tells; nothing here changes a run's own numbers."""

    layout: str = "auto"
    """How lanes are laid out: auto, map, vmap, devices, devices:map or devices:vmap."""
    lanes: int | None = None
    """Runs that are trained at once; None is what memory allows, up to 64 a device."""
    keep: bool = True
    """Whether the best state of each run is kept."""
    score: str | None = None
    """The column by which settings are compared; None: validation.elbo, else validation.loss."""
    baseline: dict[str, Any] | None = None
    """The setting that others are compared with; None is the first one."""
    interval: str = "student"
    """Confidence intervals of means: student or bootstrap."""
    devices: int | None = None
    """Devices that lanes are dealt to; None is all."""
    save_seconds: float = SAVE_SECONDS
    """Seconds between two checkpoints of a group, at least: what a kill can cost."""


class Store:
    """The directory of one sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether a sweep has begun here."""
        return (self.path / SWEEP).exists()

    def create(self) -> None:
        """Makes the directory. Raises: JaxaeError where it cannot be, or holds something else."""
        if not self.exists and self.path.is_dir() and self._has_something_else():
            raise JaxaeError(
                f"--run-dir {self.path}: the directory is not empty and holds no sweep; choose another"
            )
        with contextlib.suppress(FileExistsError):
            directory.make(self.path)

    def _has_something_else(self) -> bool:
        return any(path.name not in (".lock", SEARCH) for path in self.path.iterdir())

    def folder(self, group: Group) -> Path:
        """Where a group is written."""
        return self.path / GROUPS / group.id

    def read(self) -> dict[str, Any]:
        """What sweep.json holds. Raises: JaxaeError where there is none or it is not of this format."""
        file = self.path / SWEEP
        if not self.exists:
            raise JaxaeError(f"{self.path}: holds no sweep ({SWEEP} is missing)")
        found = directory.read_json(file)
        if not isinstance(found, dict) or found.get("format") not in READABLE:
            told = found.get("format") if isinstance(found, dict) else None
            known = " and ".join(map(str, READABLE))
            raise JaxaeError(f"{file}: has format {told!r}, this version reads {known}")
        return old_records.sweep_as_today(found)

    def write(self, record: dict[str, Any]) -> None:
        """Writes sweep.json; to be called while `locked`."""
        directory.write_json(self.path / SWEEP, {"format": FORMAT, **record})

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Waits until no other process writes sweep.json or the tables."""
        with open(self.path / ".lock", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @property
    def swept(self) -> list[str]:
        """The names that the sweep's commands went over, up to now."""
        return self.read()["swept"]

    @property
    def facts(self) -> dict[str, Score]:
        """The facts of the scores, by name without the split; of an old sweep what is known of its scores."""
        return {**known_facts(), **score_facts.from_record(self.read().get("scores", {}))}

    @contextlib.contextmanager
    def held(self, group: Group) -> Iterator[bool]:
        """Whether the group's folder, made if need be, is ours alone to write to while inside."""
        folder = self.folder(group)
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(directory.lock(folder))
                mine = True
            except directory.Held:
                mine = False
            yield mine

    @contextlib.contextmanager
    def searching(self) -> Iterator[Path]:
        """The folder of a search, for one process. Raises: Held."""
        self.create()
        folder = self.path / SEARCH
        folder.mkdir(exist_ok=True)
        with directory.lock(folder):
            yield folder

    def drop(self, group: Group) -> None:
        """Takes away what there is of a group that is held."""
        shutil.rmtree(self.folder(group), ignore_errors=True)

    def groups(self) -> list[Group]:
        """The schedule."""
        return [Group(**group) for group in self.read()["groups"]]

    def is_begun(self, group: Group) -> bool:
        """Whether the group has a checkpoint to go on from."""
        return any((self.folder(group) / CHECKPOINTS).glob("*"))

    def is_done(self, group: Group) -> bool:
        """Whether the group's rows are written."""
        return (self.folder(group) / ROWS).exists()

    def rows(self) -> list[dict[str, Any]]:
        """The rows of all groups that are done, in the order of the schedule."""
        return [row for group in self.groups() if self.is_done(group) for row in self.group_rows(group)]

    def group_rows(self, group: Group) -> list[dict[str, Any]]:
        """The rows of a group that is done."""
        file = self.folder(group) / ROWS
        try:
            return [old_records.row_as_today(json.loads(line)) for line in file.read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise JaxaeError(f"{file}: is no table of runs ({error})") from None

    def describe(self, group: Group, planned: Sequence[Planned]) -> None:
        """Writes what each run of the group is: its seed, and the record that it shares with other seeds."""
        records: dict[str, int] = {}
        listed = []
        for run in planned:
            text = json.dumps(to_record(run.experiment), sort_keys=True)
            listed.append([run.id, run.seed, records.setdefault(text, len(records))])
        told: dict[str, Any] = {
            "experiments": [json.loads(text) for text in records],
            "runs": listed,
        }
        told |= {"code": code} if (code := planned[0].code) else {}  # runs of one program have one code
        directory.write_json(self.folder(group) / RUNS, told)

    def planned(self, group: Group) -> list[Planned]:
        """The group's runs, as described. Raises: JaxaeError where they cannot be read."""
        file = self.folder(group) / RUNS
        told = directory.read_json(file)
        try:
            code = told.get("code")
            experiments = [from_record(record, Experiment) for record in told["experiments"]]
            return [Planned(name, experiments[number], seed, code) for name, seed, number in told["runs"]]
        except (JaxaeError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise JaxaeError(f"{file}: {error}{self._copy(told)}") from None

    def _copy(self, told: Any) -> str:
        """Where the code of a group's runs is kept, for a class that is not known."""
        recorded = self.code(told.get("code")) if isinstance(told, dict) else None
        copy = kept.copy(self.path, recorded)
        return f"; the code that was kept: jaxae.load_config({copy!r})" if copy else ""

    def code(self, digest: str | None) -> dict[str, Any] | None:
        """What sweep.json holds of the code with a digest; None if there is nothing."""
        return self.read().get(kept.KEY, {}).get(digest[:12]) if digest else None

    def finish(self, group: Group, rows: Iterable[dict[str, Any]]) -> None:
        """Writes a group's rows, which says that it is done, and takes its checkpoint away."""
        folder = self.folder(group)
        directory.write_text(folder / ROWS, to_lines(rows))
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)

    def write_results(self, rows: Sequence[dict[str, Any]]) -> None:
        """results.csv and results.jsonl; to be called while `locked`."""
        directory.write_text(self.path / RESULTS, to_csv(rows))
        directory.write_text(self.path / LINES, to_lines(rows))

    def write_summary(self, summary: Sequence[dict[str, Any]]) -> None:
        """summary.csv; to be called while `locked`."""
        directory.write_text(self.path / SUMMARY, to_csv(summary))


def to_lines(rows: Iterable[dict[str, Any]]) -> str:
    """A line of JSON a row; what is not finite is null."""
    return "".join(json.dumps(directory.finite(row), allow_nan=False) + "\n" for row in rows)


def to_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The rows under the union of their columns; what a row does not have, or is not finite, is empty."""
    import pandas

    # dtype: each value is written as Python has it, and whole numbers stay whole where a row has none.
    frame = pandas.DataFrame([directory.finite(row) for row in rows], dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")
