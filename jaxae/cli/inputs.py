"""What the words of a command name: a config or run, the data where it is now, a user's own classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxae.cli import options
from jaxae.cli.arguments import words_after
from jaxae.data import Dataset, DataSpec
from jaxae.errors import JaxaeError
from jaxae.runs import config, opening, recorded_data, run_record, tokenizer
from jaxae.runs.experiment import Experiment
from jaxae.runs.recorded_data import Moved
from jaxae.specs.pytree import replace, spec
from jaxae.specs.records import validate


@spec
class Place:
    """Where the data of a run is now, if it has moved; its content hash must be the recorded one."""

    name: str | None = None
    """A path, tokens:RUN, or rows from Python that were saved; None looks where the record says."""
    folder: str | None = None
    """Folder that holds the original files, the file or the run; None looks where the record says."""


@spec
class Elsewhere:
    """What a command on an existing run is told of its data."""

    data: Place = Place()
    """Where the data is now."""

    @property
    def moved(self) -> Moved:
        """The same for `opening.reopen`."""
        return Moved(self.data.name, self.data.folder)


def first_word(call: str, arguments: list[str], command: type, default: Any = None) -> tuple[str, list[str]]:
    """The word that comes first in `jaxae CALL`, "train CONFIG", and the options behind it; or help.

    Raises: JaxaeError where there is none; SystemExit(0) after printing the help of `command`.
    """
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    if {"-h", "--help"} & set(arguments):
        options.parse(command, ["--help"], f"jaxae {call}", default)
    name, what = call.split()
    hint = "; `jaxae show` lists them" if what == "CONFIG" else ""
    what = what.lower().replace("|", " or ")
    raise JaxaeError(f"{name}: the {what} comes first: jaxae {call} [--options]{hint}")


def load(name: str) -> Experiment:
    """The experiment of a config or record, validated; a mistake names the file."""
    experiment = config.load_config(name)
    try:
        experiment = validate(experiment, Experiment)
        run_record.check_recordable(experiment)
        return experiment
    except JaxaeError as error:
        raise JaxaeError(f"{config.find(name)}: {error}") from None


def reader(path: Path, asked: DataSpec) -> Callable[[DataSpec], Dataset] | None:
    """Return what reads the data of the run or record at `path` from any folder; None for a config.

    `asked`: the data that the command names, which options may have changed.
    """
    if not config.is_record(path):
        return None
    experiment, record = run_record.read_record(path)
    folder = path if path.is_dir() else path.parent
    is_same = experiment.data == asked
    return (
        (lambda data: recorded_data.read_or_other(opening.load_data, data, record, folder))
        if is_same
        else None
    )


def of_tokens(experiment: Experiment, run: Path | None) -> Experiment:
    """The experiment on the tokens of `run`, where one is given. Raises: JaxaeError for other data."""
    if run is None:
        return experiment
    kind, _, named = experiment.data.name.partition(":")
    if kind not in tokenizer.PREFIXES:
        raise JaxaeError(
            f"--tokenizer: is for a prior over tokens, but data.name is {experiment.data.name!r}"
        )
    if named and named != str(run):
        raise JaxaeError(f"--tokenizer: got {run}, but data.name is {experiment.data.name!r}")
    return replace(experiment, "data.name", f"{kind}:{run}")


def config_option(arguments: list[str]) -> str | None:
    """Return the value of --config, which is needed before other options are read; None if not given."""
    words = words_after("--config", arguments)
    return words[0] if words and words != ["None"] else None


def learn_classes(file: str | None) -> None:
    """Executes the config that defines a user's own classes, so that a record may name them."""
    if file is not None:
        config.execute(config.find(file))
