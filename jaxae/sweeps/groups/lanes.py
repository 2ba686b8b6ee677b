"""Many runs of one structure as one program: a lane is a run, its numbers traced. R lanes, E epochs.

A lane is the epoch of a single run, again and again, for as long as the lane is live; one that has
diverged, stopped early or been halted is carried along unchanged. Lanes share nothing but the rows.
"""

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys, schedules
from jaxae.estimators.bound_scores import IWELBO_SAMPLES, draw_columns, has_draws, noise_key
from jaxae.estimators.row_scores import row_columns
from jaxae.estimators.scores import Columns, terms_of
from jaxae.maths import precision
from jaxae.protocols.capabilities import Model
from jaxae.training import epoch as programs
from jaxae.training.epoch import NEVER, Carry, Report
from jaxae.training.step import StepInfo, TrainState, evaluation_variables
from jaxae.types import Examples, Key


class Lane(NamedTuple):
    """A run between two epochs, and all that it has told so far; arrays only."""

    carry: Carry
    reports: Report  # each f32[E], 0 for epochs that the lane has not run; `bad` is ()
    bad: StepInfo  # of the last epoch that ran
    epochs: Array  # i32[], epochs run
    halted: Array  # bool[], told from outside to stop (pruned), or never to start (a lane that pads)


def start(experiment: Any, carry: Carry, halted: Array) -> Lane:
    """Return the lane of a run that has trained no epoch yet.

    Args:
        experiment: the run's experiment.
        carry: the run before its first epoch, as `training.epoch.begin` makes it.
        halted: bool[], whether the lane shall never train (it only fills up its group).
    """
    names = experiment.model.weights(carry.state.step)
    nothing = jnp.zeros((experiment.epochs,), precision.real())
    terms = dict.fromkeys(names, nothing)
    reports = Report(terms, nothing, nothing, terms, nothing, ())  # type: ignore[arg-type]
    zero = jnp.zeros((), precision.real())
    return Lane(carry, reports, StepInfo(dict.fromkeys(names, zero), zero, zero), carry.best_epoch, halted)


def is_live(experiment: Any, lane: Lane) -> Array:
    """Whether the lane has something left to train, bool[]; the last epoch is not its concern."""
    live = (lane.carry.first_bad_step == NEVER) & ~lane.halted
    if experiment.early_stopping is not None:
        live &= lane.carry.since_improved < experiment.early_stopping.patience
    return live


def advance(
    experiment: Any,
    key: Key,
    lane: Lane,
    rows: tuple[Examples, Examples],
    first: Array,
    last: Array,
    *,
    side_by_side: bool,
) -> Lane:
    """The lane after the epochs first, ..., last, i32[] and counted from 1: one program for any of them.

    `rows`: for training, for validation. `side_by_side`: the lane is to be vmapped, where a branch that some
    lanes take is paid by all; else a lane that is not live costs nothing.
    """
    train, validation = rows

    def run(number: Array, lane: Lane) -> Lane:
        carry, report = programs.run_epoch(experiment, key, lane.carry, train, validation, number)
        told = report._replace(bad=())  # type: ignore[arg-type]
        reports = jax.tree.map(lambda row, value: row.at[number - 1].set(value), lane.reports, told)
        return Lane(carry, reports, report.bad, number, lane.halted)

    def body(number: Array, lane: Lane) -> Lane:
        live = is_live(experiment, lane)
        if side_by_side:
            return jax.tree.map(functools.partial(jnp.where, live), run(number, lane), lane)
        return jax.lax.cond(live, functools.partial(run, number), lambda lane: lane, lane)

    return jax.lax.fori_loop(first, last + 1, body, lane)


def best_state(carry: Carry) -> TrainState:
    """The state with the best validation score; the last one where nothing was validated."""
    chosen = carry.best_epoch > 0
    return jax.tree.map(functools.partial(jnp.where, chosen), carry.best, carry.state)


class Measured(NamedTuple):
    """What is measured of a lane's best state over a split of N rows, and the weights of its terms."""

    columns: Columns  # each f32[N]
    weights: dict[str, Array]  # f32[], after the last step


Part = Literal["terms", "rows", "draws"]  # of scores: in batches as in training; of each row; of its draws


def parts_of(model: Model) -> tuple[Part, ...]:
    """Return the parts of the scores that apply to a model."""
    return ("terms", "rows", "draws") if has_draws(model) else ("terms", "rows")


def scores(
    experiment: Any,
    key: Key,
    lane: Lane,
    examples: Examples,
    *,
    part: Part,
    split: str,
    num_steps: int,
    at_once: int,
) -> Any:
    """What a single run measures of its best state over a split.

    Args:
        experiment: The lane's, with f32[] leaves.
        key: The run's.
        lane: The lane after its last epoch.
        examples: The split's rows.
        part: What is measured.
        split: The split's name, by which its noise is derived.
        num_steps: Steps of the whole run.
        at_once: Codes that are decoded at the same time.

    Returns:
        For "terms" the terms f32[N] and their weights f32[]; for "rows" and "draws" their columns.
    """
    variables = evaluation_variables(best_state(lane.carry))
    eval_key = keys.named(keys.named(key, "eval"), split)
    last = jnp.asarray(num_steps, jnp.int32)
    autoencoder = schedules.at(experiment.model, last)
    arguments = autoencoder, variables, examples
    if part == "rows":
        return row_columns(*arguments, at_once=at_once)
    if part == "draws":
        return draw_columns(*arguments, noise_key(), num_samples=IWELBO_SAMPLES, at_once=at_once)
    terms = terms_of(*arguments, eval_key, batch_size=experiment.batch_size)
    weights = autoencoder.weights(last)
    return terms, {name: jnp.asarray(weight, precision.real()) for name, weight in weights.items()}
