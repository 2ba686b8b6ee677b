"""JAX_DEBUG_NANS and JAX_DEBUG_INFS: which step made a number that is not finite, and by which operation.

jax checks what a compiled program returns, and then looks for the operation by running the program without
compilation. In an epoch it could name no more than "scan", the loop over steps. So epochs run unchecked, the
host checks what they return, and the one bad step is run again under jax's own check.
"""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae import keys
from jaxae.training import epoch as programs
from jaxae.training.step import TrainState, train_step
from jaxae.types import Batch, Examples, Key

NANS, INFS = "jax_debug_nans", "jax_debug_infs"
_step: Any = jax.jit(train_step)


def is_on() -> bool:
    """Return whether jax is to stop at nan or at infinity."""
    return any(jax.config.values[name] for name in (NANS, INFS))


def unchecked() -> contextlib.AbstractContextManager[Any]:
    """Switch jax's own checks off inside; an epoch has infinities by design, such as the first best score."""
    stack = contextlib.ExitStack()
    if is_on():
        stack.enter_context(jax.debug_nans(False))
        stack.enter_context(jax.debug_infs(False))
    return stack


def is_bad(values: Any) -> bool:
    """Return whether an array has a number at which the flags are to stop."""
    array = np.asarray(values)
    if array.dtype.kind not in "fcV":  # V: bfloat16, as numpy sees it
        return False
    found = jax.config.values[NANS] and np.isnan(array).any()
    return bool(found or (jax.config.values[INFS] and np.isinf(array).any()))


def check(tree: Any, owner: str) -> None:
    """Check arrays that compiled programs returned; `owner` is what the message starts with ("epoch 3").

    Raises: FloatingPointError with the path of the first leaf at which the flags are to stop.
    """
    if not is_on():
        return
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        host = jax.device_get(leaf) if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else 0
        if is_bad(host):
            kind = "nan" if np.isnan(host).any() else "inf"
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise FloatingPointError(f"{owner}: invalid value ({kind}) in {name}")


def cause(
    experiment: Any, key: Key, state: TrainState, train: Examples, epoch: int
) -> FloatingPointError | None:
    """Run the step after `state` again under jax's check, and return what it raises.

    Args:
        experiment: With arrays as leaves.
        key: The run's key.
        state: The last good state of a run that has diverged.
        train: The training rows, on the device.
        epoch: The epoch of the bad step, counted from 1.

    Returns:
        The error, which names the operation and has its place in the code as traceback; None if jax finds
        nothing at which its flags are to stop.
    """
    size = experiment.batch_size
    steps = len(train.x) // size
    batches = programs.order(key, jnp.asarray(epoch, jnp.int32), len(train.x), size)
    rows = batches[int(state.step) - (epoch - 1) * steps]
    batch = jax.tree.map(lambda leaf: leaf[rows], Batch(train.x, train.y))
    try:
        _step(experiment, keys.named(key, "noise"), state, batch, train.scale)
    except FloatingPointError as error:
        return error
    return None
