"""Where files lie: `Data.folder`, else the environment variable JAXAE_DATA."""

import os
from pathlib import Path

from jaxae.errors import JaxaeError


def root(folder: str | None) -> Path | None:
    """The folder of original files, where one is named."""
    named = folder or os.environ.get("JAXAE_DATA")
    return Path(named).expanduser() if named else None


def tfds_root(folder: str | None) -> Path:
    """FOLDER/tfds where it exists, else `folder`, else where TFDS itself looks."""
    base = root(folder)
    if base and (base / "tfds").is_dir():
        return base / "tfds"
    if base and folder:
        return base
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def find(name: str, files: tuple[str, ...], folder: str | None) -> list[Path]:
    """The paths of `files`, each plain or with .gz, all in FOLDER/name or all in FOLDER itself."""
    base = root(folder)
    if base is None:
        raise JaxaeError(
            f"{name}: no folder to look in; set data.folder or the environment variable JAXAE_DATA"
            f" to the folder that holds {name}/{files[0]}.gz"
        )
    places = [base / name, base]
    found = {place: [path for file in files for path in _either(place, file)] for place in places}
    for paths in found.values():
        if len(paths) == len(files):
            return paths
    fullest = max(places, key=lambda place: len(found[place]))
    missing = [file for file in files if not _either(fullest, file)]
    raise JaxaeError(
        f"{name}: {', '.join(missing)} (plain or .gz) not found in {places[0]} or {places[1]};"
        f" set data.folder or JAXAE_DATA to the folder that holds {name}/"
    )


def _either(place: Path, file: str) -> list[Path]:
    return [path for path in (place / f"{file}.gz", place / file) if path.is_file()][:1]
