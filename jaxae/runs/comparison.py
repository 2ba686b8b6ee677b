"""Compare runs: settings and circumstances that differ, their scores, and their test rows in pairs."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.runs import directory, notes, references, seals, status

SPLITS = ("validation", "test")
MISSING = "-"  # a setting that a run does not have, because it has another class
# Entries of a record that are compared in addition to the experiment, {entry: (name, ...)}; () for a text.
CIRCUMSTANCES = {
    "data": (),
    "data_hash": (),
    "commit": (),
    "jaxae_commit": (),
    "versions": None,
    "device": ("kind", "processor", "divided_over"),
    "flags": None,
}
HIGHER = ("elbo", "log_prob", "iwelbo")  # starts of scores for which higher is better, of old runs


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison:
    """Comparison of runs. `print` shows it as a table.

    Example:
        >>> comparison = jaxae.compare("runs/narrow", "runs/wide")  # doctest: +SKIP
        >>> print(comparison)  # doctest: +SKIP
        >>> comparison.scores  # doctest: +SKIP
    """

    runs: list[str]
    """The runs, as they were given."""
    facts: dict[str, list[Any]]
    """Directory (of runs of sweeps), status, epochs, best epoch, name, tags and note of each run."""
    differences: dict[str, list[Any]]
    """Settings of the experiment that differ, {dotted name: value of each run}; and the seed."""
    circumstances: dict[str, list[Any]]
    """Data, commits, versions, device and flags that differ."""
    score_rows: list[dict[str, Any]]
    """One row for each score: split, score, unit, higher_is_better, values, errors, and `best`, the number of
    a run."""
    pairs: list[dict[str, Any]]
    """Differences to the first run over the same test rows: run, score, unit, difference, low, high, num,
    verdict."""
    unpaired: dict[str, str]
    """Reason why a run could not be paired with the first one, by run."""

    @property
    def settings(self) -> Any:
        """Settings that differ, a pandas.DataFrame: one row for each setting, one column for each run."""
        import pandas

        return pandas.DataFrame.from_dict(self.differences, orient="index", columns=self.runs)

    @property
    def scores(self) -> Any:
        """Scores of all runs, a pandas.DataFrame: one row for each score, one column for each run."""
        import pandas

        rows = [
            {
                **{name: row[name] for name in ("split", "score", "unit", "higher_is_better")},
                **dict(zip(self.runs, row["values"], strict=True)),
                "best": None if row["best"] is None else self.runs[row["best"]],
            }
            for row in self.score_rows
        ]
        return pandas.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a value that JSON can hold."""
        return directory.finite(dataclasses.asdict(self))

    def __str__(self) -> str:
        # Here and not above: the module of the texts imports this one.
        from jaxae.runs.comparison_text import lines

        return "\n".join(lines(self))

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.runs)}: {len(self.differences)} settings differ)"


def compare(*runs: str | Path, paired: bool = True) -> Comparison:
    """Compare runs: settings that differ, data, code and versions that differ, and scores side by side.

    If two runs have scored the same test rows, the difference of each score is taken row by row. Its interval
    is often much narrower than those of the two means, because rows that are hard for one model are hard for
    the other one too.

    Args:
        *runs: Two or more runs: directories, "SWEEP:ID" or "SWEEP:best". Differences are those to the first.
        paired: Whether test rows are compared in pairs. This loads the models and the data.

    Returns:
        The comparison.

    Raises:
        JaxaeError: If there are fewer than two runs, or one of them cannot be read.

    Example:
        >>> print(jaxae.compare("runs/beta:best", "runs/plain"))  # doctest: +SKIP
    """
    names = [str(run) for run in runs]
    if len(names) < 2 or len(set(names)) < len(names):
        raise JaxaeError(f"compare: got {', '.join(names) or 'no run'}, expected two or more different runs")
    folders = [references.resolve(run) for run in runs]
    records = [record_of(folder) for folder in folders]
    scores = [seals.read_if_there(folder / directory.SCORES) for folder in folders]
    settings = [{"seed": record.get("seed"), **flat(_experiment(record))} for record in records]
    pairs, unpaired = _pairs(names, folders) if paired else ([], {})
    return Comparison(
        names,
        _columns([_facts(name, folder) for name, folder in zip(names, folders, strict=True)]),
        differing(settings),
        differing([_circumstances(record) for record in records]),
        _score_rows(scores),
        pairs,
        unpaired,
    )


def record_of(folder: Path) -> dict[str, Any]:
    """Return the content of a run's record.json, without importing its classes.

    Args:
        folder: The run's directory.

    Returns:
        The record, which has an experiment.

    Raises:
        JaxaeError: If there is no such run, or the file is not a record.
    """
    if not folder.is_dir():
        raise JaxaeError(f"{folder}: no such run; expected the directory of a run, such as one in runs/")
    record = seals.read(folder / directory.RECORD)
    if not isinstance(record, dict) or not isinstance(record.get("experiment"), dict):
        raise JaxaeError(f"{folder / directory.RECORD}: is not a record of a run")
    return record


