"""`jaxae show [CONFIG|RUN]`: print an experiment with its cost, without training; or list the configs."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxae import keys
from jaxae.cli import inputs, jax_setup, options, output
from jaxae.errors import visible
from jaxae.maths import precision
from jaxae.nets import conv_layers
from jaxae.runs import config, config_files, edits, notes, opening, seals
from jaxae.runs.directory import RECORD
from jaxae.runs.execution import abstract
from jaxae.runs.experiment import Experiment, as_arrays, example_batch
from jaxae.runs.run_types import Run
from jaxae.specs.pytree import is_node, paths
from jaxae.specs.records import to_record
from jaxae.training import step


@dataclasses.dataclass(kw_only=True)
class Show(output.Output):
    """Print the resolved experiment, the table of its parameters, and the FLOPs and memory of a train step.

    Without CONFIG or RUN, list the configs. Nothing is trained or written.
    """

    config: str | None = None
    """Another file with your own classes, so that options and records can name them. It is executed."""
    tokenizer: Path | None = None
    """Run whose tokens a prior learns. The same as --data.name tokens:RUN."""


def main(arguments: list[str]) -> int:
    """Run `jaxae show` and return the exit code."""
    if not arguments or arguments == ["--json"]:
        print("\n".join(config_files.lines()))
        output.report(configs={name: config.headline(config.find(name)) for name in config.names()})
        return 0
    name, rest = inputs.first_word("show CONFIG|RUN", arguments, Show, Experiment())
    inputs.learn_classes(inputs.config_option(rest))
    jax_setup.keep_compiled_programs()
    name = inputs.config_name(name)
    loaded, path = inputs.load(name), config.find(name)
    command, experiment = options.parse(Show, rest, f"jaxae show {name}", loaded)
    experiment = inputs.of_tokens(experiment, command.tokenizer)
    is_recorded = config.is_record(path) and experiment == loaded
    # An unchanged record holds all facts of its data, so no rows are read; else they must be loaded.
    run = (is_recorded and opening.without_rows(path)) or opening.prepare(
        experiment, 0, read=inputs.reader(path, experiment.data)
    )
    print(visible(run.dataset.description))
    for line in note_lines(path) if config.is_record(path) else []:
        print(line)
    for line in [*experiment_lines(run.experiment), "", *parameter_lines(run), "", *cost_lines(run)]:
        print(line)
    output.report(
        experiment=to_record(run.experiment),
        data=run.dataset.description,
        parameters=dict(_parameters(run)),
        num_parameters=num_parameters(run),
    )
    return 0


def note_lines(path: Path) -> list[str]:
    """Return the name, the tags, the note and the edited files of a run, one line for each that it has."""
    folder = path if path.is_dir() else path.parent
    written, edited = notes.read(folder), edits.lines(seals.read_if_there(folder / RECORD))
    texts = {
        "name": written.name,
        "tags": ", ".join(written.tags),
        "note": written.note,
        "edited": ", ".join(edited),
    }
    return [f"{name:<11} {visible(' '.join(text.split()))}" for name, text in texts.items() if text]


def experiment_lines(experiment: Experiment) -> list[str]:
    """Return one line for each field, `model.beta = 1.0`; a part is shown as the name of its class."""
    return [
        f"{path} = {type(value).__name__ if is_node(value) else repr(value)}"
        for path, _, value in paths(experiment)
    ]


def num_parameters(run: Run) -> int:
    """Return the number of learned parameters."""
    return sum(math.prod(shape) for _, shape in _parameters(run))


def parameter_lines(run: Run) -> list[str]:
    """Return the table of parameters (name, shape, count) and their sum, one line for each array."""
    rows = [(name, shape, math.prod(shape)) for name, shape in _parameters(run)]
    width = max((len(name) for name, _, _ in rows), default=0)
    table = [
        f"{name:<{width}}  {'x'.join(map(str, shape)) or '1':>12}  {count:>12,}"
        for name, shape, count in rows
    ]
    return [*table, f"{'parameters':<{width}}  {'':>12}  {num_parameters(run):>12,}"]


def cost_lines(run: Run) -> list[str]:
    """Return the FLOPs and the memory of one compiled train step, as XLA estimates them."""
    with precision.of(run.experiment):
        compiled = _lowered_step(run).compile()
        programs = [compiled]
        if any(len(shape) == 4 for _, shape in _parameters(run)):
            # XLA counts the operations of a loop over chunks of images once.
            with conv_layers.in_whole_batches():
                programs.append(_lowered_step(run))
    return [f"a step of {run.experiment.batch_size} examples: {_flops(programs)}, {_memory(compiled)}"]


def _lowered_step(run: Run) -> Any:
    """Lower one train step from shapes alone: nothing is allocated, and no step is taken."""
    experiment, batch = as_arrays(run.experiment), example_batch(run.dataset, run.experiment.batch_size)
    # Rows reach the step in the type in which they are stored, such as uint8, which saves memory.
    as_stored: Any = jax.ShapeDtypeStruct(batch.x.shape, run.dataset.dtype)
    state = jax.eval_shape(step.create, experiment, run.key, batch)
    scale = jax.ShapeDtypeStruct((), jnp.float32)
    noise_key = keys.named(run.key, "noise")
    # A new function each time: jax would find the trace of the last call, which may have had chunks.
    train_step = jax.jit(lambda *arguments: step.train_step(*arguments), donate_argnums=2)
    return train_step.lower(experiment, noise_key, state, batch._replace(x=as_stored), scale)


def _parameters(run: Run) -> list[tuple[str, tuple[int, ...]]]:
    """Return (name, shape) of each array of parameters."""
    leaves = jax.tree_util.tree_leaves_with_path(abstract(run).state.variables.params)
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf.shape) for path, leaf in leaves]


def _flops(programs: Sequence[Any]) -> str:
    """Return the largest count of FLOPs of programs in words; not every backend counts them."""
    flops = max((program.cost_analysis() or {}).get("flops", -1.0) for program in programs)
    return f"{flops / 1e6:,.2f} MFLOP" if flops >= 0 else "FLOPs unknown on this backend"


def _memory(compiled: Any) -> str:
    """Return the memory of a compiled program in words; not every backend reports it."""
    memory = compiled.memory_analysis()
    if memory is None:
        return "memory unknown on this backend"
    # The state is donated: its old and new values share one buffer, which must not be counted twice.
    total = (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes
    )
    return f"{total / 2**20:,.2f} MiB ({memory.temp_size_in_bytes / 2**20:,.2f} MiB of it temporary)"
