"""Texts of files reach the terminal with their control characters escaped."""

import json
import shutil
from pathlib import Path

import pytest

import jaxae
from jaxae.errors import visible, warn
from jaxae.runs import directory, seals
from tests.cli.calling import call

HOSTILE = "a\x1b[2J\x1b]0;owned\x07b\u202egnp.exe\x9b31m\rc"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = jaxae.AE(encoder=jaxae.MLP(widths=(4,)), decoder=jaxae.MLP(widths=(4,)), latent_dim=2)
    folder = tmp_path_factory.mktemp("hostile")
    for seed in (0, 1):
        jaxae.fit(
            jaxae.Experiment(model=model, epochs=1), seed=seed, run_dir=folder / f"r{seed}", progress=False
        )
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """Two runs whose files were edited: notes, the description of the data, the reason of the status."""
    shutil.copytree(made, tmp_path / "runs")
    for run in (tmp_path / "runs").iterdir():
        notes = {"name": HOSTILE, "tags": [HOSTILE], "note": f"{HOSTILE}\nsecond line"}
        (run / "notes.json").write_text(json.dumps(notes))
        for file, changed in (
            ("record.json", {"data": HOSTILE + run.name}),
            ("status.json", {"reason": HOSTILE}),
        ):
            directory.write_json(run / file, seals.read(run / file) | changed)
    return tmp_path / "runs"


def is_inert(text: str) -> bool:
    return not set(text) & set("\x1b\x07\x9b\r\u202e")


@pytest.mark.parametrize(
    "words",
    [
        ["ls", "runs"],
        ["show", "runs/r0"],
        ["compare", "runs/r0", "runs/r1", "--paired", "False"],
        ["watch", "runs/r0", "--once"],
        ["watch", "runs", "--once"],
        ["tag", "runs/r0", "--tag", "new"],
    ],
)
def test_commands_escape_what_files_say(words: list[str], runs: Path) -> None:
    called = call(*words)
    assert called.code == 0, called
    assert is_inert(called.out) and is_inert(called.err)
    # The text is still there, in a form that can be read.
    assert r"a\x1b[2J" in called.out


def test_errors_and_warnings_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    called = call("show", "no\x1b[31m\u202ename")
    assert called.code == 2 and is_inert(called.err) and r"no\x1b[31m\u202ename" in called.err
    warn(HOSTILE)
    assert is_inert(capsys.readouterr().err)


def test_letters_of_all_scripts_line_breaks_and_tabs_stay() -> None:
    text = "β=1\tgrößer\nשלום 😀 日本"
    assert visible(text) == text
