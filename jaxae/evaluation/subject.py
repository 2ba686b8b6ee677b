"""A run as measures see it, and what a measure says. N rows of the split, L units."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import jax
import numpy as np
from annotated_types import Ge, Le

from jaxae import keys
from jaxae.data.rows import first, in_model_unit, presented
from jaxae.errors import JaxaeError
from jaxae.estimators.bound_scores import IWELBO_SAMPLES
from jaxae.estimators.quadrature import NUM_POINTS
from jaxae.estimators.terms import ROWS_AT_ONCE
from jaxae.metrics.uncertainty import jackknife, mean_and_error
from jaxae.protocols.capabilities import Autoencoder, Conditional, JointDensity, Model
from jaxae.runs.execution import last_autoencoder
from jaxae.runs.result import Result
from jaxae.specs.pytree import spec
from jaxae.specs.records import validate
from jaxae.tokens.sampling import Sampling
from jaxae.types import Examples, Key, Variables

T = TypeVar("T")


class Row(NamedTuple):
    """One measure of one run."""

    measure: str
    value: float
    standard_error: float | None  # None where there is none: a count, a bound of the search
    unit: str
    num: int  # examples, or draws, that it was taken over
    how: str  # what another would have to do to get the same number


@spec
class Settings:
    """Which rows are measured, and how much is spent. Rows tell what of it they were made with."""

    split: Literal["train", "validation", "test"] = "test"
    """Which rows are measured."""
    num_samples: Annotated[int, Ge(1)] = IWELBO_SAMPLES
    """k of the importance-weighted bound (iwelbo)."""
    num_rows: Annotated[int, Ge(0)] = 0
    """Rows of the split, from its beginning; 0 for all."""
    num_slow: Annotated[int, Ge(0)] = 100
    """How many of these annealing, gaps and exact evidence are found for; 0 for all."""
    num_train: Annotated[int, Ge(0)] = 10_000
    """Training rows, from their beginning, for probes, neighbours and densities; 0 for all."""
    num_chains: Annotated[int, Ge(1)] = 16
    """Chains of annealed importance sampling for each row."""
    num_temperatures: Annotated[int, Ge(2)] = 500
    """Steps of annealing from the prior to the posterior."""
    num_points: Annotated[int, Ge(3)] = NUM_POINTS
    """Points of the grid along each unit of a code of one or two, for exact evidence; odd."""
    sampling: Sampling = Sampling()
    """How a prior over tokens is sampled."""
    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0
    """Of everything that measures draw; apart from the run's own."""

    def check(self) -> None:
        """Raises ValueError for a grid of an even number of points."""
        if self.num_points % 2 == 0:
            raise ValueError(f"num_points: got {self.num_points}, expected an odd number")


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A trained run, the rows of one split, and what several measures need of them."""

    result: Result
    settings: Settings
    found: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)
    """What functions that are `once` gave."""

    def __post_init__(self) -> None:
        """Raises JaxaeError for settings out of range, and a split without rows."""
        validate(self.settings)
        if not len(getattr(self.result.run.dataset, self.settings.split).x):
            raise JaxaeError(f"split: got {self.settings.split!r}, but the run has no rows in it")

    @functools.cached_property
    def model(self) -> Model:
        """With its schedules at their last step."""
        return last_autoencoder(self.result.run)

    @property
    def member(self) -> str:
        """The name of the autoencoder's class."""
        return type(self.model).__name__

    @property
    def variables(self) -> Variables:
        """The best state's."""
        return self.result.variables

    @functools.cached_property
    def rows(self) -> Examples:
        """What is measured."""
        return self._split(self.settings.split, self.settings.num_rows)

    @functools.cached_property
    def slow_rows(self) -> Examples:
        """What is measured where a row costs much."""
        return first(self.rows, self.settings.num_slow)

    @functools.cached_property
    def train(self) -> Examples:
        """What probes and densities are fitted to."""
        return self._split("train", self.settings.num_train)

    @functools.cached_property
    def codes(self) -> np.ndarray:
        """f32[N, L], of `rows`."""
        return self.encode(self.rows)

    @functools.cached_property
    def train_codes(self) -> np.ndarray:
        """f32[M, L], of `train`."""
        return self.encode(self.train)

    def _split(self, name: str, num: int) -> Examples:
        return presented(self.result.run.dataset, name, self.result.experiment.data, num)

    def encode(self, examples: Examples) -> np.ndarray:
        """The codes of rows, f32[N, L]."""
        return self.result.encode(examples)

    def decode(self, codes: Any, y: Any = None) -> np.ndarray:
        """The means of p(x|z), f32[N, ...]."""
        return self.result.decode(codes, y)

    def key(self, name: str) -> Key:
        """What a measure of that name draws from, whatever else is measured."""
        return keys.named(keys.root(self.settings.seed), f"measure {name}")

    @property
    def is_of_tokens(self) -> bool:
        """Whether the run is of another's tokens."""
        return self.result.run.dataset.tokenizer is not None

    @property
    def is_conditional(self) -> bool:
        """Whether codes are decoded under a label."""
        return isinstance(self.model, Conditional) and self.model.num_classes > 0

    @property
    def joint(self) -> JointDensity:
        """The model, if `has_posterior`."""
        assert isinstance(self.model, JointDensity)
        return self.model

    @property
    def codes_model(self) -> Autoencoder:
        """The model, if it has codes: measures of codes are for these."""
        assert isinstance(self.model, Autoencoder)
        return self.model

    @property
    def has_posterior(self) -> bool:
        """Whether there are q(z|x), and log p(x|z) and log p(z) of any z."""
        return isinstance(self.model, JointDensity)

    @property
    def is_image(self) -> bool:
        """Whether an example is [H, W, 1] or [H, W, 3]."""
        shape = self.result.run.dataset.shape
        return len(shape) == 3 and shape[-1] in (1, 3)

    @property
    def is_in_unit_interval(self) -> bool:
        """Whether all values are in [0, 1]."""
        low, high = self.result.run.dataset.span
        return low >= 0 and high <= 1

    @property
    def display_range(self) -> tuple[float, float]:
        """Black and white of figures."""
        return self.result.run.dataset.display_range


