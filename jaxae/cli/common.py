"""What several commands do: keep compiled programs, take a run to its end, tell its scores."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from jaxae.cli import options, progress
from jaxae.cli.arguments import words_after
from jaxae.cli.devices import num_cores
from jaxae.cli.signals import Stopped, at_once, deferred
from jaxae.data import Data, Dataset
from jaxae.errors import JaxaeError
from jaxae.runs import api, config, directory, execution, provenance, recorded_data, tokenizer
from jaxae.runs.execution import Outcome, Run
from jaxae.runs.experiment import Experiment, num_steps
from jaxae.runs.recorded_data import Moved
from jaxae.runs.result import Result
from jaxae.specs.pytree import replace, spec
from jaxae.specs.records import validate
from jaxae.training import parallel, processes


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
        """The same for `api.reopen`."""
        return Moved(self.data.name, self.data.folder)


def keep_compiled_programs() -> None:
    """Turns jax's persistent compilation cache on, unless the environment has chosen one already.

    Set JAX_ENABLE_COMPILATION_CACHE=false to do without, or JAX_COMPILATION_CACHE_DIR to keep it elsewhere.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(provenance.cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


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
        execution.check_recordable(experiment)
        return experiment
    except JaxaeError as error:
        raise JaxaeError(f"{config.find(name)}: {error}") from None


def reader(path: Path, asked: Data) -> Callable[[Data], Dataset] | None:
    """Return what reads the data of the run or record at `path` from any folder; None for a config.

    `asked`: the data that the command names, which options may have changed.
    """
    if not config.is_record(path):
        return None
    experiment, record = execution.read_record(path)
    folder = path if path.is_dir() else path.parent
    is_same = experiment.data == asked
    return (
        (lambda data: recorded_data.read_or_other(api.load_data, data, record, folder)) if is_same else None
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


def mesh(devices: int, distributed: bool) -> Mesh | None:
    """The devices that share each batch; with `distributed` this process first joins the others of its run.

    Raises: JaxaeError for devices or processes that are not there.
    """
    if not distributed:
        keep_compiled_programs()
        return parallel.make_mesh(devices)
    # Without kept programs: one process would find its own and go ahead of others that compile together.
    processes.join()
    found = parallel.make_mesh(devices, distributed)
    if not processes.is_first(found):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Gloo writes there as well
    return found


def print_device(num_devices: int = 1) -> None:
    """Print the platform and the devices that the command works on."""
    device = provenance.environment()["device"]
    share, cores = f"{num_devices} of {device['count']}", num_cores()
    name = f"{device['kind']} ({share})"
    if device["platform"] == "cpu":
        name = f"{device['processor']}, {cores} core{'s' if cores > 1 else ''}"
        name += f" ({share} devices)" if device["count"] > 1 else ""
    print(f"device      {device['platform']}: {name}", flush=True)


def finish(begun: Run, *, resume: bool = False) -> Result:
    """Trains to the end under the eyes of a terminal and its signals, scores, draws."""
    path = begun.path
    with api.held(begun):
        outcome = _trained(begun, resume)
        message = f"stopped before its scores, all epochs are saved; `jaxae resume {path}` goes on"
        with at_once(message if path else ""):
            result = api.scored(begun, outcome)
            if path:
                draw_figures(result, path)
                api.write_scores(result)
    return result


def draw_figures(result: Result, path: Path) -> None:
    """Draw the figures of a run; one that fails is a warning, and costs no score."""
    try:
        from jaxae.plots.pages import draw  # here, since it imports matplotlib and scikit-learn: two seconds

        draw(result, path / "figures")
    except OSError:  # a full disk
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        directory.warn(path, f"a figure failed with {what}; the traceback is in {path / directory.LOG}")
        directory.log_error(path, error)


def _trained(begun: Run, resume: bool) -> Outcome:
    experiment, path = begun.experiment, begun.path
    rows = num_steps(experiment, len(begun.dataset.train.x)) * experiment.batch_size
    with deferred() as pending, progress.watching(path, experiment.epochs, rows, pending) as watch:
        outcome = execution.train(begun, watch, resume=resume)
    if outcome.stopped_by:
        message = f"stopped after epoch {len(outcome.history)}, saved; `jaxae resume {path}` goes on"
        raise Stopped(pending.number or 2, message)
    if pending.number is not None:
        raise Stopped(pending.number, f"stopped after the last epoch, saved; `jaxae resume {path}` scores it")
    return outcome


def tell(result: Result, path: Path) -> None:
    """The scores and where to look, on standard output."""
    if result.scores["stopped_early"]:
        print(f"stopped early after epoch {result.scores['epochs_run']} of {result.experiment.epochs}")
    print(f"best epoch {result.scores['epoch']} by {result.scores['chosen_by']}; means over examples")
    splits = [split for split in ("validation", "test") if split in result.scores]
    for split in splits:
        print(f"{split:<10}  {_in_words(result.scores[split])}")
    if splits:
        print(f"units       {_units(result.scores[splits[0]], result.scores['units'])}")
    print(f"run         {path}\nfigures     {path / 'figures'}")


def _in_words(scores: dict[str, Any]) -> str:
    names = [name for name in scores if not name.endswith("_standard_error")]
    return "  ".join(f"{name} {scores[name]:.3f}{_error(scores, name)}" for name in names)


def _error(scores: dict[str, Any], name: str) -> str:
    """` +- 0.012`, or nothing for a score without a standard error: one example has none."""
    error = scores.get(f"{name}_standard_error")
    return "" if error is None or not math.isfinite(error) else f" +- {error:.3f}"


def _units(scores: dict[str, Any], units: dict[str, str]) -> str:
    """`nats: elbo, rate; share: error_rate`: the scores of each unit, those without a known one last."""
    of_unit: dict[str, list[str]] = {}
    for name in scores:
        if not name.endswith("_standard_error"):
            of_unit.setdefault(units.get(name, ""), []).append(name)
    unknown = of_unit.pop("", [])
    parts = [f"{unit}: {', '.join(names)}" for unit, names in of_unit.items()]
    return "; ".join([*parts, *([f"unit not declared: {', '.join(unknown)}"] if unknown else [])])


def config_option(arguments: list[str]) -> str | None:
    """Return the value of --config, which is needed before other options are read; None if not given."""
    words = words_after("--config", arguments)
    return words[0] if words and words != ["None"] else None


def learn_classes(file: str | None) -> None:
    """Executes the config that defines a user's own classes, so that a record may name them."""
    if file is not None:
        config.execute(config.find(file))
