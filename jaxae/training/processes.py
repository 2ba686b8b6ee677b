"""Several processes that compute one run: what the first finds out is told to all, a failure of one ends all.

Every process runs the same program, over a mesh of the devices of all (see `parallel`). Files, words
and figures are the first process's. Each function here is called by all of them in the same order, and
is nothing but a call where the mesh does not span processes.
"""

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxae.errors import JaxaeError

T = TypeVar("T")
VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
MESSAGE_BYTES = 500


def join() -> None:
    """Joins the other processes: those of SLURM, Open MPI, Kubernetes or a TPU pod, or by VARIABLES.

    Must come before the first computation of jax. Raises: JaxaeError where there is nothing to join.
    """
    address, *numbers = (os.environ.get(name) for name in VARIABLES)
    try:
        num_processes, number = (None if text is None else int(text) for text in numbers)
        jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from us
        jax.distributed.initialize(address, num_processes, number)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise JaxaeError(
            f"distributed: got True, but no cluster was joined ({reason}); expected one of SLURM, Open MPI, "
            f"Kubernetes or Cloud TPU, or {', '.join(VARIABLES)} in the environment"
        ) from None


def is_first(mesh: Mesh | None) -> bool:
    """Whether files and words are this process's business: it is the first, or the only one."""
    return not _several(mesh) or jax.process_index() == 0


def together(mesh: Mesh | None, act: Callable[[], T]) -> T:
    """What `act()` gives here, once it has succeeded in every process.

    Raises: its own exception where it failed here; JaxaeError where it failed in another process.
    """
    if not _several(mesh):
        return act()
    try:
        result = act()
    except Exception as error:
        _failures(str(error) or type(error).__name__)
        raise
    for number, message in enumerate(_failures("")):
        if message:
            raise JaxaeError(f"process {number}: {message}")
    return result


def anyone(mesh: Mesh | None, act: Callable[[], bool]) -> bool:
    """Whether `act()` is true in any process. Raises: as `together`."""
    here = together(mesh, act)
    return bool(multihost_utils.process_allgather(np.bool_(here)).any()) if _several(mesh) else here


def told(mesh: Mesh | None, act: Callable[[], Any]) -> Any:
    """What `act()` gives in the first process, a value that JSON can hold. Raises: as `together`."""
    if not _several(mesh):
        return act()
    text = together(mesh, lambda: json.dumps(act()) if is_first(mesh) else "")
    data = np.frombuffer(text.encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(data))))
    sent = multihost_utils.broadcast_one_to_all(data if is_first(mesh) else np.zeros(size, np.uint8))
    return json.loads(sent.tobytes())


def shared(mesh: Mesh | None, tree: Any) -> Any:
    """The first process's arrays, to the bit, in every process."""
    if not _several(mesh):
        return tree
    host = jax.device_get(tree)
    # As bytes: what is sent is summed over the processes, and -0.0 + 0.0 is 0.0.
    sent = multihost_utils.broadcast_one_to_all(jax.tree.map(_as_bytes, host))
    return jax.tree.map(
        lambda leaf, data: np.frombuffer(data.tobytes(), leaf.dtype).reshape(leaf.shape), host, sent
    )


def check_same(mesh: Mesh | None, digest: Callable[[], str]) -> None:
    """Raises JaxaeError where the digest of a run, or the mesh's size, is not the same in every process."""
    if mesh is None or not _several(mesh):
        return
    here = f"{digest()} {mesh.size}"
    expected = told(mesh, lambda: here)

    def check() -> None:
        if here != expected:
            raise JaxaeError("has another experiment, seed, data or number of devices than process 0")

    together(mesh, check)


def _several(mesh: Mesh | None) -> bool:
    return mesh is not None and mesh.is_multi_process


def _failures(message: str) -> list[str]:
    """The message of each process, in order; empty where nothing failed."""
    data = np.frombuffer(message.encode()[:MESSAGE_BYTES].ljust(MESSAGE_BYTES, b"\0"), np.uint8)
    rows = multihost_utils.process_allgather(data)
    return [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in rows]


def _as_bytes(leaf: Any) -> np.ndarray:
    return np.frombuffer(np.ascontiguousarray(leaf).tobytes(), np.uint8)
