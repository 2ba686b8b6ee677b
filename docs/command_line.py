"""Write docs/reference/command_line.md from the options of the commands: `python docs/command_line.py`."""

import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any

from jaxae.cli import values
from jaxae.cli.accept_command import Accept
from jaxae.cli.compare_command import Compare
from jaxae.cli.data_command import Downloaded, Listed, Prepare, Shown
from jaxae.cli.evaluate_command import Evaluate
from jaxae.cli.explore_command import Explore
from jaxae.cli.export_command import Export
from jaxae.cli.help_text import field_docs
from jaxae.cli.ls_command import Ls
from jaxae.cli.main import COMMANDS
from jaxae.cli.output import own_first
from jaxae.cli.report_command import Report
from jaxae.cli.resume_command import Resume
from jaxae.cli.sample_command import Sample
from jaxae.cli.show_command import Show
from jaxae.cli.sweep_command import Sweep
from jaxae.cli.tag_command import Tag
from jaxae.cli.train_command import Train
from jaxae.cli.watch_command import Watch

PAGE = Path(__file__).parent / "reference" / "command_line.md"
OPTIONS: dict[str, Any] = {
    "train CONFIG": Train,
    "sweep CONFIG": Sweep,
    "resume RUN": Resume,
    "evaluate RUN ...": Evaluate,
    "sample RUN": Sample,
    "export RUN": Export,
    "ls [DIR]": Ls,
    "compare RUN RUN ...": Compare,
    "report RUN ...": Report,
    "explore RUN": Explore,
    "watch DIR": Watch,
    "tag RUN ...": Tag,
    "accept RUN ...": Accept,
    "show [CONFIG|RUN]": Show,
    "data list": Listed,
    "data show NAME": Shown,
    "data download NAME": Downloaded,
    "data prepare NAME": Prepare,
}
HEAD = """# Command line

<!-- Written by `python docs/command_line.py` from the option classes in jaxae/cli. -->

`jaxae COMMAND --help` prints the options of a command. Commands that take a CONFIG also have an option for
each field of the experiment: `--epochs`, `--model.latent_dim`, `--optimizer.learning_rate`, `--data.name`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a run failed, for example because a number was not finite |
| 2 | a mistake in the input; one line names the option or file, what was given and what is valid |
| 128 + N | stopped by the signal N, after saving: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP, 138 SIGUSR1 |

| command | |
|---|---|
"""


def page() -> str:
    """Return the Markdown text of the page."""
    commands = [line.split("  ", 1) for line in COMMANDS.values()]
    rows = [f"| `jaxae {_cell(name)}` | {_cell(text.strip())} |" for name, text in commands]
    parts = [HEAD + "\n".join(rows), *(_section(name, cls) for name, cls in OPTIONS.items())]
    return "\n\n".join(parts) + "\n"


def _section(name: str, cls: Any) -> str:
    docs, hints = field_docs(cls), typing.get_type_hints(cls, include_extras=True)
    rows = ["| option | value | default | meaning |", "|---|---|---|---|"]
    for field in own_first(cls):
        option = field.name.rstrip("_").replace("_", "-")
        kind = " ".join(filter(None, [values.metavar(hints[field.name]), values.ranges(hints[field.name])]))
        cells = f"`--{option}`", f"`{_cell(kind)}`", _default(field), _cell(docs.get(field.name, ""))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n\n".join([f"## jaxae {name}", inspect.cleandoc(cls.__doc__ or ""), "\n".join(rows)])


def _default(field: Any) -> str:
    """Return the default of an option as it is typed; empty for none."""
    value = field.default
    if value in (None, (), "", dataclasses.MISSING):
        return ""
    return f"`{' '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
