"""record.json of a run: its content, and the checks when it is written and read."""

import dataclasses
import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxae.data import AnyDataset
from jaxae.errors import JaxaeError
from jaxae.runs import directory, initial, provenance, seals
from jaxae.runs.code import identity, kept
from jaxae.runs.experiment import Experiment
from jaxae.runs.run_types import Run
from jaxae.specs import old_records
from jaxae.specs.pytree import is_node, paths
from jaxae.specs.records import from_record, to_record
from jaxae.training import parallel, processes

# Written; read. `old_records` has the difference between 1 and 2; files of format 3 have digests (`seals`).
FORMAT, READABLE = 3, (1, 2, 3)


def make_record(run: Run, name: str, command: list[str]) -> dict[str, Any]:
    """Return the content of record.json: all that is needed to run again, and where it was run.

    Args:
        run: The run.
        name: Its name.
        command: The command that started it.

    Returns:
        The record.

    Raises:
        JaxaeError: If the experiment has a value that JSON cannot hold.
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
    """Return a record's entries about the data: for people, for a model without rows, and the place."""
    place = dataset.location
    return {
        "data": dataset.description,
        "data_hash": dataset.hash,
        "data_facts": dataclasses.asdict(dataset.facts),
        "data_location": place and {"name": place.name, "folder": place.folder},
    }


def numbers(run: Run) -> dict[str, Any]:
    """Return the entries of a record that determine the run's numbers: experiment, seed, data and code.

    Raises:
        JaxaeError: If the experiment has a value that JSON cannot hold.
    """
    check_recordable(run.experiment)
    code = identity.describe(run.experiment)
    return {
        "experiment": to_record(run.experiment),
        "seed": run.seed,
        "data_hash": run.dataset.hash,
        **({kept.KEY: code.record()} if code else {}),
        **({initial.KEY: run.initial.record} if run.initial else {}),
    }


def write_record(run: Run, record: dict[str, Any]) -> None:
    """Write record.json, after the files that it names: the code of the user's classes and the diffs.

    Args:
        run: The run, with its directory.
        record: The record.
    """
    # A directory with record.json is a run: everything that the record names has to exist by then.
    diffs = provenance.uncommitted()
    directory.keep_files(run.folder / kept.FOLDER, diffs)
    kept.keep(run.folder, identity.describe(run.experiment))
    diff_names = {"uncommitted": [f"{kept.FOLDER}/{name}" for name in diffs]} if diffs else {}
    directory.write_json(run.folder / directory.RECORD, {**record, **diff_names})


def check_recordable(experiment: Experiment) -> None:
    """Raise JaxaeError for a value that JSON cannot hold: a function, an array, a NumPy number."""
    # Field by field, so that the message names the one that cannot be written.
    for path, _, value in paths(experiment):
        try:
            json.dumps(None if is_node(value) else to_record(value))
        except TypeError as error:
            raise JaxaeError(f"{path}: got {value!r}, expected a value for JSON ({error})") from None


def read_record(path: Path, mesh: Mesh | None = None) -> tuple[Experiment, dict[str, Any]]:
    """Read the record of a run, in the first process, and return it in all of them.

    Args:
        path: The run's directory or its record.json.
        mesh: The devices that share each batch; None for one device.

    Returns:
        (experiment, record).

    Raises:
        JaxaeError: If it is missing or not valid. The message names the file and the entry.
    """
    file = path / directory.RECORD if path.is_dir() else path
    record = processes.broadcast(mesh, lambda: seals.read(file))
    if not isinstance(record, dict) or not isinstance(record.get("experiment"), dict):
        raise JaxaeError(f"{file}: is not a record of a run (the key 'experiment' is missing)")
    if record.get("format") not in READABLE:
        formats = ", ".join(map(str, READABLE))
        raise JaxaeError(f"{file}: has format {record.get('format')!r}, this version reads {formats}")
    try:
        _check_record(record)
        return from_record(record["experiment"], Experiment), record
    except JaxaeError as error:
        raise JaxaeError(f"{file}: {error}{kept.hint(file.parent, record)}") from None
    except (TypeError, RecursionError) as error:  # TypeError: a class lacks a field without default
        raise JaxaeError(f"{file}: {error}") from None


def _check_record(record: dict[str, Any]) -> None:
    check_seed(record.get("seed"))
    # A record may have been edited by hand; the code that reads it later relies on these types.
    types = {"name": str, "data_hash": str, "versions": dict, "device": dict, "flags": dict}
    for name, expected_type in types.items():
        if not isinstance(record.get(name), expected_type):
            expected = "a text" if expected_type is str else "an object"
            raise JaxaeError(f"{name}: got {record.get(name)!r}, expected {expected}")
    kept.check_record(record)
    initial.check_record(record)
    extensions = record.get(directory.EXTENDED, [])
    keys = {"fingerprint": str, "from_epoch": int}
    if not isinstance(extensions, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get(key), keys[key])
        for entry in extensions
        for key in keys
    ):
        raise JaxaeError(f"{directory.EXTENDED}: got an invalid entry, expected a list as jaxae writes it")


def check_seed(seed: Any) -> None:
    """Raise JaxaeError if the seed is not a whole number from 0 to 2^32 - 1."""
    # Without x64 mode jax drops the bits above 32, so two seeds would give one run. True is an int in Python.
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise JaxaeError(f"seed: got {seed!r}, expected a whole number from 0 to {2**32 - 1}")


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of the entries that determine a run's numbers, from its record.json."""
    return digest(seals.read(folder / directory.RECORD))


def earlier_fingerprints(folder: Path) -> dict[str, int]:
    """Return fingerprint -> last epoch that it holds for, of the lengths that a run had before."""
    extensions = seals.read(folder / directory.RECORD).get(directory.EXTENDED, [])
    return {extension["fingerprint"]: extension["from_epoch"] for extension in extensions}


def digest(record: dict[str, Any]) -> str:
    """Return the SHA-256 of a record's experiment, seed, data and code: equal digests mean equal runs.

    It does not depend on the modules that hold classes, nor on later names of classes. The record may have
    any format.
    """
    parts = [old_records.identity(record.get("experiment")), record.get("seed"), record.get("data_hash")]
    # Without classes of a user's own and a warm start there is no fourth part: old records keep their digest.
    code, start = kept.digest(record), initial.digest(record)
    parts += [*([code] if code else []), *([{"initial": start}] if start else [])]
    text = json.dumps(parts, sort_keys=True)
    # Checkpoints and sweeps store this digest: any change of the text above makes all old runs unknown.
    return hashlib.sha256(text.encode()).hexdigest()


def check_data(run: Run, record: dict[str, Any]) -> None:
    """Raise JaxaeError if the data of a run is not that of its record.

    Args:
        run: The run.
        record: Its record.
    """
    if difference := data_difference(run.dataset, record):
        raise JaxaeError(f"{run.path or 'the run'}: the data has changed: {difference}")


def data_difference(dataset: AnyDataset, record: dict[str, Any]) -> str | None:
    """Return both hashes as text if the content of data is not the recorded one, otherwise None.

    Args:
        dataset: The data.
        record: The record.

    Returns:
        Text for a message, or None.
    """
    expected = str(record.get("data_hash"))
    if dataset.hash == expected:
        return None
    made_with = f"the run was made with {expected[:12]} ({record.get('data')})"
    return f"its hash is {dataset.hash[:12]}, but {made_with}"