def once(function: Callable[[Subject], T]) -> Callable[[Subject], T]:
    """`function(subject)`, found once for each subject: for what rows, figures and vectors share."""

    @functools.wraps(function)
    def remembered(subject: Subject) -> T:
        if function not in subject.found:
            subject.found[function] = function(subject)
        return subject.found[function]

    return remembered


def mean_row(measure: str, values: Any, unit: str, how: str) -> Row:
    """The mean over examples f32[N], with its standard error; one example has none."""
    mean, error = mean_and_error(values)
    return Row(measure, mean, error if np.isfinite(error) else None, unit, len(values), how)


def share_row(measure: str, share: float, num: int, how: str) -> Row:
    """A share of `num` examples in [0, 1], with the binomial's standard error."""
    return Row(
        measure, share, float(np.sqrt(share * (1 - share) / num)), "share", num, f"{how}; error: binomial"
    )


def resampled_row(measure: str, function: Any, arrays: tuple[Any, ...], unit: str, how: str) -> Row:
    """`function(*arrays)`, with the standard error by a jackknife of ten groups of rows.

    Fewer rows are left out one by one; too few for the function have no standard error.
    """
    value = float(function(*arrays))
    groups = min(10, *map(len, arrays))
    with contextlib.suppress(JaxaeError):
        error = jackknife(function, *arrays, groups=groups)
        if np.isfinite(error):
            how = f"{how}; error: jackknife of {groups} groups"
            return Row(measure, value, error, unit, len(arrays[0]), how)
    return Row(measure, value, None, unit, len(arrays[0]), how)


def blocks(examples: Examples) -> Iterator[Examples]:
    """Yield the rows in blocks of at most `ROWS_AT_ONCE`, so that the host's memory does not grow with N."""
    for start in range(0, len(examples.x), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        x, y = jax.tree.map(lambda leaf: leaf[rows], (examples.x, examples.y))  # noqa: B023
        yield examples._replace(x=x, y=y)


def pixels(examples: Examples) -> np.ndarray:
    """What the autoencoder sees, f32[N, ...]."""
    return in_model_unit(examples)


def labels(examples: Examples) -> np.ndarray | None:
    """i32[N], None where there are none."""
    return None if isinstance(examples.y, tuple) else np.asarray(examples.y)
