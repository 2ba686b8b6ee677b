"""The table with a row a run: who it is, what became of it, its scores, how it was obtained."""

import datetime
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxae.errors import JaxaeError
from jaxae.estimators.score_facts import Facts, Score, names_of
from jaxae.estimators.scores import facts_of_scores, means
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.runs import provenance
from jaxae.sweeps.groups.lanes import Lane, Measured
from jaxae.sweeps.plan import Planned, Program, values
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.tables import environments
from jaxae.sweeps.tables.summary import KNOWN, numbered, summarize
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
    """One row a run, from lanes [R, ...] and what was measured of each split [R, ...], both on the host.

    `seconds`, of the whole group, are shared out evenly.
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
        lane, of_lane = jax.tree.map(lambda leaf: leaf[number], (lanes, measured))  # noqa: B023 (called at once)
        found = {
            f"{split}.{name}": value
            for split, values in of_lane.items()
            for name, value in _scores(run, values).items()
        }
        code = {"code": run.code[:12]} if run.code else {}
        identity = {"run": run.id, "program": group.program, "seed": run.seed, **code}
        identity |= values(run.experiment)
        rows.append({**identity, **_outcome(run, lane), **found, **circumstances})
    return rows


def score_names(program: Program) -> list[str]:
    """The columns that the rows of a program will have for scores."""
    model, dataset = program.example.model, program.dataset
    terms = ["loss", *model.weights(jnp.zeros((), jnp.int32)), "gradient_norm"]
    splits = [split for split in ("validation", "test") if len(getattr(dataset, split).x)]
    scores = [f"{split}.{name}" for split in splits for name in names_of(facts_of_scores(model))]
    return [f"train.{name}" for name in terms] + scores


def facts_of_programs(programs: Sequence[Program]) -> dict[str, Score]:
    """The facts of the scores that the rows of programs will have, by name without the split."""
    facts: dict[str, Score] = {}
    for program in programs:
        facts = facts_of_scores(program.example.model) | facts
    return facts


def _scores(run: Planned, measured: Measured) -> dict[str, float]:
    """A lane's scores over a split, and its loss under the final weights."""
    found = means(run.experiment.model, measured.columns)
    # A score may have the name of a loss term and mean something else.
    terms = found | {name: mean_and_error(values)[0] for name, values in measured.columns.terms.items()}
    return {"loss": sum(float(weight) * terms[name] for name, weight in measured.weights.items()), **found}


def _outcome(run: Planned, lane: Lane) -> Row:
    """What became of the lane: status, where it went wrong, how far it came, means over training rows."""
    epochs, bad = int(lane.epochs), int(lane.carry.first_bad_step)
    best_epoch = int(lane.carry.best_epoch)
    diverged = bad != NEVER
    status = "diverged" if diverged else "finished" if epochs == run.experiment.epochs else "stopped"
    if bool(lane.halted) and not diverged and status == "stopped":
        status = "pruned"
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
    """Versions, device, flags and commits, as columns."""
    return {
        **environments.columns(),
        "commit": provenance.commit(),
        "jaxae_commit": provenance.jaxae_commit(),
        "finished_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def write_tables(store: Store, options: Options) -> None:
    """results.csv, results.jsonl and summary.csv from the groups that are done by now.

    Raises: JaxaeError as `summary` does, once all groups are done; the results are written before.
    """
    with store.locked():
        rows = sorted_rows(store)
        if not rows:
            return
        environments.warn(store.path, rows)
        store.write_results(rows)
        try:
            store.write_summary(summary(rows, swept_columns(store.swept, rows), options, store.facts))
        except JaxaeError:  # the baseline, or the score, may be in a group that is still to come
            if all(map(store.is_done, store.groups())):
                raise


def summary(
    rows: Sequence[dict[str, Any]], names: Sequence[str], options: Options, facts: Facts = KNOWN
) -> list[dict[str, Any]]:
    """One row a setting, as `options` ask for it; `facts`: those of the scores.

    Raises: JaxaeError for a score that no run has, or a baseline that is no setting.
    """
    asked: dict[str, Any] = {"baseline": options.baseline, "interval": options.interval, "facts": facts}
    return summarize(rows, names, score=options.score, **asked)


def sorted_rows(store: Store) -> list[dict[str, Any]]:
    """The rows of the groups that are done, setting by setting as first scheduled, and by seed."""
    rows = store.rows()
    order = numbered(rows, swept_columns(store.swept, rows)).tolist()
    pairs = sorted(zip(order, rows, strict=True), key=lambda pair: (pair[0], pair[1]["seed"]))
    return [row for _, row in pairs]


def swept_columns(swept: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[str]:
    """The columns that tell settings apart: the names swept over, and what differs inside parts of them."""
    found: list[str] = []
    for name in swept:
        inside = dict.fromkeys(column for row in rows for column in row if column.startswith(f"{name}."))
        differing = [column for column in inside if len({row[column] for row in rows if column in row}) > 1]
        found += [name, *differing]
    found = list(dict.fromkeys(found))
    codes = numbered(rows, ["code"]).groupby(numbered(rows, found)).nunique()
    # Runs of one setting whose code has changed in between are no runs of one setting.
    return [*found, *(["code"] if any(codes > 1) else [])]
