"""`jaxae sample RUN`: draw samples from the prior of a run, as a picture and as an .npz file."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.cli import inputs, jax_setup, options, output
from jaxae.cli.inputs import Elsewhere
from jaxae.data import AnyDataset
from jaxae.errors import JaxaeError
from jaxae.plots.pictures import image_grid
from jaxae.protocols.capabilities import Conditional
from jaxae.runs import directory, opening
from jaxae.runs.result import Result
from jaxae.specs.pytree import fields, spec
from jaxae.tokens.sampling import Sampling

COLUMNS = 10  # images in a row of the picture


@dataclasses.dataclass(kw_only=True)
class Sample(output.QuietOutput):
    """Draw samples from the prior of a run over its codes or tokens, under a condition if the model has one.

    Writes NAME.png, a picture of all samples, and NAME.npz with `x` f32[N, ...], `condition`, and for a prior
    over tokens also `tokens` i32[N, P]. --temperature, --top_k, --top_p and --guidance are for priors over
    tokens only.
    """

    condition: tuple[str, ...] = ()
    """Conditions: labels by number or by name, or texts. Each gets --count samples. Without a condition, a
    conditional prior over tokens uses its null condition."""
    count: int = 64
    """Number of samples, for each condition."""
    seed: int = 0
    """Seed of the samples."""
    output: Path | None = None
    """NAME of the files to write, without an ending. None writes to samples/ in the run's directory."""
    config: str | None = None
    """Config that defines your own classes, if the run uses any. It is executed."""
    accept_code_changes: bool = False
    """Continue even if your own classes have changed since the run, and record their new code."""


@spec
class Asked(Sampling, Elsewhere):
    """Options for sampling from a prior over tokens, and for data that has moved."""


def main(arguments: list[str]) -> int:
    """Run `jaxae sample` and return the exit code."""
    first, rest = inputs.first_word("sample RUN", arguments, Sample, Asked())
    inputs.existing(first)
    command, shared = options.parse(Sample, rest, f"jaxae sample {first}", Asked())
    sampling = Sampling(**{name: getattr(shared, name) for name in fields(Sampling)})
    inputs.learn_classes(command.config)
    jax_setup.keep_compiled_programs()
    folder = inputs.run_folder(first)
    target = _output(command, folder)
    moved = {"data_name": shared.data.name, "data_folder": shared.data.folder}
    result = opening.load(folder, **moved, accept_code_changes=command.accept_code_changes)
    if any(shared.moved):
        with opening.hold(result.run):
            opening.remember(result.run, shared.moved)
    jax_setup.print_device()
    samples = _draw(result, command, sampling)
    with directory.disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(f"{target}.npz", **samples)
        if _is_images(samples["x"]):
            # Fewer samples than a row holds: one row for each condition.
            title = ", ".join(command.condition) or "no condition"
            columns = command.count if command.count <= COLUMNS else COLUMNS
            span = _image_dataset(result).display_range
            image_grid(Path(f"{target}.png"), samples["x"], columns, title[:100], span)
    picture = f"{target}.png" if _is_images(samples["x"]) else None
    print(f"{len(samples['x'])} images  {target}.npz{f'  {picture}' if picture else ''}")
    shape = list(samples["x"].shape)
    output.report(Path(f"{target}.npz"), run=folder, samples=f"{target}.npz", picture=picture, shape=shape)
    return 0


def _draw(result: Result, command: Sample, sampling: Sampling) -> dict[str, Any]:
    """Draw the samples, and return the arrays of the .npz file by name."""
    # Only options that differ from their defaults are passed on: a model without tokens accepts none.
    changes = {name: value for name, value in vars(sampling).items() if value != getattr(Sampling(), name)}
    y = [_read(word) for word in command.condition for _ in range(command.count)] or None
    # Numbers and names cannot be mixed: the labels become one array of one type.
    if y is not None and len({type(label) for label in y}) > 1:
        raise JaxaeError("--condition: got numbers and names, expected only one of the two")
    num_classes = _num_classes(result)
    if y is None and num_classes:
        names = ", ".join(result.run.dataset.classes) or f"0 to {num_classes - 1}"
        raise JaxaeError(f"--condition: is missing, expected labels of the conditional model: {names}")
    num = command.count if y is None else len(y)
    conditions = np.repeat(np.array(command.condition or [""]), command.count)
    # Tokens are drawn once, and the images are decoded from them, so that both belong together.
    if tokenizer := result.run.dataset.tokenizer:
        tokens = result.sample_tokens(num, command.seed, y, **changes)
        return {"x": tokenizer.images(tokens), "condition": conditions, "tokens": tokens}
    return {"x": result.sample(num, command.seed, y, **changes), "condition": conditions}


def _num_classes(result: Result) -> int:
    """Return the number of labels that the model needs; 0 if it needs none, as a prior over tokens."""
    model = result.experiment.model
    is_needed = isinstance(model, Conditional) and not result.run.dataset.tokenizer
    return model.num_classes if is_needed else 0  # type: ignore[attr-defined]


def _read(word: str) -> str | int:
    """Return a label: a number if the word has only digits, else a name or a text."""
    return int(word) if word.isdecimal() else word


def _output(command: Sample, folder: Path) -> Path:
    """Return the path of the files without an ending. Raises: JaxaeError if --count is below 1."""
    if command.count < 1:
        raise JaxaeError(f"--count: got {command.count}, expected a whole number > 0")
    if command.output is not None:
        return command.output.with_suffix("") if command.output.suffix in (".png", ".npz") else command.output
    # 80 characters: a caption may be longer than file systems allow a name to be.
    words = "-".join("".join(c if c.isalnum() else "_" for c in word) for word in command.condition)
    return folder / "samples" / f"{(words or 'unconditional')[:80]}-seed{command.seed}"


def _image_dataset(result: Result) -> AnyDataset:
    """Return the data set of the images; for a prior over tokens it is the data set of its tokenizer."""
    dataset = result.run.dataset
    return dataset.tokenizer.dataset if dataset.tokenizer else dataset


def _is_images(x: np.ndarray) -> bool:
    """Return whether samples [N, H, W, C] can be drawn, with 1 or 3 channels."""
    return x.ndim == 4 and x.shape[-1] in (1, 3)
