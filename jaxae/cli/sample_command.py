"""`jaxae sample RUN`: images drawn from a run's prior, as a picture and as numbers."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.cli import inputs, jax_setup, options
from jaxae.cli.inputs import Elsewhere
from jaxae.cli.resume_command import existing
from jaxae.data import AnyDataset
from jaxae.errors import JaxaeError
from jaxae.plots.pictures import image_grid
from jaxae.runs import directory, opening
from jaxae.runs.result import Result
from jaxae.specs.pytree import fields, spec
from jaxae.tokens.sampling import Sampling

COLUMNS = 10


@dataclasses.dataclass(kw_only=True)
class Sample:
    """Draws images from a run's prior over its codes or tokens, under a condition where it has one.

    Writes NAME.png, a picture of all, and NAME.npz: `x` f32[N, ...], `condition`, and `tokens` i32[N, P] of a
    prior over tokens. The options of `Sampling` are for those only.
    """

    condition: tuple[str, ...] = ()
    """Labels by number or by name, or texts; --count images of each. Without one a conditional prior over
    tokens is told the null condition."""
    count: int = 64
    """How many images, of each condition."""
    seed: int = 0
    """Of the draws."""
    output: Path | None = None
    """NAME of the files to write, without an ending; None writes into the run's directory samples/."""
    config: str | None = None
    """The config that defines classes of your own, if the run has any; it is executed."""
    accept_code_changes: bool = False
    """Goes on although classes of your own have changed since the run, and records their new code."""


@spec
class Asked(Sampling, Elsewhere):
    """How a prior over tokens is sampled, and where the data is."""


def main(arguments: list[str]) -> int:
    """Runs `jaxae sample` and returns the exit code."""
    first, rest = inputs.first_word("sample RUN", arguments, Sample, Asked())
    folder = existing(Path(first))
    command, asked = options.parse(Sample, rest, f"jaxae sample {first}", Asked())
    sampling = Sampling(**{name: getattr(asked, name) for name in fields(Sampling)})
    inputs.learn_classes(command.config)
    jax_setup.keep_compiled_programs()
    output = _output(command, folder)
    how = {"data_name": asked.data.name, "data_folder": asked.data.folder}
    result = opening.load(folder, **how, accept_code_changes=command.accept_code_changes)
    if any(asked.moved):
        with opening.held(result.run):
            opening.remember(result.run, asked.moved)
    jax_setup.print_device()
    drawn = _drawn(result, command, sampling)
    with directory.disk_errors(output.parent):
        output.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(f"{output}.npz", **drawn)
        if _is_images(drawn["x"]):
            title = ", ".join(command.condition) or "no condition"
            columns = command.count if command.count <= COLUMNS else COLUMNS
            span = _of_images(result).display_range
            image_grid(Path(f"{output}.png"), drawn["x"], columns, title[:100], span)
    print(f"{len(drawn['x'])} images  {output}.npz" + (f"  {output}.png" if _is_images(drawn["x"]) else ""))
    return 0


def _drawn(result: Result, command: Sample, sampling: Sampling) -> dict[str, Any]:
    """What the .npz holds."""
    changed = {name: value for name, value in vars(sampling).items() if value != getattr(Sampling(), name)}
    y = [_read(word) for word in command.condition for _ in range(command.count)] or None
    if y is not None and len({type(each) for each in y}) > 1:
        raise JaxaeError("--condition: got numbers and names, expected either")
    num = command.count if y is None else len(y)
    told = np.repeat(np.array(command.condition or [""]), command.count)
    if tokenizer := result.run.dataset.tokenizer:
        tokens = result.sample_tokens(num, command.seed, y, **changed)
        return {"x": tokenizer.images(tokens), "condition": told, "tokens": tokens}
    return {"x": result.sample(num, command.seed, y, **changed), "condition": told}


def _read(word: str) -> str | int:
    return int(word) if word.isdecimal() else word


def _output(command: Sample, folder: Path) -> Path:
    """The files' common name. Raises: JaxaeError for a count of none."""
    if command.count < 1:
        raise JaxaeError(f"--count: got {command.count}, expected a whole number > 0")
    if command.output is not None:
        return command.output.with_suffix("") if command.output.suffix in (".png", ".npz") else command.output
    words = "-".join("".join(c if c.isalnum() else "_" for c in word) for word in command.condition)
    return folder / "samples" / f"{(words or 'unconditional')[:80]}-seed{command.seed}"


def _of_images(result: Result) -> AnyDataset:
    """The data of the images that are drawn: for a prior over tokens those of its tokenizer."""
    dataset = result.run.dataset
    return dataset.tokenizer.dataset if dataset.tokenizer else dataset


def _is_images(x: np.ndarray) -> bool:
    return x.ndim == 4 and x.shape[-1] in (1, 3)
