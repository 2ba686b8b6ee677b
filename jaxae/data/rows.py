"""Rows in the form in which a trained model gets them: in its unit, in memory, binarised once.

Rows that users pass to a trained model are checked for values that the data does not have.

N is the number of rows.
"""

import jax
import numpy as np

from jaxae.data.binarize import binarize
from jaxae.data.data_spec import DataSpec
from jaxae.data.row_source import Source
from jaxae.data.unread import AnyDataset
from jaxae.errors import warn
from jaxae.types import Examples

# Share of the span's width that is tolerated on either side. Reconstructions overshoot by less; a wrong unit
# is off by more.
MARGIN = 0.5


def loaded(examples: Examples) -> Examples:
    """Return the same rows with x as a NumPy array; streamed rows are read."""
    x = examples.x
    # NumPy and JAX arrays have all members of the protocol too, so isinstance alone calls them sources.
    is_streamed = isinstance(x, Source) and not isinstance(x, np.ndarray | jax.Array)
    return examples._replace(x=x.take(np.arange(len(x))) if is_streamed else np.asarray(x))


def in_model_unit(examples: Examples) -> np.ndarray:
    """Return x / scale, f32[N, ...], as the autoencoder sees it."""
    # The same two float32 operands as in the training step, so that the bits are equal.
    return np.asarray(examples.x, np.float32) / np.float32(examples.scale)


def with_scale(x: np.ndarray, dataset: AnyDataset) -> Examples:
    """Return an array as rows with the scale that fits its dtype.

    Args:
        x: Rows [N, ...]: integers as the data stores them, floats and bools in the model's unit.
        dataset: The data set of the run.

    Returns:
        The rows, with the scale of the data set for integers and 1 for other dtypes.
    """
    return Examples(x, (), np.float32(dataset.scale if x.dtype.kind in "ui" else 1.0))


def warn_of_values(given: Examples, x: np.ndarray, dataset: AnyDataset, is_binarised: bool) -> None:
    """Print a warning for rows with values that the data does not have, and name the likely cause.

    Args:
        given: The rows as they were given.
        x: The same rows in the model's unit, f32[N, ...].
        dataset: The data set of the run. Values within its span, widened by `MARGIN` of its width on either
            side, cause no warning.
        is_binarised: Whether the run's rows are only 0 and 1.
    """
    is_finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if not is_finite.all():
        warn(f"x: {int((~is_finite).sum())} of {len(x)} rows have values that are not finite (nan or inf)")
        # The remaining rows are still checked: NaN would make every comparison below False.
        given, x = given._replace(x=given.x[is_finite]), x[is_finite]
    if not len(x):
        return
    (low, high), (span_low, span_high) = (float(x.min()), float(x.max())), dataset.span
    # Constant data has a span of width 0, which would cause a warning for every other value.
    margin = MARGIN * (span_high - span_low) or max(abs(span_high), 1.0)
    scale, is_integer = float(given.scale), given.x.dtype.kind in "ui"
    # Integers 0 and 1 of a binary image would become 0 and 1 / scale: valid values, but a nearly black image.
    is_bits = is_integer and scale > 1 and given.x.min() >= 0 and given.x.max() == 1
    values = f"x: values from {low:g} to {high:g}" + (f" after division by {scale:g}" if scale != 1 else "")
    span = f"but the data spans {span_low:g} to {span_high:g}"
    if is_bits:
        warn(f"x: integers 0 and 1 are divided by {scale:g}; give binary rows as floats or bools")
    elif low < span_low - margin or high > span_high + margin:
        warn(f"{values}, {span}: {_advise_unit(low, high, scale, dataset)}")
    # Data of integers (most > 10), but fractions that fill [0, 1]: likely divided by the maximum.
    elif not is_integer and span_high > 10 and low >= 0 and 0.5 <= high <= 1 and (x % 1).any():
        warn(f"{values}, {span}: multiply by {span_high:g}, or by the number they were divided by")
    elif is_binarised and (is_integer or _is_stored(given.x, dataset)) and ((x > 0) & (x < 1)).any():
        warn(
            f"{values} are grey, but this run's rows are binarised; give rows of result.train, "
            "result.validation or result.test"
        )


def _is_stored(x: np.ndarray, dataset: AnyDataset) -> bool:
    """Return whether x are training rows of the run, which dynamic binarisation stores as grey values."""
    # x cannot share memory with rows that nobody has read, and `dataset.train` would read them now.
    if not dataset.is_read:
        return False
    train_rows = dataset.train.x
    return isinstance(train_rows, np.ndarray) and np.may_share_memory(x, train_rows)


def _advise_unit(low: float, high: float, scale: float, dataset: AnyDataset) -> str:
    """Return the advice for values outside the span of the data."""
    # Floats that still have the range of stored integers, such as 0 to 255 or 0 to 16.
    if scale == 1 and low >= 0 and 1 < high <= dataset.scale:
        return f"divide by {dataset.scale:g}, or give integers"
    # Bytes given to a run whose data was already in [0, 1].
    if scale == 1 and dataset.span[1] <= 1 and low >= 0 and 127 < high <= 255:
        return "divide by 255"
    return "give rows in the unit of result.train, result.validation and result.test"


def presented(dataset: AnyDataset, name: str, data: DataSpec, num: int = 0) -> Examples:
    """Return the first rows of a split for evaluation, on the device.

    With dynamic binarisation, training rows are drawn once and stay the same. Streamed rows are read.

    Args:
        dataset: The data set of the run.
        name: The name of the split: train, validation or test.
        data: The spec of the run's data.
        num: The number of rows; 0 for all.

    Returns:
        The rows with x and y on the device.
    """
    examples = first(getattr(dataset, name), num)
    if name == "train" and data.binarize == "dynamic":
        grey = examples._replace(x=np.asarray(examples.x))
        # The name "measured" gives a random stream that is apart from those of the splits.
        examples = first(binarize({"measured": grey}, data)["measured"], 0)
    return examples


def as_seen(dataset: AnyDataset, name: str, data: DataSpec) -> Examples:
    """Return all rows of `presented` in the model's unit.

    Args:
        dataset: The data set of the run.
        name: The name of the split: train, validation or test.
        data: The spec of the run's data.

    Returns:
        The rows as NumPy arrays: x f32[N, ...] in the model's unit, with scale 1.
    """
    examples = presented(dataset, name, data)
    y = examples.y if isinstance(examples.y, tuple) else np.asarray(examples.y)
    return Examples(in_model_unit(examples), y, np.float32(1.0))


def first(examples: Examples, num: int) -> Examples:
    """Return the first rows of a split on the device; streamed rows are read.

    Args:
        examples: The split.
        num: The number of rows; 0 for all.

    Returns:
        The rows with x and y on the device; the scale is unchanged.
    """
    rows = slice(num) if num else slice(None)
    y = examples.y if isinstance(examples.y, tuple) else examples.y[rows]
    is_array = isinstance(examples.x, np.ndarray | jax.Array)
    x = examples.x[rows] if is_array else examples.x.take(np.arange(len(examples.x))[rows])
    x, y = jax.device_put((x, y))
    return Examples(x, y, examples.scale)