def _experiment(record: dict[str, Any]) -> Any:
    """Return the JSON of a record's experiment with today's names."""
    from jaxae.specs import old_records  # imports jax

    return old_records.current(record["experiment"])


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return the JSON of an experiment as {dotted name: value}; a part is its class's name.

    Args:
        value: The JSON of an experiment or of a part of it.
        name: Dotted name of the part.

    Returns:
        The values; lists of numbers are texts.

    Example:
        >>> flat({"class": "jaxae.Experiment", "model": {"class": "jaxae.AE", "widths": [8, 4]}})
        {'model': 'AE', 'model.widths': '8 4'}
    """
    prefix = f"{name}." if name else ""
    if isinstance(value, dict):
        own = {name: str(value.get("class", "")).removeprefix("jaxae.")} if name else {}
        parts = [flat(part, f"{prefix}{key}") for key, part in value.items() if key != "class"]
        return own | {key: part for each in parts for key, part in each.items()}
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        parts = [flat(part, f"{prefix}{number}") for number, part in enumerate(value)]
        return {key: part for each in parts for key, part in each.items()}
    return {name: " ".join(map(str, value)) if isinstance(value, list) else value}


def _circumstances(record: dict[str, Any]) -> dict[str, Any]:
    """Return the data, the code and the environment of a run by name."""
    values: dict[str, Any] = {}
    for entry, names in CIRCUMSTANCES.items():
        value = record.get(entry)
        if isinstance(value, dict):
            chosen = value if names is None else {name: value.get(name) for name in names}
            values |= {name: str(each) if isinstance(each, list) else each for name, each in chosen.items()}
        elif isinstance(value, str):
            # The first characters of a hash or a commit are enough to see that they differ.
            values[entry] = value if entry == "data" else value[:12] + ("-dirty" if "-dirty" in value else "")
    return values


def _facts(name: str, folder: Path) -> dict[str, Any]:
    state, written = status.read(folder), notes.read(folder)
    return {
        # Which run SWEEP:best or a shortened id means.
        "directory": None if Path(name) == folder else str(folder),
        "status": state["status"],
        "reason": state.get("reason"),
        "epochs": f"{state.get('epoch') or 0}/{state.get('epochs')}",
        "best_epoch": state.get("best_epoch"),
        "name": written.name,
        "tags": ", ".join(written.tags) or None,
        "note": written.note,
    }


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return {name: value of each row} for names with any value."""
    table = {name: [row.get(name) for row in rows] for name in rows[0]}
    return {name: values for name, values in table.items() if any(value is not None for value in values)}


def differing(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return {name: value of each row} for the names whose values differ.

    Args:
        rows: Values by name. A name that a row lacks has the value "-".

    Example:
        >>> differing([{"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}])
        {'b': [2, 3], 'c': ['-', 4]}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    table = {name: [row.get(name, MISSING) for row in rows] for name in names}
    # As texts: 1 and True, or 1 and 1.0, are other settings.
    return {name: values for name, values in table.items() if len(set(map(repr, values))) > 1}


def _score_rows(scores: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each score that any run has, with the number of the run whose value is best."""
    rows = []
    for split in SPLITS:
        values_of = [each.get(split) or {} for each in scores]
        names = dict.fromkeys(name for values in values_of for name in values)
        for name in [name for name in names if not name.endswith("_standard_error")]:
            facts = next(each for each, values in zip(scores, values_of, strict=True) if name in values)
            is_higher_better = facts.get("higher_is_better", {}).get(name, name.startswith(HIGHER))
            values = [each.get(name) for each in values_of]
            rows.append(
                {
                    "split": split,
                    "score": name,
                    "unit": facts.get("units", {}).get(name),
                    "higher_is_better": is_higher_better,
                    "values": values,
                    "errors": [each.get(f"{name}_standard_error") for each in values_of],
                    "best": best_of(values, is_higher_better),
                }
            )
    return rows


def best_of(values: Sequence[float | None], higher_is_better: bool) -> int | None:
    """Return the number of the best value; None if it is not the only one, or there is nothing to compare.

    Args:
        values: A value of each run; None for a run without the score.
        higher_is_better: Whether the largest value is the best.

    Returns:
        The number of the run, or None.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    best = (max if higher_is_better else min)(known) if len(known) > 1 else None
    return values.index(best) if best is not None and values.count(best) == 1 else None


def _pairs(names: list[str], folders: list[Path]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the differences to the first run row by row, and the reasons of the runs without any."""
    from jaxae.runs import paired_rows  # here: it loads models

    return paired_rows.differences(names, folders)
