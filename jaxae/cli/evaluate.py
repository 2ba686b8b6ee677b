"""`jaxae evaluate RUN ...`: scores and figures of a run's best state; or measures of several in one table."""

import dataclasses
import datetime
import sys
from pathlib import Path
from typing import Any

from jaxae import api, provenance, runs
from jaxae.cli import common, options
from jaxae.cli.common import Elsewhere
from jaxae.cli.resume import existing
from jaxae.errors import JaxaeError
from jaxae.measures import groups, table
from jaxae.measures.drawn import draw as draw_measures
from jaxae.measures.subject import Row, Settings, Subject
from jaxae.pytree import fields, spec
from jaxae.recorded import Moved
from jaxae.records import to_record
from jaxae.report.pages import draw
from jaxae.run import Outcome, Run

MEASURES = "measures.json"
TABLES = ".csv", ".md"


@dataclasses.dataclass(kw_only=True)
class Evaluate:
    """Scores a run's best state again, writes scores.json and draws its figures; or measures several runs."""

    measures: str | None = None
    """all, or likelihood, annealing, exact, gaps, health, reconstruction, codes, disentanglement, generation,
    projection, tokens, with commas between them."""
    table: tuple[str, ...] = ()
    """A file for the measures of all runs: .csv, a line a run and measure, or .md; may be given twice."""
    config: str | None = None
    """The config that defines classes of your own, if the run has any; it is executed."""


@spec
class Asked(Settings, Elsewhere):
    """Which rows are measured, how much is spent, and where the data is."""


def main(arguments: list[str]) -> int:
    """Runs `jaxae evaluate` and returns the exit code."""
    first, rest = common.first_word("evaluate RUN", arguments, Evaluate, Asked())
    num = next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
    folders = [existing(Path(word)) for word in [first, *rest[:num]]]
    command, asked = options.parse(Evaluate, rest[num:], "jaxae evaluate RUN", Asked())
    settings = Settings(**{name: getattr(asked, name) for name in fields(Settings)})
    _check(command)
    common.learn_classes(command.config)
    common.keep_compiled_programs()
    if command.measures is None:
        for number, folder in enumerate(folders):
            _score(folder, settings.num_samples, asked.moved, names_device=number == 0)
    else:
        _measure(folders, command, settings, asked.moved)
    return 0


def _check(command: Evaluate) -> None:
    """Raises JaxaeError for what would fail after minutes of measuring."""
    if command.measures is not None:
        groups.names_of(command.measures)
    elif command.table:
        raise JaxaeError("--table: is made of measures; give --measures too")
    for path in map(Path, command.table):
        if path.suffix not in TABLES:
            raise JaxaeError(f"--table {path}: expected a name that ends in {' or '.join(TABLES)}")
        if not path.absolute().parent.is_dir():
            raise JaxaeError(f"--table {path}: {path.absolute().parent} is no directory")


def _score(folder: Path, num_samples: int, moved: Moved, *, names_device: bool) -> None:
    begun, _ = api.reopen(folder, moved=moved)
    with runs.lock(folder):
        api.remember(begun, moved)
        outcome = api.restore(begun)
        if names_device:
            common.print_device()
        result = api.scored(begun, outcome, num_samples)
        if _is_finished(begun, outcome):
            api.write_scores(result)
        draw(result, folder / "figures")
    common.tell(result, folder)


def _is_finished(begun: Run, outcome: Outcome) -> bool:
    """Whether this is the run's end; an earlier state's scores are told on the screen only."""
    done, last = len(outcome.history), runs.last_epoch(begun.folder)
    return done == last and (done == begun.experiment.epochs or (begun.folder / runs.SCORES).exists())


def _measure(folders: list[Path], command: Evaluate, settings: Settings, moved: Moved) -> None:
    """measures.json and figures in each run, one table of all on the screen and in the file asked for."""
    assert command.measures is not None
    names = groups.names_of(command.measures)
    place = {"data_name": moved.name, "data_folder": moved.folder}
    # All are loaded first: mistakes come before minutes of work.
    subjects = [Subject(api.load(folder, **place), settings) for folder in folders]
    common.print_device()
    measured, members = {}, {}
    for run, folder, subject in zip(_names(folders), folders, subjects, strict=True):
        found = groups.rows_of(subject, names)
        with runs.lock(folder):
            api.remember(subject.result.run, moved)
            runs.write_json(folder / MEASURES, _written(subject, names, found))
            draw_measures(subject, groups.applicable(subject, names), folder / "figures")
        measured[run], members[run] = found, type(subject.autoencoder).__name__
        _warn(folder, found)
        if len(folders) > 1:
            print(f"{run}: {sum(map(len, found.values()))} measures, {folder / MEASURES}", flush=True)
    print("\n".join(table.as_lines(measured)))
    for path in map(Path, command.table):
        is_csv = path.suffix == ".csv"
        text = table.as_csv(measured, members, settings.split) if is_csv else table.as_markdown(measured)
        runs.write_text(path, text)


def _names(folders: list[Path]) -> list[str]:
    """A column's heading: the directory's name, or its whole path where two have the same."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _written(subject: Subject, names: list[str], found: dict[str, list[Row]]) -> dict[str, Any]:
    """What measures.json says: how rows were made, rows by group, and what there is for each unit."""
    return {
        "settings": {name: to_record(getattr(subject.settings, name)) for name in fields(subject.settings)},
        "best_epoch": int(subject.result.outcome.carry.best_epoch),
        "date": datetime.date.today().isoformat(),
        **provenance.provenance(sys.argv),
        **table.as_json(found),
        "vectors": groups.vectors_of(subject, names),
    }


def _warn(folder: Path, found: Any) -> None:
    """Says where importance sampling is not to be believed."""
    for row in found.get("likelihood", []):
        if row.measure == "unreliable" and row.value > 0:
            share = f"{100 * row.value:.0f} % of {row.num} rows"
            runs.warn(folder, f"{share} have {row.how.split(';')[0]}: their iwelbo is not to be believed")
