"""The data of a recorded run: where to look for it, and whether it has changed."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from jaxae.data import Dataset, DataSpec, Unread, facts
from jaxae.data.files import expanded
from jaxae.data.location import absolute, exists, path_of, reads_folder
from jaxae.errors import JaxaeError
from jaxae.runs import directory, seals
from jaxae.runs.run_record import data_difference
from jaxae.runs.tokenizer import TrainedTokenizer, location
from jaxae.specs.pytree import replace

T = TypeVar("T")
Record = dict[str, Any]
ARRAYS = "arrays"  # `data.name` of a run whose rows came from Python
LOCATION = "data_location"
HINT = "if it has moved, give --data.name PATH or --data.folder FOLDER (in Python data_name, data_folder)"


class Moved(NamedTuple):
    """New name and folder of a run's data, as the user gives them; None for a part that has not changed."""

    name: str | None = None
    folder: str | None = None


HERE = Moved()


def moved_to(name: str | Path | None, folder: str | Path | None) -> Moved:
    """Return the new place of data, from paths as Python has them.

    Args:
        name: New `data.name`, or None.
        folder: New `data.folder`, or None.

    Returns:
        Both as texts.
    """
    return Moved(*(None if place is None else str(place) for place in (name, folder)))


def has_facts(record: Record) -> bool:
    """Return whether a record holds facts of its data; records of older versions do not."""
    return "data_facts" in record


def read(
    load: Callable[[DataSpec], Dataset], candidates: Sequence[DataSpec], record: Record, run: Path
) -> Dataset:
    """Return the data of a recorded run, from the first place where its content is the recorded one.

    Args:
        load: Function that reads the data at a place.
        candidates: The places, as `places` returns them.
        record: The run's record.
        run: The run's directory.

    Returns:
        The data.

    Raises:
        JaxaeError: If the data is nowhere, or has other content; the message has both hashes.
    """
    return _load_first_match(candidates, load, lambda dataset: data_difference(dataset, record), record, run)


def checked(dataset: Dataset, record: Record, run: Path) -> Dataset:
    """Check that data has the content of the record, and return it.

    Args:
        dataset: The data.
        record: The run's record.
        run: The run's directory.

    Returns:
        The same data.

    Raises:
        JaxaeError: If its content is another; the message has both hashes.
    """
    if difference := data_difference(dataset, record):
        raise JaxaeError(f"{run}: the data has changed: {difference}")
    return dataset


def read_or_other(
    load: Callable[[DataSpec], Dataset], data_spec: DataSpec, record: Record, run: Path
) -> Dataset:
    """Return the recorded data wherever it is found, or else the data that `data_spec` names; see `read`.

    Args:
        load: Function that reads the data at a place.
        data_spec: The data as the run's experiment names it.
        record: The run's record.
        run: The run's directory.

    Returns:
        The data.
    """
    # Unlike `read`, missing or changed data is no error: the caller
    # starts another run of the same experiment.
    with contextlib.suppress(JaxaeError):
        return read(load, places(data_spec, record, run), record, run)
    return load(data_spec)


def unread(
    read: Callable[[], Dataset],
    data_spec: DataSpec,
    record: Record,
    run: Path,
    tokenizer: TrainedTokenizer | None = None,
) -> Unread:
    """Return the data of a record; the rows are read at their first use.

    Args:
        read: Function that reads the rows and checks them.
        data_spec: The data as the run's experiment names it.
        record: The run's record.
        run: The run's directory.
        tokenizer: The tokenizer of a prior over tokens; None for other data.

    Returns:
        The data, with everything that the record knows of it.

    Raises:
        JaxaeError: If the record's facts of the data are not valid.
    """
    known_facts = _read_facts(record, run)
    place = location(tokenizer, data_spec) if tokenizer else _last_location(data_spec, record, run)
    described = str(record.get("data_hash")), str(record.get("data"))
    return Unread(known_facts, *described, read, tokenizer, place)


def find_tokenizer(
    load: Callable[[DataSpec], TrainedTokenizer],
    data_spec: DataSpec,
    record: Record,
    run: Path,
    moved: Moved = HERE,
) -> TrainedTokenizer:
    """Return the tokenizer of a recorded prior, with the recorded weights; see `read`.

    Args:
        load: Function that returns the tokenizer at a place.
        data_spec: The data as the run's experiment names it.
        record: The run's record.
        run: The run's directory.
        moved: New name and folder of the tokenizer's run.

    Returns:
        The tokenizer.

    Raises:
        JaxaeError: If it is nowhere, or has other weights; the message has both hashes.
    """
    expected = str(_read_facts(record, run).tokenizer)

    def difference(tokenizer: TrainedTokenizer) -> str | None:
        if tokenizer.weights_hash == expected:
            return None
        weights = f"the weights of {tokenizer.result.run.folder} have the hash {tokenizer.weights_hash[:12]}"
        return f"{weights}, but the run was made with {expected[:12]} ({record.get('data')})"

    return _load_first_match(places(data_spec, record, run, moved), load, difference, record, run)


