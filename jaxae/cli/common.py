"""What several commands do: compiled programs kept between processes, a run to its end, its scores in words."""

import os
from pathlib import Path
from typing import Any

import jax

from jaxae import api, config, provenance, runs
from jaxae.cli import progress
from jaxae.cli.signals import Stopped, deferred
from jaxae.experiment import num_steps
from jaxae.report.pages import draw
from jaxae.result import Result
from jaxae.run import Interrupted, Run


def keep_compiled_programs() -> None:
    """Turns jax's persistent compilation cache on, unless the environment has chosen one already.

    Set JAX_ENABLE_COMPILATION_CACHE=false to do without, or JAX_COMPILATION_CACHE_DIR to keep it elsewhere.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(provenance.cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def finish(begun: Run, *, resume: bool = False) -> Result:
    """Trains to the end under the eyes of a terminal and its signals, scores, draws."""
    experiment, path = begun.experiment, begun.folder
    rows = num_steps(experiment, len(begun.dataset.train.x)) * experiment.batch_size
    with runs.lock(path), deferred() as pending:
        try:
            with progress.watching(path, experiment.epochs, rows, pending) as watch:
                result = api.finish(begun, watch, resume=resume)
        except Interrupted:
            message = f"stopped after epoch {watch.last_epoch}, saved; `jaxae resume {path}` goes on"
            raise Stopped(pending.number or 2, message) from None
        draw(result, path / "figures")
    return result


def tell(result: Result, path: Path) -> None:
    """The scores and where to look, on standard output."""
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
