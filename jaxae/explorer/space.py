"""The codes of a run for the explorer, without any page: planes and paths through codes, decoded images.

N rows, L latent dimensions.
"""

import dataclasses
import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxae.data.rows import first, in_model_unit, presented
from jaxae.errors import JaxaeError
from jaxae.estimators.code_health import rate_per_dimension
from jaxae.maths import precision
from jaxae.metrics import paths
from jaxae.plots.canvas import label_name
from jaxae.protocols.capabilities import Autoencoder, Conditional, Generative, JointDensity
from jaxae.protocols.parts import FactorisedKL
from jaxae.runs.execution import last_autoencoder
from jaxae.runs.result import Result
from jaxae.types import Examples

MOST_ROWS = 2_000  # rows whose codes are shown
SHARE = 0.98  # of the codes that the range of a slider covers
BEYOND = 0.25  # by which a slider reaches further on both sides, as a share of that range
Way = Literal["line", "arc"]


class Decoded(NamedTuple):
    """Output of the decoder at one code."""

    image: np.ndarray  # mean of p(x|z), [H, W, C]
    std: np.ndarray | None  # standard deviation of p(x|z) for each pixel; None if the decoder has none


class Plane(NamedTuple):
    """A plane through codes, with orthonormal axes; for codes of two dimensions it is all of them."""

    origin: np.ndarray  # [L]
    axes: np.ndarray  # [2, L]
    points: np.ndarray  # codes of the rows, projected to the plane, [N, 2]
    low: np.ndarray  # limits of the map, [2]
    high: np.ndarray

    def code(self, across: float, up: float, away: np.ndarray) -> np.ndarray:
        """Return the code at a place of the map.

        Args:
            across: Place from left to right, 0 to 1.
            up: Place from bottom to top, 0 to 1.
            away: Code whose distance from the plane is kept, [L].

        Returns:
            [L].
        """
        wanted = self.low + np.array([across, up]) * (self.high - self.low)
        # Only the part inside the plane changes: other dimensions keep the values of the sliders.
        return away + (wanted - self.axes @ (away - self.origin)) @ self.axes

    def place(self, code: np.ndarray) -> np.ndarray:
        """Return the place of a code on the map, 0 to 1 in both directions.

        Args:
            code: The code [L].

        Returns:
            [2].
        """
        return (self.axes @ (code - self.origin) - self.low) / (self.high - self.low)


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """The codes of a run and its decoder."""

    result: Result
    """The run."""
    rows: Examples
    """Rows whose codes are shown, as the model sees them."""
    codes: np.ndarray
    """Their codes f32[N, L]."""
    order: list[int]
    """The dimensions, those of the highest rate first; without rates those whose codes vary most."""
    rates: np.ndarray | None
    """Rate of each dimension in nats f32[L], or None."""

    @functools.cached_property
    def model(self) -> Any:
        """The autoencoder."""
        return last_autoencoder(self.result.run)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image."""
        return self.result.run.dataset.shape  # type: ignore[return-value]

    @property
    def num_labels(self) -> int:
        """Number of labels that the decoder is given; 0 for a model without a condition."""
        return self.model.num_classes if isinstance(self.model, Conditional) else 0

    @functools.cached_property
    def labels(self) -> np.ndarray | None:
        """Labels of the rows i32[N], or None."""
        y = None if isinstance(self.rows.y, tuple) else np.asarray(self.rows.y)
        return y if y is not None and y.ndim == 1 and y.dtype.kind in "iu" else None

    def name(self, label: int) -> str:
        """Return the name of a label."""
        return label_name(label, self.result.run.dataset.classes)

    def reach(self, dimension: int) -> tuple[float, float]:
        """Return the lowest and highest value that a slider offers for a dimension.

        Args:
            dimension: Number of the dimension.

        Returns:
            The range of most codes, and a quarter more on both sides.
        """
        low, high = np.quantile(self.codes[:, dimension], [0.5 - SHARE / 2, 0.5 + SHARE / 2])
        # A dimension without information has one value for all rows; the prior's scale is 1.
        margin = BEYOND * (high - low) if high - low > 1e-3 else 1.0
        return float(low - margin), float(high + margin)

    def decode(self, code: np.ndarray, label: int = 0) -> Decoded:
        """Return the mean and the standard deviation of p(x|z).

        Args:
            code: The code [L].
            label: The condition; models without one ignore it.

        Returns:
            The images.
        """
        y = np.array([label], np.int32) if self.num_labels else ()
        with precision.of(self.result.experiment):
            image, std = _decode(self.model, self.result.variables, jnp.asarray(code)[None], y)
        return Decoded(np.asarray(image[0]), None if std is None else np.asarray(std[0]))

    def drawn(self, seed: int) -> np.ndarray | None:
        """Return a code drawn from the prior [L]; None for a model without a prior.

        Args:
            seed: Seed of the draw.
        """
        if not isinstance(self.model, Generative):
            return None
        from jaxae import keys

        with precision.of(self.result.experiment):
            draw = self.model.prior_sample(self.result.variables, keys.named(keys.root(seed), "sample"), 1)
        return np.asarray(draw[0])

    def plane(self, rows: tuple[int, int, int]) -> Plane:
        """Return the plane through the codes of three rows; all of a code space of two dimensions.

        Args:
            rows: Numbers of three rows.

        Returns:
            The plane.

        Raises:
            JaxaeError: If a row does not exist, or the three codes lie on a line.
        """
        for row in rows:
            if not 0 <= row < len(self.codes):
                raise JaxaeError(f"row: got {row}, expected a number from 0 to {len(self.codes) - 1}")
        if self.codes.shape[1] == 2:
            origin, axes = np.zeros(2), np.eye(2)
        else:
            origin, second, third = self.codes[list(rows)].astype(np.float64)
            axes = _orthonormal(second - origin, third - origin)
        # float64: codes far from the origin would lose digits in the difference.
        points = (self.codes - origin) @ axes.T
        low, high = points.min(axis=0), points.max(axis=0)
        margin = 0.06 * (high - low) + 1e-6
        return Plane(origin, axes, points, low - margin, high + margin)

    def between(self, start: int, end: int, share: float, way: Way) -> np.ndarray:
        """Return a code between those of two rows.

        Args:
            start: Row at share 0.
            end: Row at share 1.
            share: The share, 0 to 1.
            way: By a straight line, or by an arc that keeps the length of codes.

        Returns:
            [L].

        Raises:
            JaxaeError: If there is no arc between the codes.
        """
        # The length of a draw of N(0, I) is about sqrt(L); a line passes through shorter codes.
        path = paths.linear if way == "line" else paths.spherical
        return path(self.codes[start], self.codes[end], t=float(share))

    @functools.cached_property
    def attributes(self) -> dict[int, np.ndarray]:
        """For each label, the mean code of its rows minus that of the other rows, [L]."""
        # The code of a conditional model should carry nothing of the label.
        if self.labels is None or self.num_labels:
            return {}
        found = {}
        for label in np.unique(self.labels):
            has_label = self.labels == label
            if has_label.any() and not has_label.all():
                found[int(label)] = self.codes[has_label].mean(axis=0) - self.codes[~has_label].mean(axis=0)
        return found


def space_of(result: Result) -> Space:
    """Return the space of a run's codes.

    Args:
        result: The result of a run on images.

    Returns:
        The space, with the codes of at most 2,000 test rows.

    Raises:
        JaxaeError: If the model has no codes, the rows are no images, or there are no rows.
    """
    model, dataset = last_autoencoder(result.run), result.run.dataset
    if not isinstance(model, Autoencoder):
        raise JaxaeError(f"explore: {type(model).__name__} has no codes to move through")
    if len(dataset.shape) != 3 or dataset.shape[-1] not in (1, 3):
        raise JaxaeError(
            f"explore: the rows have shape {dataset.shape}, expected images [H, W, 1] or [H, W, 3]; "
            "data.shape gives rows the shape of images"
        )
    split = next((name for name in ("test", "validation", "train") if len(getattr(dataset, name).x)), None)
    if split is None:
        raise JaxaeError("explore: the data have no rows")
    rows = first(presented(dataset, split, result.experiment.data, MOST_ROWS), MOST_ROWS)
    # In the model's unit once, and not at each use.
    rows = rows._replace(x=in_model_unit(rows), scale=np.float32(1.0))
    codes, rates = result.encode(rows), None
    if isinstance(model, JointDensity) and isinstance(model.posterior, FactorisedKL):
        with precision.of(result.experiment):
            rates = np.asarray(rate_per_dimension(model, result.variables, rows))
    # A stable sort, so that equal dimensions stay in order on every machine.
    order = np.argsort(-(codes.var(axis=0) if rates is None else rates), kind="stable")
    return Space(result, rows, codes, [int(number) for number in order], rates)


@jax.jit
def _decode(model: Any, variables: Any, z: Array, y: Any) -> tuple[Array, Array | None]:
    """Return the mean of p(x|z), and its standard deviation if the decoder has one for each pixel."""
    parameters = model.decode(variables, z.astype(precision.real()), y)
    image = model.image(parameters)
    return image, _std(parameters, image)


def _std(parameters: Any, image: Array) -> Array | None:
    if not isinstance(parameters, dict):
        return None
    if "log_var" in parameters:
        return jnp.broadcast_to(jnp.exp(0.5 * parameters["log_var"]), image.shape)
    # The mean of a Bernoulli variable is its probability.
    logits = parameters.get("logits")
    return jnp.sqrt(image * (1 - image)) if logits is not None and logits.shape == image.shape else None


def _orthonormal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return two orthonormal directions [2, L] that span the same plane. Raises: JaxaeError for a line."""
    length = np.linalg.norm(first)
    if length == 0:
        raise JaxaeError("row: the codes of the first two rows are equal; choose other rows")
    across = first / length
    up = second - (second @ across) * across
    if np.linalg.norm(up) <= 1e-6 * np.linalg.norm(second):
        raise JaxaeError("row: the codes of the three rows lie on a line; choose other rows")
    return np.stack([across, up / np.linalg.norm(up)])