def places(data_spec: DataSpec, record: Record, run: Path, moved: Moved = HERE) -> list[DataSpec]:
    """Return the places where the data of a run may be: as named, where it was last found, then near the run.

    A relative path is looked for in the run's directory and in all directories above it. So a folder that
    holds both can be moved as a whole.

    Args:
        data_spec: The data as the run's experiment names it.
        record: The run's record.
        run: The run's directory.
        moved: New name and folder; if given, the only place.

    Returns:
        The places, each once, in the order in which to try them.
    """
    # The user's answer alone counts: a fallback could find the old data without a word.
    if any(moved):
        return _moved_places(data_spec, moved)
    last = _last_location(data_spec, record, run)
    # Rows from Python have no place, unless the user has saved them since and named the file.
    if data_spec.name == ARRAYS:
        return [last] if last else []
    candidates = [data_spec, *([last] if last else []), *_places_near(data_spec, run.absolute())]
    # Keys are absolute, values as the user wrote them: messages name the latter.
    unique: dict[DataSpec, DataSpec] = {}
    for place in candidates:
        # The same file by two names is read once: reading and hashing large data takes long.
        unique.setdefault(absolute(place), place)
    return list(unique.values())


def _places_near(data_spec: DataSpec, run: Path) -> list[DataSpec]:
    """Return the places near the run where the relative path of its data exists."""
    folders = [run, *run.parents]
    if parts := path_of(data_spec):
        kind, path = parts
        candidates = [] if expanded(path).is_absolute() else [folder / path for folder in folders]
        if kind:  # a tokenizer's run that was moved together with this run
            candidates.append(run.parent / Path(path).name)
        return [replace(data_spec, "name", f"{kind}{place}") for place in candidates if exists(str(place))]
    folder = data_spec.folder or os.environ.get("JAXAE_DATA")
    if not (folder and reads_folder(data_spec)) or expanded(folder).is_absolute():
        return []
    return [
        replace(data_spec, "folder", str(place / folder)) for place in folders if exists(str(place / folder))
    ]


def remember(run: Path, dataset: Any) -> None:
    """Write the present place of the data to a run's record. The caller holds the run's lock.

    Args:
        run: The run's directory.
        dataset: The data, which has been read.
    """
    record = seals.read(run / directory.RECORD)
    place = dataset.location
    if place is not None:
        record[LOCATION] = {"name": place.name, "folder": place.folder}
        directory.write_json(run / directory.RECORD, record)


def _moved_places(data_spec: DataSpec, moved: Moved) -> list[DataSpec]:
    """Return the data as the user names it; for a folder alone, the file or run of the same name in it."""
    name, folder = (
        moved.name or data_spec.name,
        moved.folder if moved.folder is not None else data_spec.folder,
    )
    place = replace(replace(data_spec, "name", name), "folder", folder)
    parts = path_of(data_spec)
    if moved.name is not None or parts is None:
        return [place]
    kind, path = parts
    return [replace(data_spec, "name", f"{kind}{Path(str(folder)) / Path(path).name}")]


def _read_facts(record: Record, run: Path) -> facts.Facts:
    try:
        return facts.from_json(record["data_facts"])
    except JaxaeError as error:
        raise JaxaeError(f"{run / directory.RECORD}: {error}") from None


def _last_location(data_spec: DataSpec, record: Record, run: Path) -> DataSpec | None:
    """Return the place where the data was last found, or None; raise JaxaeError if it is not valid."""
    location_entry = record.get(LOCATION)
    if location_entry is None:
        return None
    name, folder = (
        (location_entry.get(key) for key in ("name", "folder"))
        if isinstance(location_entry, dict)
        else (None, None)
    )
    if not isinstance(name, str) or not isinstance(folder, str | None):
        raise JaxaeError(
            f"{run / directory.RECORD}: {LOCATION}: got {location_entry!r}, expected a name and a folder"
        )
    return replace(replace(data_spec, "name", name), "folder", folder)


def _load_first_match(
    candidates: Sequence[DataSpec],
    load: Callable[[DataSpec], T],
    difference: Callable[[T], str | None],
    record: Record,
    run: Path,
) -> T:
    """Return the first value that can be loaded and does not differ from the record."""
    if not candidates:
        again = "give them again as x, or save them and give --data.name FILE.npz"
        raise JaxaeError(f"{run}: was trained on rows given from Python; {again}")
    missing, problems, changes = [], [], []
    for place in candidates:
        parts = path_of(place)
        # Loading a missing file would give a message about one place; all
        # missing places are named together below.
        if parts and not exists(parts[1]):
            missing.append(parts[1])
            continue
        try:
            value = load(place)
        except JaxaeError as error:
            problems.append(str(error))
            continue
        change = difference(value)
        if change is None:
            return value
        # Not an error yet: the data may be unchanged in one of the other places.
        changes.append(f"{place.name}: {change}" if len(candidates) > 1 else change)
    # Changed data is the better message: it names a file that exists, with both hashes.
    if changes:
        raise JaxaeError(f"{run}: the data has changed: {changes[0]}")
    problem = problems[0] if problems else f"there is no {' nor '.join(missing)}"
    old = "; its record, of an older version, lacks the facts of the data that a model needs"
    raise JaxaeError(f"{run}: its data cannot be read: {problem}; {HINT}{'' if has_facts(record) else old}")
