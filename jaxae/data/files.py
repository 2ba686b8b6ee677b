"""Original files: where they lie, how they are read whole, and libraries that are kept from logging."""

import contextlib
import logging
import os
import zlib
from collections.abc import Iterator
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


def read_bytes(path: Path) -> tuple[bytes, bool]:
    """The content of a plain or .gz file, and whether it is complete (a gzip file may be cut off)."""
    try:
        content = path.read_bytes()
        return _gunzip(content) if path.suffix == ".gz" else (content, True)
    except zlib.error as error:
        raise JaxaeError(f"{path}: corrupt gzip file: {one_line(error)}") from error
    except OSError as error:
        raise JaxaeError(f"{path}: cannot be read: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """What an exception says, as one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _gunzip(packed: bytes) -> tuple[bytes, bool]:
    # Not gzip.open: at a cut it gives nothing of the last block, and messages count what was found.
    pieces = []
    while packed:
        member = zlib.decompressobj(wbits=31)
        pieces.append(member.decompress(packed))
        if not member.eof:
            return b"".join(pieces), False
        packed = member.unused_data.lstrip(b"\0")
    return b"".join(pieces), bool(pieces)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps advice (install OpenCV, no dataset_info.json) off the user's screen, and logging as it was."""
    logger = logging.getLogger("absl")
    # absl (and `import grain`) give the root logger a handler, which would change how the user's own look.
    level, handlers = logger.level, list(logging.root.handlers)
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        logging.root.handlers[:] = handlers
