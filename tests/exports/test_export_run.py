"""A folder of exported files appears as a whole; every mistake is one line and leaves nothing."""

import dataclasses
import errno
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxae
from jaxae.runs.result import Result
from tests.exports import making

pytest.importorskip("flatbuffers")
pytest.importorskip("safetensors")


@pytest.fixture(scope="module")
def result() -> Result:
    return making.untrained("AE")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": "encodr"}, "^--part: got 'encodr'; did you mean 'encoder'"),
        ({"format": "onx"}, "^--format: got 'onx'; did you mean 'onnx'"),
        ({"platforms": ("cpu", "gpu")}, "^--platforms: got gpu, expected some of cpu, cuda, rocm, tpu"),
        ({"platforms": ()}, "^--platforms: got none"),
        ({"part": "encoder", "format": "safetensors"}, "^--part encoder: safetensors holds all weights"),
    ],
)
def test_mistakes_are_one_line(result: Result, options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(jaxae.JaxaeError, match=message):
        result.export(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_only_results_are_exported(tmp_path: Path) -> None:
    with pytest.raises(jaxae.JaxaeError, match="^result: got str, expected a Result"):
        jaxae.export("runs/vae", tmp_path)  # type: ignore[arg-type]


def test_a_folder_with_files_is_refused(result: Result, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(jaxae.JaxaeError, match="the directory is not empty; choose an empty one, or a new"):
        result.export(tmp_path)
    with pytest.raises(jaxae.JaxaeError, match=r"notes.txt: is a file, expected a new or empty directory"):
        result.export(tmp_path / "notes.txt")


@pytest.mark.parametrize("package", ["safetensors", "flatbuffers", "jax2onnx"])
def test_a_missing_package_is_one_line(
    result: Result, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats = {"safetensors": "safetensors", "flatbuffers": "stablehlo", "jax2onnx": "onnx"}
    needed = r"'jaxae\[onnx\]'" if package == "jax2onnx" else package
    if package == "jax2onnx":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(jaxae.JaxaeError, match=f"not installed; pip install {needed}"):
        result.export(tmp_path / "out", format=formats[package])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_leaves_nothing(
    result: Result, exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, written, original = tmp_path / "out", [], Path.write_bytes

    def write_bytes(path: Path, content: bytes) -> None:
        written.append(path.name)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path, content)

    if exists:
        place.mkdir()
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(jaxae.JaxaeError, match=r"cannot be written \(No space left on device\); nothing was"):
        result.export(place, format="safetensors")
    assert len(written) == 2 and place.exists() == exists and list(tmp_path.rglob("*.*")) == []


def with_carry(result: Result, **changes: Any) -> Result:
    carry = result.outcome.carry._replace(**changes)
    return dataclasses.replace(result, outcome=dataclasses.replace(result.outcome, carry=carry))


def test_weights_that_are_not_finite_are_refused(result: Result, tmp_path: Path) -> None:
    state = result.outcome.carry.state
    broken = jax.tree.map(lambda leaf: leaf * np.nan if leaf.dtype == np.float32 else leaf, state)
    with pytest.raises(
        jaxae.JaxaeError, match="^export: params.* is not finite, the run has diverged; train"
    ):
        with_carry(result, state=broken).export(tmp_path / "out")


def test_a_run_that_diverged_has_its_best_epoch_or_nothing(result: Result, tmp_path: Path) -> None:
    with pytest.raises(jaxae.JaxaeError, match="^export: the run diverged at step 7, before any epoch was"):
        with_carry(result, first_bad_step=np.int32(7)).export(tmp_path / "out")
    diverged = with_carry(result, first_bad_step=np.int32(7), best_epoch=np.int32(2))
    folder = diverged.export(tmp_path / "out", format="safetensors")
    assert "Training diverged after it." in (folder / "README.md").read_text()


def test_weights_are_those_of_the_result_by_flat_names(result: Result, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = result.export(tmp_path / "out", format="safetensors")
    arrays = load_file(folder / "weights.safetensors")
    leaves = jax.tree.leaves(result.variables)
    assert len(arrays) == len(leaves) and all(name.startswith("params.") for name in arrays)
    assert sorted(map(np.shape, arrays.values())) == sorted(map(np.shape, leaves))
    kernel = result.variables.params["encoder"]["Dense_0"]["kernel"]
    np.testing.assert_array_equal(arrays["params.encoder.Dense_0.kernel"], kernel)


def test_facts_and_readme_say_how_the_numbers_were_made(result: Result, tmp_path: Path) -> None:
    scores = {"units": {"loss": "nats"}, "epoch": 1, "test": {"loss": 1.5, "loss_standard_error": 0.25}}
    scored = dataclasses.replace(result, recorded_scores=scores)
    folder = scored.export(tmp_path / "out", format="safetensors")
    facts, page = json.loads((folder / "export.json").read_text()), (folder / "README.md").read_text()
    assert facts["seed"] == 0 and facts["scale"] == 255 and facts["scores"]["test"]["loss"] == 1.5
    assert facts["digest"] in page and "| loss | nats | 1.5 ± 0.25 |" in page
    assert "| `params.encoder.Dense_0.kernel` | float32 | 16x12 |" in page and "model.latent_dim = 3" in page
