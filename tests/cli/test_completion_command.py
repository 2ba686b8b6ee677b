"""What the shell is offered at a press of Tab, and the scripts that ask for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jaxae.cli import word_completion
from jaxae.cli.completion_command import SCRIPTS
from jaxae.cli.main import COMMANDS
from jaxae.runs import config_files
from tests.cli.calling import call

EXACTLY = {
    "tr": ["train"],
    "nope x": [],
    "train vae_": [name for name in config_files.names() if name.startswith("vae_")],
    "train vae_digits vae_": [],
    "train small.py --see": ["--seed"],
    "train small.py --run-d": ["--run-dir"],
    "train small.py --run_d": ["--run_dir"],
    "train small.py --seed 3 --see": [],
    "train small.py --model.encoder.w": ["--model.encoder.widths"],
    "train small.py --model.beta L": ["Linear"],
    "train small.py --model=VQ": ["--model=VQGAN", "--model=VQVAE"],
    "train small.py --model = VQ": ["--model=VQGAN", "--model=VQVAE"],
    "train small.py --model.kl ": ["auto", "closed", "sampled"],
    "train small.py --epochs ": [],
    "train small.py --run-dir ": [],
    "train small.py --optimizer SGD --optimizer.mo": ["--optimizer.momentum"],
    "train small.py --optimizer Adam --optimizer.mo": [],
    "train small.py --early_stopping.pa": [],
    "train small.py --early_stopping EarlyStopping --early_stopping.pa": ["--early_stopping.patience"],
    "sweep small.py --layout dev": ["devices", "devices:map", "devices:vmap"],
    "show small.py --compute-dtype x": [],
    "show small.py --compute-dtype b": ["bfloat16"],
    # A config that must be executed, or does not exist: the options of the default experiment.
    "train own.py --model.be": ["--model.beta"],
    "train nope --model.be": ["--model.beta"],
    "data ": ["list", "prepare", "show"],
    "data list ": [],
    "completion ": ["bash", "fish", "zsh"],
    "resume ": ["runs/one"],
    "evaluate runs/one ru": ["runs/one"],
    "evaluate elsewhere/t": ["elsewhere/two"],
}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import os\nimport jaxae\nexperiment = jaxae.Experiment()\n")
    for folder, file in {"runs/one": "record.json", "runs/none": "x", "elsewhere/two": "sweep.json"}.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / file).touch()


@pytest.mark.parametrize("line", EXACTLY)
def test_what_may_follow(line: str) -> None:
    assert word_completion.candidates(line.split(" ")) == EXACTLY[line]


def test_commands_options_and_classes_are_complete() -> None:
    assert set(COMMANDS) < set(word_completion.candidates([""]))
    assert {"vae_digits", "runs/one"} <= set(word_completion.candidates(["show", ""]))
    options = word_completion.candidates(["train", "small.py", "--"])
    shown = call("train", "small.py", "--help").out
    assert {line.split()[0] for line in shown.splitlines() if line.startswith("  --")} <= set(options)


def test_a_script_is_printed_for_each_shell_and_a_mistake_is_one_line() -> None:
    for shell in SCRIPTS:
        called = call("completion", shell)
        assert called.code == 0 and "jaxae completion words" in called.out
    assert call("completion", "--help").out.startswith("usage: jaxae completion bash|zsh|fish")
    assert "did you mean 'bash'" in call("completion", "bsh").err and call("completion").code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_with_the_script() -> None:
    lines = [
        f'jaxae() {{ "{sys.executable}" -m jaxae "$@"; }}',
        SCRIPTS["bash"],
        'tab() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _jaxae; echo "${COMPREPLY[*]}"; }',
        "tab jaxae tra",
        "tab jaxae train small.py --optimizer = Adam",
        "tab jaxae train small.py --run-dir x",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["bash", "--norc", "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert [line.split() for line in done.stdout.splitlines()] == [["train"], ["Adam", "AdamW", "Adamax"], []]
