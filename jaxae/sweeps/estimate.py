"""What a sweep will take: lanes and memory from the plan, time from a trial of some of its programs."""

import datetime
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups import layouts
from jaxae.sweeps.groups.group_schedule import layout_of
from jaxae.sweeps.groups.layouts import Layout
from jaxae.sweeps.plan import Program, values
from jaxae.sweeps.store import Group, Options
from jaxae.training import loop

TRIALS = 3  # programs that are compiled and run for a moment; the others are taken to be like them
TRIAL_SECONDS = 1.0


class Cost(NamedTuple):
    """Of one program."""

    compile_seconds: float
    epoch_seconds: float  # of a whole group


def lines(programs: Sequence[Program], options: Options) -> list[str]:
    """The plan for a person: one line a program, and the whole."""
    planned = [(program, layout_of(program, options, len(program.runs))) for program in programs]
    costs = [trial(program, layout) for program, layout in planned[:TRIALS]]
    mean = Cost(*(sum(column) / len(costs) for column in zip(*costs, strict=True)))
    told, total = [], 0.0
    for number, (program, layout) in enumerate(planned):
        cost = costs[number] if number < len(costs) else mean
        num_groups = -(-len(program.runs) // layout.width)
        seconds = cost.compile_seconds + num_groups * program.example.epochs * cost.epoch_seconds
        total += seconds
        told.append(
            f"program {program.id}  {len(program.runs)} lanes, {layout.width} at once, {layout}  "
            f"{program.num_parameters:,} parameters  about {_memory(program, layout)}  about {_time(seconds)}"
            f"{_different(program, programs)}"
        )
    measured = (
        f"{len(costs)} of {len(programs)} programs tried" if len(programs) > len(costs) else "all tried"
    )
    return [*told, f"about {_time(total)} in all, without start-up, scores and tables ({measured})"]


def trial(program: Program, layout: Layout) -> Cost:
    """Compiles the program (which the persistent cache keeps) and times epochs after the first."""
    names = [run.id for run in program.runs[: layout.width]]
    work = groups.prepare(program, Group("trial", program.id, names, *layout, False))
    rows = layouts.place_rows(
        layout, tuple(loop.to_device(part) for part in (program.dataset.train, program.dataset.validation))
    )
    lanes, start = groups.begin(work), time.perf_counter()
    lanes, first = _timed(work, lanes, rows, 1, 1)
    compiled = time.perf_counter() - start
    num, seconds, done = 0, 0.0, 1
    while seconds < TRIAL_SECONDS and done < program.example.epochs:
        span = min(max(1, 2 * num), program.example.epochs - done)
        lanes, took = _timed(work, lanes, rows, done + 1, done + span)
        num, seconds, done = num + span, seconds + took, done + span
    return Cost(compiled, seconds / num if num else first)


def _timed(work: groups.Work, lanes: Any, rows: Any, first: int, last: int) -> tuple[Any, float]:
    start = time.perf_counter()
    lanes = groups.advance(work, lanes, rows, first, last)
    jax.block_until_ready(lanes)
    return lanes, time.perf_counter() - start


def _memory(program: Program, layout: Layout) -> str:
    return f"{layout.width * program.lane_bytes / 2**20:,.0f} MiB"


def _time(seconds: float) -> str:
    return str(datetime.timedelta(seconds=max(1, round(seconds))))


def _different(program: Program, programs: Sequence[Program]) -> str:
    """`  autoencoder.latent_dim=5`: what of the program's structure others do not have."""
    mine = _structure(program)
    others = [_structure(other) for other in programs]
    differing = [name for name in mine if any(other.get(name) != mine[name] for other in others)]
    return "".join(f"  {name}={mine[name]}" for name in differing)


def _structure(program: Program) -> dict[str, Any]:
    return {name: value for name, value in values(program.example).items() if not isinstance(value, float)}
