"""Access to original files: where they are, how to read them whole, and how to silence noisy libraries."""

import contextlib
import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from jaxae.data.downloads.known_data import KNOWN
from jaxae.data.free_memory import check_room
from jaxae.errors import JaxaeError

PART_BYTES = 2**26  # bytes that are unpacked at once


def expanded(path: str | Path) -> Path:
    """Return a path with the home directory in place of `~` or `~name`; other paths as they are.

    Args:
        path: The path. Without a user of this name `~name` is the name of a file, as in a shell.
    """
    # Path.expanduser raises a RuntimeError for a user that does not exist.
    return Path(os.path.expanduser(path))


def root(folder: str | None) -> Path | None:
    """Return the folder of original files: `folder`, else the variable JAXAE_DATA, else None."""
    path = folder or os.environ.get("JAXAE_DATA")
    return expanded(path) if path else None


def cache_root() -> Path:
    """Return the folder of downloaded files: ~/.cache/jaxae/data, or below XDG_CACHE_HOME if it is set."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "jaxae" / "data"


def roots(folder: str | None) -> list[Path]:
    """Return the folders to look in: only `folder` if it is given, else JAXAE_DATA and the cache.

    Downloads go to the first one.
    """
    base = root(folder)
    if folder:
        return [expanded(folder)]
    return [base, cache_root()] if base else [cache_root()]


def home(name: str, folder: str | None) -> Path:
    """Return the first of the `roots` that has all files of a known data set; if none has, the first root.

    Args:
        name: The name of a known data set.
        folder: The folder to look in; None uses the default ones.

    Returns:
        The folder, which may not exist.
    """
    bases = roots(folder)
    complete = [base for base in bases if any(_is_complete(name, place) for place in _places(name, base))]
    return (complete or bases)[0]


def tfds_root(folder: str | None) -> Path:
    """Return the folder of TFDS data sets: FOLDER/tfds if it exists, else `folder`, else TFDS's default."""
    base = root(folder)
    if base and (base / "tfds").is_dir():
        return base / "tfds"
    # JAXAE_DATA alone does not replace TFDS's default folder, since it often holds original files only.
    if base and folder:
        return base
    return expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def find(name: str, folder: str | None) -> list[Path]:
    """Return the paths of the files of a known data set, all of them in one folder.

    Args:
        name: The name of the data set.
        folder: The folder that holds them, or that holds the folder `name`; None uses the default ones.

    Returns:
        One path for each file. A file with .gz is preferred to one without.

    Raises:
        JaxaeError: If a file is missing. The message names the command that downloads it.
    """
    # MNIST and Fashion-MNIST have equal file names and cannot share one folder: FOLDER/name comes first.
    places = [place for base in roots(folder) for place in _places(name, base)]
    stems = KNOWN[name].stems
    existing = {place: [path for stem in stems for path in _find_file(place, stem)] for place in places}
    for paths in existing.values():
        if len(paths) == len(stems):
            return paths
    # The message lists only the files that are missing from the most complete place: likely the intended one.
    fullest = max(places, key=lambda place: len(existing[place]))
    missing = [file.name for file in KNOWN[name].files if not _find_file(fullest, file.stem)]
    option = f" --folder {folder}" if folder else ""
    raise JaxaeError(
        f"data {name!r}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in {fullest};"
        f" `jaxae data download {name}{option}` fetches {'it' if len(stems) == 1 else 'them'}"
        f" ({KNOWN[name].size}); if you have the files, set data.folder to the folder that holds {name}/"
    )


def _places(name: str, base: Path) -> tuple[Path, Path]:
    """Return the two places below a root where the files may be."""
    return base / name, base


def _is_complete(name: str, place: Path) -> bool:
    return all(_find_file(place, stem) for stem in KNOWN[name].stems)


def _find_file(place: Path, file: str) -> list[Path]:
    return [path for path in (place / f"{file}.gz", place / file) if path.is_file()][:1]


def read_bytes(path: Path) -> tuple[bytes, bool]:
    """Return the content of a plain or .gz file, and whether it is complete (False if gzip data is cut off).

    Raises:
        JaxaeError: If the file cannot be read, or is not valid gzip data.
    """
    try:
        content = path.read_bytes()
        return _gunzip(content, str(path)) if path.suffix == ".gz" else (content, True)
    except zlib.error as error:
        raise JaxaeError(f"{path}: corrupt gzip file: {one_line(error)}") from error
    except OSError as error:
        raise JaxaeError(f"{path}: cannot be read: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """Return the message of an exception as one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _gunzip(data: bytes, where: str) -> tuple[bytes, bool]:
    """Return the unpacked bytes, and whether the gzip data was complete."""
    # gzip.open is not used: at a cut it gives nothing of the last block, but error messages count its bytes.
    pieces = []
    # A gzip file may have several members; `unused_data` is where the next one starts.
    while data:
        member = zlib.decompressobj(wbits=31)
        rest = data
        # In parts: a small file may unpack to more than the memory. The end of a member has no rest.
        while rest and not member.eof:
            pieces.append(member.decompress(rest, PART_BYTES))
            rest = member.unconsumed_tail
            check_room(where, len(pieces) * PART_BYTES if rest else 0)
        if not member.eof:
            return b"".join(pieces), False
        # Some tools pad the end of a file with zero bytes, which are not the start of another member.
        data = member.unused_data.lstrip(b"\0")
    return b"".join(pieces), bool(pieces)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide the advice that data libraries log (such as "install OpenCV"), and restore logging afterwards."""
    logger = logging.getLogger("absl")
    # absl (and `import grain`) add a handler to the root logger, which would change how the user's logs look.
    level, handlers = logger.level, list(logging.root.handlers)
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        logging.root.handlers[:] = handlers
