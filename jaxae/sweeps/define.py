"""Definitions of sweeps: lists of settings, where a setting is a dict of overrides {dotted name: value}.

    sweep = jaxae.grid({"model.beta": [0.5, 1.0, 2.0], "model.latent_dim": [5, 10]})

`grid`, `zipped` and `sampled` return lists of settings. A list comprehension works as well. Join lists with
`+` and combine them with `crossed`. `Uniform`, `LogUniform`, `Integer` and `Choice` are distributions; they
are used by `sampled` and by a search.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxae.errors import JaxaeError

Setting = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Uniform distribution over the interval [low, high]."""

    low: float
    """Lower end of the interval, included."""
    high: float
    """Upper end of the interval, included."""

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)

    def draw(self, random: np.random.Generator) -> float:
        """Draw one value."""
        return float(random.uniform(self.low, self.high))

    def spread(self, num: int) -> list[float]:
        """Return `num` values at equal distances, from `low` to `high`, both included."""
        return [float(value) for value in np.linspace(self.low, self.high, num)]


@dataclasses.dataclass(frozen=True)
class LogUniform:
    """Distribution of a positive number whose logarithm is uniform over [log low, log high]."""

    low: float
    """Lower end of the interval, > 0."""
    high: float
    """Upper end of the interval, included."""

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)
        if self.low <= 0:
            raise JaxaeError(f"LogUniform: got low {self.low}, expected a number > 0")

    def draw(self, random: np.random.Generator) -> float:
        """Draw one value."""
        drawn = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        # Rounding: exp(log(x)) may lie just outside the interval.
        return min(max(drawn, self.low), self.high)

    def spread(self, num: int) -> list[float]:
        """Return `num` values at equal ratios, from `low` to `high`, both included."""
        return [float(value) for value in np.geomspace(self.low, self.high, num)]


@dataclasses.dataclass(frozen=True)
class Integer:
    """Uniform distribution over the whole numbers low, ..., high."""

    low: int
    """Smallest value, included."""
    high: int
    """Largest value, included."""

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)
        if not all(isinstance(end, int) for end in (self.low, self.high)):
            raise JaxaeError(f"Integer: got {self.low!r} and {self.high!r}, expected whole numbers")

    def draw(self, random: np.random.Generator) -> int:
        """Draw one value."""
        return int(random.integers(self.low, self.high, endpoint=True))

    def spread(self, num: int) -> list[int]:
        """Return at most `num` different values at about equal distances, with `low` and `high`."""
        return sorted({round(value) for value in np.linspace(self.low, self.high, num)})


@dataclasses.dataclass(frozen=True)
class Choice:
    """Uniform distribution over a list of values of any type."""

    values: tuple[Any, ...]
    """Possible values, at least one."""

    def __post_init__(self) -> None:
        # A tuple can be hashed; a list that the caller still holds could change later.
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise JaxaeError("Choice: got no values, expected at least one")

    def draw(self, random: np.random.Generator) -> Any:
        """Draw one value."""
        return self.values[int(random.integers(len(self.values)))]


Distribution = Uniform | LogUniform | Integer | Choice


def grid(over: Mapping[str, Iterable[Any]]) -> list[Setting]:
    """Return every combination of the values; the last name changes fastest.

    Args:
        over: {dotted name: values}.

    Returns:
        One setting for each combination: the product of the numbers of values.

    Raises:
        JaxaeError: If a name has no values, or a distribution instead of values.

    Example:
        >>> import jaxae
        >>> jaxae.grid({"model.beta": [1.0, 4.0], "model.latent_dim": [5, 10]})[:2]
        [{'model.beta': 1.0, 'model.latent_dim': 5}, {'model.beta': 1.0, 'model.latent_dim': 10}]
    """
    axes = {name: _values(name, values) for name, values in over.items()}
    return [dict(zip(axes, combination, strict=True)) for combination in itertools.product(*axes.values())]


def zipped(over: Mapping[str, Iterable[Any]]) -> list[Setting]:
    """Return the first value of every name as one setting, the second values as the next, and so on.

    Args:
        over: {dotted name: values}, with the same number of values for every name.

    Returns:
        One setting for each position.

    Raises:
        JaxaeError: If the names have different numbers of values.

    Example:
        >>> import jaxae
        >>> jaxae.zipped({"epochs": [10, 20], "optimizer.learning_rate": [1e-3, 5e-4]})
        [{'epochs': 10, 'optimizer.learning_rate': 0.001}, {'epochs': 20, 'optimizer.learning_rate': 0.0005}]
    """
    axes = {name: _values(name, values) for name, values in over.items()}
    lengths = {name: len(values) for name, values in axes.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} for {name}" for name, length in lengths.items())
        raise JaxaeError(f"zipped: got {counts}, expected the same number of values for each name")
    return [dict(zip(axes, combination, strict=True)) for combination in zip(*axes.values(), strict=True)]


