"""The folder of files that jaxae can make again: compiled programs, outlines of classes, passed trials."""

import contextlib
import hashlib
import os
import sys
from pathlib import Path


def folder() -> Path:
    """Return `~/.cache/jaxae`, or the same below XDG_CACHE_HOME; it may not exist yet."""
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "jaxae"
    try:
        return Path.home() / ".cache" / "jaxae"
    except RuntimeError:  # a user without a home directory, as in some containers
        # Nothing can be made below a file, and callers go on without the folder.
        return Path(os.devnull) / "jaxae"


def fingerprint(package: Path, use: str) -> str:
    """Return a fingerprint of a package's files, by their sizes and times of change.

    Args:
        package: The folder of the package.
        use: Text that is part of the fingerprint, such as the format of the file that is kept.

    Returns:
        SHA-256, another one for each version of Python.
    """
    digest = hashlib.sha256(f"{use} {sys.version}".encode())
    for folder, folders, files in os.walk(package):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            status = os.stat(os.path.join(folder, name))
            digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def write(file: Path, text: str) -> None:
    """Write a file of the folder as a whole; nothing happens if it cannot be written.

    Args:
        file: The file; its folder is made if it is missing.
        text: The new content.
    """
    # A file of this process, renamed when it is complete: two processes may write at once.
    temporary = file.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
