"""Export of a trained model to a folder: `jaxae.export`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.exports import folder as folders
from jaxae.exports import jax_programs, onnx_models, readme, weights
from jaxae.exports.programs import PARTS, Program, programs_of, words_of
from jaxae.maths import precision
from jaxae.runs import directory, provenance, run_record
from jaxae.runs.result import Result

FORMATS = ("stablehlo", "safetensors", "onnx")
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_CHECKS = {"stablehlo": jax_programs.check, "safetensors": weights.check, "onnx": onnx_models.check}


def export(
    result: Result,
    folder: str | Path,
    *,
    part: str = "all",
    format: str = "stablehlo",
    platforms: Sequence[str] = jax_programs.PLATFORMS,
) -> Path:
    """Write a trained model to files that work without jaxae.

    The variables are those of the best epoch. A README.md in the folder has a snippet that loads and calls
    each file, the unit of the rows, the scores, and the digest of the run's record. `export.json` holds the
    same facts for programs.

    Args:
        result: The trained model, from `jaxae.fit` or `jaxae.load`.
        folder: New or empty directory.
        part: "encoder" (`encode`, for a tokenizer also `tokens`), "decoder" (`decode`, also `embed`),
            "sampler" (`sample`), or "all", which adds `reconstruct`.
        format: "stablehlo" for programs of `jax.export`, which need only jax; "safetensors" for the weights
            as arrays; "onnx" for ONNX models, if jax2onnx covers the net.
        platforms: Platforms of the programs of `jax.export`: cpu, cuda, rocm, tpu.

    Returns:
        The folder.

    Raises:
        JaxaeError: If the model has no such part, a package is missing, a program cannot be exported, a
            weight is not finite, or the folder is not empty or cannot be written. Then nothing is written.

    Example:
        >>> import tempfile
        >>> import jaxae
        >>> result = jaxae.fit(jaxae.Experiment(model=jaxae.AE(latent_dim=2), epochs=1))
        >>> folder = jaxae.export(result, f"{tempfile.mkdtemp()}/weights", format="safetensors")
        >>> sorted(file.name for file in folder.iterdir())
        ['README.md', 'export.json', 'weights.safetensors']
    """
    folder = Path(folder)
    _check_arguments(result, part, format, platforms)
    # Before anything is compiled, which may take a minute for large nets.
    folders.check_new(folder)
    _CHECKS[format]()
    weights.check_trained(result)
    with precision.of(result.experiment):
        files = _files(result, part, format, platforms)
    folders.write(folder, files)
    return folder


def _check_arguments(result: Any, part: str, format: str, platforms: Sequence[str]) -> None:
    if not isinstance(result, Result):
        raise JaxaeError(f"result: got {type(result).__name__}, expected a Result of jaxae.fit or jaxae.load")
    for name, value, valid in [("part", part, PARTS), ("format", format, FORMATS)]:
        if value not in valid:
            raise JaxaeError(f"--{name}: got {value!r}; {nearest(str(value), valid)}")
    # No nearest name here: for "gpu" it would be "tpu".
    unknown = sorted(set(platforms) - set(PLATFORMS))
    if unknown or not platforms:
        got = unknown[0] if unknown else "none"
        raise JaxaeError(
            f"--platforms: got {got}, expected some of {', '.join(PLATFORMS)} (GPUs: cuda, rocm)"
        )
    if format == "safetensors" and part != "all":
        raise JaxaeError(f"--part {part}: safetensors holds all weights; use --part all or another format")


def _files(result: Result, part: str, format: str, platforms: Sequence[str]) -> dict[str, bytes]:
    """Return the content of all files by name."""
    facts = _facts(result, format)
    if format == "safetensors":
        programs: list[Program] = []
        files = {weights.FILE: weights.serialize(result, facts)}
    else:
        programs = _covered(programs_of(result, part), part, format)
        files = {
            f"{program.name}{readme.ENDINGS[format]}": jax_programs.serialize(program, platforms)
            if format == "stablehlo"
            else onnx_models.convert(program)
            for program in programs
        }
    facts["programs"] = {program.name: _described(program) for program in programs}
    text = readme.page(result, programs, format, facts, platforms)
    # Last, as everywhere: a reader that finds the README finds all that it names.
    return {
        **files,
        "export.json": (json.dumps(directory.finite(facts), indent=2) + "\n").encode(),
        "README.md": text.encode(),
    }


def _covered(programs: list[Program], part: str, format: str) -> list[Program]:
    """Return the programs that a format can hold: ONNX has no samplers."""
    # Without `--part`, the samplers are left out; with it, `convert` gives the reason.
    if format == "onnx" and part == "all" and any(program.is_by_row for program in programs):
        return [program for program in programs if program.is_by_row]
    return programs


def _described(program: Program) -> dict[str, Any]:
    ports = [{**port._asdict(), "shape": list(port.shape)} for port in program.inputs]
    return {"inputs": ports, "output": readme.output_of(program), "meaning": program.meaning}


def _facts(result: Result, format: str) -> dict[str, Any]:
    """Return the facts of the run that the files are made of."""
    run, history = result.run, result.history
    record = run_record.numbers(run)
    return {
        "format": format,
        "model": type(result.experiment.model).__name__,
        "data": run.dataset.description,
        "data_hash": run.dataset.hash,
        "scale": run.dataset.scale,
        "classes": list(run.dataset.classes),
        "words": words_of(result),
        "seed": run.seed,
        "epoch": result.scores.get("epoch") or int(result.outcome.carry.best_epoch) or len(history),
        "epochs": len(history),
        "chosen_by": result.scores.get("chosen_by", "validation loss"),
        "is_finished": bool(result.scores) and not result.scores.get("stopped_by"),
        "has_diverged": weights.has_diverged(result),
        "digest": run_record.digest(record),
        "versions": provenance.environment()["versions"],
        "scores": {name: result.scores[name] for name in ("validation", "test") if name in result.scores},
    }
