"""`jaxae evaluate RUN ...`: score the best state of a run again, or measure several runs in one table."""

import dataclasses
import datetime
import sys
from pathlib import Path
from typing import Any

from jaxae.cli import classes, inputs, jax_setup, options, output, run_to_end, score_lines, seed_means
from jaxae.cli.inputs import Elsewhere
from jaxae.cli.seed_means import RunSet, existing
from jaxae.errors import JaxaeError
from jaxae.estimators.importance import RELIABLE
from jaxae.evaluation import measure_groups, measure_table, own_measures
from jaxae.evaluation.attempts import Measured
from jaxae.evaluation.measure_figures import draw as draw_measures
from jaxae.evaluation.subject import Settings, Subject
from jaxae.runs import api, directory, opening, provenance
from jaxae.runs.recorded_data import Moved
from jaxae.runs.run_types import Outcome, Run
from jaxae.specs.pytree import fields, spec
from jaxae.specs.records import to_record

MEASURES = directory.MEASURES
TABLES = ".csv", ".md"


@dataclasses.dataclass(kw_only=True)
class Evaluate(output.Output):
    """Score the best state of each run again, write scores.json and draw its figures.

    With --measures, measure the runs and print one table of all. Each run gets measures.json and figures. RUN
    may be SWEEP:ID or SWEEP:best. A SWEEP means all seeds of its best setting: their mean is reported with a
    95 % interval.
    """

    measures: tuple[str, ...] | None = None
    """Groups of measures, separated by commas or spaces: likelihood, annealing, exact, gaps, health,
    reconstruction, codes, disentanglement, generation, projection, tokens; or all; or your own classes and
    functions in --config."""
    table: tuple[str, ...] = ()
    """File for the table of all runs: .csv (one line for each run and measure) or .md. May be given twice."""
    config: str | None = None
    """Config that defines your own classes, if the run uses any. It is executed."""
    accept_code_changes: bool = False
    """Continue even if your own classes have changed since the run, and record their new code."""


@spec
class Asked(Settings, Elsewhere):
    """Options for the rows to measure, the cost of the measures, and data that has moved."""


def main(arguments: list[str]) -> int:
    """Run `jaxae evaluate` and return the exit code."""
    first, rest = inputs.first_word("evaluate RUN...", arguments, Evaluate, Asked())
    # All words before the first option are runs.
    num = next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
    words = [existing(word) for word in [first, *rest[:num]]]
    command, shared = options.parse(Evaluate, rest[num:], f"jaxae evaluate {' '.join(words)}", Asked())
    settings = Settings(**{name: getattr(shared, name) for name in fields(Settings)})
    inputs.learn_classes(command.config)
    _check(command)
    jax_setup.keep_compiled_programs()
    sets = [seed_means.runs_of(word) for word in words]
    # Each run once: `SWEEP SWEEP:best` names one of them twice.
    folders = list(dict.fromkeys(folder for each in sets for folder in each.folders))
    if command.measures is not None:
        return _measure(folders, sets, command, settings, shared.moved)
    scores = {}
    for number, folder in enumerate(folders):
        # The device is the same for all runs: print it once.
        scores[folder] = _score(folder, command, settings, shared.moved, names_device=number == 0)
    for each in sets:
        print("\n".join(seed_means.score_lines(each)))
    output.report(runs=[{"run": folder, "scores": scores[folder]} for folder in folders])
    return 0


def _check(command: Evaluate) -> None:
    """Check the options that would otherwise fail after minutes of measuring. Raises: JaxaeError."""
    if command.measures is not None:
        if not command.measures:
            raise JaxaeError("--measures: a value is missing, expected all or names of measures")
        measure_groups.select(command.measures, classes.own)
    elif command.table:
        raise JaxaeError("--table: needs --measures, the measures that the table shows")
    # The folder must exist: it is not created, since its name may be a spelling mistake.
    for path in map(Path, command.table):
        if path.suffix not in TABLES:
            raise JaxaeError(f"--table {path}: expected a name that ends in {' or '.join(TABLES)}")
        if path.is_dir():
            raise JaxaeError(f"--table {path}: is a directory, expected the name of a file")
        if not path.absolute().parent.is_dir():
            raise JaxaeError(f"--table {path}: no such directory {path.absolute().parent}")


def _score(
    folder: Path, command: Evaluate, settings: Settings, moved: Moved, *, names_device: bool
) -> dict[str, Any]:
    """Score the newest complete checkpoint of a run, draw its figures, and print and return the scores."""
    run, _ = opening.reopen(folder, moved=moved, accept_code_changes=command.accept_code_changes)
    with directory.lock(folder):
        opening.remember(run, moved)
        outcome = opening.restore(run)
        if names_device:
            jax_setup.print_device()
        result = api.score_run(run, outcome, settings.num_samples)
        if _is_finished(run, outcome):
            api.write_scores(result)
        run_to_end.draw_figures(result, folder)
    score_lines.print_scores(result, folder)
    return result.scores


def _is_finished(run: Run, outcome: Outcome) -> bool:
    """Return whether the restored state is the end of the run, so that scores.json may be replaced."""
    # An unfinished run, or one whose newest checkpoint is damaged, has scores of an earlier epoch: they are
    # printed, but must not replace the scores of the end.
    done, last = len(outcome.history), directory.last_epoch(run.folder)
    return done == last and (done == run.experiment.epochs or directory.has_scores(run.folder))


