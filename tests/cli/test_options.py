"""What options say: any experiment can be spelled, and each mistake is one line that names what is valid."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Gt
from hypothesis import given
from hypothesis import strategies as st

import jaxae
from jaxae.cli import arguments, classes, options, sweep_axes, values
from jaxae.errors import JaxaeError
from jaxae.runs.experiment import Experiment
from jaxae.specs import renamed
from jaxae.specs.pytree import is_node, is_sequence, paths
from tests import small
from tests.cli.calling import call

MINE = """\
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.linen import Dense

import jaxae
from helpers import Imported


@jaxae.spec
class Wave:
    '''1 + height sin(step / period).'''

    period: float
    '''Steps of a radian.'''
    height: float = 0.5
    '''Amplitude of the größte wave.'''

    def __call__(self, step, /):
        return 1.0 + self.height * jnp.sin(step / self.period)


@jaxae.spec
class Sign:
    '''p -= rate sign(g).'''

    rate: float = 0.01

    def build(self):
        return optax.sign_sgd(self.rate)


class Net(nn.Module):
    width: int = 5

    @nn.compact
    def __call__(self, x, shape):
        return nn.Dense(shape[0])(jnp.tanh(nn.Dense(self.width)(x.reshape(len(x), -1))))


@jaxae.spec
class Laplace(jaxae.protocols.Likelihood):
    scale: float = 1.0

    def parameters(self, outputs, learned=()):
        return {"mean": outputs}

    def log_prob(self, parameters, x, event_ndim):
        error = jnp.abs(x - parameters["mean"]) / self.scale + jnp.log(2 * self.scale)
        return -error.sum(axis=tuple(range(-event_ndim, 0)))


@jaxae.spec
class VAE(jaxae.VAE):
    '''jaxae's, under its own name.'''

    extra: float = 0.0


experiment = jaxae.Experiment(epochs=1, batch_size=100)
"""
HELPERS = """\
import jaxae


@jaxae.spec
class Imported:
    def build(self):
        return jaxae.SGD().build()
