"""Lanes: many runs of one structure in one compiled program, one lane for each run. R lanes, E epochs.

The numbers of a lane's experiment are traced. A lane repeats the epoch of a single run as long as the lane is
live. A lane that has diverged, stopped early or been halted stays in the program unchanged. Lanes share only
the rows.
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
    """A run between two epochs with its history so far; all fields are arrays."""

    carry: Carry
    reports: Report  # each f32[E], 0 for epochs that the lane has not run; `bad` is ()
    bad: StepInfo  # terms, loss and gradient norm at the first bad step of the last epoch that ran
    epochs: Array  # i32[], epochs run
    halted: Array  # bool[], stopped from outside (pruned), or never to start (a lane that pads the group)


def start(experiment: Any, carry: Carry, halted: Array) -> Lane:
    """Return the lane of a run that has trained no epoch yet.

    Args:
        experiment: Experiment of the run.
        carry: State of the run before its first epoch, as `training.epoch.begin` returns it.
        halted: bool[], True if the lane shall never train (it only pads its group).

    Returns:
        The lane, with reports of zeros.
    """
    names = experiment.model.weights(carry.state.step)
    # Arrays for all epochs from the start: the shapes of a compiled loop cannot grow.
    nothing = jnp.zeros((experiment.epochs,), precision.real())
    terms = dict.fromkeys(names, nothing)
    reports = Report(terms, nothing, nothing, terms, nothing, ())  # type: ignore[arg-type]
    zero = jnp.zeros((), precision.real())
    return Lane(carry, reports, StepInfo(dict.fromkeys(names, zero), zero, zero), carry.best_epoch, halted)


def is_live(experiment: Any, lane: Lane) -> Array:
    """Return bool[]: whether the lane may train another epoch. The caller counts the epochs.

    Args:
        experiment: Experiment of the run.
        lane: The lane.

    Returns:
        False if the lane has diverged, is halted, or has stopped early.
    """
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
    """Return the lane after the epochs first, ..., last.

    The numbers of the epochs are traced, so that one program serves any of them.

    Args:
        experiment: Experiment of the run, leaves f32[].
        key: Key of the run.
        lane: The lane after epoch `first` - 1.
        rows: (training rows, validation rows).
        first: i32[], first epoch, counted from 1.
        last: i32[], last epoch.
        side_by_side: Whether the lane is vmapped.

    Returns:
        The lane; unchanged if it is not live.
    """
    train, validation = rows

    def run(number: Array, lane: Lane) -> Lane:
        carry, report = programs.run_epoch(
            experiment, key, lane.carry, train, validation, number, side_by_side=side_by_side
        )
        values = report._replace(bad=())  # type: ignore[arg-type]
        # `number` counts epochs from 1, the arrays of reports from 0.
        reports = jax.tree.map(lambda row, value: row.at[number - 1].set(value), lane.reports, values)
        return Lane(carry, reports, report.bad, number, lane.halted)

    if side_by_side:
        # A loop whose end differs between lanes would select in each epoch too; say so with `where`.
        def body(number: Array, lane: Lane) -> Lane:
            select = functools.partial(jnp.where, is_live(experiment, lane))
            return jax.tree.map(select, run(number, lane), lane)

        return jax.lax.fori_loop(first, last + 1, body, lane)

    # A lane that is not live stays so: its loop ends, and costs nothing. With a `cond` in each epoch, XLA
    # would copy the state.
    def goes_on(reached: tuple[Array, Lane]) -> Array:
        number, lane = reached
        return (number <= last) & is_live(experiment, lane)

    def go_on(reached: tuple[Array, Lane]) -> tuple[Array, Lane]:
        number, lane = reached
        return number + 1, run(number, lane)

    return jax.lax.while_loop(goes_on, go_on, (first, lane))[1]


def best_state(carry: Carry) -> TrainState:
    """Return the state with the best validation score, or the last state if there was no validation."""
    chosen = carry.best_epoch > 0
    return jax.tree.map(functools.partial(jnp.where, chosen), carry.best, carry.state)


class Measured(NamedTuple):
    """Measurements of a lane's best state over a split of N rows, and the weights of its loss terms."""

    columns: Columns  # each f32[N]
    weights: dict[str, Array]  # f32[], after the last step


# Parts of the scores: loss terms in batches as in training; scores of each row; scores from many draws.
Part = Literal["terms", "rows", "draws"]


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
    """Return the scores of a lane's best state over a split, as a single run computes them.

    Args:
        experiment: Experiment of the run, leaves f32[].
        key: Key of the run.
        lane: The lane after its last epoch.
        examples: Rows of the split.
        part: Part of the scores.
        split: Name of the split, from which the key of its noise is derived.
        num_steps: Number of steps of the whole run.
        at_once: Number of codes that are decoded at the same time.

    Returns:
        For "terms" the terms f32[N] and their weights f32[]; for "rows" and "draws" their columns.
    """
    variables = evaluation_variables(best_state(lane.carry))
    eval_key = keys.named(keys.named(key, "eval"), split)
    last = jnp.asarray(num_steps, jnp.int32)
    # Schedules at the last step of the plan, also for a run that stopped early: a single run does the same.
    autoencoder = schedules.at(experiment.model, last)
    arguments = autoencoder, variables, examples
    if part == "rows":
        return row_columns(*arguments, at_once=at_once)
    if part == "draws":
        return draw_columns(*arguments, noise_key(), num_samples=IWELBO_SAMPLES, at_once=at_once)
    terms = terms_of(*arguments, eval_key, batch_size=experiment.batch_size)
    weights = autoencoder.weights(last)
    return terms, {name: jnp.asarray(weight, precision.real()) for name, weight in weights.items()}
