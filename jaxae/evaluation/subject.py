"""Input and output of measures: a trained run with its rows (`Subject`) and one number of a table (`Row`).

Shapes: N rows of the measured split, M training rows, L latent dimensions.
"""

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
    """One measure of one run: a row of the table, and an entry of measures.json."""

    measure: str
    value: float
    standard_error: float | None  # None for a number without one, such as a count
    unit: str
    num: int  # number of examples, or draws, behind the value
    how: str  # how the value was computed: enough for another program to get the same number


@spec
class Settings:
    """Options of an evaluation: the rows that are measured, and the cost of the estimates.

    The column `how` of each row states the options that its value depends on.
    """

    split: Literal["train", "validation", "test"] = "test"
    """Split that is measured."""
    num_samples: Annotated[int, Ge(1)] = IWELBO_SAMPLES
    """Number of importance samples per example, k of the iwelbo."""
    num_rows: Annotated[int, Ge(0)] = 0
    """Number of measured rows, the first ones of the split; 0 for all."""
    num_slow: Annotated[int, Ge(0)] = 100
    """Number of these rows for the slow groups (annealing, gaps, exact); 0 for all."""
    num_train: Annotated[int, Ge(0)] = 10_000
    """Number of training rows for probes, neighbours and densities, the first ones; 0 for all."""
    num_chains: Annotated[int, Ge(1)] = 16
    """Number of chains of annealed importance sampling per example."""
    num_temperatures: Annotated[int, Ge(2)] = 500
    """Number of annealing steps from the prior to the posterior."""
    num_points: Annotated[int, Ge(3)] = NUM_POINTS
    """Number of grid points along each latent dimension, for the group exact (one or two dimensions); odd."""
    sampling: Sampling = Sampling()
    """Options of sampling from a prior over tokens."""
    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0
    """Seed of all random draws of the measures; it is separate from the run's seed."""

    def check(self) -> None:
        """Check that the grid has an odd number of points.

        Raises:
            ValueError: If `num_points` is even.
        """
        # Quadrature estimates its error from every second point, and both grids must contain both ends.
        if self.num_points % 2 == 0:
            raise ValueError(f"num_points: got {self.num_points}, expected an odd number")


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """Trained run, the rows of one split, and intermediate results that several measures share."""

    # Compared by identity (eq=False): arrays have no truth value, and each subject has a cache.
    result: Result
    settings: Settings
    cache: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)
    """Cached results of the functions decorated with `once`."""

    def __post_init__(self) -> None:
        """Check the settings and the split.

        Raises:
            JaxaeError: If a setting is out of range, or the split has no rows.
        """
        validate(self.settings)
        if not len(getattr(self.result.run.dataset, self.settings.split).x):
            raise JaxaeError(f"split: got {self.settings.split!r}, but the run has no rows in it")

    @functools.cached_property
    def model(self) -> Model:
        """Model with its schedules at the last step."""
        return last_autoencoder(self.result.run)

    @property
    def member(self) -> str:
        """Name of the model's class."""
        return type(self.model).__name__

    @property
    def variables(self) -> Variables:
        """Variables of the best checkpoint."""
        return self.result.variables

    @functools.cached_property
    def rows(self) -> Examples:
        """Rows that are measured, N of them."""
        return self._split(self.settings.split, self.settings.num_rows)

    @functools.cached_property
    def slow_rows(self) -> Examples:
        """First `num_slow` of the measured rows, for estimates that are slow for each row."""
        return first(self.rows, self.settings.num_slow)

    @functools.cached_property
    def train(self) -> Examples:
        """Training rows that probes and densities are fitted to, M of them."""
        return self._split("train", self.settings.num_train)

    @functools.cached_property
    def codes(self) -> np.ndarray:
        """Codes of `rows`, f32[N, L]."""
        return self.encode(self.rows)

    @functools.cached_property
    def train_codes(self) -> np.ndarray:
        """Codes of `train`, f32[M, L]."""
        return self.encode(self.train)

    def _split(self, name: str, num: int) -> Examples:
        # Training may binarise at each step; `presented` draws the pixels once, so that measures repeat.
        return presented(self.result.run.dataset, name, self.result.experiment.data, num)

    def encode(self, examples: Examples) -> np.ndarray:
        """Return the codes of rows, f32[N, L]."""
        return self.result.encode(examples)

    def decode(self, codes: Any, y: Any = None) -> np.ndarray:
        """Return the means of p(x|z), f32[N, ...] in the data's unit.

        Args:
            codes: Codes, f32[N, L].
            y: Labels i32[N] for a model with a condition; None for others.
        """
        return self.result.decode(codes, y)

    def key(self, name: str) -> Key:
        """Return the random key of a measure, which depends on its name and the seed only.

        So the value does not depend on the other measures that are computed.
        """
        return keys.named(keys.root(self.settings.seed), f"measure {name}")

    @property
    def is_of_tokens(self) -> bool:
        """True if the data are tokens of another run."""
        return self.result.run.dataset.tokenizer is not None

    @property
    def is_conditional(self) -> bool:
        """True if the model decodes a code together with a label."""
        return isinstance(self.model, Conditional) and self.model.num_classes > 0

    @property
    def joint(self) -> JointDensity:
        """Model with densities; use it only if `has_posterior`."""
        assert isinstance(self.model, JointDensity)  # narrows the type; callers have checked it
        return self.model

    @property
    def codes_model(self) -> Autoencoder:
        """Model with codes; groups of codes are skipped for other models."""
        assert isinstance(self.model, Autoencoder)  # narrows the type; `measure_groups` has checked it
        return self.model

    @property
    def has_posterior(self) -> bool:
        """True if the model has q(z|x), and log p(x|z) and log p(z) at any z."""
        return isinstance(self.model, JointDensity)

    @property
    def is_image(self) -> bool:
        """True if an example is an image [H, W, 1] or [H, W, 3]."""
        shape = self.result.run.dataset.shape
        return len(shape) == 3 and shape[-1] in (1, 3)

    @property
    def is_in_unit_interval(self) -> bool:
        """True if all values of the data are in [0, 1]."""
        low, high = self.result.run.dataset.span
        return low >= 0 and high <= 1

    @property
    def display_range(self) -> tuple[float, float]:
        """Values shown as black and as white in figures."""
        return self.result.run.dataset.display_range


