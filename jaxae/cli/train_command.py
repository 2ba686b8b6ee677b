"""`jaxae train CONFIG`: a run from its beginning to its scores and figures."""

import dataclasses
from pathlib import Path

from jaxae.cli import completion, inputs, jax_setup, options, score_lines
from jaxae.errors import warn
from jaxae.runs import opening
from jaxae.runs.config import find, is_record
from jaxae.runs.experiment import Experiment
from jaxae.runs.run_record import read_record
from jaxae.training import processes


@dataclasses.dataclass(kw_only=True)
class Train:
    """Trains an autoencoder, and writes record, history, scores, checkpoints and figures to a new directory.

    CONFIG is a file that defines `experiment`, the bare name of one under configs/, or a run's record.json.
    A part is exchanged by naming its class, also one of CONFIG: --optimizer SGD, --model.beta Linear.
    """

    seed: int = 0
    """Seed of initialisation, data order and noise; 0 or more (of a record: the recorded one)."""
    run_dir: Path | None = None
    """New directory of the run; None makes one under runs/."""
    config: str | None = None
    """Another file that defines classes of your own, for options and a record to name; it is executed."""
    tokenizer: Path | None = None
    """Run whose tokens a prior learns, in place of data.name tokens:RUN."""
    devices: int = 1
    """Devices that share each batch, of which batch_size is a multiple; of a CPU so many are made."""
    distributed: bool = False
    """Joins the processes of SLURM, a TPU pod, or JAX_COORDINATOR_ADDRESS; each gives its --devices."""


def main(arguments: list[str]) -> int:
    """Runs `jaxae train` and returns the exit code."""
    name, rest = inputs.first_word("train CONFIG", arguments, Train, Experiment())
    inputs.learn_classes(inputs.config_option(rest))
    path = find(name)
    recorded = read_record(path)[1] if is_record(path) else {}
    seed = recorded.get("seed", Train.seed)
    command, experiment = options.parse(Train, rest, f"jaxae train {name}", inputs.load(name), seed=seed)
    experiment = inputs.of_tokens(experiment, command.tokenizer)
    mesh = jax_setup.mesh(command.devices, command.distributed)
    read = inputs.reader(path, experiment.data)
    begun = opening.prepare(experiment, command.seed, mesh=mesh, read=read)
    first = processes.is_first(mesh)
    if first and recorded and recorded["data_hash"] != begun.dataset.hash:
        warn(f"the data is not that of {path} ({recorded.get('data')})")
    begun = opening.start(
        begun, command.run_dir, recorded.get("name", path.stem), ["jaxae", "train", *arguments]
    )
    if first:
        print(f"{begun.dataset.description}\nrun {begun.folder}", flush=True)
        jax_setup.print_device(mesh.size if mesh else 1)
    result = completion.finish(begun)
    if first:
        score_lines.print_scores(result, begun.folder)
    return 0
