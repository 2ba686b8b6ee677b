"""Rows as an evaluation is given them: in memory, and binarised once where a step would draw afresh."""

import jax
import numpy as np

from jaxae.data.binarize import binarize
from jaxae.data.rows import in_model_unit
from jaxae.data.spec import Data
from jaxae.data.unread import AnyDataset
from jaxae.types import Examples


def presented(dataset: AnyDataset, name: str, data: Data, num: int = 0) -> Examples:
    """The first rows of a split, all for 0; training rows that each step binarises anew are drawn once.

    Streamed rows are read.
    """
    examples = first(getattr(dataset, name), num)
    if name == "train" and data.binarize == "dynamic":
        grey = examples._replace(x=np.asarray(examples.x))
        examples = first(binarize({"measured": grey}, data)["measured"], 0)
    return examples


def as_seen(dataset: AnyDataset, name: str, data: Data) -> Examples:
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
