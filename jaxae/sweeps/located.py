"""The data of a sweep, as sweep.json has it: found again from another folder, or not read at all."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxae.data import AnyDataset, Dataset
from jaxae.data.spec import Data
from jaxae.runs import api, recorded_data
from jaxae.runs.execution import facts_of
from jaxae.runs.recorded_data import Moved
from jaxae.specs import old_records
from jaxae.specs.records import to_record
from jaxae.sweeps.plan import Load, Program
from jaxae.sweeps.store import Group, Store

Entry = dict[str, Any]


def entries(before: Sequence[Entry], programs: Sequence[Program]) -> list[Entry]:
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


def finding(path: str | Path | None, load: Load) -> Load:
    """Return `load`, which also finds data that a sweep was begun with from another working directory.

    Args:
        path: The sweep's directory, which may hold nothing yet; None for a temporary one.
        load: Gives the data at a place.
    """

    def find(asked: Data) -> Dataset:
        store = None if path is None else Store(Path(path))
        known = store.read().get("data", []) if store and store.exists else []
        same = [entry for entry in known if old_records.current(entry["asked"]) == to_record(asked)]
        # Other data than before makes other runs, as it always did.
        return recorded_data.read_or_other(load, asked, same[-1], Path(str(path))) if same else load(asked)

    return find


def dataset_of(store: Store, group: Group, asked: Data, x: Any, y: Any, moved: Moved) -> AnyDataset:
    """Return the data of a group's runs, whose rows are read when they are asked for.

    Sweeps of older versions do not say what is needed for that: their data is read now.
    """
    found = [entry for entry in store.read().get("data", []) if group.program in entry["programs"]]
    load = functools.partial(api.load_data, x=x, y=y)
    return api.unread(asked, found[0], store.path, x, y, moved) if found else load(asked)
