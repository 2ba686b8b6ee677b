"""What a sweep goes over: settings, each a dict of overrides {dotted name: value}, made in plain Python.

    sweep = jaxae.grid({"model.beta": [0.5, 1.0, 2.0], "model.latent_dim": [5, 10]})

`grid`, `zipped` and `sampled` give lists of such dicts; a comprehension does as well, and lists are
joined with `+` and multiplied with `crossed`. Distributions are for `sampled` and for a search.
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
    """A number drawn uniformly from [low, high]."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)

    def draw(self, random: np.random.Generator) -> float:
        """One value."""
        return float(random.uniform(self.low, self.high))

    def spread(self, num: int) -> list[float]:
        """`num` values at equal distances, both ends included."""
        return [float(value) for value in np.linspace(self.low, self.high, num)]


@dataclasses.dataclass(frozen=True)
class LogUniform:
    """A positive number whose logarithm is drawn uniformly from [log low, log high]."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)
        if self.low <= 0:
            raise JaxaeError(f"LogUniform: got low {self.low}, expected a number > 0")

    def draw(self, random: np.random.Generator) -> float:
        """One value."""
        drawn = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        return min(max(drawn, self.low), self.high)  # exp(log(x)) may leave the interval by a rounding

    def spread(self, num: int) -> list[float]:
        """`num` values at equal ratios, both ends included."""
        return [float(value) for value in np.geomspace(self.low, self.high, num)]


@dataclasses.dataclass(frozen=True)
class Integer:
    """A whole number drawn uniformly from low, ..., high, both included."""

    low: int
    high: int

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)
        if not all(isinstance(end, int) for end in (self.low, self.high)):
            raise JaxaeError(f"Integer: got {self.low!r} and {self.high!r}, expected whole numbers")

    def draw(self, random: np.random.Generator) -> int:
        """One value."""
        return int(random.integers(self.low, self.high, endpoint=True))

    def spread(self, num: int) -> list[int]:
        """At most `num` different values at about equal distances, both ends included."""
        return sorted({round(value) for value in np.linspace(self.low, self.high, num)})


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of the values, each as likely as the others."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise JaxaeError("Choice: got no values, expected at least one")

    def draw(self, random: np.random.Generator) -> Any:
        """One value."""
        return self.values[int(random.integers(len(self.values)))]


Distribution = Uniform | LogUniform | Integer | Choice


def grid(over: Mapping[str, Iterable[Any]]) -> list[Setting]:
    """Every combination of the values, the last name changing fastest."""
    axes = {name: _values(name, values) for name, values in over.items()}
    return [dict(zip(axes, combination, strict=True)) for combination in itertools.product(*axes.values())]


def zipped(over: Mapping[str, Iterable[Any]]) -> list[Setting]:
    """The first values together, then the second ones, and so on.

    Raises: JaxaeError where there are not as many for each name.
    """
    axes = {name: _values(name, values) for name, values in over.items()}
    lengths = {name: len(values) for name, values in axes.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{length} for {name}" for name, length in lengths.items())
        raise JaxaeError(f"zipped: got {told}, expected as many values for each name")
    return [dict(zip(axes, combination, strict=True)) for combination in zip(*axes.values(), strict=True)]


def sampled(over: Mapping[str, Distribution | Iterable[Any]], num: int, seed: int = 0) -> list[Setting]:
    """`num` settings drawn at random; values without a distribution are a `Choice`.

    The first `n` of a longer list are the shorter list, so that more can be added later.
    """
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        raise JaxaeError(f"sampled: got {num!r} settings, expected a whole number > 0")
    distributions = {name: as_distribution(name, values) for name, values in over.items()}
    random = np.random.default_rng(seed)
    return [{name: values.draw(random) for name, values in distributions.items()} for _ in range(num)]


def crossed(*lists: Iterable[Setting]) -> list[Setting]:
    """Every combination of settings from each list, merged; a later list's value wins."""
    return [
        {name: value for part in parts for name, value in part.items()} for parts in itertools.product(*lists)
    ]


def as_distribution(name: str, values: Any) -> Distribution:
    """A distribution as it is; a list of values as a `Choice`."""
    return values if isinstance(values, Distribution) else Choice(tuple(_values(name, values)))


def settings(over: Any) -> list[Setting]:
    """What a user may give as a sweep, as a list: a dict of values (a grid), settings, or a function of them.

    Raises: JaxaeError for anything else, and for a list without settings.
    """
    found = over() if callable(over) else over
    if isinstance(found, Mapping):
        return grid(found)
    if isinstance(found, str) or not isinstance(found, Iterable):
        raise JaxaeError(f"sweep: got {found!r}, expected a dict of values or a list of settings")
    listed = list(found)
    for setting in listed:
        if not isinstance(setting, Mapping) or not all(isinstance(name, str) for name in setting):
            raise JaxaeError(f"sweep: got the setting {setting!r}, expected a dict {{dotted name: value}}")
    if not listed:
        raise JaxaeError("sweep: got no settings, expected at least one; {} is the experiment as it is")
    return [dict(setting) for setting in listed]


def names(settings: Sequence[Setting]) -> list[str]:
    """Return the names that the settings override, in order."""
    return list(dict.fromkeys(name for setting in settings for name in setting))


def as_seeds(seeds: int | Sequence[int]) -> list[int]:
    """5 -> [0, 1, 2, 3, 4]; a list as it is. Raises: JaxaeError for none."""
    if isinstance(seeds, bool) or not isinstance(seeds, int | Sequence) or isinstance(seeds, str):
        raise JaxaeError(f"seeds: got {seeds!r}, expected how many, or a list of them")
    listed = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not listed:
        raise JaxaeError(f"seeds: got {seeds!r}, expected at least one")
    return listed


def _values(name: str, values: Any) -> Sequence[Any]:
    if isinstance(values, Distribution):
        raise JaxaeError(f"{name}: a distribution has no values of its own; use sampled(...) or a search")
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise JaxaeError(f"{name}: got {values!r}, expected a list of values")
    listed = list(values)
    if not listed:
        raise JaxaeError(f"{name}: got no values, expected at least one")
    return listed


def _check_ends(distribution: Any, low: Any, high: Any) -> None:
    ends = (low, high)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not numbers or not all(map(math.isfinite, ends)) or low > high:
        raise JaxaeError(
            f"{type(distribution).__name__}: got low {low!r} and high {high!r}, expected low <= high"
        )
