"""Compiled programs that test workers keep on disk: shared among workers, and with later runs of the tests.

Most of the suite's time goes into compiling. jax names an entry by what it was compiled from, with which
versions and flags, so that an entry of another state of the code is either right or never found.
"""

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

DAYS = 14  # after which an entry of the store that no run has used is removed


def exchange(folders: Iterable[Path]) -> None:
    """Let every folder have the entries of all folders, as links to the same files.

    Args:
        folders: Folders of workers and the store. Those that do not exist are left out.
    """
    present = [folder for folder in folders if folder.is_dir()]
    # A name that starts with a dot is a copy that another process has not finished.
    entries = {
        path.name: path for folder in present for path in folder.iterdir() if not path.name.startswith(".")
    }
    for folder in present:
        for name in entries.keys() - {path.name for path in folder.iterdir()}:
            _link(entries[name], folder / name)


def remove_old(store: Path) -> None:
    """Remove the entries of a store that no run has written or used for `DAYS` days."""
    oldest = time.time() - DAYS * 24 * 3600
    for path in store.iterdir():
        if max(path.stat().st_mtime, path.stat().st_atime) < oldest:
            path.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Link or copy a file, in one step for other processes."""
    try:
        os.link(source, target)
    except FileExistsError:  # another run was faster
        return
    except OSError:  # the store is on another file system
        part = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copy2(source, part)
        part.replace(target)
