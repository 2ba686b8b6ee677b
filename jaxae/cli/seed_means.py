"""Means over the seeds of a sweep's best setting, for `jaxae evaluate SWEEP`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxae.cli import inputs
from jaxae.evaluation.attempts import Measured
from jaxae.evaluation.subject import Row
from jaxae.runs import directory, references, seals, status
from jaxae.sweeps.sweep_results import load_sweep
from jaxae.sweeps.tables.statistics import standard_deviation, student_interval


class RunSet(NamedTuple):
    """The runs that one word of a command means."""

    word: str
    folders: list[Path]
    is_sweep: bool

    @property
    def heading(self) -> str:
        """Name of the mean in tables."""
        return f"{self.word}, mean of {len(self.folders)}"


def existing(word: str) -> str:
    """Return the name of a run or a sweep. Raises: JaxaeError if it does not exist.

    Args:
        word: Directory of a run or a sweep, SWEEP:ID or SWEEP:best.
    """
    is_sweep = references.parse(word) is None and status.kind(Path(word)) == "sweep"
    return word if is_sweep else inputs.existing(word)


def runs_of(word: str) -> RunSet:
    """Return the runs that a word means: one run, or all seeds of the best setting of a sweep.

    Args:
        word: Directory of a run or a sweep, SWEEP:ID or SWEEP:best.

    Raises:
        JaxaeError: If the sweep has no run with a score.
    """
    if references.parse(word) is not None or status.kind(Path(word)) != "sweep":
        return RunSet(word, [inputs.run_folder(word)], False)
    results = load_sweep(word)
    rows = sorted(results.best_rows(), key=lambda row: row["seed"])
    settings = ", ".join(f"{name}={rows[0].get(name)}" for name in results.swept)
    seeds = " ".join(str(row["seed"]) for row in rows)
    print(f"{word}: the best setting is {settings or 'its only one'}; seeds {seeds}", flush=True)
    return RunSet(word, [results.extract(row["run"]) for row in rows], True)


def score_lines(runs: RunSet) -> list[str]:
    """Return one line for each split with the means of the scores over the seeds; none for a single run.

    Args:
        runs: The runs, which have been scored.
    """
    if not runs.is_sweep:
        return []
    scores = [seals.read(folder / directory.SCORES) for folder in runs.folders]
    lines = [f"{runs.heading} seeds with its 95 % interval"]
    for split in ("validation", "test"):
        if all(split in each for each in scores):
            names = [name for name in scores[0][split] if not name.endswith("_standard_error")]
            values = {name: [each[split].get(name) for each in scores] for name in names}
            lines.append(f"{split:<10}  " + "  ".join(f"{name} {_interval(values[name])}" for name in names))
    return lines


def _interval(values: Sequence[float | None]) -> str:
    """Return `-43.30 [-43.41, -43.19]`, the mean and its interval."""
    mean, low, high = student_interval([value for value in values if value is not None])
    return f"{mean:.5g}" + (f" [{low:.5g}, {high:.5g}]" if math.isfinite(low) else "")


def add_mean(
    runs: RunSet, names: Sequence[str], measured: dict[str, Measured], members: dict[str, str]
) -> None:
    """Add the means of the measures over the seeds as a further column of the table.

    Args:
        runs: The runs.
        names: Their names in the table.
        measured: Rows of each run; the means are added.
        members: Class of each run's model; that of the means is added.
    """
    if not runs.is_sweep or len(runs.folders) < 2:
        return
    means = Measured()
    for group, rows in measured[names[0]].items():
        means[group] = [_mean(row.measure, group, [measured[name] for name in names]) for row in rows]
    measured[runs.heading], members[runs.heading] = means, members[names[0]]


def _mean(measure: str, group: str, measured: Sequence[Measured]) -> Row:
    """Return the mean of a measure over the seeds that have it; its error is that of the mean over seeds."""
    rows = [row for each in measured for row in each.get(group, []) if row.measure == measure]
    values = [row.value for row in rows]
    error = standard_deviation(values) / math.sqrt(len(values))
    return rows[0]._replace(value=math.fsum(values) / len(values), standard_error=error, num=len(values))


def measure_lines(runs: RunSet, measured: dict[str, Any]) -> list[str]:
    """Return a line with the 95 % interval of each mean over the seeds.

    Args:
        runs: The runs.
        measured: The table with the means.

    Returns:
        The lines; none for a single run.
    """
    if not runs.is_sweep or runs.heading not in measured:
        return []
    lines = [f"{runs.heading} seeds with its 95 % interval"]
    for rows in measured[runs.heading].values():
        for row in rows:
            lines.append(f"{row.measure}  {_from_error(row)}  {row.unit}".rstrip())
    return lines


def _from_error(row: Row) -> str:
    """Return a mean and its Student interval from its error over `num` seeds."""
    from scipy.special import stdtrit

    half = float(stdtrit(row.num - 1, 0.975)) * (row.standard_error or 0.0) if row.num > 1 else math.nan
    interval = f" [{row.value - half:.5g}, {row.value + half:.5g}]" if math.isfinite(half) else ""
    return f"{row.value:.5g}{interval}"
