"""The table with one row for each run: identity, hyperparameters, outcome, scores and environment."""

import datetime
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxae.errors import JaxaeError
from jaxae.estimators.score_facts import Facts, Score, names_of
from jaxae.estimators.scores import facts_of_scores, means
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.runs import provenance, status
from jaxae.specs.cells import values
from jaxae.sweeps.groups.lanes import Lane, Measured
from jaxae.sweeps.plan import Planned, Program
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.tables import environments
from jaxae.sweeps.tables.summary import KNOWN, default_score, numbered, summarize
from jaxae.training.epoch import NEVER
from jaxae.training.loop import describe_divergence

Row = dict[str, Any]


def lane_rows(
    planned: Sequence[Planned],
    group: Group,
    layout: str,
    lanes: Lane,
    measured: dict[str, Measured],
    seconds: float,
) -> list[Row]:
    """Return one row for each run of a group.

    Args:
        planned: Runs of the group, in the order of the lanes.
        group: The group.
        layout: Layout of the lanes, as text.
        lanes: Lanes after their last epoch, leaves [R, ...] on the host, without states.
        measured: {split: measurements [R, ...] on the host}.
        seconds: Seconds of the whole group; each run is assigned an equal share.

    Returns:
        The rows.
    """
    circumstances = {
        "seconds": round(seconds / len(planned), 4),
        "layout": layout,
        "width": group.width,
        "group": group.id,
        **_where(),
    }
    rows = []
    for number, run in enumerate(planned):
        lane, lane_measured = jax.tree.map(lambda leaf: leaf[number], (lanes, measured))  # noqa: B023 (called at once)
        scores = {
            f"{split}.{name}": value
            for split, values in lane_measured.items()
            for name, value in _scores(run, values).items()
        }
        # Only with a user's own classes, so that tables of other sweeps have no empty column.
        code = {"code": run.code[:12]} if run.code else {}
        identity = {"run": run.id, "program": group.program, "seed": run.seed, **code}
        identity |= values(run.experiment)
        rows.append({**identity, **_outcome(run, lane), **scores, **circumstances})
    return rows


def score_names(program: Program) -> list[str]:
    """Return the score columns that the rows of a program will have."""
    model, dataset = program.example.model, program.dataset
    terms = ["loss", *model.weights(jnp.zeros((), jnp.int32)), "gradient_norm"]
    splits = [split for split in ("validation", "test") if len(getattr(dataset, split).x)]
    scores = [f"{split}.{name}" for split in splits for name in names_of(facts_of_scores(model))]
    return [f"train.{name}" for name in terms] + scores


def facts_of_programs(programs: Sequence[Program]) -> dict[str, Score]:
    """Return the facts of the scores that rows of programs will have, {name without the split: facts}."""
    facts: dict[str, Score] = {}
    for program in programs:
        facts = facts_of_scores(program.example.model) | facts
    return facts


def _scores(run: Planned, measured: Measured) -> dict[str, float]:
    """Return a lane's scores over one split, and its loss under the final weights."""
    scores = means(run.experiment.model, measured.columns)
    # For the loss the terms come last: a score may have the same name as a loss term and another meaning.
    terms = scores | {name: mean_and_error(values)[0] for name, values in measured.columns.terms.items()}
    return {"loss": sum(float(weight) * terms[name] for name, weight in measured.weights.items()), **scores}


def _outcome(run: Planned, lane: Lane) -> Row:
    """Return the outcome of a lane: status, first bad step, epochs, and means over training rows."""
    epochs, bad = int(lane.epochs), int(lane.carry.first_bad_step)
    best_epoch = int(lane.carry.best_epoch)
    diverged = bad != NEVER
    status = "diverged" if diverged else "finished" if epochs == run.experiment.epochs else "stopped"
    # A halted lane was pruned, unless it had diverged or finished before.
    if bool(lane.halted) and not diverged and status == "stopped":
        status = "pruned"
    # The last epoch that ran, not the best one: the reports of later epochs are 0.
    last = jax.tree.map(lambda row: float(row[epochs - 1]), lane.reports)
    return {
        "status": status,
        "first_bad_step": bad + 1 if diverged else None,  # counted from 1, as messages do
        "reason": describe_divergence(lane.bad, bad, epochs) if diverged else None,
        "epochs_run": epochs,
        "best_epoch": best_epoch or epochs,
        "chosen_by": "validation loss" if best_epoch else "last epoch",
        "best_score": float(lane.carry.best_score) if best_epoch else None,
        "train.loss": last.train_loss,
        **{f"train.{name}": value for name, value in sorted(last.train.items())},
        "train.gradient_norm": last.gradient_norm,
    }


