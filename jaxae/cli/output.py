"""Output of a command: for people, with --quiet only the last line, with --json one JSON object."""

import contextlib
import dataclasses
import inspect
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from jaxae.cli import streams
from jaxae.cli.arguments import words_after
from jaxae.display.places import Display, for_command
from jaxae.errors import JaxaeError
from jaxae.runs.directory import finite


@dataclasses.dataclass(kw_only=True)
class Output:
    """Options of the output of a command that reports numbers."""

    json: bool = False
    """Print one JSON object to standard output at the end. All other lines go to standard error."""


@dataclasses.dataclass(kw_only=True)
class QuietOutput(Output):
    """Options of the output of a command that writes files."""

    quiet: bool = False
    """Print only warnings, errors and, at the end, the path of the result."""


@dataclasses.dataclass(kw_only=True)
class TrainingOutput(QuietOutput):
    """Options of the output of a command that trains."""

    log_every: int | None = None
    """Epochs between two printed lines; 1 prints every epoch. None prints about 20 lines, or only a bar on a
    terminal. history.jsonl has every epoch in any case."""

    @property
    def display(self) -> Display:
        """Settings of the display of progress. Raises: JaxaeError if `log_every` is not positive."""
        if self.log_every is not None and self.log_every < 1:
            raise JaxaeError(f"--log-every: got {self.log_every}, expected a whole number > 0")
        return for_command(self.quiet, self.log_every)


@dataclasses.dataclass(kw_only=True)
class ReportOutput(TrainingOutput):
    """Options of the output of a command that trains and can write a page."""

    report: bool = False
    """Write report.html, one file that shows the results, as `jaxae report` does."""


def own_first(cls: type) -> list[dataclasses.Field]:
    """Return the fields of a command's options: those of the class itself, then those that commands share."""
    own = inspect.get_annotations(cls)
    return sorted(dataclasses.fields(cls), key=lambda field: field.name not in own)


class _Report:
    """Result of the command that runs in this process."""

    content: dict[str, Any] | None = None
    path: Path | None = None


_report = _Report()


def report(path: Path | None = None, **content: Any) -> None:
    """Record the result of a command, for --json and --quiet.

    Args:
        path: File or directory that the command has written; None if it writes nothing.
        **content: Content of the JSON object. Values that JSON does not know are written as texts.
    """
    _report.content, _report.path = content, path


@contextlib.contextmanager
def directed(arguments: list[str]) -> Iterator[None]:
    """Print the output that the words of a command choose; see `Output` and `QuietOutput`.

    Args:
        arguments: The words after `jaxae`.

    Yields:
        Nothing. If the block raises an exception, nothing is printed.
    """
    # Read before the options are parsed: a config that is executed before may print too.
    as_json, quiet = (_is_given(option, arguments) for option in ("--json", "--quiet"))
    if not (as_json or quiet):
        yield
        return
    stdout: TextIO = sys.stdout
    _report.content = _report.path = None
    with contextlib.redirect_stdout(sys.stderr if as_json else io.StringIO()):
        yield
    streams.make_strict()
    if as_json and _report.content is not None:
        print(json.dumps(finite(_report.content), default=str), file=stdout)
    elif quiet and _report.path is not None:
        print(_report.path, file=stdout)
    stdout.flush()


def _is_given(option: str, arguments: list[str]) -> bool:
    words = words_after(option, arguments)
    return words is not None and words != ["False"]
