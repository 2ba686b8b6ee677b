"""Classes and functions of a user on the command line: each kind of part as an option and in a sweep."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.cli import classes, inputs, options, sweep_axes
from jaxae.cli.evaluate_command import Evaluate
from jaxae.cli.train_command import Train
from jaxae.data.location import with_counts
from jaxae.errors import JaxaeError
from jaxae.runs.run_record import check_recordable
from jaxae.specs import old_records
from jaxae.specs.pytree import get, is_node, paths, replace
from jaxae.specs.records import from_record, to_record
from jaxae.sweeps import plan
from jaxae.sweeps.launching import launchers
from tests import small
from tests.sweeps.making import load

# A library of a user's, of which a config imports all names, some names, or only the module.
RULES = """\
import math

import jaxae
import optax
from flax import linen as nn


@jaxae.spec
class Lamb:
    learning_rate: float
    weight_decay: float = 0.1

    def build(self):
        return optax.lamb(self.learning_rate, weight_decay=self.weight_decay)


class Plain:
    def build(self):
        return optax.sgd(0.1)


@jaxae.spec
class Nothing:
    number: float = 0.0


class Dense(nn.Module):
    slope: float = 0.1

    @nn.compact
    def __call__(self, x, shape):
        x = nn.leaky_relu(nn.Dense(3)(x.reshape(len(x), -1)), self.slope)
        return nn.Dense(math.prod(shape))(x).reshape(len(x), *shape)


def clipped(learning_rate: float, clip: float = 1.0) -> optax.GradientTransformation:
    return optax.chain(optax.clip(clip), optax.sgd(learning_rate))


def rise(height: float, steps: int = 9) -> optax.Schedule:
    return optax.linear_schedule(0.0, height, steps)


class Backwards:
    def connected(self, store, programs, options):
        pass

    def run(self, job):
        pass

class Silent:
    def start(self, run):
        pass

    epoch = figures = scores = end = start
"""
CONFIG = """\
import jaxae
from tests.outside.parts import *
{imports}

