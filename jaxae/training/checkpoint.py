"""Save and restore checkpoints with Orbax at the end of epochs, each with a digest of every leaf.

Orbax commits atomically. But it does not detect a flipped bit in array data, casts a wrong dtype silently,
and takes an empty directory for the latest step. So each checkpoint also holds the SHA-256 of every leaf,
and `restore` tries the checkpoints from the newest to the oldest until one is complete.
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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxae.errors import JaxaeError

NONE: Mapping[str, int] = MappingProxyType({})


class Restored(NamedTuple):
    """State of the newest complete checkpoint, and its epoch."""

    epoch: int
    state: Any


def kept(saved: Sequence[int]) -> Sequence[int]:
    """Return the epochs whose checkpoints stay on the disk: the newest two.

    Two, because a run falls back to the older one if the newer one is damaged. Each holds the best state too.
    This is the only rule: `save` deletes the others. `directory.preflight` checks that the disk has room for
    one more.

    Args:
        saved: Saved epochs in ascending order; the last one has just been saved.

    Example:
        >>> kept([10, 20, 30])
        [20, 30]
    """
    return saved[-2:]


def save(folder: Path, epoch: int, state: Any, run: str = "") -> None:
    """Write a checkpoint to `folder/<epoch>`, and delete older ones; it is committed when this returns.

    Args:
        folder: Folder of all checkpoints of a run.
        epoch: Number of the epoch. An existing checkpoint of this epoch is replaced.
        state: Pytree of arrays.
        run: Identity of the run, a digest of experiment, seed and data; `restore` compares it.
    """
    path = folder.absolute() / str(epoch)
    # Digests are computed on the host, so copy the state once, for them and for Orbax.
    host = jax.device_get(state)
    if path.exists():
        shutil.rmtree(path)
    ocp = _orbax()
    # A synchronous save: an asynchronous one reports a full disk only at the next save. State and digests
    # are items of one checkpoint, so that both are committed by one rename.
    with _silenced(), _checkpointer(ocp) as checkpointer:
        record = {"run": run, "leaves": digests(host)}
        items = {"state": ocp.args.StandardSave(host), "digests": ocp.args.JsonSave(record)}
        checkpointer.save(path, args=ocp.args.Composite(**items))
    # Later epochs are left out: they are damaged, and must not push out complete checkpoints.
    saved = [number for number in epochs(folder) if number <= epoch]
    superseded = [str(number) for number in saved if number not in kept(saved)]
    # Only one process writes to a run, so a temporary folder was left by a process that was killed.
    unfinished = [path.name for path in folder.iterdir() if ".orbax-checkpoint-tmp" in path.name]
    for name in superseded + unfinished:
        shutil.rmtree(folder / name, ignore_errors=True)


def restore(
    folder: Path,
    target: Any,
    run: str = "",
    warn: Callable[[str], None] = lambda line: None,
    earlier: Mapping[str, int] = NONE,
    up_to: int | None = None,
) -> Restored | None:
    """Restore the newest complete checkpoint; fall back to older ones if the newest are damaged.

    Args:
        folder: Folder of all checkpoints of a run.
        target: Pytree of the shapes and dtypes of the state.
        run: Identity of the run, as for `save`.
        warn: Called with one line for each newer checkpoint that is damaged.
        earlier: Identities that the run had before it was extended, and the last epoch up to which their
            checkpoints belong to it.
        up_to: The newest epoch to consider; None for all.

    Returns:
        The state and its epoch; None if nothing has been saved yet.

    Raises:
        JaxaeError: If checkpoints exist but none is complete and belongs to this run.
    """
    damaged: list[str] = []
    # Warn only if an older checkpoint can be used: otherwise the error below says everything in one line.
    for epoch in reversed([number for number in epochs(folder) if up_to is None or number <= up_to]):
        owners = {run, *(name for name, last in earlier.items() if epoch <= last)}
        reason, state = _read(folder / str(epoch), target, owners)
        if reason is None:
            for line in damaged:
                warn(f"{line}; using epoch {epoch} instead")
            return Restored(epoch, state)
        damaged.append(f"checkpoint {folder / str(epoch)} {reason}")
    if damaged:
        raise JaxaeError(f"{damaged[0]}, and there is no older one to fall back to")
    return None


def resume(
    folder: Path,
    target: Any,
    run: str,
    warn: Callable[[str], None],
    earlier: Mapping[str, int] = NONE,
) -> Restored | None:
    """Restore the newest complete checkpoint to continue training, and rename those of later epochs.

    Args:
        folder: Folder of all checkpoints of a run.
        target: Pytree of the shapes and dtypes of the state.
        run: Identity of the run, as for `save`.
        warn: Called with one line for each newer checkpoint that is damaged.
        earlier: Identities before the run was extended, as for `restore`.

    Returns:
        The state and its epoch; None if nothing has been saved yet.

    Raises:
        JaxaeError: If checkpoints exist but none is complete and belongs to this run.
    """
    restored = restore(folder, target, run, warn, earlier)
    if restored is not None:
        set_aside(folder, restored.epoch)
    return restored


def set_aside(folder: Path, after: int) -> None:
    """Rename the damaged checkpoints after an epoch to `<epoch>.bad-<number>`.

    They are kept for inspection, and their names become free: these epochs will be saved again.

    Args:
        folder: Folder of all checkpoints of a run.
        after: The last epoch whose checkpoint stays.
    """
    for epoch in epochs(folder):
        if epoch > after:
            # The same epoch may be damaged again, so take the first free number.
            numbers = range(1, len(list(folder.iterdir())) + 2)
            names = [folder / f"{epoch}.bad-{number}" for number in numbers]
            (folder / str(epoch)).rename(next(name for name in names if not name.exists()))


def delete(folder: Path, after: int) -> None:
    """Delete the checkpoints after an epoch.

    Args:
        folder: Folder of all checkpoints of a run.
        after: The last epoch whose checkpoint stays.
    """
    for epoch in epochs(folder):
        if epoch > after:
            shutil.rmtree(folder / str(epoch))


def epochs(folder: Path) -> list[int]:
    """Return the epochs of the committed checkpoints in a folder, oldest first."""
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    # [0-9] and not \d, which matches the digits of all scripts; 18 digits fit into an int64.
    return sorted(int(name) for name in names if re.fullmatch(r"[1-9][0-9]{0,17}", name))


def digests(state: Any) -> dict[str, str]:
    """Return the SHA-256 of each leaf's dtype, shape and bytes, by the path of the leaf."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): _digest(leaf) for path, leaf in leaves}