"""


@dataclasses.dataclass(kw_only=True)
class Command:
    """A command."""

    num: int = 0
    num_rows: int | None = None
    text: str | None = None
    words: tuple[str, ...] = ()
    pair: tuple[int, float] = (0, 0.0)
    folder: Path | None = None
    from_: str = ""
    dry: bool = False
    kind: Literal["one", "two"] = "one"
    rate: Annotated[float, Gt(0)] = 1.0


def parse(line: str, experiment: Any = None) -> tuple[Command, Any]:
    return options.parse(Command, line.split(" ") if line else [], "jaxae command", experiment)


def mistake(line: str, experiment: Any = None) -> str:
    with pytest.raises(JaxaeError) as caught:
        parse(line, experiment)
    return str(caught.value)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`mine.py`, which has classes of its own; what was executed is forgotten afterwards."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helpers.py").write_text(HELPERS)
    yield
    for name in ("jaxae_configs.mine", "helpers"):
        sys.modules.pop(name, None)


def load(name: str) -> Experiment:
    return jaxae.load_config(name)


def spelled(value: Any) -> list[str]:
    if is_node(value):
        return [type(value).__name__]
    return [str(item) for item in value] if isinstance(value, tuple) else [str(value)]


def line_of(experiment: Experiment) -> list[str]:
    """Every field of the experiment as an option, innermost first: their order has no meaning."""
    found = [
        [f"--{path.replace('_', '-')}", *spelled(value)]
        for path, _, value in paths(experiment)
        if not is_sequence(value)  # its parts have options of their own
    ]
    return [word for option in reversed(found) for word in option]


OPTIMIZERS = [
    jaxae.SGD(momentum=0.5, nesterov=True),
    jaxae.AdamW(learning_rate=jaxae.schedules.Cosine(start=1e-3, end=0.0, steps=70.0)),
    jaxae.Lion(learning_rate=1e-30),
]


@pytest.mark.parametrize("name", small.MEMBERS)
def test_every_member_can_be_spelled_from_the_default_experiment(name: str) -> None:
    wanted = Experiment(
        model=small.member(name),
        optimizer=OPTIMIZERS[len(name) % len(OPTIMIZERS)],
        clip_norm=0.25,
        early_stopping=jaxae.EarlyStopping(min_delta=1e-5),
        data=jaxae.DataSpec(name="a text, größer", folder="x=y", stream=True),
    )
    assert options.parse(Command, line_of(wanted), "jaxae command", Experiment()) == (Command(), wanted)


SAID: dict[str, dict[str, Any]] = {
    "": {},
    "--num -3": {"num": -3},
    "--num=-3": {"num": -3},
    "--num +3": {"num": 3},
    "--num-rows 4": {"num_rows": 4},
    "--num_rows=None": {"num_rows": None},
    "--num 1 --num-rows 2": {"num": 1, "num_rows": 2},
    "--text größe": {"text": "größe"},
    "--text None": {"text": None},
    "--text=--num": {"text": "--num"},
    "--text=": {"text": ""},
    "--text=a=b": {"text": "a=b"},
    "--text -3": {"text": "-3"},
    "--words a b --num 1 --words=c": {"words": ("a", "b", "c"), "num": 1},
    "--words": {"words": ()},
    "--pair -1 -2e-3": {"pair": (-1, -2e-3)},
    "--pair=1 2": {"pair": (1, 2.0)},
    "--folder a/b": {"folder": Path("a/b")},
    "--folder None": {"folder": None},
    "--from here": {"from_": "here"},
    "--dry": {"dry": True},
    "--dry --num 2": {"dry": True, "num": 2},
    "--dry=False": {"dry": False},
    "--kind two": {"kind": "two"},
    "--rate 1e-3": {"rate": 1e-3},
    "--rate .5": {"rate": 0.5},
}


@pytest.mark.parametrize("line", SAID)
def test_what_a_line_says(line: str) -> None:
    assert parse(line) == (Command(**SAID[line]), None)


MISTAKES: dict[str, str] = {
    "--num": "--num: a value is missing, expected a whole number",
    "--num=": "--num: got '', expected a whole number",
    "--num 1 2": "--num: got '1 2', expected a whole number",
    "--num 3.0": "--num: got '3.0', expected a whole number",
    "--num None": "--num: got 'None', expected a whole number",
    "--num größe": "--num: got 'größe', expected a whole number",
    "--num 1 --num 1": "--num: given twice (1 and 1)",
    "--num-rows 1 --num_rows=2": "--num_rows: given twice (1 and 2)",
    "--nu 1": "--nu: unknown option; did you mean '--num'?",
    "--num_row 1": "--num_row: unknown option; did you mean '--num_rows'?",
    "--from_ x": "--from_: unknown option; did you mean '--from'?",
    "--öß 1": "--öß: unknown option; see --help",
    "--pair 1": "--pair: got '1', expected 2 values",
    "--folder=": "--folder: got '', expected a path or None",
    "--dry yes": "--dry: got 'yes', expected True or False",
    "--kind three": "--kind: got 'three', expected one or two",
    "--rate x": "--rate: got 'x', expected a number (> 0)",
    "-n 1": "-n: is not an option; options start with --, see --help",
    "--num.x 1": "--num.x: unknown option; did you mean '--num'?",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_is_valid(line: str) -> None:
    assert mistake(line) == MISTAKES[line]


# Computed before the tests make classes of their own known.
MODELS = f"valid: {', '.join(classes.accepted(jaxae.Autoencoder))}"
INSIDE: dict[str, str] = {
    "--optimizer SGD --optimizer Adam": "--optimizer: given twice (SGD and Adam)",
    "--model.beta.steps 5": (
        "--model.beta.steps: unknown option; --model.beta is 1.0, but steps is an option of Cosine, Linear"
    ),
    "--early_stopping None --early_stopping.patience 5": (
        "--early_stopping.patience: unknown option; --early_stopping is None, "
        "but patience is an option of EarlyStopping"
    ),
    "--beta 2": "--beta: unknown option; did you mean '--model.beta'?",
    "--lr 1e-3": "--lr: unknown option; did you mean '--optimizer.learning_rate'?",
    "--bs 10": "--bs: unknown option; did you mean '--batch_size'?",
    "--widths 2": (
        "--widths: unknown option; did you mean '--model.encoder.widths' or '--model.decoder.widths'?"
    ),
    "--model Stacked --model.stages 3": f"--model.stages: got '3', expected a class for each part: {MODELS}",
    "--data.name": "--data.name: a value is missing, expected a text",
    "--optimizer.b3 1": (
        "--optimizer.b3: unknown option; --optimizer is Adam; valid: b1, b2, eps, learning_rate"
    ),
}


@pytest.mark.parametrize("line", INSIDE)
def test_a_mistake_inside_an_experiment(line: str) -> None:
    assert mistake(line, Experiment()) == INSIDE[line]


def test_a_part_comes_before_its_options_wherever_it_stands() -> None:
    _, experiment = parse("--model.beta.steps 5 --model.beta Linear --model BetaTCVAE", Experiment())
    assert experiment.model == jaxae.BetaTCVAE(beta=jaxae.schedules.Linear(steps=5.0))


def test_a_part_of_one_class_needs_no_name_and_a_boolean_no_value() -> None:
    _, experiment = parse("--early-stopping.patience=5 --data.stream", Experiment())
    assert experiment.early_stopping == jaxae.EarlyStopping(patience=5) and experiment.data.stream


def test_what_differs_by_default_may_be_given() -> None:
    def num(*words: str) -> int:
        return options.parse(Command, list(words), "jaxae command", num=4)[0].num

    assert num() == 4 and num("--num", "5") == 5


@given(st.floats(allow_nan=False), st.lists(st.integers()), st.sampled_from([None, True, False]))
def test_values_are_read_as_python_writes_them(number: float, whole: list[int], flag: bool | None) -> None:
    assert values.read([repr(number)], float | None) == number
    assert values.read([str(each) for each in whole], tuple[int, ...]) == tuple(whole)
    assert values.read([str(flag)], bool | None) is flag


def test_kinds_of_values_are_described_for_messages_and_for_help() -> None:
    odd: Any = tuple[Literal["a", "b", "c"], ...] | Annotated[int, Gt(0)] | None
    assert values.expected(odd) == ["values", "a whole number (> 0)", "None"]
    assert values.metavar(odd) == "{None}|[{a,b,c} [{a,b,c} ...]]|INT" and values.ranges(odd) == "(> 0)"
    assert values.metavar(tuple[int, str]) == "INT STR" and values.metavar(Experiment) == ""
    assert values.expected(complex) == ["complex"] and values.metavar(complex) == "COMPLEX"
    with pytest.raises(ValueError):
        values.read(["1"], complex)


def test_words_are_divided_by_options() -> None:
    assert arguments.split(["x", "--a-b=c-d", "e", "--f", "-1"]) == [
        ("", ["x"]),
        ("--a_b", ["c-d", "e"]),
        ("--f", ["-1"]),
    ]
    assert arguments.words_after("--config", ["--config", "x", "y"]) == ["x", "y"]
    assert arguments.words_after("--config", ["--seed", "1"]) is None


# classes of one's own


def test_options_name_classes_of_an_executed_config(own: None) -> None:
    base = load("mine.py")
    _, experiment = parse(
        "--optimizer Sign --optimizer.rate=0.02 --model.beta Wave --model.beta.period 9 "
        "--model.encoder Net --model.encoder.width 7 --model.likelihood Laplace",
        base,
    )
    beta, encoder = experiment.model.beta, experiment.model.encoder
    assert type(experiment.optimizer).__name__ == "Sign" and experiment.optimizer.rate == 0.02
    assert type(beta).__name__ == "Wave" and (beta.period, beta.height) == (9.0, 0.5)
    assert type(encoder).__name__ == "Net" and encoder.width == 7
    assert type(experiment.model.likelihood).__name__ == "Laplace"
    assert type(parse("--optimizer Imported", base)[1].optimizer).__module__ == "helpers"


def test_a_config_brings_classes_for_another_experiment(own: None) -> None:
    given = ["--optimizer", "Sign", "--optimizer.rate=0.02", "--model.likelihood", "Laplace"]
    called = call("show", "small.py", "--config", "mine.py", *given)
    assert called.code == 0 and called.err == "", called
    assert "\noptimizer = Sign\noptimizer.rate = 0.02\n" in called.out
    assert "\nmodel.likelihood = Laplace\nmodel.likelihood.scale = 1.0\n" in called.out


def test_a_class_of_ones_own_is_offered_where_it_fits(own: None) -> None:
    base = load("mine.py")
    told = mistake("--optimizer Sgn", base)
    assert told.startswith("--optimizer: got 'Sgn', expected a class: did you mean 'Sign'? valid: Adagrad, ")
    assert told.endswith(", Imported, Lion, RMSprop, SGD, Sign")
    assert "got Sign, expected float or Schedule, which has __call__" in mistake("--model.beta Sign", base)
    missing = mistake("--model.beta Wave", base)
    assert missing == "--model.beta.period: is missing, expected a number"
    encoders = mistake("--model.encoder Nett", base)
    assert "did you mean 'Net'" in encoders and "Dense" not in encoders  # flax's, which the config imports


def test_of_two_classes_with_one_name_that_of_the_config_is_meant(own: None) -> None:
    assert parse("--model VAE", Experiment())[1].model == jaxae.VAE()
    autoencoder = parse("--model VAE --model.extra 2", load("mine.py"))[1].model
    assert type(autoencoder).__module__ == "jaxae_configs.mine" and autoencoder.extra == 2.0


def test_a_check_of_ones_own_is_one_line(own: None, tmp_path: Path) -> None:
    check = "    def check(self):\n        raise ValueError('no')\n\n    def build(self):\n"
    (tmp_path / "mine.py").write_text(MINE.replace("    def build(self):\n", check))
    assert mistake("--optimizer Sign", load("mine.py")) == "optimizer: no"


# names of older versions


def test_an_old_name_is_one_line_that_names_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(renamed.FIELDS, "Experiment", {"net": "model"})
    monkeypatch.setitem(renamed.PUBLIC, "GradientDescent", "optimizers.SGD")
    assert mistake("--net VAE", Experiment()) == "--net: is now --model"
    assert mistake("--net.beta 2", Experiment()) == "--net.beta: is now --model.beta"
    assert mistake("--net.x.y 2", Experiment()) == "--net.x.y: is now --model.x.y"
    assert mistake("--nets 2", Experiment()).startswith("--nets: unknown option")
    assert mistake("--optimizer GradientDescent", Experiment()) == "--optimizer: GradientDescent is now SGD"
    assert parse("--text GradientDescent")[0].text == "GradientDescent"
    elsewhere = mistake("--model GradientDescent", Experiment())
    assert elsewhere.startswith("--model: got 'GradientDescent', expected a class: ")
    with pytest.raises(JaxaeError, match=r"^--over net.beta: is now model.beta$"):
        sweep_axes.axes(Experiment(), ["net.beta=1,2"], "--over")


def test_an_old_name_inside_a_part_is_known_by_its_class() -> None:
    vq_gan = parse("--model VQGAN", Experiment())[1]
    told = mistake("--model.deception-weight 2", vq_gan)
    assert told == "--model.deception_weight: is now --model.generator_weight"
    assert "unknown option; --model is VAE" in mistake("--model.deception_weight 2", Experiment())
    told = mistake("--model.quantiser MovingCodebook", vq_gan)
    assert told == "--model.quantiser: MovingCodebook is now EMACodebook"


def test_many_values_of_a_sweep_are_read_by_the_same_rules() -> None:
    found = sweep_axes.axes(Experiment(), ["optimizer=SGD,Adam", "data.name=a,--help,-1"], "--over")
    assert found["data.name"] == ["a", "--help", "-1"]
    with pytest.raises(JaxaeError, match=r"^--over epochs: got 'x', expected a whole number \(> 0\)$"):
        sweep_axes.axes(Experiment(), ["epochs=1,x"], "--over")
