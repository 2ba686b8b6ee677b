"""The data of a recorded run: where to look for it, and whether it is still the same."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from jaxae.data import Dataset, DataSpec, Unread, facts
from jaxae.data.location import absolute, path_of, reads_folder
from jaxae.errors import JaxaeError
from jaxae.runs import directory
from jaxae.runs.run_record import data_difference
from jaxae.runs.tokenizer import TrainedTokenizer, location
from jaxae.specs.pytree import replace

T = TypeVar("T")
Record = dict[str, Any]
ARRAYS = "arrays"  # data.name of a run whose rows came from Python
LOCATION = "data_location"
HINT = "if it has moved, give --data.name PATH or --data.folder FOLDER (in Python data_name, data_folder)"


class Moved(NamedTuple):
    """Where the user says that the data of a run is now; None for what has not changed."""

    name: str | None = None
    folder: str | None = None


HERE = Moved()


def moved_to(name: str | Path | None, folder: str | Path | None) -> Moved:
    """Return where data is now, from paths as Python has them."""
    return Moved(*(None if place is None else str(place) for place in (name, folder)))


def has_facts(record: Record) -> bool:
    """Return whether a record holds facts of its data, as those of older versions do not."""
    return "data_facts" in record


def read(
    load: Callable[[DataSpec], Dataset], where: Sequence[DataSpec], record: Record, run: Path
) -> Dataset:
    """Return the data of a recorded run, from the first place where its content is the recorded one.

    Args:
        load: Reads the data at a place.
        where: The places, as `places` gives them.
        record: The run's record.
        run: The run's directory.

    Raises:
        JaxaeError: The data is nowhere, or has other content; the line has both hashes.
    """
    return _first(where, load, lambda found: data_difference(found, record), record, run)


def checked(found: Dataset, record: Record, run: Path) -> Dataset:
    """Return the data itself. Raises: JaxaeError for other content than the record's, with both hashes."""
    if difference := data_difference(found, record):
        raise JaxaeError(f"{run}: the data has changed: {difference}")
    return found


def read_or_other(load: Callable[[DataSpec], Dataset], asked: DataSpec, record: Record, run: Path) -> Dataset:
    """Return the recorded data wherever it is found, else the data that `asked` names here; see `read`."""
    with contextlib.suppress(JaxaeError):
        return read(load, places(asked, record, run), record, run)
    return load(asked)


def unread(
    read: Callable[[], Dataset],
    asked: DataSpec,
    record: Record,
    run: Path,
    tokenizer: TrainedTokenizer | None = None,
) -> Unread:
    """Return what a record knows of its run's data; `read` gives the rows when they are asked for.

    Raises: JaxaeError for a record that does not hold it as it should.
    """
    known = _facts(record, run)
    place = location(tokenizer, asked) if tokenizer else _location(asked, record, run)
    described = str(record.get("data_hash")), str(record.get("data"))
    return Unread(known, *described, read, tokenizer, place)


def find_tokenizer(
    load: Callable[[DataSpec], TrainedTokenizer],
    asked: DataSpec,
    record: Record,
    run: Path,
    moved: Moved = HERE,
) -> TrainedTokenizer:
    """Return the tokenizer of a recorded prior, with the recorded weights; see `read`."""
    expected = str(_facts(record, run).tokenizer)

    def difference(found: TrainedTokenizer) -> str | None:
        if found.weights_hash == expected:
            return None
        weights = f"the weights of {found.result.run.folder} have the hash {found.weights_hash[:12]}"
        return f"{weights}, but the run was made with {expected[:12]} ({record.get('data')})"

    return _first(places(asked, record, run, moved), load, difference, record, run)


