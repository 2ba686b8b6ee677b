"""Coordinate several processes that compute one run together.

All processes run the same program over a mesh of all their devices (see `parallel`). Only the first process
reads and writes files, prints, and draws figures; it broadcasts its results. A failure of one process ends
all of them.

Every process must call the functions below in the same order: they are collective, and a process that skips
a call would leave the others waiting. Without several processes they only call their argument.
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
# All processes must send arrays of the same size, so error messages are cut or padded to this length.
MESSAGE_BYTES = 500


def join() -> None:
    """Join the other processes of SLURM, Open MPI, Kubernetes or a TPU pod, or those that VARIABLES describe.

    Call this before the first computation of jax.

    Raises:
        JaxaeError: If no cluster can be joined.
    """
    address, *numbers = (os.environ.get(name) for name in VARIABLES)
    try:
        num_processes, number = (None if text is None else int(text) for text in numbers)
        # jax's preemption service would install its own handler of SIGTERM in place of ours.
        jax.config.update("jax_enable_preemption_service", False)
        jax.distributed.initialize(address, num_processes, number)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise JaxaeError(
            f"distributed: got True, but no cluster was joined ({reason}); expected one of SLURM, Open MPI, "
            f"Kubernetes or Cloud TPU, or {', '.join(VARIABLES)} in the environment"
        ) from None


def is_first(mesh: Mesh | None) -> bool:
    """Return whether this process is the first or the only one: it writes files and prints."""
    return not _has_several(mesh) or jax.process_index() == 0


def call_in_all(mesh: Mesh | None, act: Callable[[], T]) -> T:
    """Call `act` in every process, and return its result here once it has succeeded in all.

    Args:
        mesh: Devices of the run; without several processes `act` is only called.
        act: The function to call.

    Returns:
        The result of `act` in this process, which may differ between processes.

    Raises:
        Exception: The exception of `act`, if it failed in this process.
        JaxaeError: If `act` failed in another process; it names the process.
    """
    if not _has_several(mesh):
        return act()
    try:
        result = act()
    except Exception as error:
        # Send the failure before raising it: the other processes wait for it.
        _gather_failures(str(error) or type(error).__name__)
        raise
    for number, message in enumerate(_gather_failures("")):
        if message:
            raise JaxaeError(f"process {number}: {message}")
    return result


def is_true_anywhere(mesh: Mesh | None, act: Callable[[], bool]) -> bool:
    """Call `act` in every process, and return whether it returned True in any of them.

    Args:
        mesh: Devices of the run; without several processes `act` is only called.
        act: The function to call.

    Returns:
        The same value in every process.

    Raises:
        JaxaeError: If `act` failed in another process; as for `call_in_all`.
    """
    value = call_in_all(mesh, act)
    return bool(multihost_utils.process_allgather(np.bool_(value)).any()) if _has_several(mesh) else value


def broadcast(mesh: Mesh | None, act: Callable[[], Any]) -> Any:
    """Call `act` in the first process only, and broadcast its result to all processes.

    Args:
        mesh: Devices of the run; without several processes `act` is only called.
        act: The function to call; its result must be a value that JSON can hold.

    Returns:
        The result of the first process.

    Raises:
        JaxaeError: If `act` failed in the first process; as for `call_in_all`.
    """
    if not _has_several(mesh):
        return act()
    text = call_in_all(mesh, lambda: json.dumps(act()) if is_first(mesh) else "")
    # The size comes first: all processes must pass arrays of one shape to a broadcast.
    data = np.frombuffer(text.encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(data))))
    received = multihost_utils.broadcast_one_to_all(data if is_first(mesh) else np.zeros(size, np.uint8))
    return json.loads(received.tobytes())


def broadcast_arrays(mesh: Mesh | None, tree: Any) -> Any:
    """Broadcast the arrays of the first process to all processes, with equal bits.

    Args:
        mesh: Devices of the run; without several processes the arrays are returned unchanged.
        tree: Pytree of arrays; the shapes and dtypes must be equal in all processes.

    Returns:
        The arrays of the first process, on the host.
    """
    if not _has_several(mesh):
        return tree
    host = jax.device_get(tree)
    # Send bytes and not floats: the broadcast is a sum over the processes, in which -0.0 + 0.0 is 0.0.
    received = multihost_utils.broadcast_one_to_all(jax.tree.map(_as_bytes, host))
    return jax.tree.map(
        lambda leaf, data: np.frombuffer(data.tobytes(), leaf.dtype).reshape(leaf.shape), host, received
    )


def check_same(mesh: Mesh | None, digest: Callable[[], str]) -> None:
    """Check that all processes have the same run and the same number of devices.

    Args:
        mesh: Devices of the run; without several processes nothing is checked.
        digest: Function that returns a digest of the run's experiment, seed and data.

    Raises:
        JaxaeError: If the digest or the number of devices differs from that of the first process.
    """
    if mesh is None or not _has_several(mesh):
        return
    # Different programs would deadlock, or mix the gradients of different runs.
    own = f"{digest()} {mesh.size}"
    expected = broadcast(mesh, lambda: own)

    def check() -> None:
        if own != expected:
            raise JaxaeError("has another experiment, seed, data or number of devices than process 0")

    call_in_all(mesh, check)


def _has_several(mesh: Mesh | None) -> bool:
    """Return whether the mesh spans several processes."""
    return mesh is not None and mesh.is_multi_process


def _gather_failures(message: str) -> list[str]:
    """Gather the error message of each process, in order; "" for a process that did not fail."""
    data = np.frombuffer(message.encode()[:MESSAGE_BYTES].ljust(MESSAGE_BYTES, b"\0"), np.uint8)
    rows = multihost_utils.process_allgather(data)
    # errors="replace": the cut at MESSAGE_BYTES may split a character.
    return [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in rows]


def _as_bytes(leaf: Any) -> np.ndarray:
    """View an array as its bytes, u8[num_bytes]."""
    return np.frombuffer(np.ascontiguousarray(leaf).tobytes(), np.uint8)