def _where() -> Row:
    """Return versions, device, flags and commits as columns."""
    return {
        **environments.columns(),
        "commit": provenance.commit(),
        "jaxae_commit": provenance.jaxae_commit(),
        "finished_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def write_tables(store: Store, options: Options) -> None:
    """Write results.csv, results.jsonl and summary.csv from the groups that have finished so far.

    Args:
        store: Directory of the sweep.
        options: Options of the summary.

    Raises:
        JaxaeError: If all groups have finished and the summary cannot be made. The results are written
            before.
    """
    with store.locked():
        rows = sorted_rows(store)
        if not rows:
            store.drop_results()
            return
        environments.warn(store.path, rows)
        store.write_results(rows)
        status.update(store.path, finished_counts=Counter(row["status"] for row in rows))
        try:
            settings = summary(rows, swept_columns(store.swept, rows), options, store.facts)
            store.write_summary(settings)
            status.update(store.path, best=_best(settings, options.score or default_score(rows)))
        # While groups are missing this is no mistake: the baseline, or the score, may come with a later
        # group.
        except JaxaeError:
            if all(map(store.is_done, store.groups())):
                raise


def _best(settings: Sequence[Row], score: str) -> Row | None:
    """Return the score of the best setting, for lists of sweeps; None if no run has a finite score."""
    best = next((setting for setting in settings if setting["best"]), None)
    return best and {"score": score, "value": best[score], "seeds": best["n_used"]}


def summary(
    rows: Sequence[dict[str, Any]], names: Sequence[str], options: Options, facts: Facts = KNOWN
) -> list[dict[str, Any]]:
    """Return one row for each setting, as `options` specify.

    Args:
        rows: Rows of the runs.
        names: Columns that distinguish settings.
        options: Score, baseline and kind of interval.
        facts: Facts of the scores, {name without the split: facts}.

    Returns:
        The rows of `summarize`.

    Raises:
        JaxaeError: If no run has the score, or the baseline is not exactly one setting.
    """
    arguments: dict[str, Any] = {"baseline": options.baseline, "interval": options.interval, "facts": facts}
    return summarize(rows, names, score=options.score, **arguments)


def sorted_rows(store: Store) -> list[dict[str, Any]]:
    """Return the rows of all finished groups, sorted by setting (in the order of the schedule) and seed."""
    return sort_rows(store, store.rows())


def sort_rows(store: Store, rows: list[Row]) -> list[Row]:
    """Return rows sorted by setting, in the order of their first occurrence, and seed.

    Args:
        store: Directory of the sweep.
        rows: Rows of its runs.

    Returns:
        The sorted rows.
    """
    order = numbered(rows, swept_columns(store.swept, rows)).tolist()
    pairs = sorted(zip(order, rows, strict=True), key=lambda pair: (pair[0], pair[1]["seed"]))
    return [row for _, row in pairs]


def swept_columns(swept: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the columns that distinguish settings.

    Args:
        swept: Names that are swept over.
        rows: Rows of the runs.

    Returns:
        The names; for a swept part (`model`) also the fields inside it that differ; and `code`, if the code
        changed between runs of the same setting.
    """
    columns: list[str] = []
    for name in swept:
        inside = dict.fromkeys(column for row in rows for column in row if column.startswith(f"{name}."))
        differing = [column for column in inside if len({row[column] for row in rows if column in row}) > 1]
        columns += [name, *differing]
    columns = list(dict.fromkeys(columns))
    codes = numbered(rows, ["code"]).groupby(numbered(rows, columns)).nunique()
    # Runs of different code are different settings, even if all hyperparameters agree.
    return [*columns, *(["code"] if any(codes > 1) else [])]
