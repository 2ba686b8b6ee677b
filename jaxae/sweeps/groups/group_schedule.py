"""The schedule of a sweep: unfinished groups of its directory are resumed, and new runs form new groups."""

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

import jax

from jaxae.errors import JaxaeError, nearest
from jaxae.estimators import score_facts
from jaxae.runs import provenance
from jaxae.runs.experiment import Experiment
from jaxae.specs import old_records
from jaxae.specs.cells import values
from jaxae.specs.records import to_record
from jaxae.sweeps import origins
from jaxae.sweeps.groups import layouts
from jaxae.sweeps.plan import Program, digest
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.tables import environments
from jaxae.sweeps.tables.run_table import facts_of_programs, score_names, summary, swept_columns
from jaxae.sweeps.tables.statistics import INTERVALS

LAYING = ("layout", "lanes", "devices")  # options that decide how runs are put into groups


def schedule(
    store: Store,
    base: Experiment,
    programs: Sequence[Program],
    swept: Sequence[str],
    options: Options,
    command: list[str],
    num_lanes: int | None = None,
    most_lanes: int | None = None,
) -> list[Group]:
    """Return the groups that are still to be trained, and add groups of new runs to sweep.json.

    Args:
        store: Directory of the sweep.
        base: Experiment that the settings override.
        programs: The planned runs.
        swept: Names that are swept over.
        options: Options of the sweep.
        command: Command line to record.
        num_lanes: Lay out new groups as for this number of runs, so that a smaller last batch of a search
            uses the same program. None: the number of new runs.
        most_lanes: Largest number of lanes of a new group, if `options.lanes` is None; None for no limit.

    Returns:
        Groups of planned runs without rows, old groups first.

    Raises:
        JaxaeError: If an option is invalid, the summary cannot be made, or the directory holds a sweep of
            another experiment.
    """
    _check_options(options)
    _check_summary(store, programs, swept, options)  # before the directory is made: a mistake leaves no file
    store.create()
    with store.locked():
        record = store.read() if store.exists else _new_record(base, command)
        _check_same(store, record, base)
        names = list(dict.fromkeys([*record["swept"], *swept]))
        known = {run.id for program in programs for run in program.runs}
        # With another layout, groups that have not started are made again; started ones keep their bits.
        is_new_layout = any(record["options"].get(name, None) != getattr(options, name) for name in LAYING)
        before = [Group(**fields) for fields in record["groups"]]
        kept = [group for group in before if _stays(store, group, known, is_new_layout)]
        scheduled = {run for group in kept for run in group.runs}
        limited = options if options.lanes is not None else dataclasses.replace(options, lanes=most_lanes)
        added = [
            group for program in programs for group in _new_groups(program, scheduled, limited, num_lanes)
        ]
        new = {group.program for group in added}
        origins.keep_code(store, record, [program for program in programs if program.id in new])
        record["groups"] = [group._asdict() for group in kept + added]
        record["swept"] = names
        record["data"] = origins.data_entries(record.get("data", []), programs)
        record["options"] = dataclasses.asdict(options)
        # `|` and not a replacement: rows of an older session may have scores that this plan lacks.
        record["scores"] = record.get("scores", {}) | score_facts.to_record(facts_of_programs(programs))
        store.write(record)
    todo = [group for group in kept + added if set(group.runs) <= known and not store.is_done(group)]
    environments.warn(store.path, store.rows(), is_running=bool(todo))
    return todo


def _new_record(base: Experiment, command: list[str]) -> dict[str, Any]:
    """Return the content of sweep.json before the first schedule."""
    return {
        "experiment": to_record(base),
        "swept": [],
        "groups": [],
        "options": {},
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **provenance.provenance(command),
    }


def _check_same(store: Store, record: dict[str, Any], base: Experiment) -> None:
    """Raise JaxaeError if the directory holds a sweep of another experiment."""
    before, now = _flat(old_records.current(record["experiment"])), _flat(to_record(base))
    differing = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if differing:
        name = differing[0]
        raise JaxaeError(
            f"--run-dir {store.path}: holds a sweep of another experiment ({name} was {before.get(name)}, "
            f"now {now.get(name)}); choose another directory, or sweep over {name}"
        )


def _check_options(options: Options) -> None:
    """Raise JaxaeError if an option is invalid."""
    lanes = options.lanes
    if lanes is not None and (isinstance(lanes, bool) or not isinstance(lanes, int) or lanes < 1):
        raise JaxaeError(f"lanes: got {lanes!r}, expected a whole number > 0, or None")
    if not options.save_seconds >= 0:
        raise JaxaeError(f"save_seconds: got {options.save_seconds!r}, expected a number >= 0")
    if options.interval not in INTERVALS:
        raise JaxaeError(f"interval: got {options.interval!r}; {nearest(options.interval, INTERVALS)}")
    layouts.check_name(options.layout)


def _check_summary(store: Store, programs: Sequence[Program], swept: Sequence[str], options: Options) -> None:
    """Raise JaxaeError before training starts if the summary could not be made afterwards."""
    if options.score is None and options.baseline is None:
        return
    # Rows as they will be, with all scores 0: `summary` then checks the names of score and baseline.
    to_come: list[dict[str, Any]] = [
        {
            **values(run.experiment),
            **({"code": run.code[:12]} if run.code else {}),
            "seed": run.seed,
            "status": "finished",
            **scores,
        }
        for program in programs
        for scores in [dict.fromkeys(score_names(program), 0.0)]
        for run in program.runs
    ]
    rows = (store.rows() if store.exists else []) + to_come
    names = dict.fromkeys([*(store.swept if store.exists else []), *swept])
    summary(rows, swept_columns(list(names), rows), options)


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the fields of a nested record of specs as {dotted name: value}."""
    fields: dict[str, Any] = {}
    for name, value in record.items():
        fields |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return fields


def _stays(store: Store, group: Group, known: set[str], is_new_layout: bool) -> bool:
    """Return whether a scheduled group is kept: it is finished, or not part of this plan, or can be resumed.

    A group of which only some runs are in the plan is scheduled again without the other runs. If the options
    of layout have changed (last argument), so is a group without a checkpoint, or with more devices than this
    machine has.
    """
    wanted = known & set(group.runs)
    if store.is_done(group) or not wanted:
        return True
    fits = store.is_begun(group) and group.devices <= jax.local_device_count()
    if len(wanted) == len(group.runs) and (fits or not is_new_layout):
        return True
    # A group that another process is training stays: its checkpoint must not be deleted now.
    with store.held(group) as is_ours:
        if is_ours:
            store.drop(group)
        return not is_ours


def layout_of(program: Program, options: Options, num_lanes: int) -> layouts.Layout:
    """Return the layout of new runs of a program.

    Args:
        program: The program.
        options: Options of the sweep.
        num_lanes: Number of new runs.

    Returns:
        The layout.
    """
    sizes = program.num_parameters, program.lane_bytes
    return layouts.choose(options.layout, num_lanes, *sizes, options.lanes, options.devices)


def _new_groups(
    program: Program, scheduled: set[str], options: Options, num_lanes: int | None
) -> list[Group]:
    """Return groups of about the same size for the runs of a program that no group has yet."""
    new = [run.id for run in program.runs if run.id not in scheduled]
    if not new:
        return []
    layout = layout_of(program, options, num_lanes or len(new))
    parts = [new[start : start + layout.width] for start in range(0, len(new), layout.width)]
    # The id depends on runs and layout only, so that a repeated command finds its own groups.
    return [Group(digest([part, *layout]), program.id, part, *layout, options.keep) for part in parts]
