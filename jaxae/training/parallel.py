"""Train one run on several devices: each batch is sharded over them, everything else is replicated.

The compiler does the work. Under a mesh with the axis AXIS, `divided` and `replicated` constrain the sharding
of the batch and of the state. The compiler then shards all that follows from the batch, and adds the
all-reduce of the gradients. Means, norms and noise are those of the whole batch. So the numbers equal those
of one device up to the order of sums: to 1e-6, until the last digit decides on which side of its kink a relu
lies. Without a mesh there are no constraints, and the program is that of one device.
"""

import contextlib
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxae.errors import JaxaeError
from jaxae.training import platforms

AXIS = "batch"
# Shardings of: a replicated array; a batch [B, ...]; the batches of some steps [num_steps, B, ...].
EVERYWHERE, BY_ROWS, BY_ROWS_OF_STEPS = PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(None, AXIS)


def make_mesh(devices: int = 1, distributed: bool = False) -> Mesh | None:
    """Create the mesh of the devices that share each batch.

    Args:
        devices: Number of devices to use of this process, or of each process if `distributed`.
        distributed: Whether all processes that jax.distributed has joined compute the run together.

    Returns:
        The mesh, with the single axis AXIS; None for one device of one process, which needs no mesh.

    Raises:
        JaxaeError: If a process has fewer devices, the processes have not joined, their numbers of devices
            differ, or jax cannot use the platform.
    """
    if distributed and not jax.distributed.is_initialized():
        raise JaxaeError(
            f"distributed: got {distributed}, but jax.distributed.initialize() has not been called"
        )
    platforms.check()
    processes = range(jax.process_count()) if distributed else [jax.process_index()]
    devices_of = [[d for d in jax.devices() if d.process_index == number] for number in processes]
    if len({len(local) for local in devices_of}) > 1:
        raise JaxaeError(
            f"distributed: the processes have {', '.join(str(len(local)) for local in devices_of)} devices; "
            "expected the same number in each"
        )
    fewest = min(len(local) for local in devices_of)
    # True is an int in Python, but not a number of devices.
    if isinstance(devices, bool) or not isinstance(devices, int) or not 1 <= devices <= fewest:
        raise JaxaeError(f"devices: got {devices!r}, expected {_describe_valid(fewest, distributed)}")
    chosen = [device for local in devices_of for device in local[:devices]]
    # Auto axes: jax.make_mesh defaults to Explicit ones (0.10, 0.12), under which gathers and the gradients
    # of linen's convolutions raise ShardingTypeError.
    return Mesh(np.array(chosen), (AXIS,), axis_types=(AxisType.Auto,)) if len(chosen) > 1 else None


def check_batch(batch_size: int, mesh: Mesh | None) -> None:
    """Check that the devices of a mesh can share a batch evenly.

    Args:
        batch_size: Rows in a batch, B.
        mesh: Devices of the run; None for one device.

    Raises:
        JaxaeError: If B is not a multiple of the number of devices.
    """
    if mesh is not None and batch_size % mesh.size:
        raise JaxaeError(
            f"batch_size: got {batch_size}, expected a multiple of {mesh.size}, the devices that share it"
        )


def devices_by_process(mesh: Mesh | None) -> list[int]:
    """Return the number of devices of each process of a run; [1] without a mesh."""
    if mesh is None:
        return [1]
    processes = [device.process_index for device in mesh.devices.flat]
    return [processes.count(number) for number in sorted(set(processes))]


def over(mesh: Mesh | None) -> contextlib.AbstractContextManager[Any]:
    """Compile programs for the mesh inside the context."""
    # Leave it before a generator yields: otherwise the caller's code would run under the mesh too.
    return contextlib.nullcontext() if mesh is None else jax.set_mesh(mesh)


def divided(batch: Any) -> Any:
    """Shard the rows of a traced batch [B, ...] over the devices of the active mesh."""
    return _constrain(batch, BY_ROWS)


def replicated(tree: Any) -> Any:
    """Replicate a traced pytree on all devices of the active mesh."""
    return _constrain(tree, EVERYWHERE)


def is_shared() -> bool:
    """Return whether the program that is traced now shares its batches over the devices of a mesh."""
    return AXIS in jax.sharding.get_abstract_mesh().axis_names


def _constrain(tree: Any, spec: PartitionSpec) -> Any:
    """Constrain the sharding of a traced pytree; return it unchanged if no mesh with AXIS is active."""
    # A sweep has a mesh too, with another axis: its lanes must not be sharded by rows.
    if not is_shared():
        return tree
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, spec), tree)


def replicate(tree: Any, mesh: Mesh | None) -> Any:
    """Copy arrays to every device of the mesh.

    Args:
        tree: Pytree of arrays, which must be equal in all processes.
        mesh: Devices of the run; None for one device.

    Returns:
        The pytree of replicated arrays.
    """
    return _put(tree, mesh, EVERYWHERE)


def divide_steps(tree: Any, mesh: Mesh | None) -> Any:
    """Shard the batches of some steps over the devices of the mesh.

    Args:
        tree: Pytree of arrays [num_steps, B, ...], which must be equal in all processes.
        mesh: Devices of the run; None for one device.

    Returns:
        The pytree, sharded along its second axis.
    """
    return _put(tree, mesh, BY_ROWS_OF_STEPS)


def _put(tree: Any, mesh: Mesh | None, spec: PartitionSpec) -> Any:
    """Copy arrays to the devices of the mesh with a sharding."""
    if mesh is None:
        # Not jnp.asarray: jax 0.10.2 compiles a program for each shape that it has not seen.
        return jax.device_put(tree)
    sharding = NamedSharding(mesh, spec)

    def put(leaf: Any) -> jax.Array:
        host = np.asarray(leaf)
        # Not device_put: with several processes it first compares the whole array between them.
        return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)

    return jax.tree.map(put, tree)


def gather(tree: Any, mesh: Mesh | None) -> Any:
    """Copy replicated arrays to the first device of this process.

    Args:
        tree: Pytree of arrays that are replicated on the mesh.
        mesh: Devices of the run; None leaves the arrays unchanged.

    Returns:
        The pytree on one device.
    """
    return tree if mesh is None else jax.device_put(jax.device_get(tree))


def _describe_valid(fewest: int, distributed: bool) -> str:
    """Describe the valid numbers of devices, for a message."""
    owner = "that every process has" if distributed else "that this process has"
    hint = ""
    if jax.default_backend() == "cpu":
        hint = "; set XLA_FLAGS=--xla_force_host_platform_device_count=N to split a CPU into N devices"
    return f"a whole number from 1 to {fewest}, the {jax.default_backend()} devices {owner}{hint}"
