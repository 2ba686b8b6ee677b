"""Download of a known data set: into its folder, from mirrors, checked, and only what is missing."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from jaxae.data.downloads.checksum import difference
from jaxae.data.downloads.description import KnownData, RemoteFile, format_bytes
from jaxae.data.downloads.display import Display
from jaxae.data.downloads.known_data import KNOWN
from jaxae.data.downloads.transfer import Unavailable, transfer
from jaxae.data.files import cache_root, one_line, roots
from jaxae.errors import JaxaeError, nearest

MIRROR = "JAXAE_MIRROR"
LOCK_NAME = ".download.lock"


def known(name: str) -> KnownData:
    """Return the description of a data set that can be downloaded.

    Args:
        name: Its name; `dsprites:5000` is `dsprites`.

    Returns:
        The description.

    Raises:
        JaxaeError: If no such data set can be downloaded.

    Example:
        >>> known("mnist").size
        '11.6 MB'
    """
    kind = name.partition(":")[0]
    if kind not in KNOWN:
        raise JaxaeError(f"data {name!r}: cannot be downloaded; {nearest(name, KNOWN)}")
    return KNOWN[kind]


def download(name: str, folder: str | None = None, progress: bool = True) -> Path:
    """Download the original files of a known data set, unless they are there, and check them.

    An interrupted download is resumed. The environment variable JAXAE_MIRROR gives an address that is tried
    first, for MIRROR/NAME/FILE. HTTP_PROXY and HTTPS_PROXY are used.

    Args:
        name: The name of the data set, such as `mnist`.
        folder: The folder in which the folder `name` is made. None uses the environment variable JAXAE_DATA,
            or the cache ~/.cache/jaxae/data, in both of which data sets are looked up by default.
        progress: Whether to print lines, and bars on a terminal.

    Returns:
        The folder of the files.

    Raises:
        JaxaeError: If the data set is unknown, if a file cannot be had from any address, or if the folder
            cannot be written. The message is one line, and says what to do by hand.
    """
    data, display = known(name), Display(progress)
    target = (roots(folder)[0] / data.name).absolute()
    missing = [file for file in data.files if not _is_there(file, target, display)]
    if missing:
        _make_folder(target)
        _check_space(missing, target)
        with _locked(target, display):
            for file in missing:
                _fetch(data.name, file, target, display)
    return target


def _is_there(file: RemoteFile, target: Path, display: Display) -> bool:
    """Return whether a file needs no download, and print how that was found."""
    path = target / file.name
    if path.is_file():
        wrong = difference(path, file.checksum)
        if not wrong:
            algorithm = file.checksum.partition(":")[0]
            display.line(f"{file.name}: already there, {algorithm} checksum right")
            return True
        display.line(f"{file.name}: is damaged ({wrong}), is downloaded again")
        return False
    # Readers accept files with and without .gz, but the table has the checksum of one form only.
    other = target / (file.stem if file.name != file.stem else f"{file.name}.gz")
    if other.is_file():
        display.line(f"{other.name}: already there, checksum not compared (it is that of {file.name})")
    return other.is_file()


def _make_folder(target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        writable = os.access(target, os.W_OK)
    except OSError as error:
        raise JaxaeError(
            f"{target}: cannot be made: {one_line(error)}; choose another by --folder"
        ) from error
    if not writable:
        raise JaxaeError(
            f"{target}: is not writable; choose another folder, such as --folder {cache_root()}, in which"
            " data sets are found by default too"
        )


def _check_space(missing: list[RemoteFile], target: Path) -> None:
    """Raise JaxaeError if the disk has less space than the files need."""
    parts = [_part(target, file) for file in missing]
    needed = sum(file.size or 0 for file in missing) - sum(p.stat().st_size for p in parts if p.exists())
    free = shutil.disk_usage(target).free
    if needed > free:
        raise JaxaeError(
            f"{target}: {format_bytes(needed)} are needed, {format_bytes(free)} are free on this disk; free"
            " some space, or choose another folder by --folder"
        )


@contextlib.contextmanager
def _locked(target: Path, display: Display) -> Iterator[None]:
    """Wait until no other process downloads into the folder, and keep others waiting."""
    import filelock

    lock = filelock.FileLock(target / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        display.line(f"{target}: waiting for another download into this folder")
        lock.acquire()
    except (OSError, NotImplementedError):
        # Some network file systems have no locks. Two downloads at once would only waste each other's time,
        # since every file is compared with its checksum.
        pass
    try:
        yield
    finally:
        lock.release()


def _fetch(name: str, file: RemoteFile, target: Path, display: Display) -> None:
    """Download one file from the first address that gives it, and put it in its place."""
    path, reasons = target / file.name, []
    # Another process may have completed the file while this one waited for the lock.
    if path.is_file() and not difference(path, file.checksum):
        return
    for url in _addresses(name, file):
        host = urlsplit(url).netloc
        try:
            _fetch_from(url, file, _part(target, file), display)
        except Unavailable as reason:
            reasons.append(f"{host}: {reason}")
            continue
        # The last step: a file has its name only when it is complete and checked.
        os.replace(_part(target, file), path)
        algorithm = file.checksum.partition(":")[0]
        display.line(f"{file.name}: downloaded from {host}, {algorithm} checksum right")
        return
    raise JaxaeError(
        f"{name}: {file.name} cannot be downloaded ({'; '.join(reasons)}); by hand: get {file.urls[0]} and"
        f" put it into {target}, or set {MIRROR} to a mirror"
    )


def _fetch_from(url: str, file: RemoteFile, part: Path, display: Display) -> None:
    """Download the partial file from one address and compare its checksum; a wrong file is deleted."""
    # A second try only for a resumed file: its first bytes may be of another address or version.
    for _ in range(2 if part.exists() else 1):
        with display.bar(file, urlsplit(url).netloc) as report:
            transfer(url, file, part, report)
        wrong = difference(part, file.checksum)
        if not wrong:
            return
        part.unlink()
    raise Unavailable(f"a damaged or changed file ({wrong})")


def _addresses(name: str, file: RemoteFile) -> Iterator[str]:
    """Yield the addresses of a file, in the order in which they are tried."""
    if mirror := os.environ.get(MIRROR):
        yield f"{mirror.rstrip('/')}/{name}/{file.name}"
    yield from file.urls


def _part(target: Path, file: RemoteFile) -> Path:
    return target / f"{file.name}.part"
