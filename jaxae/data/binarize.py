"""Grey pixels -> 0 and 1, for Bernoulli likelihoods (Larochelle & Murray, 2011)."""

import jax
import numpy as np

from jaxae import keys
from jaxae.data.data_spec import DataSpec
from jaxae.data.original import Checked
from jaxae.data.row_source import Mapped
from jaxae.errors import JaxaeError
from jaxae.types import Examples, Key

CHUNK_ROWS = 2048


def binarize(parts: dict[str, Examples], data: DataSpec) -> dict[str, Examples]:
    """The splits as `data.binarize` wants them: uint8 0 and `scale` wherever pixels were made binary.

    The scale stays that of the grey rows, so that x / scale is 0 or 1 and one scale holds for all splits.
    dynamic: `train` stays grey, since the training step draws afresh; held-out rows are drawn once, here,
    so that every evaluation sees the same ones. Draws depend on `split_seed`, not on the run's seed.
    """
    if data.binarize == "none":
        return parts
    if data.binarize == "threshold":
        return {name: threshold(part) for name, part in parts.items()}
    root = keys.root(data.split_seed)
    drawn = [name for name in parts if name != "train" or data.binarize == "static"]
    return parts | {name: draw(keys.named(root, f"binarize/{name}"), parts[name]) for name in drawn}


def check_unit_range(checked: Checked, where: str) -> None:
    """JaxaeError where x / scale leaves [0, 1], so that it is no probability."""
    scale = float(checked.splits["train"].scale)
    if not 0.0 <= checked.low <= checked.high <= scale:
        raise JaxaeError(
            f"{where}: values from {checked.low:g} to {checked.high:g} cannot be binarised: expected 0 to 1"
        )


def threshold(examples: Examples) -> Examples:
    """`scale` where x / scale >= 0.5, else 0; x may be a source, which is then mapped on demand."""
    x, scale = examples.x, examples.scale

    def at_least_half(rows: np.ndarray) -> np.ndarray:
        return (rows / scale >= np.float32(0.5)) * np.uint8(scale)

    array = (
        at_least_half(x)
        if isinstance(x, np.ndarray)
        else Mapped(x, at_least_half, x.shape[1:], np.dtype(np.uint8))
    )
    return Examples(array, examples.y, scale)


def draw(key: Key, examples: Examples) -> Examples:
    """One draw of scale * Bernoulli(x / scale) of every row; row i has its own key: chunks do not matter."""
    x = np.empty(examples.x.shape, np.uint8)
    for start in range(0, len(x), CHUNK_ROWS):
        probs = examples.x[start : start + CHUNK_ROWS] / examples.scale
        drawn = np.asarray(_bernoulli(key, np.arange(start, start + len(probs)), probs))
        x[start : start + CHUNK_ROWS] = drawn * np.uint8(examples.scale)
    return Examples(x, examples.y, examples.scale)


@jax.jit
def _bernoulli(key: Key, rows: jax.Array, probs: jax.Array) -> jax.Array:
    """Row numbers i32[n] and f32[n, ...] -> bool[n, ...]."""
    return jax.vmap(lambda row, p: jax.random.bernoulli(jax.random.fold_in(key, row), p))(rows, probs)
