"""The README.md of an export: how the files are used without jaxae, and where the numbers come from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from jaxae.exports import jax_programs, onnx_models, weights
from jaxae.exports.programs import ROWS, Port, Program
from jaxae.runs.result import Result
from jaxae.specs.pytree import is_node, paths

SNIPPETS = {
    "stablehlo": """import pathlib

import jax
import numpy as np
from jax import export
{setup}

def load(name):
    return jax.jit(export.deserialize(pathlib.Path(f"{{name}}.jaxexport").read_bytes()).call)

""",
    "onnx": """import numpy as np
import onnxruntime


def load(name):
    session = onnxruntime.InferenceSession(f"{{name}}.onnx")
    names = [each.name for each in session.get_inputs()]
    return lambda *rows: session.run(None, dict(zip(names, rows)))[0]

""",
    "safetensors": """from safetensors.numpy import load_file

weights = load_file("weights.safetensors")
for name, array in weights.items():
    print(name, array.shape)
""",
}
NEEDS = {
    "stablehlo": "pip install jax flatbuffers",
    "onnx": "pip install onnxruntime",
    "safetensors": "pip install safetensors",
}
ENDINGS = {"stablehlo": jax_programs.ENDING, "onnx": onnx_models.ENDING}
NAMES_SHOWN = 100  # of labels


def page(
    result: Result,
    programs: Sequence[Program],
    format: str,
    facts: Mapping[str, Any],
    platforms: Sequence[str],
) -> str:
    """Return the Markdown text of the README.

    Args:
        result: The trained model.
        programs: The programs; none for weights.
        format: "stablehlo", "onnx" or "safetensors".
        facts: The content of export.json.
        platforms: The platforms of the programs, for "stablehlo".

    Returns:
        The text.
    """
    name = type(result.experiment.model).__name__
    head = f"# {name}, exported\n\nTrained on {result.run.dataset.description}, seed {result.run.seed}."
    body = _weights(result) if format == "safetensors" else _programs(result, programs, format)
    versions = facts["versions"]
    parts = [head, _use(result, programs, format), *body, _model(result), _origin(result, facts)]
    if format == "stablehlo":
        parts.append(
            f"The programs run on {', '.join(platforms)} with jax {versions['jax']} or later. "
            "An older jax may not read them."
        )
    return "\n\n".join(parts) + "\n"


def _use(result: Result, programs: Sequence[Program], format: str) -> str:
    """Return the section with a snippet that runs in the folder of the export."""
    # float64 programs refuse float32 rows, and jax makes float32 arrays by default.
    is_double = result.experiment.compute_dtype == "float64"
    setup = '\njax.config.update("jax_enable_x64", True)\n' if is_double else ""
    code = SNIPPETS[format].format(setup=setup) + "\n".join(map(_call, programs))
    install = f"`{NEEDS[format]}` is all that is needed. In this folder:"
    return f"## Use\n\n{install}\n\n```python\n{code.rstrip()}\n```"


def _call(program: Program) -> str:
    """Return the lines that load a program and call it with five rows."""
    arguments = ", ".join(_example(port) for port in program.inputs)
    return f'{program.name} = load("{program.name}")\nprint({program.name}({arguments}).shape)'


def _example(port: Port) -> str:
    """Return an input of five rows as code."""
    if not port.shape:
        return f"np.{port.dtype}(0)"
    sizes = ", ".join("5" if size == ROWS else str(size) for size in port.shape)
    return (
        f"np.zeros(({sizes},), np.{port.dtype})"
        if len(port.shape) == 1
        else (f"np.zeros(({sizes}), np.{port.dtype})")
    )


def _programs(result: Result, programs: Sequence[Program], format: str) -> list[str]:
    """Return the sections on the programs, their inputs and their outputs."""
    rows = [
        f"| `{program.name}{ENDINGS[format]}` | {', '.join(port.name for port in program.inputs)} "
        f"| {output_of(program)} | {_cell(program.meaning)} |"
        for program in programs
    ]
    table = "\n".join(["| file | inputs | output | meaning |", "|---|---|---|---|", *rows])
    ports = {port.name: port for program in programs for port in program.inputs}
    inputs = "\n".join(f"- `{name}`: {_typed(port)}: {port.meaning}." for name, port in ports.items())
    parts = [f"## Files\n\n{table}\n\nN is the number of rows, and may differ from call to call.", inputs]
    return [*parts, *_scaling(result, ports), *_labels(result, ports)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _scaling(result: Result, ports: Mapping[str, Port]) -> list[str]:
    """Return the paragraph on the unit of rows."""
    dataset = result.run.dataset
    if "x" not in ports or dataset.scale == 1:
        return []
    stored, dtype = str(dataset.facts.dtype), ports["x"].dtype
    return [f"The data are stored as {stored}: `x = stored.astype(np.{dtype}) / {dataset.scale:g}`."]


def _labels(result: Result, ports: Mapping[str, Port]) -> list[str]:
    """Return the paragraph on the names of labels."""
    classes = result.run.dataset.classes
    if "y" not in ports or len(ports["y"].shape) > 1:
        return (
            ["The words are numbered from 1, in the order of `words` in export.json."] if "y" in ports else []
        )
    shown = ", ".join(f"{number} = {name}" for number, name in enumerate(classes[:NAMES_SHOWN]))
    more = ", … (all are in export.json)" if len(classes) > NAMES_SHOWN else ""
    return [f"Labels: {shown}{more}."] if classes else []


def _typed(port: Port) -> str:
    return f"{port.dtype} [{', '.join(map(str, port.shape))}]"


def output_of(program: Program) -> str:
    """Return the type and shape of a program's output, `float32 [N, 8]`."""
    shape = jax.eval_shape(program.call, *program.abstract(2))
    return f"{shape.dtype} [{', '.join([ROWS, *map(str, shape.shape[1:])])}]"