def sampled(over: Mapping[str, Distribution | Iterable[Any]], num: int, seed: int = 0) -> list[Setting]:
    """Draw `num` settings at random.

    The draws do not depend on `num`: the first n settings of a longer list are the shorter list.
    More settings can therefore be added to a sweep later.

    Args:
        over: {dotted name: distribution, or values to choose from}.
        num: Number of settings, > 0.
        seed: Seed of NumPy's generator.

    Returns:
        `num` settings.

    Raises:
        JaxaeError: If `num` is not a whole number > 0, or a name has no values.

    Example:
        >>> import jaxae
        >>> over = {"optimizer.learning_rate": jaxae.LogUniform(1e-4, 1e-2), "model.latent_dim": [2, 5, 10]}
        >>> jaxae.sampled(over, 3)[:2] == jaxae.sampled(over, 2)
        True
    """
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        raise JaxaeError(f"sampled: got {num!r} settings, expected a whole number > 0")
    distributions = {name: as_distribution(name, values) for name, values in over.items()}
    random = np.random.default_rng(seed)
    # One setting after another: with one name after another, a larger `num` would change all values.
    return [{name: values.draw(random) for name, values in distributions.items()} for _ in range(num)]


def crossed(*lists: Iterable[Setting]) -> list[Setting]:
    """Return every combination of one setting from each list, merged into one setting.

    Args:
        *lists: Lists of settings. If two of them override the same name, the later list wins.

    Returns:
        One setting for each combination; the last list changes fastest.

    Example:
        >>> import jaxae
        >>> jaxae.crossed([{"epochs": 10}], jaxae.grid({"model.beta": [1.0, 4.0]}))
        [{'epochs': 10, 'model.beta': 1.0}, {'epochs': 10, 'model.beta': 4.0}]
    """
    return [
        {name: value for part in parts for name, value in part.items()} for parts in itertools.product(*lists)
    ]


def as_distribution(name: str, values: Any) -> Distribution:
    """Return a distribution unchanged, and a list of values as a `Choice`.

    Args:
        name: Dotted name, for the error message.
        values: A distribution, or values to choose from.

    Returns:
        The distribution.

    Raises:
        JaxaeError: If `values` is neither.
    """
    return values if isinstance(values, Distribution) else Choice(tuple(_values(name, values)))


def settings(over: Any) -> list[Setting]:
    """Return the settings that a user's definition of a sweep means.

    Args:
        over: A dict {dotted name: values} for a grid, a list of settings, or a function without arguments
            that returns one of them.

    Returns:
        The settings, at least one.

    Raises:
        JaxaeError: If `over` is anything else, or has no settings.
    """
    definition = over() if callable(over) else over
    if isinstance(definition, Mapping):
        return grid(definition)
    if isinstance(definition, str) or not isinstance(definition, Iterable):
        raise JaxaeError(f"sweep: got {definition!r}, expected a dict of values or a list of settings")
    listed = list(definition)
    for setting in listed:
        if not isinstance(setting, Mapping) or not all(isinstance(name, str) for name in setting):
            raise JaxaeError(f"sweep: got the setting {setting!r}, expected a dict {{dotted name: value}}")
    if not listed:
        raise JaxaeError(
            "sweep: got no settings, expected at least one; {} is the experiment without overrides"
        )
    # Copies, so that later changes to the caller's dicts do not change the sweep.
    return [dict(setting) for setting in listed]


def names(settings: Sequence[Setting]) -> list[str]:
    """Return the names that the settings override, in order of first use."""
    # dict.fromkeys instead of a set: the order decides the order of the table's columns.
    return list(dict.fromkeys(name for setting in settings for name in setting))


def as_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the list of seeds: 5 -> [0, 1, 2, 3, 4]; a list is returned unchanged.

    Args:
        seeds: The number of seeds, or the seeds.

    Returns:
        The seeds, at least one.

    Raises:
        JaxaeError: If `seeds` is neither, or empty.
    """
    # In Python True is an int, and a str is a sequence: both would pass for seeds.
    if isinstance(seeds, bool) or not isinstance(seeds, int | Sequence) or isinstance(seeds, str):
        raise JaxaeError(f"seeds: got {seeds!r}, expected a number of seeds, or a list of seeds")
    listed = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not listed:
        raise JaxaeError(f"seeds: got {seeds!r}, expected at least one")
    return listed


def _values(name: str, values: Any) -> Sequence[Any]:
    """Return the values as a list. Raises: JaxaeError for a distribution, a text, or no values."""
    if isinstance(values, Distribution):
        raise JaxaeError(
            f"{name}: got a distribution, expected a list of values; use sampled(...) or a search instead"
        )
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise JaxaeError(f"{name}: got {values!r}, expected a list of values")
    listed = list(values)
    if not listed:
        raise JaxaeError(f"{name}: got no values, expected at least one")
    return listed


def _check_ends(distribution: Any, low: Any, high: Any) -> None:
    """Raise JaxaeError unless both ends are finite numbers with low <= high."""
    ends = (low, high)
    are_numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not are_numbers or not all(map(math.isfinite, ends)) or low > high:
        raise JaxaeError(
            f"{type(distribution).__name__}: got low {low!r} and high {high!r}, expected low <= high"
        )