def _digest(leaf: Any) -> str:
    # dtype and shape are part of the digest: zeros of float32 and int32 have the same bytes. np.shape(leaf)
    # and not array.shape, since ascontiguousarray turns a scalar into an array of one number.
    array = np.ascontiguousarray(leaf)
    header = f"{array.dtype.str}{np.shape(leaf)}".encode()
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def _read(path: Path, target: Any, owners: Collection[str]) -> tuple[str | None, Any]:
    """Return (None, state), or (the reason why the checkpoint cannot be used, None)."""
    with _silenced():
        reason, state = _verify(path, target, owners)
        if reason is not None:
            # Coroutines that Orbax abandoned print their errors when collected: collect them while silenced.
            gc.collect()
    return reason, state


def _verify(path: Path, target: Any, owners: Collection[str]) -> tuple[str | None, Any]:
    """Read a checkpoint and compare its digests and its run with the owners; return as `_read` does."""
    try:
        state, record = _read_with_orbax(path, target)
        # Inside the try block: a damaged digests file may be valid JSON of another structure.
        actual = digests(jax.device_get(state))
        wrong = [name for name in actual if actual[name] != record["leaves"].get(name)]
        is_same_run = record["run"] in owners
    except Exception as error:
        # Orbax and TensorStore raise many types, and sometimes a plain Exception.
        return f"is damaged ({_first_line(error)})", None
    # A wrong dtype changes the digest too, after Orbax has cast it: look for this reason first.
    if wrong:
        return _find_other_dtype(path, target) or f"is damaged (digest of {wrong[0]} differs)", None
    if not is_same_run:
        return "was saved with another experiment, seed or data than record.json says", None
    return None, state


