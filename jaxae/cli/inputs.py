"""Resolve the inputs of a command: its config or run, data that has moved, and the user's classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxae.cli import options
from jaxae.cli.arguments import words_after
from jaxae.data import Dataset, DataSpec
from jaxae.errors import JaxaeError, visible
from jaxae.runs import config, config_source, opening, recorded_data, references, run_record, tokenizer
from jaxae.runs.experiment import Experiment
from jaxae.runs.recorded_data import Moved
from jaxae.specs.pytree import replace, spec
from jaxae.specs.records import validate


@spec
class Place:
    """The new place of a run's data, if it has moved; its content hash must equal the recorded one."""

    name: str | None = None
    """Path of the data, tokens:RUN, or a file with saved rows from Python. None uses the recorded place."""
    folder: str | None = None
    """Folder that holds the original files, the data file or the run. None uses the recorded place."""


@spec
class Elsewhere:
    """Options about the data, for a command on an existing run."""

    data: Place = Place()
    """New place of the data, if it has moved."""

    @property
    def moved(self) -> Moved:
        """The new place, as `opening.reopen` takes it."""
        return Moved(self.data.name, self.data.folder)


def first_word(call: str, arguments: list[str], command: type, default: Any = None) -> tuple[str, list[str]]:
    """Split the words after a command into its config or run and the options; print help if there is no name.

    Args:
        call: The command and the name that it needs, "train CONFIG".
        arguments: The words after the command.
        command: The dataclass of the command's options, for the help.
        default: The spec whose fields are options as well, for the help; None if there is none.

    Returns:
        (the name, the remaining words).

    Raises:
        JaxaeError: If the first word is missing or is an option.
        SystemExit: With code 0, after the help was printed.
    """
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    if {"-h", "--help"} & set(arguments):
        options.parse(command, ["--help"], f"jaxae {call}", default)
    name, needed = call.split()
    hint = "; `jaxae show` lists the configs" if needed == "CONFIG" else ""
    noun = needed.lower().replace("|", " or ").rstrip(".")
    raise JaxaeError(f"{name}: the {noun} comes first: jaxae {call} [--options]{hint}")


def existing(word: str) -> str:
    """Return the name of a run, unless nothing has this name; a run of a sweep is not looked up yet.

    Args:
        word: Directory of a run, SWEEP:ID or SWEEP:best.

    Raises:
        JaxaeError: If there is no such directory, or it holds a sweep.
    """
    if references.parse(word) is None and not references.check(word).is_dir():
        raise JaxaeError(f"{word}: no such run; expected the directory of a run, such as one in runs/")
    return word


def run_folder(word: str) -> Path:
    """Return the directory of a run; print which one it is for a run of a sweep.

    Args:
        word: Directory of a run, SWEEP:ID or SWEEP:best. Classes of the user must be known by now.

    Raises:
        JaxaeError: If there is no such run.
    """
    reference = references.parse(existing(word))
    if reference is None:
        return Path(word)
    results = references.load_sweep(reference)
    print(f"{word} is {visible(results.describe(reference.run))}", flush=True)
    return results.extract(reference.run)


def config_name(word: str) -> str:
    """Return the name of a config, or the directory of a run that SWEEP:ID or SWEEP:best names."""
    return word if references.parse(word) is None else str(run_folder(word))


def load(name: str) -> Experiment:
    """Return the validated experiment of a config, run or record. Raises: JaxaeError that names the file."""
    experiment = config.load_config(name)
    try:
        experiment = validate(experiment, Experiment)
        # Now and not when the run starts: a field that no record can hold is a mistake of this file.
        run_record.check_recordable(experiment)
        return experiment
    except JaxaeError as error:
        raise JaxaeError(f"{config.find(name)}: {error}") from None


def reader(path: Path, data_spec: DataSpec) -> Callable[[DataSpec], Dataset] | None:
    """Return a function that reads the data of a recorded run, also if the run was copied elsewhere.

    Args:
        path: The run, its record, or a config.
        data_spec: The data of the experiment to train, which options may have changed.

    Returns:
        The function; None for a config, and if options changed the data: then it is read as usual.
    """
    if not config.is_record(path):
        return None
    experiment, record = run_record.read_record(path)
    folder = path if path.is_dir() else path.parent
    is_same = experiment.data == data_spec
    return (
        (lambda data: recorded_data.read_or_other(opening.load_data, data, record, folder))
        if is_same
        else None
    )


def of_tokens(experiment: Experiment, run: Path | None) -> Experiment:
    """Set the data of an experiment to the tokens of a run (`--tokenizer RUN`).

    Args:
        experiment: An experiment whose data.name is `tokens` or `captions`.
        run: The run whose autoencoder makes the tokens; None leaves the experiment unchanged.

    Returns:
        The experiment with data.name `tokens:RUN` or `captions:RUN`.

    Raises:
        JaxaeError: If the experiment's data are no tokens, or already name another run.
    """
    if run is None:
        # SWEEP:best in data.name becomes the directory of the run, as for `fit`.
        return opening.with_rows(experiment, None)
    run = run_folder(str(run)) if references.parse(run) else run
    kind, _, named_run = experiment.data.name.partition(":")
    if kind not in tokenizer.PREFIXES:
        raise JaxaeError(
            f"--tokenizer: is for a prior over tokens, but data.name is {experiment.data.name!r}"
        )
    if named_run and named_run != str(run):
        raise JaxaeError(f"--tokenizer: got {run}, but data.name is {experiment.data.name!r}")
    return replace(experiment, "data.name", f"{kind}:{run}")


def config_option(arguments: list[str]) -> str | None:
    """Return the value of --config, which is needed before the other options are read; None if not given."""
    # The config defines classes that other options may name, so it must be executed before they are parsed.
    words = words_after("--config", arguments)
    return words[0] if words and words != ["None"] else None


def learn_classes(file: str | None) -> None:
    """Execute the config that defines a user's classes, so that options and records can name them."""
    # Only a file that the user names is executed. A record never executes code.
    if file is not None:
        config.execute(config.find(file))


def print_config(experiment: Experiment, language: bool | str) -> None:
    """Print an experiment as the source of a config.

    Args:
        experiment: The experiment.
        language: "yaml"; True or "python" for Python.
    """
    to_source = config_source.to_yaml if language == "yaml" else config_source.to_python
    print(to_source(experiment), end="")