def _measure(
    folders: list[Path], sets: list[RunSet], command: Evaluate, settings: Settings, moved: Moved
) -> int:
    """Write measures.json and figures of each run; print one table of all runs and write it to --table.

    Returns:
        The exit code: 0 also if some measures do not apply, 1 if a measure failed or the disk is full, 2 if
        another process writes to a run.
    """
    assert command.measures is not None
    chosen = measure_groups.select(command.measures, classes.own)
    load_options: dict[str, Any] = {
        "data_name": moved.name,
        "data_folder": moved.folder,
        "accept_code_changes": command.accept_code_changes,
    }
    # Load all runs first, so that a mistake is reported before minutes of work.
    subjects = [Subject(opening.load(folder, **load_options), settings) for folder in folders]
    jax_setup.print_device()
    measured: dict[str, Measured] = {}
    members, code = {}, 0
    for run, folder, subject in zip(_headings(folders), folders, subjects, strict=True):
        measured[run], members[run] = Measured(), subject.member
        try:
            _measure_one(folder, subject, chosen, measured[run], moved)
        except (JaxaeError, OSError) as error:
            # Another process writes to this run, or the disk is full: measure the other runs all the same.
            is_mistake = isinstance(error, JaxaeError)
            print(f"jaxae: {error if is_mistake else f'{folder}: {error}'}", file=sys.stderr)
            code = max(code, 2 if is_mistake else 1)
        code = max(code, int(bool(measured[run].failed)))
        if len(folders) > 1:
            print(f"{run}: {sum(map(len, measured[run].values()))} measures, {folder / MEASURES}", flush=True)
    headings = dict(zip(folders, _headings(folders), strict=True))
    for each in sets:
        seed_means.add_mean(each, [headings[folder] for folder in each.folders], measured, members)
    print("\n".join(measure_table.as_lines(measured)))
    for each in sets:
        print("\n".join(seed_means.measure_lines(each, measured)))
    for line in measure_table.absences(measured):
        print(f"absent: {line}")
    contents = {name: measure_table.as_json(each) for name, each in measured.items()}
    # The other names are the means over the seeds of a sweep.
    means = {name: content for name, content in contents.items() if name not in headings.values()}
    runs = [{"run": folder, **contents[name]} for folder, name in headings.items()]
    output.report(runs=runs, means=means)
    for path in map(Path, command.table):
        is_csv = path.suffix == ".csv"
        as_csv, as_markdown = measure_table.as_csv, measure_table.as_markdown
        text = as_csv(measured, members, settings.split) if is_csv else as_markdown(measured)
        directory.write_text(path, text)
    return code


def _measure_one(
    folder: Path, subject: Subject, chosen: dict[str, measure_groups.Group], measured: Measured, moved: Moved
) -> None:
    """Measure a run group by group into `measured`, and write measures.json after each group."""
    with directory.lock(folder):
        opening.remember(subject.result.run, moved)
    # The lock is held for each write only: measuring takes minutes, in which others may use the run.
    names, figures = list(chosen), folder / directory.FIGURES
    for done, (name, group) in enumerate(chosen.items(), start=1):
        measure_groups.add_group(measured, subject, name, group)
        with directory.lock(folder):
            directory.write_json(folder / MEASURES, _content(subject, names[done:], measured))
    draw_measures(subject, names, figures, measured)
    figures.mkdir(exist_ok=True)
    own_measures.draw(subject, chosen, figures, measured)
    with directory.lock(folder):
        directory.write_json(folder / MEASURES, _content(subject, [], measured))
    _warn(folder, measured, subject.settings.num_samples)


def _headings(folders: list[Path]) -> list[str]:
    """Return the column headings of the runs: names of directories, or whole paths if two names are equal."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _content(subject: Subject, pending: list[str], measured: Measured) -> dict[str, Any]:
    """Return the content of measures.json: settings, provenance, rows by group, and values per latent."""
    vectors = measure_groups.vectors_of(subject, measured)
    return {
        "settings": {name: to_record(getattr(subject.settings, name)) for name in fields(subject.settings)},
        "best_epoch": int(subject.result.outcome.carry.best_epoch),
        "date": datetime.date.today().isoformat(),
        **provenance.provenance(sys.argv),
        **measure_table.as_json(measured),
        "vectors": vectors,
        "pending": pending,  # groups that were not yet measured when the file was written
    }


def _warn(folder: Path, measured: Measured, num_samples: int) -> None:
    """Print unreliable importance sampling, measures that failed, and the warnings of libraries."""
    for row in measured.get("likelihood", []):
        if row.measure == f"iwelbo_{num_samples}_unreliable" and row.value > 0:
            share = f"{100 * row.value:.0f} % of {row.num} rows"
            message = f"{share} have pareto_k > {RELIABLE}: their iwelbo is not reliable"
            directory.warn(folder, message)
    for line in measure_groups.warned(measured):
        directory.warn(folder, line)
    for line in measure_groups.failures(measured):
        print(f"jaxae: {folder}: {line}; the traceback is in {folder / directory.LOG}", file=sys.stderr)
    # One exception may have failed several measures: log its traceback once.
    for error in dict.fromkeys(measured.failed.values()):
        directory.log_error(folder, error)
