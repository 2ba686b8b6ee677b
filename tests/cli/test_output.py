"""--json, --quiet, --log-every and --callback."""

import json
from pathlib import Path
from typing import Any

import pytest

from jaxae.cli import output
from jaxae.runs import seals
from tests.cli.calling import CONFIG, Called, call

CALLBACKS = """
def stop_at_3(epoch, saved):
    return epoch.epoch == 3

class Counter:
    epochs = []
    def __call__(self, epoch, saved):
        Counter.epochs.append(epoch.epoch)

class WithArguments:
    def __init__(self, patience):
        pass

class NoCallback:
    pass

_private = stop_at_3
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(CONFIG + CALLBACKS)
    return "own.py"


def content(called: Called) -> Any:
    """The object that --json prints, which is all of standard output."""
    assert called.code == 0 and called.out.count("\n") == 1, called
    return json.loads(called.out)


def test_callbacks_are_named_and_a_run_that_one_stops_is_scored(own: str) -> None:
    called = call(
        *("train", own, "--epochs", "5", "--run-dir", "new", "--log-every", "2", "--json"),
        *("--callback", "Counter", "--callback", "stop_at_3"),
    )
    told = content(called)
    assert told["run"] == "new" and told["seed"] == 0 and told["scores"]["stopped_by"] == "callback"
    assert told["scores"] == seals.read(Path("new/scores.json"))
    lines = called.err.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("epoch ")] == ["1/5", "2/5", "3/5"]
    assert "stopped by a callback after epoch 3; `jaxae resume new` continues" in lines


@pytest.mark.slow
def test_a_stopped_run_is_resumed_with_callbacks_and_quiet_prints_its_path(own: str) -> None:
    call("train", own, "--epochs", "5", "--run-dir", "new", "--callback", "stop_at_3")
    called = call("resume", "new", "--config", own, "--callback", "Counter", "--quiet")
    assert called == Called(0, "new\n", "")
    assert Path("new/history.jsonl").read_text().count("\n") == 5


@pytest.mark.parametrize(
    "name, told",
    [
        ("stop_at3", "not defined by own.py; did you mean 'stop_at_3'? valid: Counter, NoCallback, WithArg"),
        ("experiment", "not defined by own.py; valid: Counter, "),
        ("WithArguments", "missing 1 required positional argument: 'patience'; name an object instead"),
        ("NoCallback", "its objects cannot be called; expected a method __call__"),
    ],
)
@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_wrong_name_is_one_line(command: str, name: str, told: str, own: str) -> None:
    called = call(command, own, "--callback", name, "--run-dir", "new")
    assert called.code == 2 and called.out == "" and called.err.count("\n") == 1, called
    assert called.err.startswith(f"jaxae: --callback {name}: ") and told in called.err
    assert not Path("new").exists()


def test_resume_needs_a_file_that_defines_the_callback(run: Path) -> None:
    called = call("resume", "run", "--callback", "stop")
    assert called.code == 2 and "--callback stop: no file defines it; give one by --config FILE" in called.err


def test_a_wrong_number_of_epochs_is_one_line() -> None:
    called = call("train", "small.py", "--log-every", "0", "--run-dir", "new")
    assert called == Called(2, "", "jaxae: --log-every: got 0, expected a whole number > 0\n")


def test_commands_print_one_object(run: Path) -> None:
    scores = seals.read(run / "scores.json")
    assert content(call("resume", "run", "--json")) == {"run": "run", "seed": 0, "scores": scores}
    shown = content(call("show", "run", "--json"))
    assert shown["experiment"]["model"]["class"] == "jaxae.VAE" and shown["num_parameters"] > 0
    assert content(call("data", "show", "digits", "--json"))["rows"]["test"] == 300
    assert content(call("data", "list", "--json"))["data"]["digits"]
    assert "vae_digits" in content(call("show", "--json"))["configs"]
    sampled = content(call("sample", "run", "--count", "4", "--json"))
    assert sampled["shape"] == [4, 8, 8, 1] and Path(sampled["samples"]).exists()
    called = call("sample", "run", "--count", "4", "--quiet")
    assert called == Called(0, f"{sampled['samples']}\n", "")
    (evaluated,) = content(call("evaluate", "run", "--json", "--num_samples", "2"))["runs"]
    assert evaluated["run"] == "run" and "elbo" in evaluated["scores"]["test"]


def test_a_number_that_is_not_finite_is_null(capsys: pytest.CaptureFixture) -> None:
    """JSON has no nan: other programs could not read it."""
    with output.directed(["--json"]):
        output.report(loss=float("nan"), rates=[float("inf"), 1.0])
    assert capsys.readouterr().out == '{"loss": null, "rates": [null, 1.0]}\n'


def test_an_error_prints_no_object() -> None:
    assert call("train", "none.py", "--json").out == ""


@pytest.mark.slow
def test_a_sweep_prints_its_summary(own: str) -> None:
    (Path("own.py")).write_text(CONFIG + "def stop(progress):\n    return progress.epoch >= 1\n")
    arguments = ("sweep", own, "--over", "model.beta=1,2", "--seeds", "1", "--run-dir", "s")
    assert call(*arguments, "--callback", "stop", "--epochs", "2").code == 0
    told = content(call(*arguments, "--json", "--epochs", "2"))
    assert told["sweep"] == "s" and told["runs"] == 2 and len(told["summary"]) == 2
    assert call(*arguments, "--quiet", "--epochs", "2") == Called(0, "s\n", "")
