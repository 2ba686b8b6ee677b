"""The help: every field of a command and of an experiment, from the text under it, on any terminal."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from flax import linen as nn

import jaxae
from jaxae.cli import (
    accept_command,
    compare_command,
    data_command,
    evaluate_command,
    explore_command,
    export_command,
    help_text,
    ls_command,
    report_command,
    resume_command,
    sample_command,
    show_command,
    sweep_command,
    tag_command,
    train_command,
    watch_command,
)
from jaxae.cli.main import COMMANDS
from jaxae.runs import directory, seals
from jaxae.specs.pytree import fields, is_spec
from tests.cli.calling import call, ended, start

CALLS: dict[str, Any] = {
    "train small.py": train_command.Train,
    "sweep small.py": sweep_command.Sweep,
    "resume": resume_command.Resume,
    "evaluate": evaluate_command.Evaluate,
    "sample": sample_command.Sample,
    "export": export_command.Export,
    "ls runs": ls_command.Ls,
    "compare": compare_command.Compare,
    "report": report_command.Report,
    "explore": explore_command.Explore,
    "watch a": watch_command.Watch,
    "tag a": tag_command.Tag,
    "accept a": accept_command.Accept,
    "show small.py": show_command.Show,
    "data list": data_command.Listed,
    "data show digits": data_command.Shown,
    "data prepare x": data_command.Prepare,
}
OWN = """\
import jaxae


@jaxae.spec
class Wave:
    '''A wave of length λ.

    And more of it.
    '''

    period: float
    '''Steps of a wave, größer als 0.'''
    height: float = 2.0

    def __call__(self, step, /):
        return self.height


