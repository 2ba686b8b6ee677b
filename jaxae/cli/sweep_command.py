"""`jaxae sweep CONFIG`: settings times seeds, one program for each structure, tables with intervals."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import jax

from jaxae.cli import inputs, jax_setup, options, sweep_axes
from jaxae.cli.signals import Stopped, deferred
from jaxae.errors import Interrupted, JaxaeError
from jaxae.runs import config, opening
from jaxae.runs.experiment import Experiment
from jaxae.sweeps import define, estimate, origins
from jaxae.sweeps.launching import launchers
from jaxae.sweeps.plan import Program, cell
from jaxae.sweeps.search import run_search
from jaxae.sweeps.session import Session
from jaxae.sweeps.store import RESULTS, SUMMARY, Group, Options, Store
from jaxae.sweeps.tables import run_table
from jaxae.sweeps.tables.summary import default_score
from jaxae.sweeps.tables.terminal import lines
from jaxae.training import platforms


@dataclasses.dataclass(kw_only=True)
class Sweep:
    """Trains every setting under every seed, and writes results.csv and summary.csv.

    CONFIG is a file that defines `experiment`, and `sweep` (settings, or a function that yields them) where
    --over is not given. The same command again goes on with what is missing; more seeds or values are added.
    """

    over: tuple[str, ...] = ()
    """NAME=a,b,c or NAME=log:LOW:HIGH:COUNT (lin:, int:); several are a grid."""
    zip: tuple[str, ...] = ()
    """NAME=a,b,c, of equal lengths: taken together, first with first."""
    sample: int | None = None
    """Draws at random from --over NAME=log:LOW:HIGH (lin:, int:, or values) instead of the grid."""
    sample_seed: int = 0
    """Seed of those draws, and of a search's proposals."""
    search: Literal["tpe", "random", "cmaes"] | None = None
    """Has Optuna propose settings from --over NAME=log:LOW:HIGH (lin:, int:, or values)."""
    trials: int = 64
    """Settings that a search tries in all; each batch has --lanes of them (16)."""
    seeds: tuple[int, ...] = ()
    """How many seeds, from 0; or which ones, where there are two or more; none is 5, and 1 for a search."""
    config: str | None = None
    """For a record: the file that defines its classes of your own, if it has any; it is executed."""
    tokenizer: Path | None = None
    """Run whose tokens a prior learns, in place of data.name tokens:RUN."""
    run_dir: Path | None = None
    """Directory of the sweep; None is runs/<config>-sweep."""
    dry_run: bool = False
    """Prints the plan: runs, programs, lanes, and memory and time by a trial of at most three programs."""
    layout: Literal["auto", "map", "vmap", "devices", "devices:map", "devices:vmap"] = "auto"
    """One after another in the program (bits of single runs), side by side, or dealt to devices."""
    lanes: int | None = None
    """Runs that are trained at once; None is what memory allows, up to 64 a device."""
    devices: int | None = None
    """Devices to use; on CPU so many are made of the cores; None is all."""
    keep: bool = True
    """Keeps the best state of each run, for jaxae.load_sweep(...).load(run)."""
    score: str | None = None
    """Column by which settings are compared; None is validation.elbo, else validation.loss."""
    baseline: tuple[str, ...] = ()
    """NAME=value of the setting that others are compared with; none is the first one."""
    interval: Literal["student", "bootstrap"] = "student"
    """Confidence intervals (95 %) of means over seeds."""
    launcher: launchers.Name = "local"
    """ray: groups of --lanes runs over a Ray cluster, a running one (RAY_ADDRESS) or one of this machine."""
    save_seconds: float = 20.0
    """Seconds between two checkpoints of a group, at least: what a kill can cost."""


def main(arguments: list[str]) -> int:
    """Runs `jaxae sweep` and returns the exit code."""
    name, rest = inputs.first_word("sweep CONFIG", arguments, Sweep, Experiment())
    inputs.learn_classes(inputs.config_option(rest))
    jax_setup.keep_compiled_programs()
    command, base = options.parse(Sweep, rest, f"jaxae sweep {name}", inputs.load(name))
    base = inputs.of_tokens(base, command.tokenizer)
    session = _session(command, base, name, ["jaxae", "sweep", *arguments])
    if command.search:
        _search(command, session)
        return 0
    settings = _settings(command, base, name)
    if not command.dry_run:
        _tell(session.store, session.sweep(settings))
        return 0
    for line in estimate.lines(session.plan(settings), session.options):
        print(line, flush=True)
    return 0


