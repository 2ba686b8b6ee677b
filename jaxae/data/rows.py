"""Rows as a trained model gets them: their unit, in memory, binarised once. N rows.

Rows of a user are checked for values that the data do not have.
"""

import jax
import numpy as np

from jaxae.data.binarize import binarize
from jaxae.data.data_spec import DataSpec
from jaxae.data.row_source import Source
from jaxae.data.unread import AnyDataset
from jaxae.errors import warn
from jaxae.types import Examples

# Of the span's width, on either side. Reconstructions overshoot by less, a wrong unit is off by more.
MARGIN = 0.5


def loaded(examples: Examples) -> Examples:
    """Return the same rows as a NumPy array; streamed rows are read."""
    x = examples.x
    is_streamed = isinstance(x, Source) and not isinstance(x, np.ndarray | jax.Array)  # which are sources too
    return examples._replace(x=x.take(np.arange(len(x))) if is_streamed else np.asarray(x))


def in_model_unit(examples: Examples) -> np.ndarray:
    """Return what the autoencoder sees, x / scale, f32[N, ...]."""
    return np.asarray(examples.x, np.float32) / np.float32(examples.scale)


def with_scale(x: np.ndarray, dataset: AnyDataset) -> Examples:
    """Return an array as rows: integers are as stored, floats and bools in the model's unit."""
    return Examples(x, (), np.float32(dataset.scale if x.dtype.kind in "ui" else 1.0))


def warn_of_values(given: Examples, x: np.ndarray, dataset: AnyDataset, is_binarised: bool) -> None:
    """Print a warning for rows whose values the data do not have, with the likely cause.

    Args:
        given: the rows as they were given.
        x: the same in the model's unit, f32[N, ...].
        dataset: the data of the run; nothing is said within its span and `MARGIN` of its width around it.
        is_binarised: whether the run's rows are 0 and 1 only.
    """
    is_finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if not is_finite.all():
        warn(f"x: {int((~is_finite).sum())} of {len(x)} rows have values that are not finite (nan or inf)")
        given, x = given._replace(x=given.x[is_finite]), x[is_finite]
    if not len(x):
        return
    (low, high), (least, most) = (float(x.min()), float(x.max())), dataset.span
    margin = MARGIN * (most - least) or max(abs(most), 1.0)
    scale, is_integer = float(given.scale), given.x.dtype.kind in "ui"
    is_bits = is_integer and scale > 1 and given.x.min() >= 0 and given.x.max() == 1
    values = f"x: values from {low:g} to {high:g}" + (f" after division by {scale:g}" if scale != 1 else "")
    span = f"but the data spans {least:g} to {most:g}"
    if is_bits:
        warn(f"x: integers 0 and 1 are divided by {scale:g}; give binary rows as floats or bools")
    elif low < least - margin or high > most + margin:
        warn(f"{values}, {span}: {_larger(low, high, scale, dataset)}")
    elif not is_integer and most > 10 and low >= 0 and 0.5 <= high <= 1 and (x % 1).any():
        warn(f"{values}, {span}: multiply by {most:g}, or whatever they were divided by")
    elif is_binarised and (is_integer or _is_stored(given.x, dataset)) and ((x > 0) & (x < 1)).any():
        warn(
            f"{values} are grey, but this run's rows are binarised; result.train, result.validation and "
            "result.test hold them as the model sees them"
        )


def _is_stored(x: np.ndarray, dataset: AnyDataset) -> bool:
    """Return whether x are training rows of the run, which dynamic binarisation stores as grey values."""
    if not dataset.is_read:  # so they are not a view of rows that nobody has read
        return False
    stored = dataset.train.x
    return isinstance(stored, np.ndarray) and np.may_share_memory(x, stored)


def _larger(low: float, high: float, scale: float, dataset: AnyDataset) -> str:
    """Return what to do about values that leave the data's span."""
    if scale == 1 and low >= 0 and 1 < high <= dataset.scale:
        return f"divide by {dataset.scale:g}, or give integers"
    if scale == 1 and dataset.span[1] <= 1 and low >= 0 and 127 < high <= 255:
        return "divide by 255"
    return "give rows in the unit of result.train, result.validation and result.test"


def presented(dataset: AnyDataset, name: str, data: DataSpec, num: int = 0) -> Examples:
    """The first rows of a split, all for 0; training rows that each step binarises anew are drawn once.

    Streamed rows are read.
    """
    examples = first(getattr(dataset, name), num)
    if name == "train" and data.binarize == "dynamic":
        grey = examples._replace(x=np.asarray(examples.x))
        examples = first(binarize({"measured": grey}, data)["measured"], 0)
    return examples


def as_seen(dataset: AnyDataset, name: str, data: DataSpec) -> Examples:
    """Return the rows of `presented` as the model sees them: NumPy, f32 in the model's unit, scale 1."""
    examples = presented(dataset, name, data)
    y = examples.y if isinstance(examples.y, tuple) else np.asarray(examples.y)
    return Examples(in_model_unit(examples), y, np.float32(1.0))


def first(examples: Examples, num: int) -> Examples:
    """The first rows of a split on the device; all for 0. Streamed rows are read."""
    rows = slice(num) if num else slice(None)
    y = examples.y if isinstance(examples.y, tuple) else examples.y[rows]
    is_array = isinstance(examples.x, np.ndarray | jax.Array)
    x = examples.x[rows] if is_array else examples.x.take(np.arange(len(examples.x))[rows])
    x, y = jax.device_put((x, y))
    return Examples(x, y, examples.scale)
