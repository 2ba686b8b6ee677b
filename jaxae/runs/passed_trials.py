"""Trials that passed: a model of jaxae's own classes is tried once, not at the start of each run.

The trial of a model traces all of its methods, which takes 0.3 to 0.7 CPU seconds. Its outcome follows from
jaxae's source files, the versions of jax, flax, optax and NumPy, the model and the shapes of a batch. The
digest of all of these is kept in the user's cache after a trial without a mistake. Models with classes of
a user's own are always tried: their mistakes are what the trial is for.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import jax

from jaxae.runs import user_cache
from jaxae.specs.records import to_record
from jaxae.types import Batch

FORMAT = "trial 1"  # another text if the trial itself depends on something else
MOST_KEPT = 500  # digests in the file, of 65 bytes each
# Flags of jax under which the same model may raise another error or none.
FLAGS = (
    "jax_numpy_rank_promotion",
    "jax_numpy_dtype_promotion",
    "jax_debug_key_reuse",
    "jax_default_prng_impl",
    "jax_enable_x64",
)
_PACKAGE = Path(__file__).resolve().parents[1]
_passed: set[str] = set()  # digests of this process


def digest(experiment: Any, batch: Batch) -> str | None:
    """Return the digest of everything that decides the outcome of a trial.

    Args:
        experiment: The experiment, with the fields that depend on the data filled in.
        batch: Shapes of a training batch.

    Returns:
        SHA-256; None if the model or the optimiser has other classes than those of jaxae.
    """
    record = to_record((experiment.model, experiment.optimizer))
    if not all(name.startswith("jaxae.") for name in _class_names(record)):
        return None
    shapes = [[str(leaf.dtype), leaf.shape] for leaf in jax.tree.leaves(batch)]
    flags = [str(jax.config.values[name]) for name in FLAGS]
    try:
        text = json.dumps([_code(), flags, record, experiment.compute_dtype, shapes])
    except TypeError:  # a value that no record can hold; the run will report it
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def has_passed(digest: str | None) -> bool:
    """Return whether a trial with this digest passed, in this process or an earlier one."""
    return digest is not None and (digest in _passed or digest in _read())


def keep(digest: str | None) -> None:
    """Note that a trial passed; nothing happens for None."""
    if digest is None:
        return
    _passed.add(digest)
    # If two processes write at once, one digest may be lost: that trial is made again.
    user_cache.write(_file(), json.dumps([*_read(), digest][-MOST_KEPT:]))


@functools.cache
def _code() -> str:
    """Return a text for the code that this process runs: jaxae's source and the versions of packages."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("jax", "flax", "optax", "numpy")]
    return "; ".join([user_cache.fingerprint(_PACKAGE, FORMAT), *versions])


def _class_names(record: Any) -> list[str]:
    """Return the names of all classes in a record."""
    if isinstance(record, list):
        return [name for item in record for name in _class_names(item)]
    if not isinstance(record, dict):
        return []
    return [record["class"], *(name for value in record.values() for name in _class_names(value))]


def _read() -> list[str]:
    """Return the digests in the file; none if it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(_file().read_text(encoding="utf-8"))
        if isinstance(content, list):
            return content
    return []


def _file() -> Path:
    return user_cache.folder() / "passed_trials.json"