experiment = jaxae.Experiment(model=jaxae.VAE(beta=Wave(period=3.0)))
"""


def options_of(*arguments: str) -> dict[str, str]:
    """Option -> its line and the text below it, as one line without the name."""
    called = call(*arguments)
    assert called.code == 0 and called.err == "", called
    entries = [entry.partition("\n\n")[0].split() for entry in called.out.split("\n  --")[1:]]
    return {f"--{entry[0]}": " ".join(entry[1:]) for entry in entries}


def groups(*arguments: str) -> list[str]:
    """The headings."""
    return re.findall(r"\n\n(\S.*)\n  ", call(*arguments).out)


@pytest.mark.parametrize("line", CALLS)
def test_every_option_of_a_command_has_its_text_and_default(line: str) -> None:
    shown, command = options_of(*line.split(), "--help"), CALLS[line]()
    for field in dataclasses.fields(command):
        text = shown[f"--{field.name.rstrip('_')}"]
        value = getattr(command, field.name)
        default = " ".join(value) or "no value" if isinstance(value, tuple) else str(value)
        assert f" {help_text.field_docs(type(command))[field.name]} (default: {default})" in text


def test_no_command_is_without_help() -> None:
    # `completion` has no options; its help is a text.
    assert {line.split()[0] for line in CALLS} | {"completion"} == set(COMMANDS)


def test_every_public_part_has_a_text_for_each_of_its_fields() -> None:
    public = [getattr(jaxae, name) for name in jaxae.__all__]
    parts = [cls for cls in public if is_spec(cls) or (isinstance(cls, type) and issubclass(cls, nn.Module))]
    assert len(parts) > 50
    for cls in parts:
        assert list(fields(cls)) == [name for name in fields(cls) if help_text.field_docs(cls).get(name)], cls


def test_an_option_is_shown_with_type_range_classes_and_default() -> None:
    shown = options_of("train", "small.py", "--help")
    classes = "CLASS is one of Constant, Cosine, Linear, Piecewise, Step, or optax.NAME, a function of optax."
    assert shown["--model.beta"] == (
        "FLOAT|CLASS (>= 0) Weight of the rate; 1 is the ELBO, above 1 the beta-VAE, and a schedule is a "
        "warm-up. "
        f"{classes} (default: 1.0)"
    )
    assert shown["--ema_decay"].startswith("{None}|FLOAT (>= 0, < 1) ")
    assert shown["--model.encoder.widths"].startswith("[INT [INT ...]] (> 0) ")
    assert shown["--model.encoder.widths"].endswith(" (default: 8)")
    assert shown["--early_stopping"].startswith("{None}|CLASS ")
    assert shown["--optimizer"].startswith("CLASS CLASS is one of Adagrad, Adam, ")
    assert "--data" not in shown and "--model.likelihood" in shown  # of one class, of several


def test_the_help_is_that_of_the_classes_that_are_named() -> None:
    default = groups("train", "small.py", "--help")
    assert default[:3] == ["options", "data: DataSpec", "model: VAE"] and default[-1] == "optimizer: Adam"
    named = ["--optimizer=SGD", "--model.beta", "Linear", "--model", "BetaTCVAE"]
    called = groups("train", "small.py", "-h", *named)
    assert "model: BetaTCVAE" in called and "optimizer: SGD" in called
    assert "model.beta: Linear" in called
    shown = options_of("train", "small.py", *named, "--help")
    assert "--model.kl" not in shown and "--optimizer.momentum" in shown
    assert shown["--model.beta.steps"].endswith(" (required)")
    assert shown["--model.beta"].startswith("FLOAT|CLASS (>= 0)")  # a number may replace it
    stopping = ["show", "small.py", "--early-stopping.patience=3", "-h"]
    assert "early_stopping: EarlyStopping" in groups(*stopping)
    assert options_of(*stopping)["--early_stopping"].startswith("{None}|CLASS ")  # None may replace it
    stages = groups("show", "small.py", "--model", "Stacked", "--model.stages.1=TopKAE", "-h")
    assert "model.stages.0: AE" in stages and "model.stages.1: TopKAE" in stages


def test_help_is_given_in_spite_of_other_mistakes_but_not_of_an_unknown_class() -> None:
    assert options_of("train", "small.py", "--epoch", "3", "--batch_size", "ten", "--help")
    called = call("train", "small.py", "--optimizer", "Adm", "--help")
    assert called.code == 2 and "did you mean 'Adam'" in called.err and called.out == ""


def test_a_record_shows_its_seed_as_the_default(run: Path) -> None:
    assert options_of("train", "run", "--help")["--seed"].endswith("(default: 0)")
    directory.write_json(run / "record.json", seals.read(run / "record.json") | {"seed": 7})
    assert options_of("train", "run", "--help")["--seed"].endswith("(default: 7)")


@pytest.mark.parametrize("columns, widest", [(40, 40), (80, 80), (300, help_text.WIDEST)])
def test_lines_are_as_wide_as_the_terminal(
    columns: int, widest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = call("train", "small.py", "--help").out.splitlines()[1:]
    assert all(line == line.rstrip() for line in lines)
    below = [line for line in lines if not line.startswith("  --") and len(line.split()) > 1]
    assert widest - 12 < max(map(len, below)) <= widest


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = call("train", "small.py", "--help").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = call("train", "small.py", "--help").out
    assert "\x1b" not in plain and "\x1b[1moptions\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_classes_of_ones_own_are_shown_with_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "waves.py").write_text(OWN)
    called = call("train", "waves.py", "--help")
    assert called.code == 0 and "\nmodel.beta: Wave\n  A wave of length λ.\n  --" in called.out
    shown = options_of("train", "waves.py", "--help")
    assert shown["--model.beta.period"] == "FLOAT Steps of a wave, größer als 0. (default: 3.0)"
    assert shown["--model.beta.height"] == "FLOAT (default: 2.0)"
    assert "Step, Wave, or optax.NAME" in shown["--model.beta"]
    sys.modules.pop("jaxae_configs.waves")


def test_letters_that_the_locale_lacks_are_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "waves.py").write_text(OWN, encoding="utf-8")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = ended(start("train", "waves.py", "--help", **locale))
    assert done.code == 0 and done.err == "" and "A wave of length \\u03bb." in done.out, done
