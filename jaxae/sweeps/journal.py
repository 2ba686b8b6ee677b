"""The journal of an Optuna study in a sweep's directory. Importing this module imports optuna.

Optuna's own journal stops at a line that a kill tore, and notices no changed digit. Here each line has its
number and a digest, and a torn last line is cut off.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from jaxae.errors import JaxaeError
from jaxae.runs import seals

NUMBER = "line"  # entry of each line: its number, counted from 1


class Journal(BaseJournalBackend):
    """Journal for one process, which holds the lock of the search's folder."""

    def __init__(self, path: Path, folder: Path) -> None:
        """Read the journal, if there is one.

        Args:
            path: The file.
            folder: Directory of the sweep.

        Raises:
            JaxaeError: If a line is damaged or missing.
        """
        self._path = path
        self._logs = _read(path, folder) if path.exists() else []
        self._cut_torn_line()

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the lines from a number on, counted from 0."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines, and wait until they are on the disk."""
        numbered = enumerate(logs, start=len(self._logs) + 1)
        text = "".join(seals.seal(json.dumps({**log, NUMBER: number})) + "\n" for number, log in numbered)
        with open(self._path, "ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        # As they will be read: Optuna may change its dictionaries later.
        self._logs += [json.loads(json.dumps(log)) for log in logs]

    def _cut_torn_line(self) -> None:
        content = self._path.read_bytes() if self._path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._path, whole)


def _read(path: Path, folder: Path) -> list[dict[str, Any]]:
    logs = seals.read_lines(path, folder)
    for number, log in enumerate(logs, start=1):
        # Journals of older versions have no numbers.
        if log.pop(NUMBER, number) != number:
            raise JaxaeError(f"{path}, line {number}: a line before it is missing")
    return logs
