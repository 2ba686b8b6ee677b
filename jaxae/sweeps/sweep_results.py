"""Results of a sweep: its tables as pandas DataFrames, and each of its runs as a `Result`."""

import contextlib
import os
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from jaxae import errors
from jaxae.data.own.given_rows import GivenRows, collect
from jaxae.display.html import card, table
from jaxae.display.words import count
from jaxae.errors import JaxaeError, nearest
from jaxae.estimators.score_facts import Score
from jaxae.maths import precision
from jaxae.plots.plot import COLUMN, Plot
from jaxae.runs import directory
from jaxae.runs.code import identity, kept
from jaxae.runs.compilation_cache import keep_compiled_programs
from jaxae.runs.recorded_data import HERE, Moved, moved_to
from jaxae.runs.references import BEST
from jaxae.runs.result import Result
from jaxae.runs.run_types import Outcome, Run
from jaxae.specs.cells import cell
from jaxae.sweeps import drawing, origins
from jaxae.sweeps.files import EXTRACTED
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.kept_runs import carry_of, history_of, record_of, scores_of
from jaxae.sweeps.plan import Planned, Program
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.tables import environments, latex, run_table, terminal
from jaxae.sweeps.tables.summary import FAILED, USED, default_score, higher_is_better, on_test_rows
from jaxae.training import platforms
from jaxae.training.epoch import Report

HTML_SETTINGS = 10  # settings in a notebook's table


