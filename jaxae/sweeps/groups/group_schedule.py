"""Which groups a sweep trains: those of its directory that are not done, and groups of new runs."""

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
from jaxae.specs.records import to_record
from jaxae.sweeps import origins
from jaxae.sweeps.groups import layouts
from jaxae.sweeps.plan import Program, digest, values
from jaxae.sweeps.store import Group, Options, Store
from jaxae.sweeps.tables import environments
from jaxae.sweeps.tables.run_table import facts_of_programs, score_names, summary, swept_columns
from jaxae.sweeps.tables.statistics import INTERVALS

LAYING = ("layout", "lanes", "devices")  # the options by which groups are made


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
    """The groups still to be trained; those of runs that are new are added to sweep.json.

    `num_lanes`: new groups are laid out as if there were so many runs, so that few of them use one program.
    `most_lanes`: of new groups, where the options leave it open.
    Raises: JaxaeError where the directory holds a sweep of another experiment.
    """
    _check_options(options)
    _check_summary(store, programs, swept, options)
    store.create()
    with store.locked():
        record = store.read() if store.exists else _new_record(base, command)
        _check_same(store, record, base)
        names = list(dict.fromkeys([*record["swept"], *swept]))
        known = {run.id for program in programs for run in program.runs}
        anew = any(record["options"].get(name, None) != getattr(options, name) for name in LAYING)
        before = [Group(**told) for told in record["groups"]]
        kept = [group for group in before if _stays(store, group, known, anew)]
        scheduled = {run for group in kept for run in group.runs}
        laid = options if options.lanes is not None else dataclasses.replace(options, lanes=most_lanes)
        added = [group for each in programs for group in _new_groups(each, scheduled, laid, num_lanes)]
        new = {group.program for group in added}
        origins.keep_code(store, record, [program for program in programs if program.id in new])
        record["groups"] = [group._asdict() for group in kept + added]
        record["swept"] = names
        record["data"] = origins.data_entries(record.get("data", []), programs)
        record["options"] = dataclasses.asdict(options)
        record["scores"] = record.get("scores", {}) | score_facts.to_record(facts_of_programs(programs))
        store.write(record)
    todo = [group for group in kept + added if set(group.runs) <= known and not store.is_done(group)]
    environments.warn(store.path, store.rows(), is_running=bool(todo))
    return todo


def _new_record(base: Experiment, command: list[str]) -> dict[str, Any]:
    return {
        "experiment": to_record(base),
        "swept": [],
        "groups": [],
        "options": {},
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **provenance.provenance(command),
    }


def _check_same(store: Store, record: dict[str, Any], base: Experiment) -> None:
    before, now = _flat(old_records.current(record["experiment"])), _flat(to_record(base))
    differing = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if differing:
        name = differing[0]
        raise JaxaeError(
            f"--run-dir {store.path}: holds a sweep of another experiment ({name} was {before.get(name)}, "
            f"now {now.get(name)}); choose another directory, or sweep over {name}"
        )


def _check_options(options: Options) -> None:
    lanes = options.lanes
    if lanes is not None and (isinstance(lanes, bool) or not isinstance(lanes, int) or lanes < 1):
        raise JaxaeError(f"lanes: got {lanes!r}, expected a whole number > 0, or None")
    if not options.save_seconds >= 0:
        raise JaxaeError(f"save_seconds: got {options.save_seconds!r}, expected a number >= 0")
    if options.interval not in INTERVALS:
        raise JaxaeError(f"interval: got {options.interval!r}; {nearest(options.interval, INTERVALS)}")
    layouts.check_name(options.layout)


def _check_summary(store: Store, programs: Sequence[Program], swept: Sequence[str], options: Options) -> None:
    """Raises JaxaeError now, not when all is trained, for a summary that cannot be made."""
    if options.score is None and options.baseline is None:
        return
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
    """Dotted name -> value of a record of specs."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def _stays(store: Store, group: Group, known: set[str], anew: bool) -> bool:
    """Whether a scheduled group is done, has nothing to do with this plan, or is to be trained as it is.

    One that is partly in the plan (the sweep was narrowed before it was done) is scheduled anew, without the
    rest. So is one that has no checkpoint, or too many devices, when lanes are to be laid out `anew`.
    """
    wanted = known & set(group.runs)
    if store.is_done(group) or not wanted:
        return True
    fits = store.is_begun(group) and group.devices <= jax.local_device_count()
    if len(wanted) == len(group.runs) and (fits or not anew):
        return True
    with store.held(group) as mine:
        if mine:
            store.drop(group)
        return not mine


def layout_of(program: Program, options: Options, num_lanes: int) -> layouts.Layout:
    """The layout of so many new runs of a program, as `options` ask for it."""
    sizes = program.num_parameters, program.lane_bytes
    return layouts.choose(options.layout, num_lanes, *sizes, options.lanes, options.devices)


def _new_groups(
    program: Program, scheduled: set[str], options: Options, num_lanes: int | None
) -> list[Group]:
    """Groups of about one size for the runs that no group has yet."""
    new = [run.id for run in program.runs if run.id not in scheduled]
    if not new:
        return []
    layout = layout_of(program, options, num_lanes or len(new))
    parts = [new[start : start + layout.width] for start in range(0, len(new), layout.width)]
    return [Group(digest([part, *layout]), program.id, part, *layout, options.keep) for part in parts]
