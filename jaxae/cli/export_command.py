"""`jaxae export RUN`: write a trained model to files that work without jaxae."""

import dataclasses
from pathlib import Path
from typing import Literal

from jaxae.cli import inputs, jax_setup, options
from jaxae.cli.inputs import Elsewhere
from jaxae.errors import warn
from jaxae.exports.export_run import export
from jaxae.exports.jax_programs import PLATFORMS
from jaxae.runs import directory, opening


@dataclasses.dataclass(kw_only=True)
class Export:
    """Write the encoder, the decoder and the sampler of a run, or its weights, to files for other programs.

    The folder gets a README.md with a snippet that calls each file, the unit of the rows, the scores and the
    seed. With --format stablehlo the files need only jax, and take any number of rows.
    """

    output: Path | None = None
    """New or empty folder. None writes to export/FORMAT in the run's directory."""
    part: Literal["all", "encoder", "decoder", "sampler"] = "all"
    """Part of the model: `all` is every part that it has, and `reconstruct`."""
    format: Literal["stablehlo", "safetensors", "onnx"] = "stablehlo"
    """Format of the files: programs of jax.export, the weights as arrays, or ONNX models."""
    platforms: tuple[str, ...] = PLATFORMS
    """Platforms of the programs of jax.export: cpu, cuda, rocm, tpu."""
    config: str | None = None
    """Config that defines your own classes, if the run uses any. It is executed."""
    accept_code_changes: bool = False
    """Continue even if your own classes have changed since the run, and record their new code."""


def main(arguments: list[str]) -> int:
    """Run `jaxae export` and return the exit code."""
    first, rest = inputs.first_word("export RUN", arguments, Export, Elsewhere())
    inputs.existing(first)
    command, place = options.parse(Export, rest, f"jaxae export {first}", Elsewhere())
    inputs.learn_classes(command.config)
    jax_setup.keep_compiled_programs()
    moved = {"data_name": place.data.name, "data_folder": place.data.folder}
    run = inputs.run_folder(first)
    result = opening.load(run, **moved, accept_code_changes=command.accept_code_changes)
    folder = command.output or run / "export" / command.format
    export(result, folder, part=command.part, format=command.format, platforms=command.platforms)
    if not directory.is_finished(run):
        epochs = f"{len(result.history)} of {result.experiment.epochs} epochs"
        warn(f"{first}: training has not finished ({epochs}); the best state so far was exported")
    names = sorted(file.name for file in folder.iterdir() if file.suffix not in (".md", ".json"))
    print(f"{', '.join(names)}; how to use them: {folder / 'README.md'}")
    return 0
