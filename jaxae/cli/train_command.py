"""`jaxae train CONFIG`: train an experiment, score it and draw its figures."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, Literal

from jaxae.cli import (
    callbacks,
    classes,
    inputs,
    jax_setup,
    options,
    output,
    report_command,
    resume_command,
    run_to_end,
    score_lines,
)
from jaxae.cli.signals import OnUsr1
from jaxae.errors import JaxaeError, visible, warn
from jaxae.reports import scripts
from jaxae.runs import directory, notes, opening, warm_start
from jaxae.runs.config import find, is_record
from jaxae.runs.experiment import Experiment
from jaxae.runs.run_record import read_record
from jaxae.training import processes


@dataclasses.dataclass(kw_only=True)
class Train(output.ReportOutput):
    """Train an autoencoder; write its record, history, scores, checkpoints and figures to a new directory.

    CONFIG is a Python file that defines `experiment`, the bare name of a file under configs/, or the
    record.json of a run. To replace a part, name another class: --optimizer SGD, --model.beta Linear. Classes
    that CONFIG defines can be named too.
    """

    seed: int = 0
    """Seed of the initialisation, the data order and the noise, 0 or more. A record brings its seed."""
    run_dir: Path | None = None
    """Directory to write, which must be new or empty. None makes one under runs/."""
    resume: bool = False
    """Continue the run in --run-dir if it was started by the same command; start it if there is none. For
    schedulers, which start the same command again."""
    name: str | None = None
    """Name of the run in lists; also the start of its directory's name under runs/."""
    tag: tuple[str, ...] = ()
    """Tag by which lists of runs are filtered. May be given several times."""
    note: str | None = None
    """Text about the run, shown in lists. Name, tags and note are in notes.json, which you may edit."""
    init_from: Path | None = None
    """Trained run, or SWEEP:ID or SWEEP:best, whose variables replace the initial ones of the same name and
    shape. A record of a run that started so brings its own."""
    config: str | None = None
    """Another file with your own classes, so that options and records can name them. It is executed."""
    tokenizer: Path | None = None
    """Run whose tokens a prior learns. The same as --data.name tokens:RUN."""
    tracker: tuple[str, ...] = ()
    """Tracker that receives the numbers: tensorboard, wandb, mlflow, trackio, or the name of your own
    tracker in CONFIG or --config. Give the option several times for several trackers."""
    print_config: bool | Literal["python", "yaml"] = False
    """Print the experiment with all options applied as a config, in Python or as YAML, and train nothing."""
    devices: int = 1
    """Number of devices that share each batch. It must divide batch_size. A CPU is split into this number of
    devices."""
    distributed: bool = False
    """Train in several processes together: those of SLURM, of a TPU pod, or of JAX_COORDINATOR_ADDRESS. Each
    process uses --devices devices."""
    on_usr1: OnUsr1 = "save"
    """What SIGUSR1 and SIGUSR2 do. save: save the epoch and go on. exit: save it, and exit with code 138 or
    140, so that a scheduler starts the command again."""
    callback: tuple[str, ...] = ()
    """Name of a function or class that CONFIG or --config defines. It is called after each epoch and stops
    the run by returning True. May be given several times."""


def main(arguments: list[str]) -> int:
    """Run `jaxae train` and return the exit code."""
    name, rest = inputs.first_word("train CONFIG", arguments, Train, Experiment())
    # Options and a record may name classes of --config, so it is executed before they are read.
    inputs.learn_classes(inputs.config_option(rest))
    name = inputs.config_name(name)
    path = find(name)
    recorded = read_record(path)[1] if is_record(path) else {}
    # A record runs again with its own seed, unless --seed is given.
    seed = recorded.get("seed", Train.seed)
    command, experiment = options.parse(Train, rest, f"jaxae train {name}", inputs.load(name), seed=seed)
    experiment = inputs.of_tokens(experiment, command.tokenizer)
    # A wrong name is reported before the data are read.
    trackers = classes.trackers(command.tracker)
    display, called = command.display, callbacks.find(command.callback, name, command.config)
    labels = notes.check(command.name, command.tag, command.note, prefix="--")
    if command.print_config:
        inputs.print_config(experiment, command.print_config)
        return 0
    if command.resume and command.run_dir is None:
        raise JaxaeError("--resume: needs --run-dir, the directory of the run that is continued")
    if command.report:
        scripts.assets()  # a missing package is reported before anything is trained
    mesh = jax_setup.mesh(command.devices, command.distributed)
    read = inputs.reader(path, experiment.data)
    run = opening.prepare(experiment, command.seed, mesh=mesh, read=read)
    if command.init_from:
        run = warm_start.start_from(run, inputs.run_folder(str(command.init_from)))
    elif recorded:
        run = warm_start.start_as_recorded(run, recorded, path if path.is_dir() else path.parent)
    is_first = processes.is_first(mesh)
    # The user may want the new data: warn, since the numbers of the two runs cannot be compared.
    if is_first and recorded and recorded["data_hash"] != run.dataset.hash:
        warn(f"the data differs from the data of {path} ({recorded.get('data')})")
    how: dict[str, Any] = {"callbacks": called, "trackers": trackers, "on_usr1": command.on_usr1}
    how["display"] = display
    folder = command.run_dir
    if command.resume and folder and processes.broadcast(mesh, (folder / directory.RECORD).exists):
        run, record = opening.same_run(run, folder)
        resume_command.go_on(run, folder, record, **how)
        if is_first and command.report:
            report_command.write_after([folder], folder)
        return 0
    words, config_name = ["jaxae", "train", *arguments], recorded.get("name", path.stem)
    run = opening.start(run, folder, config_name, words, labels)
    if is_first:
        print(f"{visible(run.dataset.description)}\nrun {run.folder}", flush=True)
        warm_start.report(run, sys.stdout)
        jax_setup.print_device(mesh.size if mesh else 1)
    result = run_to_end.finish(run, **how)
    if is_first:
        score_lines.print_scores(result, run.folder)
        if command.report:
            report_command.write_after([run.folder], run.folder)
        output.report(run.folder, run=run.folder, seed=run.seed, scores=result.scores)
    return 0
