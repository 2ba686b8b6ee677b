"""The folder of files that jaxae can make again: compiled programs, outlines of classes, passed trials."""

import hashlib
import os
import sys
from pathlib import Path


def folder() -> Path:
    """Return `~/.cache/jaxae`, or the same below XDG_CACHE_HOME; it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxae"


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
