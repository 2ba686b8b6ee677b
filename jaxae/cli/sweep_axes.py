"""Read the settings of a sweep from `--over`, `--zip` and `--sample`.

`model.beta=0.5,1,2` lists three values. `optimizer.learning_rate=log:1e-4:1e-2:5` is a range of five values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxae.cli import classes, options
from jaxae.errors import JaxaeError
from jaxae.runs.experiment import Experiment
from jaxae.specs.pytree import get, is_node, paths, replace
from jaxae.sweeps import define
from jaxae.sweeps.define import Distribution, Setting

KINDS: dict[str, Any] = {"log": define.LogUniform, "lin": define.Uniform, "int": define.Integer}
SHAPES = "values a,b,c or log:LOW:HIGH:COUNT, lin:LOW:HIGH:COUNT, int:LOW:HIGH:COUNT"


def settings(
    experiment: Experiment, over: Sequence[str], together: Sequence[str], sample: int | None, seed: int
) -> list[Setting]:
    """Return the settings of `--over` (a grid, or random draws), each combined with those of `--zip`.

    Args:
        experiment: The experiment that the settings change.
        over: The words after `--over`, NAME=VALUES.
        together: The words after `--zip`, NAME=VALUES with equal numbers of values.
        sample: Number of random draws instead of the grid; None for the grid.
        seed: Seed of the draws.

    Returns:
        The settings, each a dict of dotted name and value.

    Raises:
        JaxaeError: If a name or a value is not valid, or the options do not fit together.
    """
    zipped = axes(experiment, together, "--zip")
    over_axes = axes(experiment, over, "--over", distributions=sample is not None)
    repeated = sorted(set(zipped) & set(over_axes))
    if repeated:
        raise JaxaeError(f"--zip {repeated[0]}: --over sweeps this name too, expected one of the two")
    check_complete({**zipped, **over_axes})
    if sample is not None and not over_axes:
        raise JaxaeError("--sample: needs --over NAME=log:LOW:HIGH or NAME=a,b,c to draw from")
    zip_settings = define.zipped(zipped) if zipped else [{}]
    # Values of --zip belong together, so they vary as one axis next to those of --over.
    over_settings = define.sampled(over_axes, sample, seed) if sample is not None else define.grid(over_axes)
    return define.crossed(over_settings, zip_settings)


def axes(
    experiment: Experiment, given: Sequence[str], option: str, *, distributions: bool = False
) -> dict[str, Any]:
    """Read NAME=VALUES words of one option.

    Args:
        experiment: The experiment whose fields the names must be.
        given: The words after the option.
        option: The option, for messages: `--over`.
        distributions: Whether ranges become distributions to draw from, instead of lists of values.

    Returns:
        The values or the distribution of each dotted name.

    Raises:
        JaxaeError: If a word is not NAME=VALUES, or a name or a value is not valid.

    Example:
        >>> axes(Experiment(), ["model.beta=0.5,1", "batch_size=int:10:30:3"], "--over")
        {'batch_size': [10, 20, 30], 'model.beta': [0.5, 1.0]}
    """
    values_by_name: dict[str, Any] = {}
    # Parts come before the fields inside them, because the class of the part decides which fields it has.
    for text in sorted(given, key=lambda text: text.partition("=")[0].count(".")):
        name, equals, words = text.partition("=")
        name = name.replace("-", "_")
        if not equals or not name:
            raise JaxaeError(f"{option} {text}: expected NAME={SHAPES}")
        if name in values_by_name:
            raise JaxaeError(f"{option} {name}: given twice")
        if name == "seed":
            raise JaxaeError(f"{option} seed: is no field of the experiment, use --seeds instead")
        values_by_name[name] = _read_axis(experiment, option, name, words, distributions)
        experiment = _set_first(experiment, name, values_by_name[name])
    return values_by_name


def check_complete(axes: Mapping[str, Any]) -> None:
    """Check that a value without a default, inside a class that is swept, is swept too.

    Args:
        axes: The values or the distribution of each dotted name.

    Raises:
        JaxaeError: If it is not; the message names the field.
    """
    for name, values in axes.items():
        listed = values.values if isinstance(values, define.Choice) else values
        for part in listed if isinstance(listed, list | tuple) else ():
            for path, _, value in paths(part) if is_node(part) else ():
                if classes.is_missing(value) and f"{name}.{path}" not in axes:
                    cls = type(part).__name__
                    raise JaxaeError(f"--over {name}={cls}: {path} has no default, add {name}.{path}=VALUES")


def _read_axis(experiment: Experiment, option: str, name: str, text: str, distributions: bool) -> Any:
    """Read the values of one name: a list a,b,c or a range log:LOW:HIGH:COUNT."""
    if new_name := options.todays_name(experiment, name):
        raise JaxaeError(f"{option} {name}: is now {new_name}")
    get(experiment, name)  # reports an unknown name before a mistake in its values
    kind, colon, rest = text.partition(":")
    if colon and kind in KINDS:
        return _read_range(f"{option} {name}", kind, rest.split(":"), distributions)
    values = [_read_value(experiment, option, name, word) for word in text.split(",")]
    return define.Choice(tuple(values)) if distributions else values


def _read_range(where: str, kind: str, parts: list[str], distributions: bool) -> Any:
    """Read the numbers of a range; a distribution to draw from needs no count."""
    num_expected = 2 if distributions else 3
    # The third number, the count, is whole for every kind of range.
    try:
        numbers = [
            int(part) if kind == "int" or place == 2 else float(part) for place, part in enumerate(parts)
        ]
    except ValueError:
        numbers = []
    if not len(numbers) == len(parts) == num_expected or (num_expected == 3 and numbers[2] < 1):
        shape = f"{kind}:LOW:HIGH" + ("" if distributions else ":COUNT")
        raise JaxaeError(f"{where}: got {kind}:{':'.join(parts)}, expected {shape}")
    try:
        distribution: Distribution = KINDS[kind](*numbers[:2])
    except JaxaeError as error:
        raise JaxaeError(f"{where}: {error}") from None
    return distribution if distributions else distribution.spread(int(numbers[2]))  # type: ignore[union-attr]


def _read_value(experiment: Experiment, option: str, name: str, word: str) -> Any:
    """Read one value as an option of `train` would; words separated by spaces make a tuple."""
    try:
        changed = options.changed(experiment, name, word.split(), is_partial=True)
    except JaxaeError as error:
        # The user typed `--over model.beta=x`, not `--model.beta x`: name the option that was typed.
        raise JaxaeError(str(error).replace(f"--{name}", f"{option} {name}", 1)) from None
    return get(changed, name)


def _set_first(experiment: Experiment, name: str, values: Any) -> Experiment:
    """Set a field to its first value, so that the names inside a swept part are known."""
    # A range of numbers (not a list) has no parts inside, so the experiment stays as it is.
    listed = values.values if isinstance(values, define.Choice) else values
    return replace(experiment, name, listed[0]) if isinstance(listed, list | tuple) else experiment
