"""A sweep from its plan to its tables, on one machine or by several processes on one directory."""

import dataclasses
import datetime
import time
from collections.abc import Sequence
from typing import Any

import jax

from jaxae import old_records, provenance
from jaxae.errors import JaxaeError, nearest
from jaxae.evaluation import score_facts
from jaxae.evaluation.score_facts import Facts
from jaxae.experiment import Experiment
from jaxae.records import to_record
from jaxae.sweeps import environments, layouts, located, sources
from jaxae.sweeps import group as groups
from jaxae.sweeps.plan import Program, digest, values
from jaxae.sweeps.rows import facts_of_programs, score_names
from jaxae.sweeps.statistics import INTERVALS
from jaxae.sweeps.store import Group, Store
from jaxae.sweeps.summary import KNOWN, summarize

LAYING = ("layout", "lanes", "devices")  # the options by which groups are made
TABLE_SECONDS = 10.0  # between two writings of the tables while groups are done


@dataclasses.dataclass(frozen=True)
class Options:
    """How a sweep is run, and what its summary tells; nothing here changes a run's own numbers."""

    layout: str = "auto"
    """How lanes are laid out: auto, map, vmap, devices, devices:map or devices:vmap."""
    lanes: int | None = None
    """Runs that are trained at once; None is what memory allows, up to 64 a device."""
    keep: bool = True
    """Whether the best state of each run is kept."""
    score: str | None = None
    """The column by which settings are compared; None: validation.elbo, else validation.loss."""
    baseline: dict[str, Any] | None = None
    """The setting that others are compared with; None is the first one."""
    interval: str = "student"
    """Confidence intervals of means: student or bootstrap."""
    devices: int | None = None
    """Devices that lanes are dealt to; None is all."""
    save_seconds: float = groups.SAVE_SECONDS
    """Seconds between two checkpoints of a group, at least: what a kill can cost."""


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
        sources.keep(store, record, [program for program in programs if program.id in new])
        record["groups"] = [group._asdict() for group in kept + added]
        record["swept"] = names
        record["data"] = located.entries(record.get("data", []), programs)
        record["options"] = dataclasses.asdict(options)
        record["scores"] = record.get("scores", {}) | score_facts.to_record(facts_of_programs(programs))
        store.write(record)
    todo = [group for group in kept + added if set(group.runs) <= known and not store.is_done(group)]
    environments.warn(store.path, store.rows(), is_running=bool(todo))
    return todo


def run(
    store: Store,
    programs: Sequence[Program],
    todo: Sequence[Group],
    options: Options,
    observe: groups.Observer,
) -> list[Group]:
    """Trains the groups that no other process holds; returns those that others hold.

    Raises: Interrupted (everything is saved), JaxaeError.
    """
    by_id = {program.id: program for program in programs}
    held, last_tables = [], time.perf_counter()
    for number, group in enumerate(todo):
        for soon in todo[number : number + 2]:  # while this group trains, the next one's program is compiled
            groups.compile_ahead(groups.prepare(by_id[soon.program], soon))
        if not train_group(store, by_id[group.program], group, observe, options.save_seconds):
            held.append(group)
        if time.perf_counter() - last_tables > TABLE_SECONDS:
            write_tables(store, options)
            last_tables = time.perf_counter()
    write_tables(store, options)
    return held


def train_group(
    store: Store,
    program: Program,
    group: Group,
    observe: groups.Observer,
    save_seconds: float = groups.SAVE_SECONDS,
) -> bool:
    """Trains one group to its rows, from its last checkpoint; returns False where another process does.

    Raises: Interrupted after a save, when `observe` says so.
    """
    with store.held(group) as mine:
        if mine and not store.is_done(group):  # by another process, since this one began
            work = groups.prepare(program, group)
            store.describe(group, work.runs)
            store.finish(group, groups.train(work, store.folder(group), observe, save_seconds))
        return mine


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
            names = swept_columns(store.swept, rows)
            store.write_summary(summary(rows, names, options, store.facts))
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
    names = swept_columns(store.swept, rows)
    order: dict[tuple, int] = {}
    for row in rows:
        order.setdefault(tuple(row.get(name) for name in names), len(order))
    return sorted(rows, key=lambda row: (order[tuple(row.get(name) for name in names)], row["seed"]))


def swept_columns(swept: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[str]:
    """The columns that tell settings apart: the names swept over, and what differs inside parts of them."""
    found: list[str] = []
    for name in swept:
        inside = dict.fromkeys(column for row in rows for column in row if column.startswith(f"{name}."))
        differing = [column for column in inside if len({row[column] for row in rows if column in row}) > 1]
        found += [name, *differing]
    found = list(dict.fromkeys(found))
    codes: dict[tuple, set[str | None]] = {}
    for row in rows:
        codes.setdefault(tuple(row.get(name) for name in found), set()).add(row.get("code"))
    # Runs of one setting whose code has changed in between are no runs of one setting.
    return [*found, *(["code"] if any(len(each) > 1 for each in codes.values()) else [])]


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
