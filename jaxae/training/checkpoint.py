"""Checkpoints by Orbax at epoch borders, each with digests of its leaves.

Orbax commits atomically but does not notice a flipped bit in array data, casts a wrong dtype in
silence and takes an empty directory for the latest step. So each checkpoint holds the SHA-256 of every
leaf beside the state, and `restore` walks from the newest to the oldest until one is whole.
"""

import hashlib
import logging
import shutil
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxae.errors import JaxaeError

KEPT = 2  # the newest ones; the best state travels inside each


class Restored(NamedTuple):
    """The state of the newest whole checkpoint, its epoch, and one line for each that was passed over."""

    epoch: int
    state: Any
    passed_over: list[str]


def save(folder: Path, epoch: int, state: Any) -> None:
    """Writes `state`, a pytree of arrays, as `folder/<epoch>`; when this returns it is committed."""
    path = folder.absolute() / str(epoch)
    host = jax.device_get(state)
    if path.exists():
        shutil.rmtree(path)  # left by a run that was killed later in this very epoch's bookkeeping
    ocp = _orbax()
    with _checkpointer(ocp) as checkpointer:
        items = {"state": ocp.args.StandardSave(host), "digests": ocp.args.JsonSave(digests(host))}
        checkpointer.save(path, args=ocp.args.Composite(**items))
    for old in epochs(folder)[:-KEPT]:
        shutil.rmtree(folder / str(old), ignore_errors=True)


def restore(folder: Path, target: Any) -> Restored | None:
    """The newest whole checkpoint with the structure of `target` (shapes and dtypes), or None where there is none.

    Raises: JaxaeError when there are checkpoints and none of them is whole.
    """
    passed_over: list[str] = []
    for epoch in reversed(epochs(folder)):
        reason, state = _read(folder / str(epoch), target)
        if reason is None:
            return Restored(epoch, state, passed_over)
        passed_over.append(f"checkpoint {folder / str(epoch)} is not whole ({reason})")
    if passed_over:
        raise JaxaeError(f"{passed_over[0]}, and there is no older one to fall back to")
    return None


def epochs(folder: Path) -> list[int]:
    """The epochs of the committed checkpoints in `folder`, oldest first."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def digests(state: Any) -> dict[str, str]:
    """SHA-256 of each leaf's dtype, shape and bytes, by its path."""
    return {jax.tree_util.keystr(path): _digest(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


def _digest(leaf: Any) -> str:
    array = np.ascontiguousarray(leaf)
    header = f"{array.dtype.str}{np.shape(leaf)}".encode()
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def _read(path: Path, target: Any) -> tuple[str | None, Any]:
    """(None, state), or (why it cannot be trusted, None)."""
    ocp = _orbax()
    try:
        with warnings.catch_warnings(), _checkpointer(ocp) as checkpointer:
            warnings.simplefilter("ignore")
            items = {"state": ocp.args.StandardRestore(_on_this_device(target)), "digests": ocp.args.JsonRestore()}
            saved = checkpointer.restore(path.absolute(), args=ocp.args.Composite(**items))
    except Exception as error:  # Orbax and TensorStore raise many kinds, bare Exception among them
        return _first_line(error), None
    found, expected = digests(jax.device_get(saved["state"])), saved["digests"]
    wrong = [name for name in found if found[name] != (expected or {}).get(name)]
    return (f"digest of {wrong[0]} differs", None) if wrong else (None, saved["state"])


def _on_this_device(target: Any) -> Any:
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), target)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__  # some carry no text at all
    return text.splitlines()[0][:200]


def _checkpointer(ocp: Any) -> Any:
    return ocp.Checkpointer(ocp.CompositeCheckpointHandler())


def _orbax() -> Any:
    """Orbax, imported where it is needed (1.4 s) and silent: what it has to say is in its exceptions."""
    import orbax.checkpoint as ocp

    logging.getLogger("absl").setLevel(logging.CRITICAL)
    return ocp
