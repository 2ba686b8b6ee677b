"""`jaxae export RUN`: files in a folder, one line for each mistake."""

import json
from pathlib import Path

import pytest

from jaxae.runs import seals
from tests.cli.calling import call


def test_a_run_is_exported_to_a_folder(run: Path) -> None:
    pytest.importorskip("flatbuffers")
    called = call("export", "run", "--output", "out", "--part", "decoder")
    assert called.code == 0 and called.out == "decode.jaxexport; how to use them: out/README.md\n"
    facts, scores = (
        json.loads(Path("out/export.json").read_text()),
        seals.read(run / "scores.json"),
    )
    assert facts["is_finished"] and facts["scores"]["test"] == scores["test"]
    assert facts["programs"]["decode"]["output"] == "float32 [N, 8, 8, 1]"
    assert "How the numbers were made" in Path("out/README.md").read_text()


def test_without_an_output_the_files_are_in_the_run(run: Path) -> None:
    pytest.importorskip("safetensors")
    assert call("export", "run", "--format", "safetensors").code == 0
    assert (run / "export" / "safetensors" / "weights.safetensors").exists()
    again = call("export", "run", "--format", "safetensors")
    assert again.code == 2 and "the directory is not empty; choose an empty one, or a new name" in again.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing",), "jaxae: nothing: no such run; expected the directory of a run"),
        (
            ("run", "--format", "keras"),
            "jaxae: --format: got 'keras', expected one of stablehlo",
        ),
        (("run", "--part", "all", "--platforms", "gpu"), "jaxae: --platforms: got gpu, expected some of cpu"),
    ],
)
def test_mistakes_are_one_line(run: Path, words: tuple[str, ...], message: str) -> None:
    called = call("export", *words, "--output", "out")
    assert called.code == 2 and called.err.startswith(message) and called.err.count("\n") == 1
    assert not Path("out").exists()


def test_a_run_that_has_not_finished_is_exported_with_a_warning(run: Path) -> None:
    pytest.importorskip("safetensors")
    (run / "scores.json").unlink()
    called = call("export", "run", "--output", "out", "--format", "safetensors")
    assert called.code == 0 and "training has not finished (4 of 4 epochs)" in called.err
    assert "Training has not finished: 4 epochs are planned." in Path("out/README.md").read_text()