class Results:
    """Results of a sweep: `table` has a row for each run, `summary` a row for each setting.

    `load` returns a single run with its trained model. Iteration yields the rows of the table as dicts.
    """

    def __init__(
        self,
        path: Path,
        options: Options | None = None,
        given: GivenRows | None = None,
        *,
        moved: Moved = HERE,
        temporary: bool = False,
    ) -> None:
        """Read the rows of a sweep.

        Args:
            path: Directory of the sweep.
            options: Options of the summary; None: those recorded in sweep.json.
            given: Rows that the sweep was given from Python, or None.
            moved: Present location of data that has moved.
            temporary: Whether the directory is deleted together with this object.
        """
        self.path, self._data = path, (given, moved)
        if temporary:
            weakref.finalize(self, forget, path)  # also at exit, unlike __del__
        self._store = Store(path)
        recorded = self._store.read().get("options", {})
        self.options = options or Options(**recorded)
        self.rows = run_table.sorted_rows(self._store)
        environments.warn(path, self.rows, log=False)  # reading results must not change the directory

    @property
    def swept(self) -> list[str]:
        """The columns that distinguish settings."""
        return run_table.swept_columns(self._store.swept, self.rows)

    @property
    def table(self) -> Any:
        """Table as a pandas.DataFrame, one row for each run: settings, seed, status, scores, environment."""
        return _frame(self.rows)

    @property
    def summary(self) -> Any:
        """Summary as a pandas.DataFrame, one row for each setting: counts, means, intervals, rank."""
        return _frame(run_table.summary(self.rows, self.swept, self.options, self.facts))

    def summarize(self, score: str | None = None, baseline: Any = None, interval: str = "student") -> Any:
        """Return the summary by another score, against another baseline, or with other intervals.

        Args:
            score: Column by which settings are compared. None: validation.elbo if all runs have it, else
                validation.loss.
            baseline: Setting {dotted name: value} that the others are compared with; None: the first setting.
            interval: Confidence intervals of means: "student" or "bootstrap".

        Returns:
            A pandas.DataFrame, one row for each setting.

        Raises:
            JaxaeError: If no run has the score, the baseline is not exactly one setting, or the interval is
                unknown.

        Example:
            >>> results = jaxae.load_sweep("runs/beta")  # doctest: +SKIP
            >>> results.summarize("test.iwelbo_64", baseline={"model.beta": 1.0})  # doctest: +SKIP
        """
        cells = None if baseline is None else {name: cell(value) for name, value in baseline.items()}
        options = Options(score=score, baseline=cells, interval=interval)
        return _frame(run_table.summary(self.rows, self.swept, options, self.facts))

    def plot(
        self,
        x: str | None = None,
        y: str | None = None,
        hue: str | None = None,
        *,
        interval: str = "student",
        size: tuple[float, float] = COLUMN,
    ) -> Plot:
        """Plot a score over a hyperparameter, with every run, the mean over seeds and its 95 % interval.

        Args:
            x: Column on the horizontal axis; None: the first swept name, or the seed.
            y: Column of the score; None: the score by which settings are compared.
            hue: Column of the colours; None: the other swept names, if they have at most ten combinations.
            interval: Confidence intervals of means: "student" or "bootstrap".
            size: Width and height in inches; the default fits one column of a paper.

        Returns:
            The plot. `plot.save("beta.pdf")` writes it as vectors, `plot.caption` says how to cite it.

        Raises:
            JaxaeError: If there are no runs, no run has a column, or the interval is unknown.

        Example:
            >>> plot = results.plot("model.beta", "test.elbo")  # doctest: +SKIP
            >>> plot.save("beta.pdf")  # doctest: +SKIP
        """
        return drawing.score_plot(self, x, y, hue, interval, size)

    def plot_rates(self, *, size: tuple[float, float] = COLUMN) -> Plot:
        """Plot rate against distortion on test rows, with every run and the mean of each setting.

        Args:
            size: Width and height in inches; the default fits one column of a paper.

        Returns:
            The plot.

        Raises:
            JaxaeError: If no run has a rate, which models without an ELBO do not have.
        """
        return drawing.rate_plot(self, size)

    def plot_curves(self, *, size: tuple[float, float] = COLUMN) -> Plot:
        """Plot the validation loss of each run over the epochs, in the colour of its setting.

        Args:
            size: Width and height in inches; the default fits one column of a paper.

        Returns:
            The plot, of at most 200 runs.

        Raises:
            JaxaeError: If no run has finished.
        """
        return drawing.curve_plot(self, size)

    def to_latex(self, *scores: str, interval: str = "student") -> str:
        """Return the summary as a table for LaTeX (package booktabs): mean and 95 % interval of each setting.

        A mean is in bold if it is the best and the paired difference to each other setting is significant.

        Args:
            *scores: Columns of the table; none: the score by which settings are compared, on test rows if
                there are any.
            interval: Confidence intervals of means: "student" or "bootstrap".

        Returns:
            The table, with a comment on how the numbers were made.

        Raises:
            JaxaeError: If there are no runs, no run has a score, or the interval is unknown.

        Example:
            >>> print(results.to_latex("test.elbo", "test.rate"))  # doctest: +SKIP
        """
        if not scores and self.rows:
            score = on_test_rows(self.score)
            scores = (score if any(row.get(score) is not None for row in self.rows) else self.score,)
        return latex.to_latex(self.rows, self.swept, scores, self.facts, interval)

    @property
    def score(self) -> str:
        """Column by which settings are compared."""
        return self.options.score or default_score(self.rows)

    @property
    def facts(self) -> dict[str, Score]:
        """Facts of the scores, such as their units: {name without the split: facts}."""
        return self._store.facts

    def histories(self, num: int) -> dict[str, list[dict[str, Any]]]:
        """Return the histories of the first runs, as `Result.history` has them, by the id of the run.

        Args:
            num: Number of runs.

        Returns:
            {id: one dictionary for each epoch}, in the order of the rows.
        """
        rows = {row["run"]: row for row in self.rows[:num]}
        found = {}
        for group in self._store.groups():
            if rows.keys() & set(group.runs):
                planned, dataset, (_, reports) = self._kept_group(group)
                for number, candidate in enumerate(planned):
                    if candidate.id in rows:
                        own = jax.tree.map(lambda leaf: leaf[number], reports)  # noqa: B023 (called at once)
                        run = Run(candidate.experiment, dataset, candidate.seed)
                        found[candidate.id] = history_of(run, own, rows[candidate.id])
        return {run: found[run] for run in rows if run in found}

    def history(self, run: str) -> Any:
        """Return the history of a run as a pandas.DataFrame: one row for each epoch, means over rows."""
        row = self._row(run)
        single_run, _, reports = self._kept(row)
        return _pandas().json_normalize(history_of(single_run, reports, row))

    def load(self, run: str) -> Result:
        """Return a run with its best state as a `Result`, which can encode, sample and save.

        `carry.state` is the best state too, because a sweep does not keep the last one.

        Args:
            run: Id of the run, its first characters, or "best" for the run that `best` returns.

        Returns:
            The run.

        Raises:
            JaxaeError: If no run, or more than one, has this id; if its state was not kept; if the code of
                its classes has changed.
        """
        row = self._row(run)
        single_run, best, reports = self._kept(row)
        if not best:
            raise JaxaeError(f"run {run}: its state was not saved, because the sweep ran with keep=False")
        outcome = Outcome(carry_of(single_run.experiment, best, row), history_of(single_run, reports, row))
        return Result(single_run, outcome, scores_of(single_run, row))

    def _kept(self, row: dict[str, Any]) -> tuple[Run, Any, Report]:
        """Return the run, its best state (or ()), and its reports f32[E]."""
        platforms.check()
        keep_compiled_programs()
        group = next(group for group in self._store.groups() if group.id == row["group"])
        planned = self._store.planned(group)
        number = [candidate.id for candidate in planned].index(row["run"])
        planned_run = planned[number]
        self._check_code(planned_run)
        _, dataset, kept = self._kept_group(group)
        with precision.of(planned_run.experiment):
            best, reports = jax.tree.map(lambda leaf: leaf[number], kept)
        return Run(planned_run.experiment, dataset, planned_run.seed), best, reports

    def _kept_group(self, group: Group) -> tuple[list[Planned], Any, tuple[Any, Report]]:
        """Return the runs of a group, their data set, and their best states (or ()) and reports f32[R, E]."""
        planned = self._store.planned(group)
        dataset = origins.dataset_of(self._store, group, planned[0].experiment.data, *self._data)
        # The lanes are only read: one device will do, and the machine may have fewer than the sweep had.
        work = groups.prepare(Program(group.program, dataset, planned), group._replace(devices=1))
        best, reports = groups.restore(work, self._store.folder(group))
        return planned, dataset, (best, reports)

    def _check_code(self, planned: Planned) -> None:
        """Raise JaxaeError if the code of a run's classes has changed since it was trained."""
        code, recorded = identity.describe(planned.experiment), self._store.code(planned.code)
        if (message := kept.cannot_compare(recorded, code)) is not None:
            errors.warn(f"{self.path}: {message}")
        if recorded is not None and kept.is_changed(recorded, code):
            copy = kept.copy(self.path, recorded)
            raise JaxaeError(
                f"{self.path}: run {planned.id}: the code of its classes has changed: "
                f"{kept.changes(recorded, code)}{kept.advice(copy)}"
            )

    def best(self) -> Result:
        """Return the best run of the best setting.

        The best setting has the best mean score; its best run has the best score of a single seed.

        Returns:
            The run.

        Raises:
            JaxaeError: If no run has a score, or the state of the run was not kept.
        """
        return self.load(BEST)

    def best_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the best setting that have the score, one for each seed, the best score first.

        Raises:
            JaxaeError: If no run has a score.
        """
        settings = run_table.summary(self.rows, self.swept, self.options, self.facts)
        first = next((setting for setting in settings if setting["best"]), None)
        if first is None:
            raise JaxaeError(f"{self.path}: no run has a finite score, so no run is the best")
        score = self.score
        rows = [row for row in self.rows if all(row.get(name) == first[name] for name in self.swept)]
        scored = [row for row in rows if row["status"] in USED and row.get(score) is not None]
        sign = -1 if higher_is_better(score, self.facts) else 1
        return sorted(scored, key=lambda row: (sign * row[score], row["seed"]))

    def describe(self, run: str) -> str:
        """Return a run in one line: id, setting, seed and score.

        Args:
            run: Id of the run, its first characters, or "best".
        """
        row, score = self._row(run), self.score
        setting = [f"{name}={row.get(name)}" for name in self.swept]
        value = [f"{score} {row[score]:.5g}"] if row.get(score) is not None else []
        return f"{row['run']}: {', '.join([*setting, 'seed ' + str(row['seed']), *value])}"

    def extract(self, run: str) -> Path:
        """Return the directory of one run, which is made at the first call.

        Args:
            run: Id of the run, its first characters, or "best".

        Returns:
            SWEEP/runs/ID, a finished run with its best state, as the command line and `jaxae.load` read it.

        Raises:
            JaxaeError: If there is no such run, its state was not kept, or the directory cannot be made.
        """
        row = self._row(run)
        folder = self.path / EXTRACTED / row["run"]
        if not (folder / directory.RECORD).exists():
            # Under another name first: a directory that a killed process has left must not count as the run.
            making = self.path / EXTRACTED / f".{os.getpid()}" / row["run"]
            shutil.rmtree(making.parent, ignore_errors=True)
            self.load(row["run"]).save(making)
            origin = {"run": row["run"], **{name: row.get(name) for name in self.swept}}
            directory.write_json(making / directory.RECORD, {**record_of(making, row), "sweep": origin})
            with contextlib.suppress(OSError):  # another process has made it at this moment
                making.rename(folder)
            shutil.rmtree(making.parent, ignore_errors=True)
        return folder

    def _row(self, run: str) -> dict[str, Any]:
        """Return the row of a run. Raises: JaxaeError unless exactly one id starts with `run`."""
        if run == BEST:
            return self.best_rows()[0]
        matching_rows = [row for row in self.rows if row["run"].startswith(run)]
        if len(matching_rows) != 1 or not run:
            known = [row["run"] for row in self.rows]
            reason = (
                f"{len(matching_rows)} ids start with this"
                if len(matching_rows) > 1
                else nearest(run, [BEST, *known[:10]])
            )
            raise JaxaeError(f"run {run!r}: {reason}")
        return matching_rows[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        failed = sum(row["status"] in FAILED for row in self.rows)
        return f"Results({count(len(self), 'run')}, {failed} failed, in {str(self.path)!r})"

    def _repr_html_(self) -> str:
        try:
            settings = run_table.summary(self.rows, self.swept, self.options, self.facts)
        except JaxaeError:  # no run has the score, for example because all have failed
            settings = []
        if not settings:
            return card(repr(self))
        score = self.score
        head, *rows = terminal.cells(settings, self.swept, score, self.facts, HTML_SETTINGS)
        more = len(settings) - len(rows)
        return card(
            repr(self), table(rows, head), f"and {more} more in <code>.summary</code>" if more else ""
        )


def load_sweep(
    path: str | Path,
    x: Any = None,
    y: Any = None,
    *,
    x_validation: Any = None,
    y_validation: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    data_name: str | Path | None = None,
    data_folder: str | Path | None = None,
) -> Results:
    """Load the results of a sweep from its directory.

    Args:
        path: Directory of the sweep.
        x: Rows that the sweep was given from Python, or None.
        y: Labels of these rows, or None.
        x_validation: Validation rows that the sweep was given, or None; so for the next three.
        y_validation: Labels of `x_validation`.
        x_test: Test rows.
        y_test: Labels of `x_test`.
        data_name: Present name or path of data that has moved.
        data_folder: Present folder of data that has moved.

    Returns:
        The results. The data are read only if a run needs them.

    Raises:
        JaxaeError: If the directory holds no sweep.

    Example:
        >>> results = jaxae.load_sweep("runs/beta")  # doctest: +SKIP
        >>> results.best().sample(16)  # doctest: +SKIP
    """
    given = collect(x, y, x_validation, y_validation, x_test, y_test)
    return Results(Path(path), given=given, moved=moved_to(data_name, data_folder))


def read_table(path: str | Path) -> Any:
    """Return the table of a sweep's directory as a pandas.DataFrame, one row for each run."""
    return load_sweep(path).table


def forget(path: Path) -> None:
    """Delete the temporary directory of a sweep."""
    shutil.rmtree(path, ignore_errors=True)


def _frame(rows: list[dict[str, Any]]) -> Any:
    return _pandas().DataFrame(rows)


def _pandas() -> Any:
    """Import pandas here: importing jaxae does not need it."""
    import pandas

    return pandas
