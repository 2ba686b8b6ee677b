"""What `--over`, `--zip` and `--sample` say.

`model.beta=0.5,1,2` is a list of values, `optimizer.learning_rate=log:1e-4:1e-2:5` five of them.
"""

from collections.abc import Sequence
from typing import Any

from jaxae.cli import options
from jaxae.errors import JaxaeError
from jaxae.runs.experiment import Experiment
from jaxae.specs.pytree import get, replace
from jaxae.sweeps import define
from jaxae.sweeps.define import Distribution, Setting

KINDS: dict[str, Any] = {"log": define.LogUniform, "lin": define.Uniform, "int": define.Integer}
SHAPES = "values a,b,c or log:LOW:HIGH:COUNT, lin:LOW:HIGH:COUNT, int:LOW:HIGH:COUNT"


def settings(
    experiment: Experiment, over: Sequence[str], together: Sequence[str], sample: int | None, seed: int
) -> list[Setting]:
    """The settings of `--over` (a grid, or `sample` draws) crossed with those of `--zip`.

    Raises: JaxaeError naming the option, what was given and what is valid.
    """
    zipped = axes(experiment, together, "--zip")
    drawn = axes(experiment, over, "--over", distributions=sample is not None)
    both = sorted(set(zipped) & set(drawn))
    if both:
        raise JaxaeError(f"--zip {both[0]}: is swept over by --over as well")
    if sample is not None and not drawn:
        raise JaxaeError("--sample: needs --over NAME=log:LOW:HIGH or NAME=a,b,c to draw from")
    base = define.zipped(zipped) if zipped else [{}]
    others = define.sampled(drawn, sample, seed) if sample is not None else define.grid(drawn)
    return define.crossed(others, base)


def axes(
    experiment: Experiment, given: Sequence[str], option: str, *, distributions: bool = False
) -> dict[str, Any]:
    """Dotted name -> values, or a distribution where those are wanted, as `option` spells them."""
    found: dict[str, Any] = {}
    # Parts before what is inside them, which is what their classes have.
    for text in sorted(given, key=lambda text: text.partition("=")[0].count(".")):
        name, equals, words = text.partition("=")
        name = name.replace("-", "_")
        if not equals or not name:
            raise JaxaeError(f"{option} {text}: expected NAME={SHAPES}")
        if name in found:
            raise JaxaeError(f"{option} {name}: given twice")
        if name == "seed":
            raise JaxaeError(f"{option} seed: seeds are swept over by --seeds")
        found[name] = _axis(experiment, option, name, words, distributions)
        experiment = _with_first(experiment, name, found[name])
    return found


def _axis(experiment: Experiment, option: str, name: str, text: str, distributions: bool) -> Any:
    if new := options.todays_name(experiment, name):
        raise JaxaeError(f"{option} {name}: is now {new}")
    get(experiment, name)  # an unknown name is told before its values
    kind, colon, rest = text.partition(":")
    if colon and kind in KINDS:
        return _range(f"{option} {name}", kind, rest.split(":"), distributions)
    values = [_value(experiment, option, name, word) for word in text.split(",")]
    return define.Choice(tuple(values)) if distributions else values


def _range(where: str, kind: str, parts: list[str], distributions: bool) -> Any:
    wanted = 2 if distributions else 3
    try:
        numbers = [
            int(part) if kind == "int" or place == 2 else float(part) for place, part in enumerate(parts)
        ]
    except ValueError:
        numbers = []
    if not len(numbers) == len(parts) == wanted or (wanted == 3 and numbers[2] < 1):
        shape = f"{kind}:LOW:HIGH" + ("" if distributions else ":COUNT")
        raise JaxaeError(f"{where}: got {kind}:{':'.join(parts)}, expected {shape}")
    try:
        distribution: Distribution = KINDS[kind](*numbers[:2])
    except JaxaeError as error:
        raise JaxaeError(f"{where}: {error}") from None
    return distribution if distributions else distribution.spread(int(numbers[2]))  # type: ignore[union-attr]


def _value(experiment: Experiment, option: str, name: str, word: str) -> Any:
    """A value as the command line of `train` would read it; several words are a tuple."""
    try:
        changed = options.changed(experiment, name, word.split())
    except JaxaeError as error:
        raise JaxaeError(str(error).replace(f"--{name}", f"{option} {name}", 1)) from None
    return get(changed, name)


def _with_first(experiment: Experiment, name: str, values: Any) -> Experiment:
    """The experiment with the first of the values, so that names inside a part swept over are known."""
    listed = values.values if isinstance(values, define.Choice) else values
    return replace(experiment, name, listed[0]) if isinstance(listed, list | tuple) else experiment