def _session(command: Sweep, base: Experiment, name: str, arguments: list[str]) -> Session:
    """What the command asks for, shown in lines and stopped by signals."""
    launcher, asked = launchers.find(command.launcher), _options(command, base)
    store = Store(command.run_dir or Path("runs") / f"{config.find(name).stem}-sweep")
    load, seeds = origins.finding(store, opening.load_data), define.as_seeds(_seeds(command))
    print_device = functools.cache(lambda: _print_device(command))  # once for all batches of a search

    def show_plan(programs: Sequence[Program], settings: Sequence[define.Setting]) -> None:
        for line in [] if command.search else _plan_lines(programs, settings):
            print(line, flush=True)
        print_device()

    def show_schedule(todo: Sequence[Group]) -> None:
        if not command.search:
            print(f"sweep {store.path}: {sum(len(group.runs) for group in todo)} runs to train", flush=True)

    shown: dict[str, Any] = {"on_plan": show_plan, "on_schedule": show_schedule}
    stopping = functools.partial(_stopping, store)
    return Session(store, base, seeds, asked, load, arguments, stopping, launcher, **shown)


@contextlib.contextmanager
def _stopping(store: Store) -> Iterator[Callable[[], bool]]:
    """Whether a signal has come; training that is stopped by one ends the command, with everything saved."""
    with deferred() as pending:
        try:
            yield lambda: pending.number is not None
        except Interrupted:
            message = f"stopped, everything is saved in {store.path}; the same command goes on"
            raise Stopped(pending.number or 2, message) from None


def _print_device(command: Sweep) -> None:
    """The devices that lanes may be dealt to; those of a Ray cluster are its own."""
    if command.launcher == "local":
        platforms.check()
        is_one = command.layout in ("map", "vmap")
        jax_setup.print_device(1 if is_one else command.devices or jax.local_device_count())


def _search(command: Sweep, session: Session) -> None:
    """A search to its end."""
    if command.launcher != "local":
        raise JaxaeError("--search: trains one batch after another, which --launcher ray cannot spread")
    if command.zip or command.sample is not None or command.dry_run:
        raise JaxaeError("--search: goes with --over alone, not with --zip, --sample or --dry-run")
    distributions = sweep_axes.axes(session.base, command.over, "--over", distributions=True)
    if not distributions:
        raise JaxaeError("--search: needs --over NAME=log:LOW:HIGH or NAME=a,b,c to search over")
    session = dataclasses.replace(session, options=dataclasses.replace(session.options, lanes=None))
    lanes = 16 if command.lanes is None else command.lanes
    run_search(session, distributions, str(command.search), command.trials, lanes, command.sample_seed)
    _tell(session.store, [])


def _settings(command: Sweep, base: Experiment, name: str) -> list[define.Setting]:
    """Those of --over, --zip and --sample; else those of the config; else the experiment as it is."""
    if command.over or command.zip or command.sample is not None:
        return sweep_axes.settings(base, command.over, command.zip, command.sample, command.sample_seed)
    found = config.load_sweep(name)
    try:
        return define.settings({} if found is None else found)
    except JaxaeError as error:
        raise JaxaeError(f"{config.find(name)}: {error}") from None


def _seeds(command: Sweep) -> int | Sequence[int]:
    if not command.seeds:
        return 1 if command.search else 5
    return command.seeds[0] if len(command.seeds) == 1 else command.seeds


def _options(command: Sweep, base: Experiment) -> Options:
    axes = sweep_axes.axes(base, command.baseline, "--baseline")
    given = {name: cell(values[0]) for name, values in axes.items()}
    same = {field.name: getattr(command, field.name) for field in dataclasses.fields(Options)}
    return Options(**{**same, "baseline": given or None})


def _plan_lines(programs: Sequence[Program], settings: Sequence[define.Setting]) -> list[str]:
    """`40 runs: 8 settings x 5 seeds, 2 programs`."""
    num_runs = sum(len(program.runs) for program in programs)
    descriptions = dict.fromkeys(program.dataset.description for program in programs)
    counts = {"run": num_runs, "setting": len(settings), "program": len(programs)}
    runs, of_settings, in_programs = (f"{n} {name}{'s' if n > 1 else ''}" for name, n in counts.items())
    return [*descriptions, f"{runs} of {of_settings}, {in_programs} (one for each structure)"]


def _tell(store: Store, held: Sequence[Group]) -> None:
    """The summary, and where to look."""
    rows = run_table.sorted_rows(store)
    if held:
        print(f"{sum(len(group.runs) for group in held)} runs are being trained by other processes")
    if not rows:
        return
    names = run_table.swept_columns(store.swept, rows)
    asked = Options(**store.read()["options"])
    score = asked.score or default_score(rows)
    for line in lines(run_table.summary(rows, names, asked, store.facts), names, score, store.facts):
        print(line)
    print(f"results     {store.path / RESULTS}\nsummary     {store.path / SUMMARY}")
