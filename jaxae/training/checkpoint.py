"""Checkpoints by Orbax at epoch borders, each with digests of its leaves.

Orbax commits atomically but does not notice a flipped bit in array data, casts a wrong dtype in
silence and takes an empty directory for the latest step. So each checkpoint holds the SHA-256 of every
leaf beside the state, and `restore` walks from the newest to the oldest until one is whole.
"""

import contextlib
import functools
import gc
import hashlib
import logging
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxae.errors import JaxaeError


class Restored(NamedTuple):
    """The state of the newest whole checkpoint, and its epoch."""

    epoch: int
    state: Any


def kept(saved: Sequence[int]) -> Sequence[int]:
    """Return the epochs whose checkpoints stay on the disk: the newest two of those saved so far.

    Two, because a run falls back to the older one if the newer one is damaged; the best state is inside each.
    This is the only rule: `save` deletes the others. `directory.preflight` asks for room for one more.

    Args:
        saved: Epochs in ascending order; the last one has just been saved.
    """
    return saved[-2:]


def save(folder: Path, epoch: int, state: Any, run: str = "") -> None:
    """Writes `state`, a pytree of arrays, as `folder/<epoch>`; when this returns it is committed.

    `run` names what the state belongs to (a digest of experiment, seed and data).
    """
    path = folder.absolute() / str(epoch)
    host = jax.device_get(state)
    if path.exists():
        shutil.rmtree(path)
    ocp = _orbax()
    with _quiet(), _checkpointer(ocp) as checkpointer:
        told = {"run": run, "leaves": digests(host)}
        items = {"state": ocp.args.StandardSave(host), "digests": ocp.args.JsonSave(told)}
        checkpointer.save(path, args=ocp.args.Composite(**items))
    saved = [number for number in epochs(folder) if number <= epoch]
    superseded = [str(number) for number in saved if number not in kept(saved)]
    # One writer holds the run, so what is temporary now was left by a process that was killed.
    torn = [path.name for path in folder.iterdir() if ".orbax-checkpoint-tmp" in path.name]
    for name in superseded + torn:
        shutil.rmtree(folder / name, ignore_errors=True)


def restore(
    folder: Path, target: Any, run: str = "", warn: Callable[[str], None] = lambda line: None
) -> Restored | None:
    """Restore the newest whole checkpoint; fall back to older ones if the newest are damaged.

    Args:
        folder: Where the checkpoints are.
        target: The shapes and dtypes of the state.
        run: The `run` with which they were saved.
        warn: Called with one line for each newer checkpoint that is damaged.

    Returns:
        None if nothing has been saved yet.

    Raises:
        JaxaeError: If there are checkpoints and none of them is whole and of this `run`.
    """
    damaged: list[str] = []
    for epoch in reversed(epochs(folder)):
        reason, state = _read(folder / str(epoch), target, run)
        if reason is None:
            for line in damaged:
                warn(f"{line}; using epoch {epoch} instead")
            return Restored(epoch, state)
        damaged.append(f"checkpoint {folder / str(epoch)} {reason}")
    if damaged:
        raise JaxaeError(f"{damaged[0]}, and there is no older one to fall back to")
    return None


def resume(folder: Path, target: Any, run: str, warn: Callable[[str], None]) -> Restored | None:
    """Restore as `restore` does, to train on; set aside the checkpoints of later epochs."""
    restored = restore(folder, target, run, warn)
    if restored is not None:
        set_aside(folder, restored.epoch)
    return restored


def set_aside(folder: Path, after: int) -> None:
    """Renames what calls itself a checkpoint after epoch `after`: those epochs will be saved again."""
    for epoch in epochs(folder):
        if epoch > after:
            numbers = range(1, len(list(folder.iterdir())) + 2)
            names = [folder / f"{epoch}.bad-{number}" for number in numbers]
            (folder / str(epoch)).rename(next(name for name in names if not name.exists()))


def epochs(folder: Path) -> list[int]:
    """The epochs of the committed checkpoints in `folder`, oldest first."""
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if re.fullmatch(r"[1-9][0-9]{0,17}", name))