def once(function: Callable[[Subject], T]) -> Callable[[Subject], T]:
    """Cache `function(subject)` in the subject, since measures, figures and vectors share results."""

    # Not functools.cache, which would keep every subject, with its data and codes, alive for ever.
    @functools.wraps(function)
    def cached(subject: Subject) -> T:
        if function not in subject.cache:
            subject.cache[function] = function(subject)
        return subject.cache[function]

    return cached


def mean_row(measure: str, values: Any, unit: str, how: str) -> Row:
    """Return the row of a mean over examples, with its standard error.

    Args:
        measure: Name of the measure.
        values: One value for each example, f32[N].
        unit: Unit of the values.
        how: How the values were computed.

    Returns:
        The row. It has no standard error for a single example or if a value is infinite.
    """
    mean, error = mean_and_error(values)
    return Row(measure, mean, error if np.isfinite(error) else None, unit, len(values), how)


def share_row(measure: str, share: float, num: int, how: str) -> Row:
    """Return the row of a share of examples, with the standard error sqrt(p (1 - p) / n) of a binomial.

    Args:
        measure: Name of the measure.
        share: Share of the examples, in [0, 1].
        num: Number of examples.
        how: How the share was computed.

    Returns:
        The row, with unit "share".
    """
    return Row(
        measure, share, float(np.sqrt(share * (1 - share) / num)), "share", num, f"{how}; error: binomial"
    )


def resampled_row(measure: str, function: Any, arrays: tuple[Any, ...], unit: str, how: str) -> Row:
    """Return the row of `function(*arrays)`, with the standard error by a jackknife of ten groups of rows.

    Args:
        measure: Name of the measure.
        function: Function of samples, [N, ...] each, to a number.
        arrays: Its arguments. Arrays of one length are split into the same groups.
        unit: Unit of the number.
        how: How the number was computed.

    Returns:
        The row. With fewer than ten rows, single rows are left out. It has no standard error if there are too
        few rows for the function.
    """
    value = float(function(*arrays))
    groups = min(10, *map(len, arrays))
    # `function` may refuse the rows that remain without a group (a distance needs two of them).
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
        # A tree, since y may be () (no labels) or a pair; `tree.map` calls the lambda before `rows` changes.
        x, y = jax.tree.map(lambda leaf: leaf[rows], (examples.x, examples.y))  # noqa: B023
        yield examples._replace(x=x, y=y)


def pixels(examples: Examples) -> np.ndarray:
    """Return the rows as the autoencoder sees them, x / scale, f32[N, ...]."""
    return in_model_unit(examples)


def labels(examples: Examples) -> np.ndarray | None:
    """Return the labels i32[N], or None if the rows have none."""
    return None if isinstance(examples.y, tuple) else np.asarray(examples.y)