def _weights(result: Result) -> list[str]:
    """Return the section on the arrays of a safetensors file."""
    rows = [
        f"| `{name}` | {a.dtype} | {'x'.join(map(str, a.shape)) or '1'} |"
        for name, a in weights.arrays_of(result).items()
    ]
    table = "\n".join(["| array | type | shape |", "|---|---|---|", *rows])
    note = "A `kernel` of a dense layer is [inputs, outputs]: `y = x @ kernel + bias`."
    return [f"## Arrays\n\n{table}\n\n{note} Arrays under `extra` are learned without gradients."]


def _model(result: Result) -> str:
    """Return the section with each field of the model."""
    lines = [
        f"{path} = {type(value).__name__ if is_node(value) else repr(value)}"
        for path, _, value in paths(result.experiment)
        if path.partition(".")[0] in ("model", "optimizer", "epochs", "batch_size", "compute_dtype")
    ]
    return "## Model\n\n" + "\n".join(["```text", *lines, "```"])


def _origin(result: Result, facts: Mapping[str, Any]) -> str:
    """Return the section with scores, seed, data, versions and the digest of the record."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    planned = f" Training has not finished: {result.experiment.epochs} epochs are planned."
    state = "" if facts["is_finished"] else planned
    state = " Training diverged after it." if facts["has_diverged"] else state
    lines = [
        f"- Epoch {facts['epoch']} of {facts['epochs']}, chosen by {facts['chosen_by']}.{state}",
        f"- Seed {facts['seed']}; SHA-256 of experiment, seed and data: `{facts['digest']}`.",
        f"- SHA-256 of the data: `{facts['data_hash']}`.",
        f"- Versions: {versions}.",
    ]
    return "\n\n".join(["## How the numbers were made", "\n".join(lines), *_scores(result.scores)])


def _scores(scores: Mapping[str, Any]) -> Iterable[str]:
    """Return the table of the scores; nothing for a run without scores."""
    splits = [name for name in ("validation", "test") if name in scores]
    units = scores.get("units", {})
    names = [name for name in units if any(name in scores[split] for split in splits)]
    if not names:
        return []
    rows = [
        f"| {name} | {units[name]} | " + " | ".join(_value(scores[split], name) for split in splits) + " |"
        for name in names
    ]
    head = f"| score | unit | {' | '.join(splits)} |\n|---|---|{'---|' * len(splits)}"
    return ["\n".join([head, *rows])]


def _value(scores: Mapping[str, Any], name: str) -> str:
    """Return a score with its standard error, `-47.52 ± 0.084`."""
    value, error = scores.get(name), scores.get(f"{name}_standard_error")
    if value is None:
        return ""
    return f"{value:.6g} ± {error:.2g}" if error is not None else f"{value:.6g}"
