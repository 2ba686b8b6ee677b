"""Binarisation of grey pixels to 0 and 1, for Bernoulli likelihoods (Larochelle & Murray, 2011)."""

import jax
import numpy as np

from jaxae import keys
from jaxae.data.data_spec import DataSpec
from jaxae.data.original import Checked
from jaxae.data.row_source import Mapped
from jaxae.errors import JaxaeError
from jaxae.types import Examples, Key

# Rows drawn at once. Draws do not depend on it (see `draw`); it only bounds the memory of f32 probabilities.
CHUNK_ROWS = 2048


def binarize(parts: dict[str, Examples], data: DataSpec) -> dict[str, Examples]:
    """Binarise the splits as `data.binarize` asks: every pixel becomes 0 or `scale`, stored as uint8.

    The scale stays that of the grey rows, so that x / scale is 0 or 1 and one scale holds for all splits.

    - `threshold`: 1 where x / scale >= 0.5.
    - `static`: one Bernoulli(x / scale) draw of every row, made here.
    - `dynamic`: held-out rows are drawn once, here, so that every evaluation sees the same rows. `train`
      stays grey, because the training step draws it again each time.

    Draws depend on `data.split_seed`, not on the seed of the run.

    Args:
        parts: The splits by name, grey, with x / scale in [0, 1] (see `check_unit_range`).
        data: The mode `binarize` and the seed `split_seed`.

    Returns:
        The splits by name. Those that were not changed are the same objects.
    """
    if data.binarize == "none":
        return parts
    if data.binarize == "threshold":
        return {name: threshold(part) for name, part in parts.items()}
    root = keys.root(data.split_seed)
    names = [name for name in parts if name != "train" or data.binarize == "static"]
    # Each split has a separate random stream, so that adding or leaving out a split changes no other one.
    return parts | {name: draw(keys.named(root, f"binarize/{name}"), parts[name]) for name in names}


def check_unit_range(checked: Checked, where: str) -> None:
    """Check that x / scale is a probability, as binarisation needs.

    Args:
        checked: The splits before binarisation, with their lowest and highest value.
        where: How the error message names the data.

    Raises:
        JaxaeError: If x / scale leaves [0, 1].
    """
    scale = float(checked.splits["train"].scale)
    if not 0.0 <= checked.low <= checked.high <= scale:
        raise JaxaeError(
            f"{where}: values from {checked.low:g} to {checked.high:g} cannot be binarised: expected 0 to 1"
        )


def threshold(examples: Examples) -> Examples:
    """Return rows with `scale` where x / scale >= 0.5, else 0; a streamed x is mapped on demand."""
    x, scale = examples.x, examples.scale

    def at_least_half(rows: np.ndarray) -> np.ndarray:
        # Compare in float32, for arrays and for streamed rows alike, so that both have equal bits.
        return (rows / scale >= np.float32(0.5)) * np.uint8(scale)

    array = (
        at_least_half(x)
        if isinstance(x, np.ndarray)
        else Mapped(x, at_least_half, x.shape[1:], np.dtype(np.uint8))
    )
    return Examples(array, examples.y, scale)


def draw(key: Key, examples: Examples) -> Examples:
    """Draw scale * Bernoulli(x / scale) once for every row.

    Args:
        key: The random key of the split.
        examples: Grey rows; x is an array or supports slices [start:stop].

    Returns:
        The same rows with x uint8[N, ...] of 0 and `scale`.
    """
    x = np.empty(examples.x.shape, np.uint8)
    # Row i is drawn from its own key, fold_in(key, i): neither the chunk size nor N changes its draw.
    for start in range(0, len(x), CHUNK_ROWS):
        probs = examples.x[start : start + CHUNK_ROWS] / examples.scale
        bits = np.asarray(_draw_bernoulli(key, np.arange(start, start + len(probs)), probs))
        x[start : start + CHUNK_ROWS] = bits * np.uint8(examples.scale)
    return Examples(x, examples.y, examples.scale)


@jax.jit
def _draw_bernoulli(key: Key, rows: jax.Array, probs: jax.Array) -> jax.Array:
    """Draw bool[n, ...] from row numbers i32[n] and probabilities f32[n, ...]."""
    return jax.vmap(lambda row, p: jax.random.bernoulli(jax.random.fold_in(key, row), p))(rows, probs)
