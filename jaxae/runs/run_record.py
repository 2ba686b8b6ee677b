"""record.json of a run: what it holds, and the checks when it is written and read."""

import dataclasses
import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxae.data import AnyDataset
from jaxae.errors import JaxaeError
from jaxae.runs import directory, provenance
from jaxae.runs.code import identity, kept
from jaxae.runs.experiment import Experiment
from jaxae.runs.run_types import Run
from jaxae.specs import old_records
from jaxae.specs.pytree import is_node, paths
from jaxae.specs.records import from_record, to_record
from jaxae.training import parallel, processes

FORMAT, READABLE = 2, (1, 2)  # of record.json, and those that are read; `old_records` has the difference


def make_record(run: Run, name: str, command: list[str]) -> dict[str, Any]:
    """What record.json holds: everything needed to run this again, and where it was run.

    Raises: JaxaeError for a value that cannot be written.
    """
    return {
        "format": FORMAT,
        "name": name,
        **numbers(run),
        **facts_of(run.dataset),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **provenance.provenance(command, parallel.devices_by_process(run.mesh)),
    }


def facts_of(dataset: AnyDataset) -> dict[str, Any]:
    """What a record holds of a data set: for people, for a model without rows, and where the data are."""
    place = dataset.location
    return {
        "data": dataset.description,
        "data_hash": dataset.hash,
        "data_facts": dataclasses.asdict(dataset.facts),
        "data_location": place and {"name": place.name, "folder": place.folder},
    }


def numbers(run: Run) -> dict[str, Any]:
    """What makes a run's numbers. Raises: JaxaeError for a value that cannot be written."""
    check_recordable(run.experiment)
    code = identity.describe(run.experiment)
    return {
        "experiment": to_record(run.experiment),
        "seed": run.seed,
        "data_hash": run.dataset.hash,
        **({kept.KEY: code.record()} if code else {}),
    }


def write_record(run: Run, record: dict[str, Any]) -> None:
    """Write record.json, after the code of a user's own classes and the diffs that it names."""
    diffs = provenance.uncommitted()
    directory.keep_files(run.folder / kept.FOLDER, diffs)
    kept.keep(run.folder, identity.describe(run.experiment))
    named = {"uncommitted": [f"{kept.FOLDER}/{name}" for name in diffs]} if diffs else {}
    directory.write_json(run.folder / directory.RECORD, {**record, **named})


def check_recordable(experiment: Experiment) -> None:
    """Raises JaxaeError for a value that JSON cannot hold: a function, an array, a number of numpy."""
    for path, _, value in paths(experiment):
        try:
            json.dumps(None if is_node(value) else to_record(value))
        except TypeError as error:
            raise JaxaeError(f"{path}: got {value!r}, which no record can hold ({error})") from None


def read_record(path: Path, mesh: Mesh | None = None) -> tuple[Experiment, dict[str, Any]]:
    """The experiment of a run's directory or record.json, and the whole record; the first process reads it.

    Raises: JaxaeError naming the file and what is wrong with it.
    """
    file = path / directory.RECORD if path.is_dir() else path
    record = processes.told(mesh, lambda: directory.read_json(file))
    if not isinstance(record, dict) or not isinstance(record.get("experiment"), dict):
        raise JaxaeError(f"{file}: is no record of a run (the key 'experiment' is missing)")
    if record.get("format") not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise JaxaeError(f"{file}: has format {record.get('format')!r}, this version reads {known}")
    try:
        _check_record(record)
        return from_record(record["experiment"], Experiment), record
    except JaxaeError as error:
        raise JaxaeError(f"{file}: {error}{kept.hint(file.parent, record)}") from None
    except (TypeError, RecursionError) as error:  # TypeError: a class lacks a field without default
        raise JaxaeError(f"{file}: {error}") from None


def _check_record(record: dict[str, Any]) -> None:
    check_seed(record.get("seed"))
    kinds = {"name": str, "data_hash": str, "versions": dict, "device": dict, "flags": dict}
    for name, kind in kinds.items():
        if not isinstance(record.get(name), kind):
            expected = "a text" if kind is str else "an object"
            raise JaxaeError(f"{name}: got {record.get(name)!r}, expected {expected}")
    kept.check_record(record)


def check_seed(seed: Any) -> None:
    """Raises JaxaeError for what is no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise JaxaeError(f"seed: got {seed!r}, expected a whole number from 0 to {2**32 - 1}")


def fingerprint(folder: Path) -> str:
    """SHA-256 of what makes a run's numbers (experiment, seed, data, code), as its record.json has it."""
    return digest(directory.read_json(folder / directory.RECORD))


def digest(record: dict[str, Any]) -> str:
    """Return the SHA-256 of what makes a run's numbers, from a record of any format.

    It does not depend on the modules that classes live in, nor on later names of classes.
    """
    parts = [old_records.identity(record.get("experiment")), record.get("seed"), record.get("data_hash")]
    code = kept.digest(record)
    text = json.dumps([*parts, code] if code else parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_data(run: Run, record: dict[str, Any]) -> None:
    """Raises JaxaeError where the data is not what the recorded run had."""
    if difference := data_difference(run.dataset, record):
        raise JaxaeError(f"{run.path or 'the run'}: the data has changed: {difference}")


def data_difference(dataset: AnyDataset, record: dict[str, Any]) -> str | None:
    """Return both hashes in one line where the content is not the recorded one, else None."""
    expected = str(record.get("data_hash"))
    if dataset.hash == expected:
        return None
    made_with = f"the run was made with {expected[:12]} ({record.get('data')})"
    return f"its hash is {dataset.hash[:12]}, but {made_with}"
