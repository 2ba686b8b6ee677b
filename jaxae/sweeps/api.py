"""`jaxae.sweep` and `jaxae.search` from Python, in a script or a notebook."""

import contextlib
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import Interrupted, JaxaeError
from jaxae.runs import interrupts
from jaxae.runs.api import with_rows
from jaxae.runs.experiment import Experiment
from jaxae.sweeps import define, launchers, located, progress, sources
from jaxae.sweeps import search as searching
from jaxae.sweeps import sweep as sweeps
from jaxae.sweeps.plan import Program, cell, plan
from jaxae.sweeps.results import Results, forget, loader
from jaxae.sweeps.store import Group, Store


def sweep(
    experiment: Experiment,
    over: Any = None,
    seeds: int | Sequence[int] = 5,
    *,
    x: Any = None,
    y: Any = None,
    run_dir: str | Path | None = None,
    layout: str = "auto",
    lanes: int | None = None,
    keep: bool = True,
    score: str | None = None,
    baseline: dict[str, Any] | None = None,
    launcher: str = "local",
    show_progress: bool = True,
) -> Results:
    """Trains `experiment` under every setting and seed, runs of one structure as one program.

    `over`: {dotted name: values} for a grid, or a list of settings {dotted name: value}, as `grid`, `zipped`,
    `sampled` or a comprehension makes it; None is the experiment as it is.
    `seeds`: how many, from 0, or which ones. `x`, `y`: rows and labels of your own, as for `fit`.
    `run_dir`: where the sweep is written, and gone on with when it is called again; None forgets it with the
    results. `layout`, `lanes`, `keep`, `score`, `baseline`: see `Options`.
    `launcher`: local; or ray: groups of `lanes` runs are tasks over a Ray cluster, a running one or one of
    this machine; `run_dir` is then a directory that all its nodes see.
    A run that diverges is a row with its first bad step; it disturbs no other. Ctrl-C with `run_dir` saves
    all lanes, then raises KeyboardInterrupt.
    Raises: JaxaeError for a mistake in the input.
    """
    launchers.check(launcher)
    cells = None if baseline is None else {name: cell(value) for name, value in baseline.items()}
    options = sweeps.Options(layout, lanes, keep, score, cells)
    load, base = located.finding(run_dir, loader(x, y)), _base(experiment, x)
    settings = define.settings({} if over is None else over)
    programs = plan(base, settings, as_seeds(seeds), load)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(_place(run_dir))
        programs = sources.adopted(store, programs)
        most = stack.enter_context(launchers.ready(launcher, store, programs, options))
        swept = swept_names(settings)
        todo = sweeps.schedule(store, base, programs, swept, options, sys.argv, most_lanes=most)
        with _saving_at_ctrl_c(run_dir) as stop:
            train(store, options, programs, todo, show_progress, stop, launcher)
        return Results(store.path, options, x, y, temporary=run_dir is None)


def search(
    experiment: Experiment,
    over: dict[str, Any],
    *,
    trials: int = 64,
    lanes: int = 16,
    sampler: str = "tpe",
    seeds: int | Sequence[int] = 1,
    seed: int = 0,
    x: Any = None,
    y: Any = None,
    run_dir: str | Path | None = None,
    layout: str = "auto",
    keep: bool = True,
    score: str | None = None,
    show_progress: bool = True,
) -> Results:
    """Has Optuna propose `trials` settings, `lanes` at a time, each trained under every one of `seeds`.

    `over`: {dotted name: distribution, or a list of values to choose from}. `sampler`: tpe, random or cmaes;
    `seed` is its own. `score`: the column of which the mean over seeds is improved; the rest as for `sweep`.
    Raises: JaxaeError for a mistake in the input, and where optuna is not installed.
    """
    options = sweeps.Options(layout, None, keep, score)
    load, base = located.finding(run_dir, loader(x, y)), _base(experiment, x)
    distributions = {name: define.as_distribution(name, values) for name, values in over.items()}
    with _place(run_dir) as store, _saving_at_ctrl_c(run_dir) as stop:
        batch = functools.partial(train, store, options, show_progress=show_progress, stop=stop)
        arguments = store, base, distributions, as_seeds(seeds), load, options, sys.argv, batch
        searching.search(*arguments, sampler=sampler, trials=trials, lanes=lanes, seed=seed)
        return Results(store.path, options, x, y, temporary=run_dir is None)


def train(
    store: Store,
    options: sweeps.Options,
    programs: Sequence[Program],
    todo: Sequence[Group],
    show_progress: bool = True,
    stop: Callable[[], bool] = lambda: False,
    launcher: str = "local",
) -> list[Group]:
    """Trains groups and shows how far they are; returns those that other processes hold."""
    with progress.shown(store, todo, programs, stop, quiet=not show_progress) as observe:
        return launchers.run(launcher, store, programs, todo, options, observe, stop)


def _base(experiment: Experiment, x: Any) -> Experiment:
    if not isinstance(experiment, Experiment):
        raise JaxaeError(f"experiment: got {type(experiment).__name__}, expected a jaxae.Experiment")
    return with_rows(experiment, x)


@contextlib.contextmanager
def _place(run_dir: str | Path | None) -> Iterator[Store]:
    """The sweep's directory; a temporary one, where none is given, goes at once where the sweep fails."""
    if run_dir is not None:
        yield Store(Path(run_dir))
        return
    folder = Path(tempfile.mkdtemp(prefix="jaxae-sweep-"))
    try:
        yield Store(folder)
    except BaseException:
        forget(folder)
        raise


@contextlib.contextmanager
def _saving_at_ctrl_c(run_dir: str | Path | None) -> Iterator[Callable[[], bool]]:
    """Yield whether Ctrl-C asks training to save and stop; then raise KeyboardInterrupt."""
    with interrupts.deferred(run_dir is not None) as pending, contextlib.suppress(Interrupted):
        yield lambda: pending.came
    if pending.came:
        raise KeyboardInterrupt(f"stopped, everything is saved in {run_dir}; the same call goes on")


def as_seeds(seeds: int | Sequence[int]) -> list[int]:
    """5 -> [0, 1, 2, 3, 4]; a list as it is. Raises: JaxaeError for none."""
    if isinstance(seeds, bool) or not isinstance(seeds, int | Sequence) or isinstance(seeds, str):
        raise JaxaeError(f"seeds: got {seeds!r}, expected how many, or a list of them")
    listed = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not listed:
        raise JaxaeError(f"seeds: got {seeds!r}, expected at least one")
    return listed


def swept_names(settings: Sequence[define.Setting]) -> list[str]:
    """The names that the settings override, in order."""
    return list(dict.fromkeys(name for setting in settings for name in setting))
