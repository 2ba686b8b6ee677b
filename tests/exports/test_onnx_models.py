"""ONNX models equal the model, or are refused; jax2onnx is no requirement of ours."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import jaxae
from jaxae.exports import onnx_models
from jaxae.exports.programs import Program, programs_of
from tests.exports import making


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AE with convolutions", "VAE, conditional", "ContractiveAE"])
def test_onnx_models_equal_the_methods_of_a_result(name: str, tmp_path: Path) -> None:
    pytest.importorskip("jax2onnx")
    result = making.untrained(name)
    folder = result.export(tmp_path / "a", format="onnx")
    values = {name: each for name, each in making.expected(result).items() if name != "sample"}
    wanted = making.keep_expected(result, folder, values)
    assert {file.stem for file in folder.glob("*.onnx")} == set(values)
    assert set(making.loaded_elsewhere([folder], "onnxruntime")) == wanted


@pytest.mark.slow
def test_a_net_that_is_not_covered_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("jax2onnx")
    with pytest.raises(
        jaxae.JaxaeError, match="^encode: jax2onnx does not cover this net .*stablehlo exports"
    ):
        making.untrained("VQVAE").export(tmp_path / "out", format="onnx")
    assert not (tmp_path / "out").exists()


def program() -> Program:
    (found,) = [each for each in programs_of(making.untrained("AE"), "all") if each.name == "encode"]
    return found


def test_values_that_differ_are_refused() -> None:
    encode = program()

    def session(error: float) -> SimpleNamespace:
        run = lambda _, feed: [np.asarray(encode.call(feed["x"])) + error]  # noqa: E731
        return SimpleNamespace(run=run, get_inputs=lambda: [SimpleNamespace(name="x")])

    onnx_models._compare(encode, session(1e-6))
    with pytest.raises(jaxae.JaxaeError, match="^encode: ONNX Runtime gives other values than the model"):
        onnx_models._compare(encode, session(1e-3))


def test_samplers_are_refused_with_the_way_out() -> None:
    sampler = program()._replace(name="sample", is_by_row=False)
    with pytest.raises(jaxae.JaxaeError, match="^sample: ONNX has no jax random numbers; decode your own"):
        onnx_models.convert(sampler)
