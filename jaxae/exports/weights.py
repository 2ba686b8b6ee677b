"""Weights of a trained model as a safetensors file: arrays by flat names, nothing that executes."""

from typing import Any

import jax
import numpy as np

from jaxae.errors import JaxaeError
from jaxae.runs.result import Result
from jaxae.training.epoch import NEVER

FILE = "weights.safetensors"


def check() -> None:
    """Raise JaxaeError if the package safetensors is missing."""
    try:
        import safetensors  # noqa: F401
    except ImportError:
        raise JaxaeError(
            "--format safetensors: safetensors is not installed; pip install safetensors installs it"
        ) from None


def arrays_of(result: Result) -> dict[str, np.ndarray]:
    """Return the weights of the best epoch by their flat names, `params.encoder.Dense_0.kernel`.

    Args:
        result: The trained model.

    Returns:
        Arrays by name. Names under `extra` are carried without gradients, such as an EMA codebook.
    """
    leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(result.variables))
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): np.ascontiguousarray(leaf)
        for path, leaf in leaves
    }


def check_trained(result: Result) -> None:
    """Raise JaxaeError if the run diverged before any state was good, or if a weight is not finite."""
    carry, way_out = result.outcome.carry, "train it again, for example with a lower learning rate"
    if has_diverged(result) and not int(carry.best_epoch):
        problem = f"diverged at step {int(carry.first_bad_step)}, before any epoch was validated"
        raise JaxaeError(f"export: the run {problem}; {way_out}")
    for name, array in arrays_of(result).items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise JaxaeError(f"export: {name} is not finite, the run has diverged; {way_out}")


def has_diverged(result: Result) -> bool:
    """Return whether the state that a result was restored from is one of a diverged run."""
    return int(result.outcome.carry.first_bad_step) != NEVER


def serialize(result: Result, facts: dict[str, Any]) -> bytes:
    """Return the weights in the safetensors format.

    Args:
        result: The trained model.
        facts: Entries of the file's header; values become texts.

    Returns:
        The bytes.
    """
    from safetensors.numpy import save

    return save(arrays_of(result), {name: str(value) for name, value in facts.items()})
