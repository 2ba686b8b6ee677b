"""The data and the user's own code that the runs of a sweep were made from, as its directory records them.

sweep.json describes the data of each program. The data can therefore be found from another working directory,
and results can be loaded without reading them. code/DIGEST/ holds the source of a user's own classes, one
folder for each version.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from jaxae.data import AnyDataset, Dataset
from jaxae.data.data_spec import DataSpec
from jaxae.data.own.given_rows import GivenRows
from jaxae.runs import directory, opening, provenance, recorded_data
from jaxae.runs.code import kept
from jaxae.runs.recorded_data import Moved
from jaxae.runs.run_record import facts_of
from jaxae.specs import old_records
from jaxae.specs.records import to_record
from jaxae.sweeps.plan import Load, Program, digest, run_id
from jaxae.sweeps.store import Group, Store

Entry = dict[str, Any]


def data_entries(before: Sequence[Entry], programs: Sequence[Program]) -> list[Entry]:
    """Return the entries of sweep.json for the data of each program: those of `before`, and new ones.

    Args:
        before: Entries of an earlier session.
        programs: The planned programs.

    Returns:
        The entries. Each holds the facts of the data as in the record of a run, the `DataSpec` as `asked`,
        and the ids of its `programs`.
    """
    entries = [
        {**entry, "asked": old_records.current(entry["asked"]), "programs": list(entry["programs"])}
        for entry in before
    ]
    for program in programs:
        asked = to_record(program.example.data)
        # The hash as well: the same name may lead to other content in a later session.
        same = [e for e in entries if (e["asked"], e["data_hash"]) == (asked, program.dataset.hash)]
        if not same:
            same = [{"asked": asked, "programs": [], **facts_of(program.dataset)}]
            entries += same
        same[0]["programs"] = list(dict.fromkeys([*same[0]["programs"], program.id]))
    return entries


def finding(store: Store, load: Load) -> Load:
    """Return `load`, extended to find recorded data from another working directory.

    Args:
        store: Directory of the sweep, which may be empty.
        load: Loads the data of a `DataSpec`.

    Returns:
        A function with the signature of `load`.
    """

    def find(asked: DataSpec) -> Dataset:
        entries = store.read().get("data", []) if store.exists else []
        same = [entry for entry in entries if _is_asked(old_records.current(entry["asked"]), asked)]
        # Data with other content is no error here: it gives runs with other ids, and these are trained.
        return recorded_data.read_or_other(load, asked, same[-1], store.path) if same else load(asked)

    return find


def _is_asked(recorded: Entry, asked: DataSpec) -> bool:
    """Return whether a recorded `DataSpec` is `asked`, whose shares the record holds as numbers of rows."""
    names = ("num_validation", "num_test")
    shares = {name: recorded.get(name) for name in names if not isinstance(getattr(asked, name), int)}
    return recorded == to_record(asked) | shares


def dataset_of(
    store: Store, group: Group, asked: DataSpec, given: GivenRows | None, moved: Moved
) -> AnyDataset:
    """Return the data of a group's runs; the rows are read when they are first used.

    Sweeps of older versions lack the necessary facts: their data are read at once.

    Args:
        store: Directory of the sweep.
        group: The group.
        asked: `DataSpec` of its runs.
        given: Rows of the caller, or None.
        moved: Present location of data that has moved.

    Returns:
        The data set.
    """
    entries = [entry for entry in store.read().get("data", []) if group.program in entry["programs"]]
    load = functools.partial(opening.load_data, given=given)
    return opening.unread(asked, entries[0], store.path, given, moved) if entries else load(asked)


def adopted(store: Store, programs: Sequence[Program]) -> list[Program]:
    """Return the programs, with old ids for runs that were trained before jaxae recorded the user's code.

    These runs are not trained again. Whether their code has changed since cannot be checked: a warning says
    so.

    Args:
        store: Directory of the sweep.
        programs: The planned programs.

    Returns:
        The programs. A program with old and new runs is split in two.
    """
    if not store.exists:
        return list(programs)
    scheduled = {run: group.program for group in store.groups() for run in group.runs}
    adapted: list[Program] = []
    for program in programs:
        # The id that the run had before the code was a part of it.
        plain = {run.id: run_id(run.experiment, run.seed, program.dataset, None) for run in program.runs}
        old = [run for run in program.runs if run.code is not None and plain[run.id] in scheduled]
        new = [run for run in program.runs if run not in old]
        adapted += [dataclasses.replace(program, runs=new)] if new else []
        if old:
            renamed = [dataclasses.replace(run, id=plain[run.id], code=None) for run in old]
            adapted.append(Program(scheduled[renamed[0].id], program.dataset, renamed))
            message = kept.cannot_compare(None, program.code)
            directory.warn(store.path, f"{store.path}: {len(old)} of its runs: {message}")
    return adapted


def keep_code(store: Store, record: dict[str, Any], programs: Sequence[Program]) -> None:
    """Write the code of new programs, and the diffs of uncommitted changes, into the sweep's directory.

    Args:
        store: Directory of the sweep.
        record: Content of sweep.json; its entries for code and diffs are updated in place.
        programs: Programs with new runs.
    """
    known: dict[str, Any] = record.get(kept.KEY, {})
    for program in programs:
        code = program.code
        if code is None or code.digest is None or code.short in known:
            continue
        # Other code for the same classes: they were edited between two sessions.
        earlier = [entry for entry in known.values() if set(entry["classes"]) == set(code.classes)]
        if earlier:
            changed = kept.changes(earlier[-1], code)
            directory.warn(
                store.path,
                f"{store.path}: the code of its classes has changed: {changed}; runs are trained with the "
                "changed code, and the column `code` distinguishes their rows from older ones",
            )
        folder = f"{kept.FOLDER}/{code.short}"
        kept.keep(store.path, code, folder)
        known = {**known, str(code.short): {**code.record(), "folder": folder}}
    if known:
        record[kept.KEY] = known
    if programs:
        texts = provenance.uncommitted()
        # The digest in the name keeps one file for each state of the tree, and no copy of the same diff.
        named = {f"{kept.FOLDER}/{digest([text])}-{name}": text for name, text in texts.items()}
        directory.keep_files(store.path, named)
        if named:
            record["uncommitted"] = list(dict.fromkeys([*record.get("uncommitted", []), *named]))
