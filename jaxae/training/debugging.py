"""Support JAX_DEBUG_NANS and JAX_DEBUG_INFS: find the step and the operation that made a nan or infinity.

jax checks the results of a compiled program. If one is bad, jax runs the program again without compilation to
find the operation. For an epoch it could only name "scan", the loop over the steps. So epochs run without
jax's check, the host checks their results, and the one bad step runs again with jax's check.
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
    """Return whether one of the two flags is set."""
    return any(jax.config.values[name] for name in (NANS, INFS))


def unchecked() -> contextlib.AbstractContextManager[Any]:
    """Switch jax's checks off inside the context."""
    # An epoch contains infinities by design: the best score is inf before the first validation.
    stack = contextlib.ExitStack()
    if is_on():
        stack.enter_context(jax.debug_nans(False))
        stack.enter_context(jax.debug_infs(False))
    return stack


def is_bad(values: Any) -> bool:
    """Return whether an array has a nan or an infinity that the flags do not allow."""
    array = np.asarray(values)
    # Only floats can be nan or inf; numpy gives bfloat16 the kind V.
    if array.dtype.kind not in "fcV":
        return False
    has_nan = jax.config.values[NANS] and np.isnan(array).any()
    return bool(has_nan or (jax.config.values[INFS] and np.isinf(array).any()))


def check(tree: Any, owner: str) -> None:
    """Check the arrays that a compiled program returned, if one of the flags is set.

    Args:
        tree: Pytree of arrays.
        owner: Start of the message, "epoch 3".

    Raises:
        FloatingPointError: If a leaf has a nan or an infinity that the flags do not allow. It names the leaf.
    """
    if not is_on():
        return
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        # Keys have no numbers to check and cannot be copied to the host.
        host = jax.device_get(leaf) if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else 0
        if is_bad(host):
            kind = "nan" if np.isnan(host).any() else "inf"
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise FloatingPointError(f"{owner}: invalid value ({kind}) in {name}")


def cause(
    experiment: Any, key: Key, state: TrainState, train: Examples, epoch: int
) -> FloatingPointError | None:
    """Run the step after `state` again with jax's check, and return the error that jax raises.

    Args:
        experiment: The experiment, with arrays as leaves.
        key: The key of the run.
        state: The last good state of a run that has diverged.
        train: The training rows, on the device.
        epoch: The epoch of the bad step, counted from 1.

    Returns:
        The error: it names the operation, and its traceback shows the line of code. None if jax finds no bad
        number.
    """
    # Order and noise depend on (key, epoch) and (key, step) alone, so the step can be repeated exactly.
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
