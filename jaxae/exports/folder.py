"""A folder of exported files that appears as a whole or not at all."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from jaxae.errors import JaxaeError


def check_new(folder: Path) -> None:
    """Raise JaxaeError unless `folder` is empty or does not exist."""
    if folder.is_dir() and any(folder.iterdir()):
        raise JaxaeError(f"--output {folder}: the directory is not empty; choose an empty one, or a new name")
    if folder.exists() and not folder.is_dir():
        raise JaxaeError(f"--output {folder}: is a file, expected a new or empty directory")


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a new or empty folder.

    Args:
        folder: The folder.
        files: Content by name.

    Raises:
        JaxaeError: If the folder is not empty or cannot be written; then nothing is left of it.
    """
    check_new(folder)
    is_new, temporary = not folder.is_dir(), folder / ".part"
    try:
        temporary.mkdir(parents=True)
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        # Renamed when all are written: a full disk leaves no folder with some of the files. Inside the
        # folder, since an existing folder may be a mounted file system.
        for name in files:
            (temporary / name).rename(folder / name)
        temporary.rmdir()
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        reason = error.strerror or str(error)
        raise JaxaeError(f"--output {folder}: cannot be written ({reason}); nothing was exported") from None