def _find_other_dtype(path: Path, target: Any) -> str | None:
    """Describe the first leaf that was saved with another dtype than `target` has; None if all are equal."""
    ocp = _orbax()
    try:
        saved = jax.tree.leaves(ocp.StandardCheckpointHandler().metadata(path.absolute() / "state").tree)
        dtypes = {leaf.name: np.dtype(leaf.dtype) for leaf in saved}
    except Exception:
        # Any type, as above. Without the metadata the digest is the reason that is reported.
        return None
    for leaf_path, leaf in jax.tree_util.tree_leaves_with_path(target):
        name = jax.tree_util.keystr(leaf_path, simple=True, separator=".")
        if dtypes.get(name, leaf.dtype) != leaf.dtype:
            return f"has dtype {dtypes[name]} in {name}, but the run computes in {leaf.dtype}"
    return None


def _read_with_orbax(path: Path, target: Any) -> tuple[Any, Any]:
    """Read (state, {run, digests of leaves}) with Orbax."""
    ocp = _orbax()
    items = {
        "state": ocp.args.StandardRestore(_on_this_device(target)),
        "digests": ocp.args.JsonRestore(),
    }
    with _checkpointer(ocp) as checkpointer:
        saved = checkpointer.restore(path.absolute(), args=ocp.args.Composite(**items))
    return saved["state"], saved["digests"]


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Silence the messages of Orbax's coroutines and TensorStore's threads after a failure.

    Without this, 301 reads of damaged checkpoints printed 10,604 lines on standard error.
    """
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    logger = logging.getLogger("asyncio")
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        # Some messages arrive only when a coroutine is collected, long after this: keep filtering them.
        # The hook is wrapped once: a second wrapper for each save would nest without end.
        is_ours = isinstance(hook, functools.partial) and hook.func is _call_unless_abandoned
        sys.unraisablehook = hook if is_ours else functools.partial(_call_unless_abandoned, hook)
        logger.disabled = False
        logger.addFilter(_is_not_from_orbax)  # adding the same filter again has no effect


def _is_not_from_orbax(record: logging.LogRecord) -> bool:
    """Drop asyncio's late "exception was never retrieved" messages of Orbax tasks; return False for them."""
    text = record.getMessage()
    return "was never retrieved" not in text or not ("orbax" in text or "zarr" in text)


def _call_unless_abandoned(hook: Callable[[Any], Any], unraisable: Any) -> None:
    """Call `hook` for an exception that could not be raised, unless it comes from an abandoned Orbax task."""
    # A coroutine that is collected before its end has the attribute cr_code, which names its file.
    code = getattr(unraisable.object, "cr_code", None)
    if str(unraisable.exc_value) != "Event loop is closed" and not (code and "orbax" in code.co_filename):
        hook(unraisable)


def _on_this_device(target: Any) -> Any:
    """Add the first local device to the shapes, so that Orbax does not look for the devices of the save."""
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), target)


def _first_line(error: Exception) -> str:
    # Some exceptions have no text at all: use the name of the type.
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


def _checkpointer(ocp: Any) -> Any:
    """Return a checkpointer of Orbax for this process alone."""
    # With several processes, Orbax waits until all of them save. Here only the first process has files.
    if jax.process_count() == 1:
        return ocp.Checkpointer(ocp.CompositeCheckpointHandler())
    process = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=process, active_processes={process}, barrier_sync_key_prefix=f"process_{process}"
    )
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=alone),
        state=ocp.StandardCheckpointHandler(multiprocessing_options=alone),
        digests=ocp.JsonCheckpointHandler(multiprocessing_options=alone),
    )
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _orbax() -> Any:
    """Import Orbax when it is first needed, because that takes 1.4 s, and silence its logger."""
    # Its warnings repeat what its exceptions say.
    import orbax.checkpoint as ocp

    logging.getLogger("absl").setLevel(logging.CRITICAL)
    return ocp
