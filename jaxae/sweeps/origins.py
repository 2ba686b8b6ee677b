"""What the runs of a sweep were made from, as its directory records it: data, and a user's own code.

sweep.json has the data of each program, so that they are found from another folder or not read at all.
code/DIGEST/ holds the source of a user's own classes, a folder for each version of it.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from jaxae.data import AnyDataset, Dataset
from jaxae.data.data_spec import DataSpec
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
    """Return what sweep.json holds of the data of each program, `before` and new ones.

    An entry is what a run's record has of its data, with the data as `asked` for and its `programs`.
    """
    found = [
        {**entry, "asked": old_records.current(entry["asked"]), "programs": list(entry["programs"])}
        for entry in before
    ]
    for program in programs:
        asked = to_record(program.example.data)
        same = [e for e in found if (e["asked"], e["data_hash"]) == (asked, program.dataset.hash)]
        if not same:
            same = [{"asked": asked, "programs": [], **facts_of(program.dataset)}]
            found += same
        same[0]["programs"] = list(dict.fromkeys([*same[0]["programs"], program.id]))
    return found


def finding(store: Store, load: Load) -> Load:
    """Return `load`, which also finds data that the sweep was begun with from another working directory.

    Args:
        store: The sweep's directory, which may hold nothing yet.
        load: Gives the data at a place.
    """

    def find(asked: DataSpec) -> Dataset:
        known = store.read().get("data", []) if store.exists else []
        same = [entry for entry in known if old_records.current(entry["asked"]) == to_record(asked)]
        # Other data than before makes other runs, as it always did.
        return recorded_data.read_or_other(load, asked, same[-1], store.path) if same else load(asked)

    return find


def dataset_of(store: Store, group: Group, asked: DataSpec, x: Any, y: Any, moved: Moved) -> AnyDataset:
    """Return the data of a group's runs, whose rows are read when they are asked for.

    Sweeps of older versions do not say what is needed for that: their data is read now.
    """
    found = [entry for entry in store.read().get("data", []) if group.program in entry["programs"]]
    load = functools.partial(opening.load_data, x=x, y=y)
    return opening.unread(asked, found[0], store.path, x, y, moved) if found else load(asked)


def adopted(store: Store, programs: Sequence[Program]) -> list[Program]:
    """The programs, of which those that a sweep was begun with before jaxae kept code have their old names.

    They are not trained again. Whether their code has changed cannot be known: a warning says so.
    """
    if not store.exists:
        return list(programs)
    scheduled = {run: group.program for group in store.groups() for run in group.runs}
    found: list[Program] = []
    for program in programs:
        plain = {run.id: run_id(run.experiment, run.seed, program.dataset, None) for run in program.runs}
        old = [run for run in program.runs if run.code is not None and plain[run.id] in scheduled]
        new = [run for run in program.runs if run not in old]
        found += [dataclasses.replace(program, runs=new)] if new else []
        if old:
            renamed = [dataclasses.replace(run, id=plain[run.id], code=None) for run in old]
            found.append(Program(scheduled[renamed[0].id], program.dataset, renamed))
            message = kept.cannot_compare(None, program.code)
            directory.warn(store.path, f"{store.path}: {len(old)} of its runs: {message}")
    return found


def keep_code(store: Store, record: dict[str, Any], programs: Sequence[Program]) -> None:
    """Writes the code of new programs, and the diffs of trees that are dirty, into the sweep's directory."""
    known: dict[str, Any] = record.get(kept.KEY, {})
    for program in programs:
        code = program.code
        if code is None or code.digest is None or code.short in known:
            continue
        earlier = [each for each in known.values() if set(each["classes"]) == set(code.classes)]
        if earlier:
            changed = kept.changes(earlier[-1], code)
            directory.warn(
                store.path,
                f"{store.path}: the code of its classes has changed: {changed}; runs are trained with the "
                "changed code, and the column `code` tells their rows from those of before",
            )
        folder = f"{kept.FOLDER}/{code.short}"
        kept.keep(store.path, code, folder)
        known = {**known, str(code.short): {**code.record(), "folder": folder}}
    if known:
        record[kept.KEY] = known
    if programs:
        texts = provenance.uncommitted()
        named = {f"{kept.FOLDER}/{digest([text])}-{name}": text for name, text in texts.items()}
        directory.keep_files(store.path, named)
        if named:
            record["uncommitted"] = list(dict.fromkeys([*record.get("uncommitted", []), *named]))