experiment = jaxae.Experiment(model=jaxae.VAE(encoder=jaxae.MLP(widths=(6,)), decoder=jaxae.MLP(widths=(6,))))
"""


@pytest.fixture(params=["from own_rules import *", "import own_rules"])
def base(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The experiment of a config with classes of a user; what was executed is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_rules.py").write_text(RULES)
    (tmp_path / "own.py").write_text(CONFIG.format(imports=request.param))
    yield inputs.load("own.py")
    for name in ("jaxae_configs.own", "own_rules"):
        sys.modules.pop(name, None)


def parsed(line: str, base: Any) -> Any:
    return options.parse(Train, line.split(), "jaxae train own.py", base)[1]


# The kind of part, the option that makes room for it, and words for it.
PARTS: dict[str, tuple[str, str, str]] = {
    "likelihood": ("", "model.likelihood", "Laplace"),
    "posterior": ("", "model.posterior", "LaplacePosterior"),
    "prior": ("", "model.prior", "LogisticPrior"),
    "schedule": ("", "model.beta", "Decay"),
    "optimiser": ("", "optimizer", "SignDescent"),
    "network": ("", "model.encoder", "Dense"),
    "corruption": ("--model DenoisingAE", "model.corruption", "ErasedRows"),
    "reconstruction": ("--model DenoisingAE", "model.reconstruction", "AbsoluteError"),
    "quantiser": ("--model VQVAE --model.grid 2", "model.quantiser", "CountingCodebook"),
    "perceptual loss": ("--model VQGAN --model.grid 2", "model.perceptual", "EdgeDistance"),
    "condition": ("--model TokenPrior", "model.condition", "Parity"),
    "optax": ("", "optimizer", "optax.sm3"),
    "function": ("", "optimizer", "clipped"),
    "function of a schedule": ("", "model.beta", "rise"),
    "name with its module": ("", "optimizer", "own_rules.Lamb"),
    "name of jaxae with its module": ("", "model.beta", "schedules.Constant"),
}
NUMBERS = {"optax.sm3": "learning_rate", "clipped": "learning_rate", "rise": "height"}
NUMBERS |= {"own_rules.Lamb": "learning_rate", "schedules.Constant": "value"}


@pytest.mark.parametrize("kind", PARTS)
def test_each_kind_of_part_is_an_option_a_record_and_an_axis(kind: str, base: Any) -> None:
    room, name, cls = PARTS[kind]
    number = f"{name}.{NUMBERS[cls]}" if cls in NUMBERS else ""
    experiment = parsed(f"{room} --{name} {cls}" + (f" --{number} 0.5" if number else ""), base)
    part = get(experiment, name)
    assert type(part).__name__.endswith(cls.rpartition(".")[2])
    check_recordable(experiment)
    assert from_record(to_record(experiment), jaxae.Experiment) == experiment
    with_room = parsed(room, base) if room else base
    over = [f"{name}={cls}", *([f"{number}=0.5,0.25"] if number else [])]
    settings = sweep_axes.settings(with_room, over, [], None, 0)
    swept = [plan.apply(with_room, setting) for setting in settings]
    # A sweep resolves the numbers of held-out rows, which a command does when it reads the data.
    assert swept[0] == replace(experiment, "data", with_counts(experiment.data)) and len(swept) == (
        2 if number else 1
    )


MISTAKES = {
    "--optimizer Nothing": "--optimizer: got Nothing, expected Optimizer, which has build; valid: Adagrad, ",
    "--optimizer Plain": "Plain is not a spec; decorate the class with @jaxae.spec",
    "--optimizer Dense": "--optimizer: got Dense, expected Optimizer; valid: Adagrad, ",
    "--model.encoder Lamb": "--model.encoder: got Lamb, expected Module; valid: ConvDecoder, ",
    "--model.prior Laplace": "got Laplace, expected Prior",
    "--model.beta clipped": "got clipped, expected float or Schedule, which has __call__; valid: Constant, ",
    "--optimizer rise": "got rise, expected Optimizer, which has build",
    "--optimizer Lam": "--optimizer: got 'Lam', expected a class: did you mean 'Lamb'? valid: ",
    "--optimizer Lamb": "--optimizer.learning_rate: is missing, expected a number",
    "--optimizer optax.adamm": "that returns a transformation; did you mean 'optax.adam'?",
    "--optimizer optax.linear_schedule": "got optax.linear_schedule, expected Optimizer",
    "--optimizer optax.masked": "mask is a function, an array or a tree, which no record can hold",
    "--optimizer optax.contrib.dpsgd": "it needs the gradient of each example",
    "--model.beta optax.linear": "of optax that returns a schedule; did you mean 'optax.linear_schedule'?",
}


@pytest.mark.parametrize("base", ["from own_rules import *"], indirect=True)
@pytest.mark.parametrize("line", MISTAKES)
def test_a_class_of_the_wrong_kind_is_one_line(line: str, base: Any) -> None:
    with pytest.raises(JaxaeError) as raised:
        parsed(line, base)
    assert MISTAKES[line] in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("base", ["from own_rules import *"], indirect=True)
def test_a_sweep_over_classes_needs_the_values_without_default(base: Any) -> None:
    for over in (["optimizer=Adam,Lamb"], ["optimizer=Lamb"]):
        with pytest.raises(JaxaeError, match="--over optimizer=Lamb: learning_rate has no default, add opt"):
            sweep_axes.settings(base, over, [], None, 0)
    both = ["optimizer=Adam,Lamb", "optimizer.learning_rate=0.1,0.2"]
    assert len(sweep_axes.settings(base, both, [], None, 0)) == 4
    zipped = sweep_axes.settings(base, ["optimizer.learning_rate=0.1,0.2"], ["optimizer=Adam,Lamb"], None, 0)
    assert len(zipped) == 4
    setting = {"optimizer": jaxae.Adam(), "optimizer.weight_decay": 0.1}
    with pytest.raises(JaxaeError, match="no such field; valid: b1, .*; optimizer is Adam"):
        plan.apply(base, setting)


@pytest.mark.parametrize("base", ["from own_rules import *"], indirect=True)
def test_a_chain_is_spelled_by_its_parts(base: Any) -> None:
    line = "--optimizer optax.chain --optimizer.args optax.clip Adam --optimizer.args.0.max_delta 0.5"
    chain = parsed(line, base).optimizer
    assert chain.args[0].max_delta == 0.5 and chain.args[1] == jaxae.Adam()


@pytest.mark.parametrize("base", ["from own_rules import *"], indirect=True)
def test_help_shows_the_arguments_of_a_function(base: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--optimizer optax.lion --help", base)
    text = " ".join(capsys.readouterr().out.split())
    assert "optimizer: optax.lion The Lion optimizer." in text
    assert (
        "--optimizer.b1 FLOAT Rate to combine the momentum and the current gradient. (default: 0.9)" in text
    )
    assert "Lamb, Lion, RMSprop, SGD, SignDescent, clipped, or optax.NAME, a function of optax." in text


@pytest.mark.parametrize("base", ["from own_rules import *"], indirect=True)
def test_other_objects_are_found_by_their_names(base: Any) -> None:
    assert classes.own("Backwards").__name__ == "Backwards" and classes.own("absent") is None
    assert type(classes.own_or_name("Backwards", ["local"])).__name__ == "Backwards"
    assert classes.own_or_name("local", ["local"]) == "local" == classes.own_or_name("local", [])
    with pytest.raises(JaxaeError, match="launcher: got 'rya'; did you mean 'ray'"):
        launchers.find(classes.own_or_name("rya", launchers.LAUNCHERS))
    assert [type(each).__name__ for each in classes.trackers(["Silent", "tensorboard"])] == [
        "Silent",
        "TensorBoard",
    ]
    with pytest.raises(JaxaeError, match="trackers: got 'wandbb'; did you mean 'wandb'"):
        classes.trackers(["wandbb"])
    command = options.parse(Evaluate, ["--measures", "all", "Mine,health"], "jaxae evaluate RUN")[0]
    assert command.measures == ("all", "Mine,health")


def test_floats_of_a_net_make_programs_of_their_own() -> None:
    """They are structure: with one digest for all, a group would look for its runs in another program."""
    experiment = small.experiment(jaxae.VAE(encoder=SlopedNet(), decoder=jaxae.MLP(widths=(3,))))
    data = load(experiment.data)
    sloped = [plan.apply(experiment, {"model.encoder.slope": slope}) for slope in (0.1, 0.2, 0.3)]
    digests = [plan._structure_digest(each, data, None) for each in sloped]
    assert len(set(digests)) == 3
    # Digests of older versions had no floats: with the default, which old sweeps had, they stay.
    assert digests[0] == plan.digest([_without_floats(experiment), data.hash])


def _without_floats(experiment: Any) -> list[Any]:
    found = [
        (path, value)
        for path, _, value in paths(experiment)
        if not isinstance(value, float) and not old_records.is_added(experiment, path)
    ]
    return [
        [old_records.path(experiment, path), plan._class_of(value) if is_node(value) else plan.cell(value)]
        for path, value in found
    ]


class SlopedNet(jaxae.MLP):
    """jaxae's net with a float."""

    slope: float = 0.1
