"""Exported programs give the values of the result's methods, in a process without jaxae and flax."""

from pathlib import Path

import jax
import numpy as np
import pytest

import jaxae
from jaxae.exports import jax_programs
from jaxae.exports.programs import ROWS, Port, Program, programs_of
from tests import small
from tests.exports import making

pytest.importorskip("flatbuffers")


def assert_equal_elsewhere(names: list[str], folder: Path) -> None:
    wanted = set()
    for number, name in enumerate(names):
        result, place = making.untrained(name), folder / str(number)
        jaxae.export(result, place)
        wanted |= making.keep_expected(result, place)
        assert {file.stem for file in place.glob("*.jaxexport")} >= set(making.expected(result))
    assert set(making.loaded_elsewhere([folder / str(n) for n in range(len(names))], "flatbuffers")) == wanted


def test_programs_equal_the_methods_of_a_result_without_jaxae(tmp_path: Path) -> None:
    assert_equal_elsewhere(["VAE, conditional"], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_programs_of_every_member_equal_its_methods(part: int, tmp_path: Path) -> None:
    assert_equal_elsewhere(list(small.MEMBERS)[part::4], tmp_path)


@pytest.mark.slow
def test_programs_of_tokens_and_of_a_prior_over_them(tmp_path: Path) -> None:
    from tests.tokens import making as tokens

    vq = tokens.tokenizer(tmp_path / "vq")
    prior = jaxae.fit(tokens.experiment(tmp_path / "vq", condition=jaxae.tokens.Labels()))
    x = vq.test.x[:5]
    codes = prior.run.dataset.tokenizer.tokens(vq.test)[:5].reshape(5, -1).astype(np.int32)
    wanted = making.keep_expected(
        vq, vq.export(tmp_path / "a"), {"tokens": [x, codes], "embed": [codes, vq.encode(x)]}
    )
    y, seed = np.arange(5, dtype=np.int32), np.uint32(3)
    draws = {"sample_tokens": prior.sample_tokens(5, seed=3, y=y), "sample": prior.sample(5, seed=3, y=y)}
    wanted |= making.keep_expected(
        prior, prior.export(tmp_path / "b"), {name: [seed, y, value] for name, value in draws.items()}
    )
    assert set(making.loaded_elsewhere([tmp_path / "a", tmp_path / "b"], "flatbuffers")) == wanted


@pytest.mark.slow
def test_programs_of_a_float64_run_take_float64(tmp_path: Path) -> None:
    result = making.untrained("VAE", compute_dtype="float64")
    values = {
        name: [np.float64(each) if np.asarray(each).dtype.kind == "f" else each for each in arrays]
        for name, arrays in making.expected(result).items()
    }
    wanted = making.keep_expected(result, result.export(tmp_path / "a"), values)
    assert set(making.loaded_elsewhere([tmp_path / "a"], "flatbuffers")) == wanted


def test_parts_and_their_programs() -> None:
    parts = {
        part: {each.name for each in programs_of(making.untrained("VQVAE"), part)}
        for part in ("all", "encoder", "decoder")
    }
    assert parts["encoder"] == {"encode", "tokens"} and parts["decoder"] == {"decode", "embed"}
    assert parts["all"] == {"encode", "decode", "reconstruct", "tokens", "embed"}


def test_a_part_that_a_model_lacks_is_an_error_with_the_reason() -> None:
    with pytest.raises(jaxae.JaxaeError, match="^--part sampler: AE has no prior over its codes to draw"):
        programs_of(making.untrained("AE"), "sampler")


def test_a_net_that_jax_cannot_export_is_one_line() -> None:
    def call(x: jax.Array) -> jax.Array:
        return jax.pure_callback(np.asarray, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    program = Program("decode", "decoder", call, (Port("z", (ROWS, 2), "float32", "codes"),), "", False)
    with pytest.raises(jaxae.JaxaeError, match="^decode: jax.export cannot export it: .*safetensors"):
        jax_programs.serialize(program)
