"""What several commands do: keep compiled programs, take a run to its end, tell its scores."""

import os
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from jaxae import api, config, provenance, run, tokenizer
from jaxae.cli import options, progress
from jaxae.cli.signals import Stopped, at_once, deferred
from jaxae.errors import JaxaeError
from jaxae.experiment import Experiment, num_steps
from jaxae.pytree import replace
from jaxae.records import validate
from jaxae.report.pages import draw
from jaxae.result import Result
from jaxae.run import Outcome, Run
from jaxae.training import parallel, processes


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
        run.check_recordable(experiment)
        return experiment
    except JaxaeError as error:
        raise JaxaeError(f"{config.find(name)}: {error}") from None


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


def finish(begun: Run, *, resume: bool = False) -> Result:
    """Trains to the end under the eyes of a terminal and its signals, scores, draws."""
    path = begun.path
    with api.held(begun):
        outcome = _trained(begun, resume)
        message = f"stopped before its scores, all epochs are saved; `jaxae resume {path}` goes on"
        with at_once(message if path else ""):
            result = api.scored(begun, outcome)
            if path:
                draw(result, path / "figures")
                api.write_scores(result)
    return result


def _trained(begun: Run, resume: bool) -> Outcome:
    experiment, path = begun.experiment, begun.path
    rows = num_steps(experiment, len(begun.dataset.train.x)) * experiment.batch_size
    with deferred() as pending, progress.watching(path, experiment.epochs, rows, pending) as watch:
        outcome = run.train(begun, watch, resume=resume)
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
    print(f"best epoch {result.scores['epoch']} by {result.scores['chosen_by']}; {result.scores['unit']}")
    for split in ("validation", "test"):
        if split in result.scores:
            print(f"{split:<10}  {_in_words(result.scores[split])}")
    print(f"run         {path}\nfigures     {path / 'figures'}")


def _in_words(scores: dict[str, Any]) -> str:
    values = {name: value for name, value in scores.items() if not name.endswith("_standard_error")}
    errors = {name: scores.get(f"{name}_standard_error") for name in values}
    return "  ".join(
        f"{name} {value:.3f}" + (f" +- {errors[name]:.3f}" if errors[name] is not None else "")
        for name, value in values.items()
    )


def learn_classes(file: str | None) -> None:
    """Executes the config that defines a user's own classes, so that a record may name them."""
    if file is not None:
        config.execute(config.find(file))
