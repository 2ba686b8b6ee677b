"""`jaxae sweep CONFIG`: train each setting under each seed, and write tables with confidence intervals.

Settings of the same structure share one compiled program.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import jax

from jaxae.cli import callbacks, classes, inputs, jax_setup, options, output, report_command, sweep_axes
from jaxae.cli.run_to_end import try_to_draw
from jaxae.cli.score_lines import page_line
from jaxae.cli.signals import OnUsr1, Stopped, deferred
from jaxae.display.words import count
from jaxae.errors import Interrupted, JaxaeError, visible, warn
from jaxae.reports import scripts
from jaxae.runs import config, directory, initial, notes, opening, status
from jaxae.runs.callbacks import combine
from jaxae.runs.experiment import Experiment
from jaxae.runs.interrupts import Pending
from jaxae.runs.run_record import read_record
from jaxae.specs.cells import cell
from jaxae.sweeps import define, drawing, estimate, origins
from jaxae.sweeps.launching import launchers
from jaxae.sweeps.plan import Program
from jaxae.sweeps.search import run_search
from jaxae.sweeps.session import STOPPING, Session
from jaxae.sweeps.store import RESULTS, SUMMARY, Group, Options, Store
from jaxae.sweeps.sweep_results import Results
from jaxae.sweeps.tables import run_table
from jaxae.sweeps.tables.summary import default_score
from jaxae.sweeps.tables.terminal import lines
from jaxae.training import platforms
from jaxae.training.loop import has_started


@dataclasses.dataclass(kw_only=True)
class Sweep(output.ReportOutput):
    """Train each setting under each seed; write results.csv (one row per run) and summary.csv (per setting).

    CONFIG is a Python file that defines `experiment`, and optionally `sweep`: a list of settings, or a
    function that yields them, for a command without --over. Run the same command again to train the missing
    runs. With more seeds or values, only the new runs are trained.
    """

    over: tuple[str, ...] = ()
    """Values to sweep: NAME=a,b,c or NAME=log:LOW:HIGH:COUNT (also lin: and int:). Several names make a
    grid."""
    zip: tuple[str, ...] = ()
    """Values to change together: NAME=a,b,c, the same number for each name. The first setting takes all first
    values."""
    sample: int | None = None
    """Number of settings to draw at random from --over NAME=log:LOW:HIGH (also lin:, int: or values). None
    makes the grid."""
    sample_seed: int = 0
    """Seed of the random draws of --sample and --search."""
    search: Literal["tpe", "random", "cmaes"] | None = None
    """Search with this sampler of Optuna over --over NAME=log:LOW:HIGH (also lin:, int: or values)."""
    prune: Literal["median", "halving", "hyperband"] | None = None
    """End trials of a search early whose score during training is bad, with this pruner of Optuna."""
    trials: int = 64
    """Number of settings that a search tries. It proposes --lanes settings at a time, 16 without --lanes."""
    seeds: tuple[int, ...] = ()
    """Seeds of each setting. One number N means the seeds 0 to N - 1; two or more numbers are the seeds
    themselves. No value means 5 seeds, or 1 seed for a search."""
    config: str | None = None
    """Another file with your own classes, so that options and records can name them. It is executed."""
    tokenizer: Path | None = None
    """Run whose tokens a prior learns. The same as --data.name tokens:RUN."""
    name: str | None = None
    """Name of the sweep in lists."""
    tag: tuple[str, ...] = ()
    """Tag by which lists of runs are filtered. May be given several times."""
    note: str | None = None
    """Text about the sweep, shown in lists. Name, tags and note are in notes.json, which you may edit."""
    print_config: bool | Literal["python", "yaml"] = False
    """Print the experiment with all options applied as a config, in Python or as YAML, and train nothing."""
    run_dir: Path | None = None
    """Directory of the sweep. None uses runs/CONFIG-sweep."""
    dry_run: bool = False
    """Print the plan and train nothing: runs, programs, lanes, and memory and time, which are estimated by
    trying at most three programs."""
    layout: Literal["auto", "map", "vmap", "devices", "devices:map", "devices:vmap"] = "auto"
    """How the runs (lanes) of one program are computed. map: one after another, with the same bits as single
    runs. vmap: side by side. devices: distributed over the devices. auto: the fastest one that was
    measured."""
    lanes: int | None = None
    """Number of runs that are trained at once. None trains all that fit in memory, at most 64 per device."""
    devices: int | None = None
    """Number of devices to use. A CPU is split into this number of devices. None uses all devices, or all
    cores of a CPU."""
    keep: bool = True
    """Keep the best state of each run, so that jaxae.load_sweep(...).load(run) can load it."""
    score: str | None = None
    """Column by which settings are compared. None uses validation.elbo, or validation.loss if there is no
    ELBO."""
    baseline: tuple[str, ...] = ()
    """NAME=value of the setting that the others are compared with. No value means the first setting."""
    interval: Literal["student", "bootstrap"] = "student"
    """Method of the 95 % confidence intervals of means over seeds."""
    launcher: launchers.Name | str = "local"
    """Where runs are trained. local: in this process. ray: groups of --lanes runs on a Ray cluster, a running
    one (RAY_ADDRESS) or a new one on this machine. Or the name of your own launcher in CONFIG."""
    tracker: tuple[str, ...] = ()
    """Tracker that receives the numbers of each run: tensorboard, wandb, mlflow, trackio, or the name of your
    own tracker in CONFIG. Give the option several times for several trackers."""
    save_seconds: float = 20.0
    """Smallest number of seconds between two checkpoints of a group. A killed process loses about this
    much work."""
    on_usr1: OnUsr1 = "save"
    """What SIGUSR1 and SIGUSR2 do. save: save all runs and go on. exit: save them, and exit with code 138 or
    140, so that a scheduler starts the command again."""
    callback: tuple[str, ...] = ()
    """Name of a function or class that CONFIG or --config defines. It is called about once a second with the
    progress of a group of runs, and stops the sweep by returning True. May be given several times."""


def main(arguments: list[str]) -> int:
    """Run `jaxae sweep` and return the exit code."""
    name, rest = inputs.first_word("sweep CONFIG", arguments, Sweep, Experiment())
    inputs.learn_classes(inputs.config_option(rest))
    jax_setup.keep_compiled_programs()
    command, base = options.parse(Sweep, rest, f"jaxae sweep {name}", inputs.load(name))
    base = inputs.of_tokens(base, command.tokenizer)
    if config.is_record(path := config.find(name)) and initial.KEY in read_record(path)[1]:
        warn(f"{initial.KEY}: {path} started from another run; the runs of a sweep are initialised as usual")
    if command.print_config:
        inputs.print_config(base, command.print_config)
        return 0
    if command.report:
        scripts.assets()  # a missing package is reported before anything is trained
    session = _make_session(command, base, name, ["jaxae", "sweep", *arguments])
    if command.search:
        _search(command, session)
        _write_page(command, session.store)
        return 0
    if command.prune:
        raise JaxaeError("--prune: prunes the trials of a search; give --search tpe as well")
    settings = _settings(command, base, name)
    if not command.dry_run:
        # A sweep that a callback stopped returns None.
        _print_summary(session.store, session.sweep(settings) or [])
        _write_page(command, session.store)
        return 0
    for line in estimate.lines(session.plan(settings), session.options):
        print(line, flush=True)
    return 0


def _make_session(command: Sweep, base: Experiment, name: str, arguments: list[str]) -> Session:
    """Create the session of the command, which prints its plan and stops at signals."""
    labels = notes.check(command.name, command.tag, command.note, prefix="--")
    launcher, sweep_options = (
        launchers.find(classes.own_or_name(command.launcher, launchers.LAUNCHERS)),
        _options(command, base),
    )
    store = Store(command.run_dir or Path("runs") / f"{config.find(name).stem}-sweep")
    load, seeds = origins.finding(store, opening.load_data), define.as_seeds(_seeds(command))
    # A search plans each of its batches, but the device must be printed only once.
    print_device = functools.cache(lambda: _print_device(command))

    # A search would print the plan and the schedule for each batch: it prints neither.
    def show_plan(programs: Sequence[Program], settings: Sequence[define.Setting]) -> None:
        for line in [] if command.search else _plan_lines(programs, settings):
            print(visible(line), flush=True)
        print_device()

    def show_schedule(todo: Sequence[Group]) -> None:
        if not command.search:
            num_runs = sum(len(group.runs) for group in todo)
            print(f"sweep {store.path}: {count(num_runs, 'run')} to train", flush=True)

    how: dict[str, Any] = {"on_plan": show_plan, "on_schedule": show_schedule, "display": command.display}
    how["labels"] = labels
    how["trackers"] = classes.trackers(command.tracker)
    how["callback"] = combine(callbacks.find(command.callback, name, command.config))
    # A tracker has to end its runs before the process ends, and other processes may train already.
    may_leave = command.launcher == "local" and not how["trackers"]
    stopping = functools.partial(_stop_at_signals, store, command.on_usr1, may_leave)
    return Session(store, base, seeds, sweep_options, load, arguments, stopping, launcher, **how)


@contextlib.contextmanager
def _stop_at_signals(store: Store, on_usr1: OnUsr1, may_leave: bool) -> Iterator[Pending]:
    """Yield the record of signals. Raises: Stopped after training that a signal interrupted."""

    def leave_early() -> str | None:
        if not may_leave or has_started.is_set():
            return None
        message = f"stopped before a run was trained; the same command continues in {store.path}"
        status.update(store.path, status=status.INTERRUPTED, reason=message)
        return message

    # `deferred`: the first signal lets all lanes be saved, a second one ends the process.
    with deferred(STOPPING, on_usr1, leave_early) as pending:
        try:
            yield pending
        except Interrupted:
            message = f"stopped, everything is saved in {store.path}; the same command continues"
            if pending.number is not None:
                raise Stopped(pending.number, message) from None
            # A callback stopped the sweep, which is no failure: its summary follows.
            print(message)


def _print_device(command: Sweep) -> None:
    """Print the devices that lanes are distributed over; those of a Ray cluster are not known here."""
    if command.launcher == "local":
        platforms.check()
        uses_one_device = command.layout in ("map", "vmap")
        jax_setup.print_device(1 if uses_one_device else command.devices or jax.local_device_count())


def _search(command: Sweep, session: Session) -> None:
    """Run a search and print its summary. Raises: JaxaeError if options do not fit together."""
    # A search waits for the scores of a batch before it proposes the next one.
    if command.launcher != "local":
        raise JaxaeError("--search: trains one batch after another, so --launcher cannot be used")
    if command.zip or command.sample is not None or command.dry_run:
        raise JaxaeError("--search: cannot be used with --zip, --sample or --dry-run, only with --over")
    distributions = sweep_axes.axes(session.base, command.over, "--over", distributions=True)
    sweep_axes.check_complete(distributions)
    if not distributions:
        raise JaxaeError("--search: needs --over NAME=log:LOW:HIGH or NAME=a,b,c to search over")
    # For a search --lanes is the number of settings of a batch; how many train at once depends on memory.
    session = dataclasses.replace(session, options=dataclasses.replace(session.options, lanes=None))
    lanes = 16 if command.lanes is None else command.lanes
    numbers = command.trials, lanes, command.sample_seed
    run_search(session, distributions, str(command.search), *numbers, command.prune)
    _print_summary(session.store, [])


def _settings(command: Sweep, base: Experiment, name: str) -> list[define.Setting]:
    """Return the settings of --over, --zip and --sample, else those of the config, else one empty setting."""
    if command.over or command.zip or command.sample is not None:
        return sweep_axes.settings(base, command.over, command.zip, command.sample, command.sample_seed)
    settings = config.load_sweep(name)
    # The config's `sweep` is Python code of the user: name its file in the message.
    try:
        return define.settings({} if settings is None else settings)
    except JaxaeError as error:
        raise JaxaeError(f"{config.find(name)}: {error}") from None


def _seeds(command: Sweep) -> int | Sequence[int]:
    """Return the number of seeds, or the seeds themselves."""
    # A search compares many settings and needs few seeds; a table with intervals needs several.
    if not command.seeds:
        return 1 if command.search else 5
    return command.seeds[0] if len(command.seeds) == 1 else command.seeds


def _options(command: Sweep, base: Experiment) -> Options:
    """Return the options of the sweep; all but the baseline have the same names as those of the command."""
    axes = sweep_axes.axes(base, command.baseline, "--baseline")
    baseline = {name: cell(values[0]) for name, values in axes.items()}
    shared = {field.name: getattr(command, field.name) for field in dataclasses.fields(Options)}
    return Options(**{**shared, "baseline": baseline or None})


def _plan_lines(programs: Sequence[Program], settings: Sequence[define.Setting]) -> list[str]:
    """Return the data sets, and `40 runs of 8 settings, 2 programs (one for each structure)`."""
    num_runs = sum(len(program.runs) for program in programs)
    descriptions = dict.fromkeys(program.dataset.description for program in programs)
    counts = {"run": num_runs, "setting": len(settings), "program": len(programs)}
    runs, of_settings, in_programs = (count(num, name) for name, num in counts.items())
    return [*descriptions, f"{runs} of {of_settings}, {in_programs} (one for each structure)"]


def _write_page(command: Sweep, store: Store) -> None:
    """Write report.html, if the command asks for it and a run has finished."""
    if command.report and (store.path / RESULTS).exists():
        report_command.write_after([store.path], store.path)


def _print_summary(store: Store, held: Sequence[Group]) -> None:
    """Print the summary of a sweep and the paths of its tables; `held` are groups of other processes."""
    rows = run_table.sorted_rows(store)
    if num_held := sum(len(group.runs) for group in held):
        print(f"{count(num_held, 'run')} in training by other processes")
    output.report(store.path, sweep=store.path, runs=len(rows))
    if not rows:
        return
    names = run_table.swept_columns(store.swept, rows)
    # Read from the store: another process may have started this sweep with other options.
    sweep_options = Options(**store.read()["options"])
    score = sweep_options.score or default_score(rows)
    summary = run_table.summary(rows, names, sweep_options, store.facts)
    for line in lines(summary, names, score, store.facts):
        print(visible(line))
    print(f"results     {store.path / RESULTS}\nsummary     {store.path / SUMMARY}")
    try_to_draw(lambda: drawing.draw(Results(store.path), store.path / directory.FIGURES), store.path)
    # No figures without a finite score.
    if (store.path / directory.FIGURES).exists():
        print(f"figures     {store.path / directory.FIGURES}")
    print(page_line(store.path))
    facts = {"sweep": store.path, "runs": len(rows), "results": store.path / RESULTS, "score": score}
    output.report(store.path, **facts, summary=summary)
