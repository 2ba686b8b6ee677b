"""`jaxae report RUN... | SWEEP`: write one HTML file that shows a run, a sweep, or runs side by side."""

import dataclasses
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from jaxae.cli import inputs, jax_setup, options, output, run_to_end
from jaxae.cli.inputs import Elsewhere
from jaxae.reports.api import report


@dataclasses.dataclass(kw_only=True)
class Report(output.QuietOutput):
    """Write one HTML file about a run, a sweep, or two or more runs side by side.

    The file needs no network and no other file. RUN may be SWEEP:ID or SWEEP:best. It needs the extra
    `report`: pip install 'jaxae[report]'.
    """

    output: Path | None = None
    """File to write. None: report.html in the directory of the run or sweep; report-A-B.html here for several
    runs."""
    open: bool = False
    """Show the page in the browser."""
    config: str | None = None
    """Config that defines your own classes, if a run uses any. It is executed."""


def main(arguments: list[str]) -> int:
    """Run `jaxae report` and return the exit code."""
    first, rest = inputs.first_word("report RUN...", arguments, Report, Elsewhere())
    # All words before the first option are runs.
    num = next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
    words = [first, *rest[:num]]
    command, place = options.parse(Report, rest[num:], f"jaxae report {' '.join(words)}", Elsewhere())
    inputs.learn_classes(command.config)
    jax_setup.keep_compiled_programs()
    path = report(*words, output=command.output, data_name=place.data.name, data_folder=place.data.folder)
    print(f"report      {path}")
    if command.open and not webbrowser.open(path.resolve().as_uri()):
        print("no browser was found; open the file with one")
    output.report(path, report=path)
    return 0


def write_after(words: Sequence[Path], folder: Path) -> None:
    """Write the page of a run or sweep that has just been trained; if it fails, warn and keep the results.

    Args:
        words: The run or sweep.
        folder: Its directory, whose log gets the traceback.
    """
    run_to_end.try_to_draw(lambda: print(f"report      {report(*words)}"), folder)
