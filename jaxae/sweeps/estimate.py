"""Cost of a sweep before it runs: lanes and memory from the plan, time from a trial of some programs."""

import datetime
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxae.display.words import count
from jaxae.specs.cells import values
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups import layouts
from jaxae.sweeps.groups.group_schedule import layout_of
from jaxae.sweeps.groups.layouts import Layout
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Options
from jaxae.training import loop

# Programs that are compiled and timed; the others are assumed to cost the mean of these. Compilation takes
# seconds for each program, and the user waits for the estimate.
TRIALS = 3
TRIAL_SECONDS = 1.0  # shortest time over which the epochs of one program are timed


class Cost(NamedTuple):
    """Time that one program takes."""

    compile_seconds: float  # compilation and the first epoch
    epoch_seconds: float  # one epoch of all lanes of a group


def lines(programs: Sequence[Program], options: Options) -> list[str]:
    """Return the plan as text: one line for each program, and one for the whole sweep.

    Args:
        programs: The planned runs.
        options: Options of the sweep.

    Returns:
        Lines with the number of lanes, layout, parameters, memory and estimated time.
    """
    planned = [(program, layout_of(program, options, len(program.runs))) for program in programs]
    costs = [trial(program, layout) for program, layout in planned[:TRIALS]]
    mean = Cost(*(sum(column) / len(costs) for column in zip(*costs, strict=True)))
    rows, total = [], 0.0
    for number, (program, layout) in enumerate(planned):
        cost = costs[number] if number < len(costs) else mean
        num_groups = -(-len(program.runs) // layout.width)  # rounded up
        seconds = cost.compile_seconds + num_groups * program.example.epochs * cost.epoch_seconds
        total += seconds
        rows.append(
            f"program {program.id}  {count(len(program.runs), 'lane')}, {layout.width} at once, {layout}  "
            f"{program.num_parameters:,} parameters  about {_memory(program, layout)}  about {_time(seconds)}"
            f"{_different(program, programs)}"
        )
    measured = (
        f"{len(costs)} of {len(programs)} programs timed"
        if len(programs) > len(costs)
        else "all programs timed"
    )
    return [*rows, f"about {_time(total)} in all, without start-up, scores and tables ({measured})"]


def trial(program: Program, layout: Layout) -> Cost:
    """Compile a program, and time its epochs after the first.

    The compiled program stays in jax's persistent cache, so the sweep itself does not compile it again.

    Args:
        program: The program.
        layout: Layout of its lanes.

    Returns:
        The measured times.
    """
    names = [run.id for run in program.runs[: layout.width]]
    work = groups.prepare(program, Group("trial", program.id, names, *layout, False))
    # Validation rows too: an epoch includes the validation.
    rows = layouts.place_rows(
        layout, tuple(loop.to_device(part) for part in (program.dataset.train, program.dataset.validation))
    )
    lanes, start = groups.begin(work), time.perf_counter()
    # The first call waits for the compilation. Its epoch is counted as compilation, unless it is the only
    # one.
    lanes, first = _timed(work, lanes, rows, 1, 1)
    compiled = time.perf_counter() - start
    num, seconds, done = 0, 0.0, 1
    while seconds < TRIAL_SECONDS and done < program.example.epochs:
        # Spans of 1, 2, 6, 18, ... epochs: few calls for short epochs, so that dispatch does not dominate.
        span = min(max(1, 2 * num), program.example.epochs - done)
        lanes, took = _timed(work, lanes, rows, done + 1, done + span)
        num, seconds, done = num + span, seconds + took, done + span
    return Cost(compiled, seconds / num if num else first)


def _timed(work: groups.Work, lanes: Any, rows: Any, first: int, last: int) -> tuple[Any, float]:
    """Return the lanes after the epochs first, ..., last, and the seconds that they took."""
    start = time.perf_counter()
    lanes = groups.advance(work, lanes, rows, first, last)
    jax.block_until_ready(lanes)  # dispatch is asynchronous: without it only the call is timed
    return lanes, time.perf_counter() - start


def _memory(program: Program, layout: Layout) -> str:
    """Return the memory of the lanes of a group as text."""
    return f"{layout.width * program.lane_bytes / 2**20:,.0f} MiB"


def _time(seconds: float) -> str:
    """Return a duration as text `H:MM:SS`, at least one second."""
    return str(datetime.timedelta(seconds=max(1, round(seconds))))


def _different(program: Program, programs: Sequence[Program]) -> str:
    """Return the static fields in which a program differs from others: `  model.latent_dim=5`."""
    own = _structure(program)
    others = [_structure(other) for other in programs]
    differing = [name for name in own if any(other.get(name) != own[name] for other in others)]
    return "".join(f"  {name}={own[name]}" for name in differing)


def _structure(program: Program) -> dict[str, Any]:
    """Return {dotted name: cell} of the fields that are not floats."""
    return {name: value for name, value in values(program.example).items() if not isinstance(value, float)}