def digests(state: Any) -> dict[str, str]:
    """SHA-256 of each leaf's dtype, shape and bytes, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): _digest(leaf) for path, leaf in leaves}


def _digest(leaf: Any) -> str:
    array = np.ascontiguousarray(leaf)
    header = f"{array.dtype.str}{np.shape(leaf)}".encode()
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def _read(path: Path, target: Any, run: str) -> tuple[str | None, Any]:
    """(None, state), or (why it cannot be trusted, None)."""
    with _quiet():
        reason, state = _verified(path, target, run)
        if reason is not None:
            gc.collect()  # so that abandoned coroutines have their say now
    return reason, state


def _verified(path: Path, target: Any, run: str) -> tuple[str | None, Any]:
    try:
        state, told = _restored(path, target)
        found = digests(jax.device_get(state))
        wrong = [name for name in found if found[name] != told["leaves"].get(name)]
        of_this_run = told["run"] == run
    except Exception as error:  # Orbax and TensorStore raise many kinds, bare Exception among them
        return f"is not whole ({_first_line(error)})", None
    if wrong:
        return _other_type(path, target) or f"is not whole (digest of {wrong[0]} differs)", None
    if not of_this_run:
        return "was saved with another experiment, seed or data than record.json tells", None
    return None, state


def _other_type(path: Path, target: Any) -> str | None:
    """Return which leaf was saved with another type than `target` has, which Orbax would cast in silence."""
    ocp = _orbax()
    try:
        saved = jax.tree.leaves(ocp.StandardCheckpointHandler().metadata(path.absolute() / "state").tree)
        types = {leaf.name: np.dtype(leaf.dtype) for leaf in saved}
    except Exception:  # as above
        return None
    for where, leaf in jax.tree_util.tree_leaves_with_path(target):
        name = jax.tree_util.keystr(where, simple=True, separator=".")
        if types.get(name, leaf.dtype) != leaf.dtype:
            return f"has {types[name]} in {name}, but the run computes in {leaf.dtype}"
    return None


def _restored(path: Path, target: Any) -> tuple[Any, Any]:
    """(state, what was told of it) as Orbax reads them."""
    ocp = _orbax()
    items = {
        "state": ocp.args.StandardRestore(_on_this_device(target)),
        "digests": ocp.args.JsonRestore(),
    }
    with _checkpointer(ocp) as checkpointer:
        saved = checkpointer.restore(path.absolute(), args=ocp.args.Composite(**items))
    return saved["state"], saved["digests"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what Orbax's coroutines and TensorStore's threads shout after a failure."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    logger = logging.getLogger("asyncio")
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        is_ours = isinstance(hook, functools.partial) and hook.func is _unless_late
        sys.unraisablehook = hook if is_ours else functools.partial(_unless_late, hook)
        logger.disabled = False
        logger.addFilter(_unless_orbax)  # adding it again changes nothing


def _unless_orbax(record: logging.LogRecord) -> bool:
    """Whether to log: not what Orbax's tasks failed with, told when they are collected, however late."""
    text = record.getMessage()
    return "was never retrieved" not in text or not ("orbax" in text or "zarr" in text)


def _unless_late(hook: Callable[[Any], Any], told: Any) -> None:
    """Passes on what could not be raised, but for what ends when nobody waits for it any more."""
    code = getattr(told.object, "cr_code", None)  # of a coroutine that is collected before its end
    if str(told.exc_value) != "Event loop is closed" and not (code and "orbax" in code.co_filename):
        hook(told)


def _on_this_device(target: Any) -> Any:
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), target)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__  # some carry no text at all
    return text.splitlines()[0][:200]


def _checkpointer(ocp: Any) -> Any:
    """Orbax's, of this process alone: where there are several, it would wait for the others to save too."""
    if jax.process_count() == 1:
        return ocp.Checkpointer(ocp.CompositeCheckpointHandler())
    here = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=here, active_processes={here}, barrier_sync_key_prefix=f"process_{here}"
    )
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=alone),
        state=ocp.StandardCheckpointHandler(multiprocessing_options=alone),
        digests=ocp.JsonCheckpointHandler(multiprocessing_options=alone),
    )
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _orbax() -> Any:
    """Orbax, imported where it is needed (1.4 s) and silent: what it has to say is in its exceptions."""
    import orbax.checkpoint as ocp

    logging.getLogger("absl").setLevel(logging.CRITICAL)
    return ocp