def places(asked: DataSpec, record: Record, run: Path, moved: Moved = HERE) -> list[DataSpec]:
    """Return where the data of a run may be: as named, where it was last found, then near the run.

    A relative path is looked for in the run's directory and in those around it, so that a folder that holds
    both can be moved as a whole.
    """
    if any(moved):
        return _moved(asked, moved)
    last = _location(asked, record, run)
    if asked.name == ARRAYS:
        return [last] if last else []
    found = [asked, *([last] if last else []), *_near(asked, run.absolute())]
    unique: dict[DataSpec, DataSpec] = {}
    for place in found:
        unique.setdefault(absolute(place), place)
    return list(unique.values())


def _near(asked: DataSpec, run: Path) -> list[DataSpec]:
    """The relative path of the data in the run's directory and in those around it, where it is there."""
    around = [run, *run.parents]
    if parts := path_of(asked):
        kind, path = parts
        near = [] if Path(path).expanduser().is_absolute() else [folder / path for folder in around]
        if kind:  # runs that were moved together
            near.append(run.parent / Path(path).name)
        return [replace(asked, "name", f"{kind}{place}") for place in near if _exists(place)]
    folder = asked.folder or os.environ.get("JAXAE_DATA")
    if not (folder and reads_folder(asked)) or Path(folder).expanduser().is_absolute():
        return []
    return [replace(asked, "folder", str(place / folder)) for place in around if _exists(place / folder)]


def remember(run: Path, dataset: Any) -> None:
    """Write to a run's record where its data is now; to be called while the run is locked."""
    record = directory.read_json(run / directory.RECORD)
    place = dataset.location
    if place is not None:
        record[LOCATION] = {"name": place.name, "folder": place.folder}
        directory.write_json(run / directory.RECORD, record)


def _moved(asked: DataSpec, moved: Moved) -> list[DataSpec]:
    """The data as the user names it; with a folder alone the file or run of the same name in it."""
    name, folder = moved.name or asked.name, moved.folder if moved.folder is not None else asked.folder
    place = replace(replace(asked, "name", name), "folder", folder)
    parts = path_of(asked)
    if moved.name is not None or parts is None:
        return [place]
    kind, path = parts
    return [replace(asked, "name", f"{kind}{Path(str(folder)) / Path(path).name}")]


def _facts(record: Record, run: Path) -> facts.Facts:
    try:
        return facts.from_json(record["data_facts"])
    except JaxaeError as error:
        raise JaxaeError(f"{run / directory.RECORD}: {error}") from None


def _location(asked: DataSpec, record: Record, run: Path) -> DataSpec | None:
    """Where the data was last found. Raises: JaxaeError for what is no location."""
    found = record.get(LOCATION)
    if found is None:
        return None
    name, folder = (found.get(key) for key in ("name", "folder")) if isinstance(found, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(folder, str | None):
        raise JaxaeError(f"{run / directory.RECORD}: {LOCATION}: got {found!r}, expected a name and a folder")
    return replace(replace(asked, "name", name), "folder", folder)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have, a folder that may not be entered
        return False


def _first(
    where: Sequence[DataSpec],
    load: Callable[[DataSpec], T],
    difference: Callable[[T], str | None],
    record: Record,
    run: Path,
) -> T:
    """The first that can be loaded and does not differ from the record."""
    if not where:
        again = "give them again as x, or save them and give --data.name FILE.npz"
        raise JaxaeError(f"{run}: was trained on rows given from Python; {again}")
    missing, problems, changes = [], [], []
    for place in where:
        parts = path_of(place)
        if parts and not _exists(Path(parts[1]).expanduser()):
            missing.append(parts[1])
            continue
        try:
            found = load(place)
        except JaxaeError as error:
            problems.append(str(error))
            continue
        change = difference(found)
        if change is None:
            return found
        changes.append(f"{place.name}: {change}" if len(where) > 1 else change)
    if changes:
        raise JaxaeError(f"{run}: the data has changed: {changes[0]}")
    problem = problems[0] if problems else f"there is no {' nor '.join(missing)}"
    old = "" if has_facts(record) else "; its record, of an older version, lacks what a model needs of it"
    raise JaxaeError(f"{run}: its data cannot be read: {problem}; {HINT}{old}")
